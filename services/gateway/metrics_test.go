package gateway

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
)

// TestAGatewayThatIsCutOffFallsBehind, as the metric of the alert GatehouseBehind shows.
func TestAGatewayThatIsCutOffFallsBehind(t *testing.T) {
	now := time.Unix(1000, 0)
	b := newBehind(func() time.Time { return now })
	shown := scraped(observe.NewMetrics("gateway", "v1"), b)
	for _, step := range []struct {
		what      string
		connected bool
		after     time.Duration
		want      string
	}{
		{"before the first connection", false, 5 * time.Second, "5"},
		{"connected", true, time.Minute, "0"},
		{"cut off", false, 2 * time.Minute, "120"},
		{"still", false, time.Minute, "180"},
		{"connected again", true, time.Hour, "0"},
	} {
		b.heard(configsync.Status{Connected: step.connected})
		now = now.Add(step.after)
		w := httptest.NewRecorder()
		shown.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(w.Body.String(), "\ngatehouse_config_lag_seconds "+step.want+"\n") {
			t.Errorf("%s: no lag of %s", step.what, step.want)
		}
	}
}
