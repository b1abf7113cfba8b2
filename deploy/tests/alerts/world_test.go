package alerts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// The minutes of a story: something is wrong between faulty and mended.
const (
	faulty = 60
	mended = 120
	ends   = 240
)

// series are values for each minute by the name of the series. Where a value is missing, it was not scraped.
type series map[string]func(minute int) (value float64, scraped bool)

// gauge has one value, and another one while something is wrong.
func gauge(well, wrong float64) func(int) (float64, bool) {
	return func(minute int) (float64, bool) {
		if minute >= faulty && minute < mended {
			return wrong, true
		}
		return well, true
	}
}

// counter grows by so much a minute, and by another number while something is wrong.
func counter(well, wrong float64) func(int) (float64, bool) {
	return func(minute int) (float64, bool) {
		within := max(0, min(minute, mended)-faulty)
		return well*float64(minute-within) + wrong*float64(within), true
	}
}

// once is a counter that grows by one, and once.
func once(minute int) (float64, bool) {
	if minute < faulty {
		return 0, true
	}
	return 1, true
}

// restarts are those of a rollout: it is told to stop, is gone, and a new one is there.
func restarts(minute int) (float64, bool) {
	switch minute {
	case 30:
		return 0, true
	case 31:
		return 0, false
	}
	return 1, true
}

// away is not scraped while something is wrong.
func away(minute int) (float64, bool) { return 1, minute < faulty || minute >= mended }

// all are the names of a series at both instances of the services named.
func all(name, labels string, jobs ...string) []string {
	var names []string
	for _, job := range jobs {
		names = append(names, instance(name, job, "0", labels), instance(name, job, "1", labels))
	}
	return names
}

var both = []string{"gateway", "management"}

// healthy is an installation that is well and busy, with small errors that are part of life.
func healthy() series {
	s := series{}
	put := func(value func(int) (float64, bool), names ...string) {
		for _, name := range names {
			s[name] = value
		}
	}
	for _, job := range both {
		put(gauge(1, 1), all("gatehouse_build_info", fmt.Sprintf(`service=%q,version="v1"`, job), job)...)
	}
	put(counter(600, 600), all("gatehouse_requests_total", `endpoint="/oauth/token",outcome="ok"`, both...)...)
	put(counter(60, 60), all("gatehouse_requests_total", `endpoint="/oauth/token",outcome="refused"`, both...)...)
	put(counter(2, 2), all("gatehouse_requests_total", `endpoint="/oauth/token",outcome="error"`, both...)...)
	for le, rate := range map[string]float64{"0.01": 500, "0.1": 640, "1": 660, "2.5": 662, "10": 662, "+Inf": 662} {
		put(counter(rate, rate), all("gatehouse_request_duration_seconds_bucket", fmt.Sprintf(`endpoint="/oauth/token",outcome="ok",le=%q`, le), both...)...)
		put(counter(rate/5, rate/5), all("gatehouse_request_duration_seconds_bucket", fmt.Sprintf(`endpoint="/oauth/authorize",outcome="ok",le=%q`, le), "gateway")...)
		put(counter(rate/10, rate/10), all("gatehouse_identity_provider_request_duration_seconds_bucket", fmt.Sprintf(`type="LDAP",outcome="ok",le=%q`, le), "gateway")...)
	}
	put(gauge(12, 12), all("gatehouse_requests_in_flight", "", both...)...)
	// There is a change every minute, and not everybody is scraped at the same moment.
	put(counter(1, 1), all("gatehouse_config_revision", "", "management")...)
	put(func(minute int) (float64, bool) { return float64(max(0, minute-1)), true }, all("gatehouse_config_revision", "", "gateway")...)
	put(gauge(1, 1), all("gatehouse_config_lag_seconds", "", "management")...)
	put(gauge(0, 0), all("gatehouse_config_lag_seconds", "", "gateway")...)
	put(gauge(0, 0), all("gatehouse_config_rejections", "", both...)...)
	put(gauge(0, 0), all("gatehouse_config_snapshot_failures_total", "", "gateway")...)
	put(gauge(1, 1), all("gatehouse_gateways_connected", "", "management")...)
	put(gauge(0, 0), all("gatehouse_gateways_connected", "", "directory")...) // its streams end at management
	put(once, all("gatehouse_redis_errors_total", `operation="command"`, "gateway")...)
	for _, upstream := range []string{"registration", "usage", "directory", "assets"} {
		put(once, all("gatehouse_upstream_errors_total", fmt.Sprintf("upstream=%q", upstream), "gateway")...)
	}
	put(counter(100, 100), all("gatehouse_identity_provider_requests_total", `type="LDAP",outcome="ok"`, "gateway")...)
	put(counter(5, 5), all("gatehouse_identity_provider_requests_total", `type="LDAP",outcome="unavailable"`, "gateway")...)
	put(counter(3, 3), all("gatehouse_outbound_failures_total", `reason="status"`, "gateway")...)
	put(gauge(0, 0), all("gatehouse_rule_failures_total", `place="mapping"`, "gateway")...)
	for _, certificate := range []string{"plane", "public"} {
		name := fmt.Sprintf("certificate=%q", certificate)
		put(gauge(60*24*3600, 60*24*3600), all("gatehouse_tls_certificate_expiry_seconds", name, both...)...) // the story begins at 0
		put(once, all("gatehouse_tls_reloads_total", name+`,outcome="ok"`, both...)...)
		put(gauge(0, 0), all("gatehouse_tls_reloads_total", name+`,outcome="refused"`, both...)...)
	}
	for job, needs := range map[string][]string{"gateway": {"configuration", "revocations", "serving"}, "management": {"configuration", "database", "serving"}} {
		for _, condition := range needs {
			put(gauge(1, 1), all("gatehouse_ready", fmt.Sprintf("condition=%q", condition), job)...)
		}
	}
	put(restarts, instance("gatehouse_ready", "management", "1", `condition="serving"`))
	put(gauge(200*24*3600, 200*24*3600), all("gatehouse_signing_key_expiry_seconds", "", "management")...)
	put(gauge(0, 0), all("gatehouse_signing_key_expiry_seconds", "", "directory")...) // none has a certificate that ends
	put(gauge(12, 12), all("gatehouse_signing_keys", `status="active",domain_state="enabled"`, "management")...)
	put(gauge(0, 0), all("gatehouse_audit_failures_total", "", "management")...)
	put(gauge(3, 3), all("gatehouse_mails_waiting", "", "management")...)
	put(gauge(40, 40), all("gatehouse_mails_oldest_seconds", "", "management")...)
	put(counter(4, 4), all("gatehouse_mails_queued_total", `purpose="forgot_password"`, "management")...)
	put(counter(4, 4), all("gatehouse_mails_sent_total", `purpose="forgot_password"`, "management")...)
	put(counter(1, 1), all("gatehouse_mails_retried_total", `purpose="forgot_password"`, "management")...)
	put(gauge(0, 0), all("gatehouse_mails_failed_total", `purpose="forgot_password",reason="given_up"`, "management")...)
	put(counter(7, 7), all("gatehouse_logout_notices_total", `outcome="delivered"`, "gateway")...)
	put(gauge(0, 0), all("gatehouse_logout_notices_total", `outcome="given_up"`, "gateway")...)
	return s
}

// with is a copy in which some series are others.
func (s series) with(changed series) series {
	c := maps.Clone(s)
	maps.Copy(c, changed)
	return c
}

// world is what Prometheus has stored.
type world struct {
	engine *promql.Engine
	query  rules.QueryFunc
}

func load(t *testing.T, s series) world {
	t.Helper()
	var text strings.Builder
	text.WriteString("load 1m\n")
	for _, name := range slices.Sorted(maps.Keys(s)) {
		text.WriteString("  " + name)
		for minute := range ends {
			if value, scraped := s[name](minute); scraped {
				fmt.Fprintf(&text, " %g", value)
			} else {
				text.WriteString(" stale")
			}
		}
		text.WriteString("\n")
	}
	store := promqltest.LoadedStorage(t, text.String())
	t.Cleanup(func() { _ = store.Close() })
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 1_000_000)
	return world{engine, rules.EngineQueryFunc(engine, store)}
}

// ask evaluates an expression at a minute of the story.
func (w world) ask(t *testing.T, expression string, minute int) promql.Vector {
	t.Helper()
	answer, err := w.query(context.Background(), expression, at(minute))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return answer
}

func at(minute int) time.Time { return time.Unix(int64(minute)*60, 0).UTC() }
