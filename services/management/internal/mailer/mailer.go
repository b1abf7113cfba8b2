package mailer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// The bounds of the queue; see the package.
const (
	perAddress      = 5
	perDomain       = 1000
	byStrangers     = 300 // of a domain
	limitWindow     = time.Hour
	maxWaiting      = 5000  // of a domain
	maxWaitingInAll = 50000 // of all
)

const (
	batch     = 8
	leaseTime = 2 * time.Minute
	poll      = 2 * time.Second
	// finishWithin is how long a delivery under way may go on when the mailer stops.
	finishWithin = 5 * time.Second
	countEvery   = 15 * time.Second
)

// pauses are between attempts; after the last of them a letter is given up.
var pauses = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// strangers are the templates of letters that anybody has sent to any address. They have a bound of their own, so that nobody who
// registers over and over keeps a domain from sending links for passwords, unlocking and invitations.
var strangers = map[string]bool{"registration_verify": true, "registration_taken": true}

// ErrOff says that no mail server is configured.
var ErrOff = fault.Unmetf("No mail server is configured: no e-mail can be sent")

// Errand is what letters are made from, some moments later.
type Errand struct {
	Domain string
	// User is the identifier of who it is about, where that is known.
	User string
	// Purpose tells its owner what to do; it is a label of metrics.
	Purpose string
	// Content is what its owner needs, as JSON. It is sealed.
	Content any
}

// Author makes letters of errands. It may be asked about the same errand again, under the same identifier, where a replica has
// died, and then makes the same letters. No letters and no error end the errand.
type Author interface {
	Letters(ctx context.Context, id, domain, purpose string, content []byte) ([]Letter, error)
}

// Recorder keeps audit records: *audit.Recorder.
type Recorder interface {
	Record(ctx context.Context, e audit.Event)
}

// Options are what a Mailer works with. Mails and Settings are needed.
type Options struct {
	Mails    *store.Mails
	Settings Settings
	Recorder Recorder
	Metrics  prometheus.Registerer
	// Purposes of errands are counted from 0 on, so that the first failure is noticed.
	Purposes []string
	Logger   *slog.Logger
	Now      func() time.Time
	// Poll is how often it is looked what is due that this replica does not know of; 0 means 2 s.
	Poll time.Duration
}

// Mailer queues and sends. It is safe for concurrent use.
type Mailer struct {
	Options
	holder string
	ring   chan struct{} // one token: there is something new
	meters meters
}

// New returns a Mailer. It contacts nobody.
func New(o Options) *Mailer {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll <= 0 {
		o.Poll = poll
	}
	return &Mailer{Options: o, holder: secret.NewID(), ring: make(chan struct{}, 1), meters: newMeters(o.Metrics, o.Purposes)}
}

// Ask queues an errand. Too many that wait already are fault.Unavailable.
func (m *Mailer) Ask(ctx context.Context, e Errand) error {
	for _, bound := range []struct {
		domain string
		most   int64
	}{{e.Domain, maxWaiting}, {"", maxWaitingInAll}} {
		waiting, err := m.Mails.Waiting(ctx, bound.domain)
		if err != nil {
			return err
		}
		if waiting >= bound.most {
			m.Logger.WarnContext(ctx, "e-mail refused: too many wait to be sent", "domain", e.Domain, "purpose", e.Purpose, "waiting", waiting)
			return fault.Unavailablef("Too many e-mails wait to be sent. Try again later")
		}
	}
	content, err := json.Marshal(e.Content)
	if err != nil {
		return fmt.Errorf("errand %s: %w", e.Purpose, err)
	}
	now := m.now()
	if err := m.Mails.Insert(ctx, &store.Mail{
		ID: secret.NewSortableID(), Domain: e.Domain, User: e.User, Purpose: e.Purpose, Errand: true, Content: content,
		CreatedAt: now, DueAt: now, HeldUntil: now,
	}); err != nil {
		return err
	}
	m.meters.queued.WithLabelValues(e.Purpose).Inc()
	select {
	case m.ring <- struct{}{}:
	default:
	}
	return nil
}

func (m *Mailer) now() time.Time { return m.Now().UTC().Truncate(time.Millisecond) }

// within counts a letter, and reports whether its address and its domain may have one more.
func (m *Mailer) within(ctx context.Context, mail *store.Mail, l *Letter) (bool, error) {
	address := secret.HashToken(mail.Domain + "\n" + mail.Purpose + "\n" + strings.ToLower(l.To))
	allowed, err := m.Mails.Allow(ctx, address, perAddress, limitWindow)
	if err != nil || !allowed {
		return allowed, err
	}
	if strangers[l.Template] {
		return m.Mails.Allow(ctx, "strangers/"+mail.Domain, byStrangers, limitWindow)
	}
	return m.Mails.Allow(ctx, "domain/"+mail.Domain, perDomain, limitWindow)
}
