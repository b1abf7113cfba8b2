package mailer

import "github.com/prometheus/client_golang/prometheus"

// meters count what happens to e-mails. Purposes are words of this program, so there are few.
type meters struct {
	queued, sent, retried, failed *prometheus.CounterVec
	waiting, oldest               prometheus.Gauge
}

// Reasons for which e-mails are not sent.
const (
	givenUp    = "given_up"
	overLimit  = "limit"
	lostErrand = "errand"
)

func newMeters(r prometheus.Registerer, purposes []string) meters {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gatehouse_mails_" + name + "_total", Help: help}, append([]string{"purpose"}, labels...))
	}
	m := meters{
		queued:  counter("queued", "Errands for e-mails that were written down."),
		sent:    counter("sent", "E-mails that the mail server has taken."),
		retried: counter("retried", "Attempts to send that failed and are made again."),
		failed:  counter("failed", "E-mails that were not sent: given_up, limit (too many to their address or of their domain), or errand (nobody could make them).", "reason"),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gatehouse_mails_waiting", Help: "E-mails that wait to be sent."}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_mails_oldest_seconds", Help: "For how long the oldest e-mail has waited.",
		}),
	}
	for _, purpose := range purposes {
		for _, reason := range []string{givenUp, overLimit, lostErrand} {
			m.failed.WithLabelValues(purpose, reason)
		}
	}
	if r != nil {
		r.MustRegister(m.queued, m.sent, m.retried, m.failed, m.waiting, m.oldest)
	}
	return m
}
