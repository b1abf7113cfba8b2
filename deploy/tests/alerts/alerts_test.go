package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	prometheus "github.com/prometheus/prometheus/rules"
)

// fired is when an alert was first told to people, and what they read.
type fired struct {
	first, last int
	summary     string
}

// watch evaluates the alerts each minute, as Prometheus does, and returns those that people were told.
func (w world) watch(t *testing.T) map[string]fired {
	t.Helper()
	told := map[string]fired{}
	for _, r := range ours(t) {
		rule := prometheus.NewAlertingRule(r.Alert, parse(t, r.Alert, r.Expr), time.Duration(r.For), time.Duration(r.KeepFiringFor),
			labels.FromMap(r.Labels), labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
		for minute := range ends {
			if _, err := rule.Eval(context.Background(), 0, at(minute), w.query, nil, 0); err != nil {
				t.Fatalf("%s: %v", r.Alert, err)
			}
			for _, active := range rule.ActiveAlerts() {
				if active.State != prometheus.StateFiring {
					continue
				}
				f, before := told[r.Alert]
				if !before {
					f.first = minute
				}
				if f.first == minute { // several may be told at once, in no order
					f.summary += active.Annotations.Get("summary") + "\n"
				}
				f.last = minute
				told[r.Alert] = f
			}
		}
	}
	return told
}

// TestSilentWhereAllIsWell: nobody is woken by an installation that is busy and well.
func TestSilentWhereAllIsWell(t *testing.T) {
	for name, f := range load(t, healthy()).watch(t) {
		t.Errorf("%s after %d minutes: %s", name, f.first, f.summary)
	}
}

// TestSilentForTwoInstallations: another installation in the same Prometheus, at another revision, is none of our business.
func TestSilentForTwoInstallations(t *testing.T) {
	two := healthy()
	for name, values := range healthy() {
		shift := 0.0
		if strings.HasPrefix(name, "gatehouse_config_revision") {
			shift = 5000
		}
		two[strings.Replace(name, `namespace="access"`, `namespace="other"`, 1)] = func(minute int) (float64, bool) {
			value, scraped := values(minute)
			return value + shift, scraped
		}
	}
	for name, f := range load(t, two).watch(t) {
		t.Errorf("%s after %d minutes: %s", name, f.first, f.summary)
	}
}

// changes makes series of names.
func changes(value func(int) (float64, bool), names ...string) series {
	s := series{}
	for _, name := range names {
		s[name] = value
	}
	return s
}

// ending is a certificate that is renewed within its last week, and not before.
func ending(minute int) (float64, bool) {
	if minute >= faulty && minute < mended+30 {
		return 5 * 24 * 3600, true
	}
	return 60 * 24 * 3600, true
}

// slow are requests that take as long as the bucket says.
func slow(rate float64) series {
	s := series{}
	for le, share := range map[string]float64{"0.01": 0.5, "0.1": 0.9, "1": 0.95, "2.5": 0.96, "10": 1, "+Inf": 1} {
		maps.Copy(s, changes(counter(rate, rate*share), instance("gatehouse_request_duration_seconds_bucket", "gateway", "0", fmt.Sprintf(`endpoint="/oauth/token",outcome="ok",le=%q`, le)),
			instance("gatehouse_request_duration_seconds_bucket", "gateway", "1", fmt.Sprintf(`endpoint="/oauth/token",outcome="ok",le=%q`, le))))
	}
	return s
}

// TestAlerts: something is wrong from minute 60 to minute 120.
func TestAlerts(t *testing.T) {
	everything := series{}
	for name, values := range healthy() {
		everything[name] = func(minute int) (float64, bool) {
			_, scraped := away(minute)
			value, _ := values(minute)
			return value, scraped
		}
	}
	rows := []struct {
		alert   string
		because string
		changed series
		after   int    // how many minutes later it is told at the earliest
		until   int    // and how many minutes after it is mended it may still be told
		says    string // a part of it
		also    []string
	}{
		{"GatehouseGone", "nothing is scraped", everything, 5, 0, "No instance of Gatehouse is seen", []string{"GatehouseGone"}},
		{
			"GatehouseGone", "no gateway is scraped", changes(away, all("gatehouse_build_info", `service="gateway",version="v1"`, "gateway")...),
			5, 0, "No gateway of Gatehouse is seen", nil,
		},
		{
			"GatehouseNotReady", "management has lost MongoDB", changes(gauge(1, 0), all("gatehouse_ready", `condition="database"`, "management")...),
			2, 1, "No instance of management is ready", []string{"GatehouseInstanceNotReady"},
		},
		{
			"GatehouseNotReady", "one gateway has no configuration and the other one no list of revocations",
			changes(gauge(1, 0), instance("gatehouse_ready", "gateway", "0", `condition="configuration"`), instance("gatehouse_ready", "gateway", "1", `condition="revocations"`)),
			2, 1, "No instance of gateway is ready", []string{"GatehouseInstanceNotReady"},
		},
		{"GatehouseInstanceNotReady", "one replica does not reach MongoDB", changes(gauge(1, 0), instance("gatehouse_ready", "management", "1", `condition="database"`)), 5, 1, "management-1 is not ready: database", nil},
		{
			"GatehouseErrors", "a tenth of the requests fails", changes(counter(2, 70), instance("gatehouse_requests_total", "gateway", "0", `endpoint="/oauth/token",outcome="error"`)),
			5, 5, "gateway fails 5.", nil,
		},
		{"GatehouseSlow", "one in twenty takes more than 2.5 s", slow(600), 10, 5, "One in a hundred answers of gateway takes more than", nil},
		{"GatehouseStuck", "requests pile up", changes(gauge(12, 900), instance("gatehouse_requests_in_flight", "gateway", "1", "")), 5, 1, "gateway-1 has 900 requests", nil},
		{"GatehouseNoGateways", "all streams end", changes(gauge(1, 0), all("gatehouse_gateways_connected", "", "management")...), 5, 1, "No gateway is connected", nil},
		{"GatehouseBehind", "a gateway does not keep up", changes(gauge(1, 300), instance("gatehouse_config_lag_seconds", "management", "0", "")), 5, 1, "A gateway at management-0 is 5m 0s behind", nil},
		{"GatehouseRejected", "an expression of a newer version", changes(gauge(0, 2), instance("gatehouse_config_rejections", "management", "0", "")), 5, 1, "management-0 knows of 2 resources", nil},
		{
			"GatehouseRevisionsDiffer", "a gateway follows no longer", changes(func(minute int) (float64, bool) {
				if minute >= faulty && minute < mended {
					return faulty, true
				}
				return float64(minute), true
			}, instance("gatehouse_config_revision", "gateway", "1", "")), 15, 1, "gateway-1 is ", nil,
		},
		{"GatehouseRedis", "Redis is away", changes(counter(0, 300), instance("gatehouse_redis_errors_total", "gateway", "0", `operation="command"`)), 5, 5, "Redis fails gateway-0", nil},
		{"GatehouseUpstream", "the directory is away", changes(counter(0, 30), all("gatehouse_upstream_errors_total", `upstream="directory"`, "gateway")...), 5, 5, "Calls of directory fail", nil},
		{"GatehouseIdentityProvider", "an LDAP server is away", changes(counter(5, 100), all("gatehouse_identity_provider_requests_total", `type="LDAP",outcome="unavailable"`, "gateway")...), 10, 10, "type LDAP fail", nil},
		{"GatehouseRules", "one expression failed once", changes(once, instance("gatehouse_rule_failures_total", "gateway", "0", `place="mapping"`)), 0, 0, "Expressions at mapping fail", nil},
		{"GatehouseCertificateEnds", "nobody renewed that between the planes", changes(ending, instance("gatehouse_tls_certificate_expiry_seconds", "gateway", "0", `certificate="plane"`)), 60, 31, "The certificate plane of gateway-0 ends within 4d 22h", nil},
		{"GatehouseCertificateEnds", "nobody renewed that of the front door", changes(ending, instance("gatehouse_tls_certificate_expiry_seconds", "gateway", "1", `certificate="public"`)), 60, 31, "The certificate public of gateway-1 ends within 4d 22h", nil},
		{"GatehouseSigningKeyEnds", "an uploaded certificate was forgotten", changes(func(minute int) (float64, bool) {
			if minute >= faulty && minute < mended+30 {
				return 10 * 24 * 3600, true
			}
			return 200 * 24 * 3600, true
		}, all("gatehouse_signing_key_expiry_seconds", "", "management")...), 60, 31, "The certificate of a signing key ends within 9d 22h", nil},
		{"GatehouseCertificateRefused", "a key of another certificate", changes(once, instance("gatehouse_tls_reloads_total", "management", "0", `certificate="public",outcome="refused"`)), 0, 0, "management-0 was given files of the certificate public", nil},
		{"GatehouseNotKept", "a disk is full", changes(once, instance("gatehouse_config_snapshot_failures_total", "gateway", "0", "")), 0, 0, "cannot keep its configuration on its disk", nil},
		{"GatehouseAuditLost", "one record was lost", changes(once, instance("gatehouse_audit_failures_total", "management", "1", "")), 0, 0, "Audit records could not be written", nil},
		{"GatehouseMailsWait", "the mail server takes none", changes(gauge(40, 1800), all("gatehouse_mails_oldest_seconds", "", "management")...), 5, 1, "E-mails have waited for 30m 0s", nil},
		{"GatehouseMailsFail", "one e-mail was given up", changes(once, instance("gatehouse_mails_failed_total", "management", "0", `purpose="forgot_password",reason="given_up"`)), 0, 0, "E-mails were not sent: given_up", nil},
		{"GatehouseLogoutNotices", "a client took no logout token", changes(once, instance("gatehouse_logout_notices_total", "gateway", "0", `outcome="given_up"`)), 0, 0, "Clients were not told", nil},
	}
	seen := map[string]bool{}
	for _, tt := range rows {
		seen[tt.alert] = true
		t.Run(tt.alert+", because "+tt.because, func(t *testing.T) {
			told := load(t, healthy().with(tt.changed)).watch(t)
			f, yes := told[tt.alert]
			if !yes {
				t.Fatal("nobody is told")
			}
			if f.first < faulty+tt.after || f.first > faulty+tt.after+10 {
				t.Errorf("told in minute %d, want minute %d and ten minutes more at most", f.first, faulty+tt.after)
			}
			if f.last >= max(mended+tt.until, f.first+61) {
				t.Errorf("still told in minute %d", f.last)
			}
			if !strings.Contains(f.summary, tt.says) || strings.Contains(f.summary, "error expanding") || strings.Contains(f.summary, "no value") {
				t.Errorf("it says %q, want %q", f.summary, tt.says)
			}
			for name, other := range told {
				if name != tt.alert && !slices.Contains(tt.also, name) {
					t.Errorf("%s as well, in minute %d: %s", name, other.first, other.summary)
				}
			}
		})
	}
	for _, r := range ours(t) {
		if !seen[r.Alert] {
			t.Errorf("%s has no row", r.Alert)
		}
	}
}
