package observe

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the metrics of one service, in a registry of their own. All methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight atomic.Int64

	revision, lag, rejections prometheus.Gauge
	redis, upstream, rules    *prometheus.CounterVec
	outbound, notices         *prometheus.CounterVec
	asked                     *prometheus.CounterVec
	askedFor                  *prometheus.HistogramVec
	tlsLoads                  *prometheus.CounterVec
}

// buckets reach from an answer out of memory to the end of patience, in seconds.
var buckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// NewMetrics registers everything that every service reports: Go runtime, process, build, requests, configuration,
// and errors of what it depends on. service is "management" or "gateway", version that of the program, which alone knows it.
func NewMetrics(service, version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_requests_total", Help: "Requests answered, by endpoint and outcome (ok, refused, error).",
		}, []string{"endpoint", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_request_duration_seconds", Help: "Time to the end of the answer, by endpoint and outcome.",
			Buckets: buckets,
		}, []string{"endpoint", "outcome"}),
		revision: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_config_revision", Help: "Revision of the configuration in use.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_config_lag_seconds", Help: "For how long there may have been a revision that is not applied here.",
		}),
		rejections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_config_rejections", Help: "Resources of the configuration in use that could not be used.",
		}),
		redis: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_redis_errors_total", Help: "Redis commands that failed, by operation.",
		}, []string{"operation"}),
		upstream: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_upstream_errors_total", Help: "Calls to other systems that failed, by system.",
		}, []string{"upstream"}),
		rules: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_rule_failures_total", Help: "Expressions that could not be evaluated, by place.",
		}, []string{"place"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_logout_notices_total", Help: "Logout tokens for clients, by outcome (delivered, postponed, refused, given_up, obsolete).",
		}, []string{"outcome"}),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_identity_provider_requests_total",
			Help: "What identity providers were asked, by their type and outcome (ok, refused, blocked, unavailable, canceled).",
		}, []string{"type", "outcome"}),
		askedFor: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_identity_provider_request_duration_seconds", Help: "Time that identity providers took, by their type and outcome.",
			Buckets: buckets,
		}, []string{"type", "outcome"}),
		outbound: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_outbound_failures_total", Help: "Outgoing requests that brought nothing, by reason.",
		}, []string{"reason"}),
		tlsLoads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_tls_reloads_total", Help: "Changes of certificate files, by what they are for (plane, public, redis, clients) and outcome (ok, refused).",
		}, []string{"certificate", "outcome"}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(service, version),
		m.requests, m.duration, m.revision, m.lag, m.rejections, m.redis, m.upstream, m.rules, m.outbound, m.notices, m.asked, m.askedFor, m.tlsLoads,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatehouse_requests_in_flight", Help: "Requests being answered.",
		}, func() float64 { return float64(m.inFlight.Load()) }),
	)
	return m
}

// Registerer takes the further metrics of a service.
func (m *Metrics) Registerer() prometheus.Registerer { return m.registry }

// Gatherer reads all metrics.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Handler answers with all metrics in the Prometheus formats, for /metrics; with exemplars to whoever asks for OpenMetrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
}

// SetConfigRevision tells the revision of the configuration in use.
func (m *Metrics) SetConfigRevision(revision int64) { m.revision.Set(float64(revision)) }

// SetConfigLag tells for how long there may have been a revision that is not applied: 0 where everything is.
func (m *Metrics) SetConfigLag(d time.Duration) { m.lag.Set(d.Seconds()) }

// SetConfigRejections tells how many resources of the configuration in use could not be used.
func (m *Metrics) SetConfigRejections(n int) { m.rejections.Set(float64(n)) }

// RedisErrors is the counter of one kind of operation; keep it where it is used.
func (m *Metrics) RedisErrors(operation string) prometheus.Counter {
	return m.redis.WithLabelValues(operation)
}

// UpstreamErrors is the counter of one system that is called; keep it where it is used.
func (m *Metrics) UpstreamErrors(upstream string) prometheus.Counter {
	return m.upstream.WithLabelValues(upstream)
}

// RuleFailures is the counter of one place where expressions are evaluated; keep it where it is used.
func (m *Metrics) RuleFailures(place string) prometheus.Counter {
	return m.rules.WithLabelValues(place)
}

// LogoutNotices is the counter of one outcome of telling clients by logout tokens that a session has ended.
func (m *Metrics) LogoutNotices(outcome string) prometheus.Counter {
	return m.notices.WithLabelValues(outcome)
}

// ProviderAsked counts something that an identity provider of a type was asked, and how long it took.
func (m *Metrics) ProviderAsked(typ, outcome string, took time.Duration) {
	m.asked.WithLabelValues(typ, outcome).Inc()
	m.askedFor.WithLabelValues(typ, outcome).Observe(took.Seconds())
}

// OutboundFailures is the counter of one reason for which outgoing requests bring nothing.
func (m *Metrics) OutboundFailures(reason string) prometheus.Counter {
	return m.outbound.WithLabelValues(reason)
}

// Certificate shows a certificate under the name of what it is for, such as plane or public: when it ends, which is asked for whenever metrics are
// read, and by the function that it returns how often its files changed, with nil if they are in use now and with the reason if they are not. Authorities
// alone have nothing that ends: expires is nil. A name is given once.
func (m *Metrics) Certificate(name string, expires func() time.Time) (loaded func(err error)) {
	// What alerts on a single time counts from 0: a counter that appears with 1 has not grown for Prometheus.
	ok, refused := m.tlsLoads.WithLabelValues(name, "ok"), m.tlsLoads.WithLabelValues(name, "refused")
	if expires != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatehouse_tls_certificate_expiry_seconds", Help: "When a certificate ends, in Unix time, by what it is for (plane, public, redis).",
			ConstLabels: prometheus.Labels{"certificate": name},
		}, func() float64 { return float64(expires().Unix()) }))
	}
	return func(err error) {
		if err != nil {
			refused.Inc()
			return
		}
		ok.Inc()
	}
}

func buildInfo(service, version string) prometheus.Collector {
	if version == "" {
		version = "unknown"
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_build_info", Help: "Always 1.",
		ConstLabels: prometheus.Labels{"service": service, "version": version},
	})
	g.Set(1)
	return g
}
