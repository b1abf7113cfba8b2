package management

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
)

// The states of signing keys and of the domains that they belong to, as metrics name them.
var (
	keyStatuses  = []string{"active", "next", "retired"}
	domainStates = []string{"enabled", "disabled"}
)

// signingKeys measures the signing keys of all domains.
type signingKeys struct {
	held   *image.Image
	count  *prometheus.GaugeVec
	expiry prometheus.Gauge

	mu      sync.Mutex // guards the rest
	counted bool
	at      int64 // the revision that was counted
}

func newSigningKeys(held *image.Image, metrics prometheus.Registerer) *signingKeys {
	s := &signingKeys{
		held: held,
		count: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatehouse_signing_keys", Help: "Signing keys of domains, by status (active, next, retired) and by whether the domain is enabled or disabled.",
		}, []string{"status", "domain_state"}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_signing_key_expiry_seconds",
			Help: "When the first certificate of a key ends that signs in an enabled domain, or will, in Unix time. 0 where there is none.",
		}),
	}
	for _, status := range keyStatuses {
		for _, state := range domainStates {
			s.count.WithLabelValues(status, state)
		}
	}
	metrics.MustRegister(s.count, s.expiry)
	return s
}

// measure brings the metrics up to date if the configuration has changed.
func (s *signingKeys) measure() {
	view, loaded := s.held.View()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !loaded || s.counted && s.at == view.Revision {
		return
	}
	s.counted, s.at = true, view.Revision
	enabled := map[string]bool{}
	domains, _ := image.List(view, catalog.Domains, image.Query{})
	for _, d := range domains {
		enabled[d.GetId()] = d.GetEnabled()
	}
	found := map[[2]string]int{}
	var first time.Time
	keys, _ := image.List(view, catalog.Certificates, image.Query{})
	for _, key := range keys {
		status, state := keyStatus(key), "disabled"
		if enabled[key.GetDomain()] {
			state = "enabled"
			if ends := key.GetExpiresAt(); ends != nil && status != "retired" && (first.IsZero() || ends.AsTime().Before(first)) {
				first = ends.AsTime()
			}
		}
		found[[2]string{status, state}]++
	}
	for _, status := range keyStatuses {
		for _, state := range domainStates {
			s.count.WithLabelValues(status, state).Set(float64(found[[2]string{status, state}]))
		}
	}
	s.expiry.Set(0)
	if !first.IsZero() {
		s.expiry.Set(float64(first.Unix()))
	}
}

// keyStatus is the status of a key; one that was uploaded is always active.
func keyStatus(key *configv1.Certificate) string {
	switch key.GetStatus() {
	case configv1.Certificate_NEXT:
		return "next"
	case configv1.Certificate_RETIRED:
		return "retired"
	default:
		return "active"
	}
}
