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
		{"Revision", "short", "All lines lie on one another, but for moments.", []query{
			{`gatehouse_config_revision{` + at + `}`, "{{instance}}"},
		}},
		{"Behind", "s", "For how long there has been a revision that is not applied.", []query{
			{`gatehouse_config_lag_seconds{` + at + `}`, "{{instance}}"},
		}},
		{"Rejected", "short", "Resources that gateways cannot use. They go on with what they had.", []query{
			{`gatehouse_config_rejections{` + at + `}`, "{{instance}}"},
		}},
		{"Gateways", "short", "Gateways whose streams end at a replica of management.", []query{
			{`gatehouse_gateways_connected{` + at + `}`, "{{instance}}"},
		}},
		{"Certificates end", "dateTimeFromNow", "Those between the planes.", []query{
			{`1000 * (gatehouse_tls_certificate_expiry_seconds{` + at + `} > 0)`, "{{instance}}"},
		}},
		{"Certificates that were replaced", "short", "By outcome. `refused` goes on with the old one.", []query{
			{`sum by (instance, outcome) (increase(gatehouse_tls_reloads_total{` + at + `}[$__rate_interval]))`, "{{instance}} {{outcome}}"},
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

var alerts = []alert{
	{"GatehouseGone", `absent(gatehouse_build_info)`, "5m", "critical", "No instance of Gatehouse is seen"},
	{"GatehouseErrors", `sum by (job) (rate(gatehouse_requests_total{outcome="error"}[5m])) / sum by (job) (rate(gatehouse_requests_total[5m])) > 0.01`, "5m", "critical", "{{ $labels.job }} fails {{ $value | humanizePercentage }} of its requests"},
	{"GatehouseSlow", `histogram_quantile(0.99, sum by (job, le) (rate(gatehouse_request_duration_seconds_bucket[5m]))) > 2`, "10m", "warning", "One in a hundred answers of {{ $labels.job }} takes more than {{ $value | humanizeDuration }}"},
	{"GatehouseStuck", `sum by (job, instance) (gatehouse_requests_in_flight) > 500`, "5m", "warning", "{{ $labels.instance }} has {{ $value }} requests under way"},
	{"GatehouseNoGateways", `sum by (job) (gatehouse_gateways_connected) == 0`, "5m", "critical", "No gateway is connected to management"},
	{"GatehouseBehind", `max by (job, instance) (gatehouse_config_lag_seconds) > 60`, "5m", "warning", "{{ $labels.instance }} is {{ $value | humanizeDuration }} behind"},
	{"GatehouseRejected", `max by (job, instance) (gatehouse_config_rejections) > 0`, "5m", "warning", "{{ $labels.instance }} reports {{ $value }} resources that cannot be used"},
	{"GatehouseRevisionsDiffer", `max(gatehouse_config_revision) - min(gatehouse_config_revision) > 0`, "10m", "warning", "Instances have had different revisions for ten minutes"},
	{"GatehouseRedis", `sum by (job, instance) (rate(gatehouse_redis_errors_total[5m])) > 0.1`, "5m", "critical", "Redis fails {{ $labels.instance }}"},
	{"GatehouseUpstream", `sum by (job, upstream) (rate(gatehouse_upstream_errors_total[5m])) > 0.1`, "5m", "warning", "Calls of {{ $labels.upstream }} fail"},
	{"GatehouseIdentityProvider", `sum by (type) (rate(gatehouse_identity_provider_requests_total{outcome="unavailable"}[10m])) / sum by (type) (rate(gatehouse_identity_provider_requests_total[10m])) > 0.2`, "10m", "warning", "Identity providers of type {{ $labels.type }} fail {{ $value | humanizePercentage }} of their requests"},
	{"GatehouseRules", `sum by (place) (increase(gatehouse_rule_failures_total[15m])) > 0`, "0m", "warning", "Expressions at {{ $labels.place }} fail"},
	{"GatehouseCertificateEnds", `min by (job, instance) (gatehouse_tls_certificate_expiry_seconds > 0) - time() < 7 * 86400`, "1h", "warning", "The certificate of {{ $labels.instance }} ends within {{ $value | humanizeDuration }}"},
	{"GatehouseCertificateRefused", `sum by (job, instance) (increase(gatehouse_tls_reloads_total{outcome="refused"}[1h])) > 0`, "0m", "warning", "{{ $labels.instance }} was given a certificate that it cannot use"},
	{"GatehouseAuditLost", `sum by (job) (increase(gatehouse_audit_failures_total[15m])) > 0`, "0m", "critical", "Audit records could not be written"},
	{"GatehouseMailsWait", `max by (job) (gatehouse_mails_oldest_seconds) > 900`, "5m", "warning", "E-mails have waited for {{ $value | humanizeDuration }}"},
	{"GatehouseMailsFail", `sum by (reason) (increase(gatehouse_mails_failed_total[1h])) > 0`, "0m", "warning", "E-mails were not sent: {{ $labels.reason }}"},
	{"GatehouseLogoutNotices", `sum by (job) (increase(gatehouse_logout_notices_total{outcome="given_up"}[1h])) > 0`, "0m", "warning", "Clients were not told that people signed out"},
}
