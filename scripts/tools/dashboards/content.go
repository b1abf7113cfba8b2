package main

// panel is a graph of a dashboard.
type panel struct {
	Title, Unit string
	// About says what is good, and what is not.
	About   string
	Queries []query
}

type query struct{ Expression, Legend string }

// dashboard is a page of panels.
type dashboard struct {
	File, ID, Title string
	Panels          []panel
}

const at = `job=~"$job"`

var dashboards = []dashboard{
	{"gatehouse-requests.json", "gatehouse-requests", "Gatehouse / Requests", []panel{
		{"Requests", "reqps", "Answers by outcome. `refused` is the caller's mistake, `error` is ours.", []query{
			{`sum by (outcome) (rate(gatehouse_requests_total{` + at + `}[$__rate_interval]))`, "{{outcome}}"},
		}},
		{"Errors", "percentunit", "Answers that are our fault, of all. Nothing is good.", []query{
			{`sum by (job) (rate(gatehouse_requests_total{` + at + `,outcome="error"}[$__rate_interval])) / sum by (job) (rate(gatehouse_requests_total{` + at + `}[$__rate_interval]))`, "{{job}}"},
		}},
		{"Time to answer", "s", "Half of the answers, and all but one in a hundred, take at most this.", []query{
			{`histogram_quantile(0.5, sum by (le, job) (rate(gatehouse_request_duration_seconds_bucket{` + at + `}[$__rate_interval])))`, "{{job}} half"},
			{`histogram_quantile(0.99, sum by (le, job) (rate(gatehouse_request_duration_seconds_bucket{` + at + `}[$__rate_interval])))`, "{{job}} 99 of 100"},
		}},
		{"Time to answer by endpoint", "s", "All but one in a hundred answers of an endpoint take at most this.", []query{
			{`histogram_quantile(0.99, sum by (le, endpoint) (rate(gatehouse_request_duration_seconds_bucket{` + at + `}[$__rate_interval])))`, "{{endpoint}}"},
		}},
		{"Under way", "short", "Requests that wait for their answer. What rises and stays has something slow behind it.", []query{
			{`sum by (instance) (gatehouse_requests_in_flight{` + at + `})`, "{{instance}}"},
		}},
		{"Redis", "ops", "Commands that failed. Without Redis nobody signs in.", []query{
			{`sum by (instance, operation) (rate(gatehouse_redis_errors_total{` + at + `}[$__rate_interval]))`, "{{instance}} {{operation}}"},
		}},
		{"Other systems", "ops", "Calls that failed: of management, of providers and sites.", []query{
			{`sum by (upstream) (rate(gatehouse_upstream_errors_total{` + at + `}[$__rate_interval]))`, "{{upstream}}"},
			{`sum by (reason) (rate(gatehouse_outbound_failures_total{` + at + `}[$__rate_interval]))`, "out: {{reason}}"},
		}},
		{"Identity providers", "reqps", "Questions to identity providers by outcome.", []query{
			{`sum by (type, outcome) (rate(gatehouse_identity_provider_requests_total{` + at + `}[$__rate_interval]))`, "{{type}} {{outcome}}"},
		}},
		{"Time that identity providers take", "s", "All but one in a hundred answers take at most this.", []query{
			{`histogram_quantile(0.99, sum by (le, type) (rate(gatehouse_identity_provider_request_duration_seconds_bucket{` + at + `}[$__rate_interval])))`, "{{type}}"},
		}},
		{"Expressions that fail", "short", "Of the configuration, by place. `/_node/domains` of the gateway says which.", []query{
			{`sum by (place) (increase(gatehouse_rule_failures_total{` + at + `}[$__rate_interval]))`, "{{place}}"},
		}},
		{"Logout notices", "short", "Logout tokens for clients, by outcome.", []query{
			{`sum by (outcome) (increase(gatehouse_logout_notices_total{` + at + `}[$__rate_interval]))`, "{{outcome}}"},
		}},
	}},
	{"gatehouse-configuration.json", "gatehouse-configuration", "Gatehouse / Configuration and management", []panel{
		{"Ready", "short", "1 where a condition of readiness holds. An instance without one of them gets no requests.", []query{
			{`min by (instance, condition) (gatehouse_ready{` + at + `})`, "{{instance}} {{condition}}"},
		}},
		{"Revision", "short", "All lines lie on one another, but for moments.", []query{
			{`gatehouse_config_revision{` + at + `}`, "{{instance}}"},
		}},
		{"Behind", "s", "For how long there has been a revision that is not applied.", []query{
			{`gatehouse_config_lag_seconds{` + at + `}`, "{{instance}}"},
		}},
		{"Rejected", "short", "Resources that gateways cannot use. They go on with what they had.", []query{
			{`gatehouse_config_rejections{` + at + `}`, "{{instance}}"},
		}},
		{"Not kept", "short", "Times that gateways could not keep the configuration for a start without management.", []query{
			{`sum by (instance) (increase(gatehouse_config_snapshot_failures_total{` + at + `}[$__rate_interval]))`, "{{instance}}"},
		}},
		{"Gateways", "short", "Gateways whose streams end at a replica of management.", []query{
			{`gatehouse_gateways_connected{` + at + `}`, "{{instance}}"},
		}},
		{"Certificates end", "dateTimeFromNow", "`plane` is between management and gateways, `public` towards people, `redis` what a gateway shows there.", []query{
			{`1000 * (gatehouse_tls_certificate_expiry_seconds{` + at + `} > 0)`, "{{instance}} {{certificate}}"},
		}},
		{"Certificates that were replaced", "short", "By outcome. `refused` goes on with the old one.", []query{
			{`sum by (instance, certificate, outcome) (increase(gatehouse_tls_reloads_total{` + at + `}[$__rate_interval]))`, "{{instance}} {{certificate}} {{outcome}}"},
		}},
		{"Signing keys end", "dateTimeFromNow", "The first certificate of a key that signs, or will, in an enabled domain.", []query{
			{`1000 * (min(gatehouse_signing_key_expiry_seconds{` + at + `} > 0))`, "first"},
		}},
		{"Signing keys", "short", "Of all domains. `next` waits to sign; `retired` is published until nothing that it signed is valid any more.", []query{
			{`max by (status, domain_state) (gatehouse_signing_keys{` + at + `})`, "{{status}}, domain {{domain_state}}"},
		}},
		{"Audit records that were lost", "short", "Sign-ins that could not be written down. Nothing is good.", []query{
			{`sum by (instance) (increase(gatehouse_audit_failures_total{` + at + `}[$__rate_interval]))`, "{{instance}}"},
		}},
		{"E-mails that wait", "short", "What rises has a mail server behind it that does not take them.", []query{
			{`max(gatehouse_mails_waiting{` + at + `})`, "waiting"},
		}},
		{"The oldest e-mail", "s", "For how long it has waited.", []query{
			{`max(gatehouse_mails_oldest_seconds{` + at + `})`, "oldest"},
		}},
		{"E-mails", "short", "What became of them.", []query{
			{`sum by (purpose) (increase(gatehouse_mails_queued_total{` + at + `}[$__rate_interval]))`, "{{purpose}} written"},
			{`sum by (purpose) (increase(gatehouse_mails_sent_total{` + at + `}[$__rate_interval]))`, "{{purpose}} taken"},
			{`sum by (purpose) (increase(gatehouse_mails_retried_total{` + at + `}[$__rate_interval]))`, "{{purpose}} again"},
			{`sum by (purpose, reason) (increase(gatehouse_mails_failed_total{` + at + `}[$__rate_interval]))`, "{{purpose}} {{reason}}"},
		}},
		{"Versions", "short", "Instances of each version.", []query{
			{`count by (job, version) (gatehouse_build_info{` + at + `})`, "{{job}} {{version}}"},
		}},
	}},
}

// alert is a rule.
type alert struct {
	Name, Expression, For, Severity, Summary string
}

// alerts are told apart by namespace, which Prometheus adds in Kubernetes and which is empty elsewhere: two installations that one
// Prometheus sees have nothing to do with each other.
var alerts = []alert{
	{"GatehouseGone", `absent(gatehouse_build_info) or (count by (namespace, service) (max_over_time(gatehouse_build_info[6h])) unless count by (namespace, service) (gatehouse_build_info))`, "5m", "critical", "No {{ or $labels.service \"instance\" }} of Gatehouse is seen"},
	{"GatehouseNotReady", `max by (namespace, job) (min by (namespace, job, instance) (gatehouse_ready)) == 0`, "2m", "critical", "No instance of {{ $labels.job }} is ready"},
	{"GatehouseInstanceNotReady", `min by (namespace, job, instance, condition) (gatehouse_ready) == 0`, "5m", "warning", "{{ $labels.instance }} is not ready: {{ $labels.condition }}"},
	{"GatehouseErrors", `sum by (namespace, job) (rate(gatehouse_requests_total{outcome="error"}[5m])) / sum by (namespace, job) (rate(gatehouse_requests_total[5m])) > 0.01`, "5m", "critical", "{{ $labels.job }} fails {{ $value | humanizePercentage }} of its requests"},
	{"GatehouseSlow", `histogram_quantile(0.99, sum by (namespace, job, le) (rate(gatehouse_request_duration_seconds_bucket[5m]))) > 2`, "10m", "warning", "One in a hundred answers of {{ $labels.job }} takes more than {{ $value | humanizeDuration }}"},
	{"GatehouseStuck", `sum by (namespace, job, instance) (gatehouse_requests_in_flight) > 500`, "5m", "warning", "{{ $labels.instance }} has {{ $value }} requests under way"},
	{"GatehouseNoGateways", `sum by (namespace) (gatehouse_gateways_connected) == 0`, "5m", "critical", "No gateway is connected to management"},
	{"GatehouseBehind", `max by (namespace, job, instance) (gatehouse_config_lag_seconds) > 60`, "5m", "warning", "A gateway at {{ $labels.instance }} is {{ $value | humanizeDuration }} behind"},
	{"GatehouseRejected", `max by (namespace, job, instance) (gatehouse_config_rejections) > 0`, "5m", "warning", "{{ $labels.instance }} knows of {{ $value }} resources that gateways cannot use"},
	{"GatehouseRevisionsDiffer", `max by (namespace) (gatehouse_config_revision offset 10m) - on (namespace) group_right () max by (namespace, job, instance) (gatehouse_config_revision) > 0`, "5m", "warning", "{{ $labels.instance }} is {{ $value }} revisions behind what there was ten minutes ago"},
	{"GatehouseRedis", `sum by (namespace, job, instance) (rate(gatehouse_redis_errors_total[5m])) > 0.1`, "5m", "critical", "Redis fails {{ $labels.instance }}"},
	{"GatehouseUpstream", `sum by (namespace, job, upstream) (rate(gatehouse_upstream_errors_total[5m])) > 0.1`, "5m", "warning", "Calls of {{ $labels.upstream }} fail"},
	{"GatehouseIdentityProvider", `sum by (namespace, type) (rate(gatehouse_identity_provider_requests_total{outcome="unavailable"}[10m])) / sum by (namespace, type) (rate(gatehouse_identity_provider_requests_total[10m])) > 0.2`, "10m", "warning", "Identity providers of type {{ $labels.type }} fail {{ $value | humanizePercentage }} of their requests"},
	{"GatehouseRules", `sum by (namespace, place) (increase(gatehouse_rule_failures_total[15m])) > 0`, "0m", "warning", "Expressions at {{ $labels.place }} fail"},
	{"GatehouseCertificateEnds", `min by (namespace, job, instance, certificate) (gatehouse_tls_certificate_expiry_seconds > 0) - time() < 7 * 86400`, "1h", "warning", "The certificate {{ $labels.certificate }} of {{ $labels.instance }} ends within {{ $value | humanizeDuration }}"},
	{"GatehouseSigningKeyEnds", `min by (namespace) (gatehouse_signing_key_expiry_seconds > 0) - time() < 14 * 86400`, "1h", "warning", "The certificate of a signing key ends within {{ $value | humanizeDuration }}"},
	{"GatehouseCertificateRefused", `sum by (namespace, job, instance, certificate) (increase(gatehouse_tls_reloads_total{outcome="refused"}[1h])) > 0`, "0m", "warning", "{{ $labels.instance }} was given files of the certificate {{ $labels.certificate }} that it cannot use"},
	{"GatehouseNotKept", `sum by (namespace, job, instance) (increase(gatehouse_config_snapshot_failures_total[1h])) > 0`, "0m", "warning", "{{ $labels.instance }} cannot keep its configuration on its disk"},
	{"GatehouseAuditLost", `sum by (namespace, job) (increase(gatehouse_audit_failures_total[15m])) > 0`, "0m", "critical", "Audit records could not be written"},
	{"GatehouseMailsWait", `max by (namespace, job) (gatehouse_mails_oldest_seconds) > 900`, "5m", "warning", "E-mails have waited for {{ $value | humanizeDuration }}"},
	{"GatehouseMailsFail", `sum by (namespace, reason) (increase(gatehouse_mails_failed_total[1h])) > 0`, "0m", "warning", "E-mails were not sent: {{ $labels.reason }}"},
	{"GatehouseLogoutNotices", `sum by (namespace, job) (increase(gatehouse_logout_notices_total{outcome="given_up"}[1h])) > 0`, "0m", "warning", "Clients were not told that people signed out"},
}
