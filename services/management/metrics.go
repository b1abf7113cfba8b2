package management

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// scraped answers with all metrics. What changes by the mere passing of time is brought up to date first: for how long
// the slowest gateway has been behind, and what gateways cannot use. Signing keys are counted if the configuration has changed.
func scraped(m *observe.Metrics, p *configsync.Publisher, keys *signingKeys) http.Handler {
	gateways := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_gateways_connected", Help: "Gateways whose configuration stream ends here.",
	})
	m.Registerer().MustRegister(gateways)
	answer := m.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nodes := p.Nodes()
		var lag time.Duration
		rejected := map[resource.Key]bool{}
		for _, n := range nodes {
			lag = max(lag, n.Lag)
			for _, r := range n.Rejections {
				rejected[resource.KeyFromProto(r.GetKey())] = true
			}
		}
		gateways.Set(float64(len(nodes)))
		m.SetConfigLag(lag)
		m.SetConfigRejections(len(rejected))
		keys.measure()
		answer.ServeHTTP(w, r)
	})
}
