package observe

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestMetricsHandler(t *testing.T) {
	management, gateway := NewMetrics("management", "v1.2.3"), NewMetrics("gateway", "v1.2.3-rc.1") // both in one process
	management.SetConfigRevision(12)
	gateway.SetConfigRevision(11)
	gateway.SetConfigLag(250 * time.Millisecond)
	gateway.SetConfigRejections(2)
	gateway.RedisErrors("redeem").Inc()
	gateway.UpstreamErrors("directory").Inc()
	gateway.RuleFailures("selection").Inc()
	ends := time.Unix(1000, 0)
	planeLoaded := gateway.Certificate("plane", func() time.Time { return ends })
	planeLoaded(nil)
	planeLoaded(errors.New("no certificate"))
	gateway.Certificate("public", func() time.Time { return ends.Add(time.Minute) })
	gateway.Certificate("clients", nil)
	ends = ends.Add(time.Second) // it was renewed
	gateway.Endpoint("token").observe(t.Context(), refused, 3*time.Millisecond)

	w := httptest.NewRecorder()
	gateway.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		"gatehouse_config_revision 11",
		"gatehouse_config_lag_seconds 0.25",
		"gatehouse_config_rejections 2",
		`gatehouse_redis_errors_total{operation="redeem"} 1`,
		`gatehouse_upstream_errors_total{upstream="directory"} 1`,
		`gatehouse_rule_failures_total{place="selection"} 1`,
		`gatehouse_tls_reloads_total{certificate="plane",outcome="ok"} 1`,
		`gatehouse_tls_reloads_total{certificate="plane",outcome="refused"} 1`,
		`gatehouse_tls_reloads_total{certificate="public",outcome="refused"} 0`,
		`gatehouse_tls_reloads_total{certificate="clients",outcome="ok"} 0`,
		`gatehouse_tls_certificate_expiry_seconds{certificate="plane"} 1001`,
		`gatehouse_tls_certificate_expiry_seconds{certificate="public"} 1061`,
		`gatehouse_requests_total{endpoint="token",outcome="refused"} 1`,
		`gatehouse_requests_total{endpoint="token",outcome="ok"} 0`,
		`gatehouse_request_duration_seconds_bucket{endpoint="token",outcome="refused",le="0.0025"} 0`,
		`gatehouse_request_duration_seconds_bucket{endpoint="token",outcome="refused",le="0.005"} 1`,
		"gatehouse_requests_in_flight 0",
		`gatehouse_build_info{service="gateway",version="v1.2.3-rc.1"} 1`,
		"go_goroutines ",
		"process_start_time_seconds ",
	} {
		if !strings.Contains(w.Body.String(), "\n"+line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if strings.Contains(w.Body.String(), `expiry_seconds{certificate="clients"}`) {
		t.Error("authorities have an end")
	}
}
