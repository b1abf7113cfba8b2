package backchannel

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const (
	// standardEvery is how often a gateway looks for notices of others. Its own are looked for at once.
	standardEvery = time.Second
	// lease is how long a claimed notice is left alone: much longer than a delivery takes.
	lease = 30 * time.Second
	// atOnce is how many deliveries a gateway makes at the same time, and perClient how many of them to one client, so that one
	// that does not answer leaves room for the others.
	atOnce, perClient = 32, 8
	// crowded is how long a notice waits at least whose client has that many deliveries under way, and twice that at most.
	crowded = 5 * time.Second
)

// finishWithin is how long deliveries under way may go on when the gateway stops, and then again for saying what became of them.
const finishWithin = 3 * time.Second

// pauses are what lies between the attempts. There is one attempt more than there are pauses.
var pauses = []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute}

// Queue keeps notices; *state.Store does.
type Queue interface {
	// Noticed receives a value when this gateway has queued notices.
	Noticed() <-chan struct{}
	DueNotices(ctx context.Context) ([]string, error)
	ClaimNotices(ctx context.Context, domain string, most int, lease time.Duration) ([]state.Notice, error)
	SettleNotice(ctx context.Context, n state.Notice) error
	PostponeNotice(ctx context.Context, n state.Notice, after time.Duration, counts bool) error
}

// Domains are those that this gateway serves; *domain.Set does. An unknown one is nil.
type Domains interface {
	Domain(id string) *domain.Domain
}

// Minter signs logout tokens; *tokens.Minter does.
type Minter interface {
	Logout(d *domain.Domain, c *domain.Client, subject, session string) (string, error)
}

// Poster is the way out; *outbound.Client is.
type Poster interface {
	PostForm(ctx context.Context, address string, form url.Values, l outbound.Limits) (*outbound.Answer, error)
}

// Outcome is what came of a notice, for metrics.
type Outcome string

// The outcomes.
const (
	Delivered Outcome = "delivered"
	// Postponed notices are tried again.
	Postponed Outcome = "postponed"
	// Refused by the client, which answered 400 (§2.8).
	Refused Outcome = "refused"
	// GivenUp after the last attempt.
	GivenUp Outcome = "given_up"
	// Obsolete because the application is gone or does not want notices any more.
	Obsolete Outcome = "obsolete"
)

// Outcomes are all of them.
func Outcomes() []Outcome { return []Outcome{Delivered, Postponed, Refused, GivenUp, Obsolete} }

// Options are what a Sender is made of. All are required, except where it says otherwise.
type Options struct {
	Queue   Queue
	Domains Domains
	Minter  Minter
	Out     Poster
	// Counted is told every outcome; may be nil.
	Counted func(Outcome)
	Log     *slog.Logger
	// Every is how often to look for notices; 0 = each second.
	Every time.Duration
}

// Sender delivers the notices of the domains that this gateway serves.
type Sender struct {
	Options

	// wake receives a value when a delivery has ended and more may be waiting.
	wake chan struct{}
	room chan struct{}

	mu sync.Mutex
	// busy counts the deliveries under way by application.
	busy map[string]int
}

// New returns a Sender. Nothing runs yet.
func New(o Options) *Sender {
	if o.Counted == nil {
		o.Counted = func(Outcome) {}
	}
	if o.Every <= 0 {
		o.Every = standardEvery
	}
	return &Sender{Options: o, wake: make(chan struct{}, 1), room: make(chan struct{}, atOnce), busy: map[string]int{}}
}

// Run delivers until ctx ends, and returns when no delivery is under way. Those that take longer than a few seconds then are cut
// short, and handed to another gateway.
func (s *Sender) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	lost := false
	for {
		err := s.pass(ctx, &running)
		if err != nil && ctx.Err() == nil && !lost {
			s.Log.WarnContext(ctx, "logout tokens are not delivered", "err", err)
		}
		lost = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.Queue.Noticed():
		case <-s.wake:
		}
	}
}

// pass begins the deliveries that are due, as far as there is room.
func (s *Sender) pass(ctx context.Context, running *sync.WaitGroup) error {
	due, err := s.Queue.DueNotices(ctx)
	if err != nil {
		return err
	}
	rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	for _, id := range due {
		d := s.Domains.Domain(id)
		free := cap(s.room) - len(s.room)
		switch {
		case d == nil:
			continue // another gateway serves it
		case free == 0:
			return nil
		}
		list, err := s.Queue.ClaimNotices(ctx, id, free, lease)
		if err != nil {
			return err
		}
		for _, n := range list {
			s.room <- struct{}{} // there is room: nobody else takes it
			running.Go(func() {
				defer s.done()
				s.deliver(ctx, d, n)
			})
		}
	}
	return nil
}

func (s *Sender) done() {
	<-s.room
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// deliver makes one attempt and says what comes next. An attempt that is cut short, because the gateway stops, is none: the client
// may be told once more.
func (s *Sender) deliver(ctx context.Context, d *domain.Domain, n state.Notice) {
	delivery, end := outlive(ctx)
	defer end()
	outcome, after, counts := s.attempt(delivery, d, n)
	if delivery.Err() != nil {
		outcome, after, counts = Postponed, 0, false
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	var err error
	if outcome == Postponed {
		err = s.Queue.PostponeNotice(limited, n, after, counts)
	} else {
		err = s.Queue.SettleNotice(limited, n)
	}
	if err != nil { // it stays claimed until its lease ends
		s.Log.WarnContext(ctx, "logout notice is not settled", "domain", n.Domain, "client_id", n.ClientID, "err", err)
	}
	if outcome != Postponed || counts {
		s.Counted(outcome)
	}
}

// outlive returns a context that ends a little later than ctx.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.NewTimer(finishWithin)
		defer late.Stop()
		select {
		case <-late.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

func (s *Sender) attempt(ctx context.Context, d *domain.Domain, n state.Notice) (outcome Outcome, after time.Duration, counts bool) {
	if !s.enter(n.ApplicationID) {
		return Postponed, crowded + rand.N(crowded), false
	}
	defer s.leave(n.ApplicationID)
	c, err := d.Client(ctx, n.ClientID)
	if errors.Is(err, domain.ErrNoClient) || err == nil && c.ID != n.ApplicationID {
		return Obsolete, 0, true
	}
	if err == nil {
		address := c.Application.GetSettings().GetOauth().GetBackchannelLogoutUri()
		if address == "" {
			return Obsolete, 0, true
		}
		var status int
		status, err = s.post(ctx, d, c, n, address)
		switch {
		case err == nil && status >= 200 && status < 300:
			return Delivered, 0, true
		case err == nil && status == http.StatusBadRequest:
			s.Log.InfoContext(ctx, "logout token refused by the client", "domain", d.ID, "client_id", c.ClientID)
			return Refused, 0, true
		case outbound.ReasonOf(err) == outbound.ReasonBusy:
			return Postponed, crowded + rand.N(crowded), false
		}
		if err == nil {
			err = &statusError{status}
		}
	}
	if n.Attempt > len(pauses) {
		s.Log.WarnContext(ctx, "logout token not delivered, no further attempt", "domain", d.ID, "client_id", n.ClientID, "attempts", n.Attempt, "err", err)
		return GivenUp, 0, true
	}
	s.Log.InfoContext(ctx, "logout token not delivered yet", "domain", d.ID, "client_id", n.ClientID, "attempts", n.Attempt, "err", err)
	return Postponed, pauses[n.Attempt-1], true
}

// statusError is an answer that is neither success nor refusal.
type statusError struct{ status int }

func (e *statusError) Error() string { return "the client answered " + http.StatusText(e.status) }

// post sends the token and nothing else (§2.5). Every attempt has a token of its own: a client that saw the last one may
// remember its jti, and is told the same again.
func (s *Sender) post(ctx context.Context, d *domain.Domain, c *domain.Client, n state.Notice, address string) (int, error) {
	token, err := s.Minter.Logout(d, c, n.Person, n.Session)
	if err != nil {
		return 0, err
	}
	answer, err := s.Out.PostForm(ctx, address, url.Values{"logout_token": {token}}, outbound.Notice)
	if err != nil {
		return 0, err
	}
	return answer.Status, nil
}

// enter reports whether an application may have one more delivery under way.
func (s *Sender) enter(application string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[application] >= perClient {
		return false
	}
	s.busy[application]++
	return true
}

func (s *Sender) leave(application string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[application]--; s.busy[application] == 0 {
		delete(s.busy, application)
	}
}
