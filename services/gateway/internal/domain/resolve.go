package domain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

const (
	// askTimeout bounds one question to management. It does not depend on the request that happened to ask first.
	askTimeout = time.Second
	// refusalFor is how long an unknown client identifier is not asked for again.
	refusalFor = time.Second
	// Questions per domain about identifiers that may be invented: enough for a burst of fresh registrations, too few to carry
	// a flood to management.
	askRate, askBurst = 200, 400
	// Questions per domain about registered clients that are not held, which nobody can invent. They have a bound of their own, so
	// that a flood of others takes nothing from them; management answers each from memory.
	askHeldRate, askHeldBurst = 2000, 4000
	// askAgain is how often a question is asked whose answer was out of date when it came.
	askAgain = 3
	// provenFor is how long it counts that something was there, which callers name and might have made up.
	provenFor = 10 * time.Minute
	// answersKept bounds the memory that refusals, and that proofs can take.
	answersKept = 4096
)

// questions are asked about clients that are not held.
type questions struct {
	now    func() time.Time
	joined singleflight.Group

	mu       sync.Mutex
	limits   map[limited]*rate.Limiter
	refusals answers
	proven   answers
}

// answers are questions whose answer counts for a while, and until when.
type answers map[string]time.Time

// counts reports whether the answer to a question counts still.
func (a answers) counts(question string, now time.Time) bool {
	until, there := a[question]
	return there && now.Before(until)
}

// keep lets an answer count for a while, in the place of others that do no longer, or of some that do.
func (a answers) keep(question string, now time.Time, lasting time.Duration) {
	if len(a) >= answersKept {
		for k, until := range a {
			if !now.Before(until) || len(a) >= answersKept {
				delete(a, k)
			}
		}
	}
	a[question] = now.Add(lasting)
}

// limited is what has a bound of its own: questions about clients of a domain that are known to be there, and others.
type limited struct {
	domain string
	known  bool
}

func (q *questions) init(now func() time.Time) {
	q.now, q.limits, q.refusals, q.proven = now, map[limited]*rate.Limiter{}, answers{}, answers{}
}

// allow reports whether management may be asked now. An error means that too many questions were asked.
func (q *questions) allow(about limited, question string) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if q.refusals.counts(question, now) {
		return false, nil
	}
	limit := q.limits[about]
	if limit == nil {
		limit = rate.NewLimiter(askRate, askBurst)
		if about.known {
			limit = rate.NewLimiter(askHeldRate, askHeldBurst)
		}
		q.limits[about] = limit
	}
	if !limit.AllowN(now, 1) {
		if about.known {
			return false, oauth2.TemporarilyUnavailable.Errorf("Too many clients at once, try again shortly")
		}
		return false, oauth2.TemporarilyUnavailable.Errorf("Too many unknown clients, try again shortly")
	}
	return true, nil
}

// forget drops what is kept for a domain that is gone.
func (q *questions) forget(domain string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.limits, limited{domain, false})
	delete(q.limits, limited{domain, true})
}

func (q *questions) refuse(question string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.proven, question)
	q.refusals.keep(question, q.now(), refusalFor)
}

func (q *questions) prove(question string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.proven.keep(question, q.now(), provenFor)
}

func (q *questions) isProven(question string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.proven.counts(question, q.now())
}

// holds reports whether the current state of a domain has a client, whatever the snapshot of the asking request says.
func (s *Set) holds(domainID, clientID string) bool {
	fresh := s.Domain(domainID)
	return fresh != nil && fresh.clients.get(clientID) != nil
}

// resolve asks management for a client that this gateway does not hold. Concurrent questions are joined, refusals are
// remembered for a second.
func (s *Set) resolve(ctx context.Context, d *Domain, clientID string) (*Client, error) {
	if s.options.Resolve == nil || clientID == "" || len(clientID) > 256 {
		return nil, ErrNoClient
	}
	named := d.ID + "/" + clientID
	known := d.beyond.has(clientID)
	if fresh := s.Domain(d.ID); !known && fresh != nil {
		known = fresh.beyond.has(clientID)
	}
	allowed, err := s.asked.allow(limited{d.ID, known}, named)
	if err != nil {
		return nil, err
	}
	if !allowed {
		return nil, ErrNoClient
	}
	answers := s.asked.joined.DoChan(named, func() (any, error) {
		if s.holds(d.ID, clientID) {
			return nil, nil // an answer to the same question came while this one was on its way here
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		for again := range askAgain {
			q, asks := s.ask(d.ID, clientID)
			if again > 0 {
				asks.Revision = 0 // what the stream brought may not be all that is new
			}
			answer, err := s.options.Resolve(ctx, asks)
			if errors.Is(err, ErrNoClient) {
				s.gone(q, clientID)
			}
			app, own := answer.GetApplication(), answer.GetBelongings()
			if err == nil {
				if own, err = s.fetch(ctx, app, own); err != nil {
					app = nil
				}
			}
			current := s.answered(q, app, own)
			if err != nil {
				if errors.Is(err, ErrNoClient) {
					s.asked.refuse(named)
				}
				return nil, err
			}
			if current {
				return nil, nil
			}
		}
		return nil, oauth2.TemporarilyUnavailable.Errorf("The client is being changed, try again shortly")
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case answer := <-answers:
		if answer.Err != nil {
			if errors.Is(answer.Err, ErrNoClient) {
				return nil, ErrNoClient
			}
			return nil, fmt.Errorf("look up client %q: %w", clientID, answer.Err)
		}
	}
	if fresh := s.Domain(d.ID); fresh != nil {
		if e := fresh.clients.get(clientID); e != nil {
			return fresh.client(e)
		}
	}
	return nil, ErrNoClient
}

// question is one about a client, under way. What the stream brings meanwhile is noted with it, so that an answer that was on its
// way while the client changed is not taken for the present state. Set.mu guards it.
type question struct {
	domain string
	src    *source
	// void means that everything was forgotten meanwhile.
	void bool
	// touched are the revisions of the applications that changed meanwhile, by their own identifiers, and owned are changes of what
	// belongs to applications.
	touched map[string]int64
	owned   []touchedBelonging
}

// touchedBelonging is a form or flow that changed. The owner is empty where it was deleted.
type touchedBelonging struct {
	key      resource.Key
	owner    string
	revision int64
}

// ask notes that a question is under way, and returns what is asked.
func (s *Set) ask(domain, clientID string) (*question, *registrationv1.ResolveRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &question{domain: domain, src: s.sources[domain]}
	asks := &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID, Revision: s.revision}
	if q.src != nil {
		asks.Belongings = q.src.parted
		if q.src.asking == nil {
			q.src.asking = map[*question]struct{}{}
		}
		q.src.asking[q] = struct{}{}
	}
	return q, asks
}

// answered puts an answer in effect, nil for none, and reports whether it was the present state. An answer that is newer than what the
// stream has brought is learned in any case. One that the stream has passed counts if the stream leaves it out, and
// has not brought a change of it since the question.
func (s *Set) answered(q *question, app *configv1.Application, own *registrationv1.Belongings) (current bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.src == nil {
		return true
	}
	delete(q.src.asking, q)
	if app == nil {
		return true
	}
	if q.void || s.sources[q.domain] != q.src {
		return false
	}
	if !q.src.has(app) && (q.overtook(app.GetId(), own) || own == nil && s.mayLack(app)) {
		return false
	}
	if app.GetRevision() > s.revision {
		s.learn(app, own)
		return true
	}
	key := resource.KeyOf(app)
	switch {
	case key.Domain != q.domain || q.src.beyond == nil || !configsync.OnDemand(app) && !q.src.beyond.has(app.GetSettings().GetOauth().GetClientId()) || q.src.apps[app.GetId()] != nil:
		return true // the stream knows better
	case app.GetRevision() < max(q.touched[app.GetId()], s.ahead[key]):
		return false
	}
	s.hold(key, app, own)
	return true
}

// overtook reports whether what belongs to an application has changed since it was told, or may have.
func (q *question) overtook(application string, own *registrationv1.Belongings) bool {
	if own == nil || len(q.owned) == 0 {
		return false
	}
	told := make(map[resource.Key]int64, len(own.GetResources()))
	for _, w := range own.GetResources() {
		if r := resource.Unwrap(w); r != nil {
			told[resource.KeyOf(r)] = r.GetRevision()
		}
	}
	return slices.ContainsFunc(q.owned, func(t touchedBelonging) bool {
		revision, there := told[t.key]
		if t.owner == "" {
			return there // an identifier is never used again
		}
		return t.owner == application && revision < t.revision
	})
}

// gone notes that management does not know a client: if it is one that registered itself and is not held, it has been deleted. The
// stream says so as well, but a management that was started since does not know of which client. It is no known one from now on, unless
// it came back meanwhile.
func (s *Set) gone(q *question, clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.src != nil && s.sources[q.domain] == q.src && !q.void && len(q.touched) == 0 {
		q.src.beyond.remove(clientID)
	}
}

// touched notes with the questions under way that a batch changes a resource; nil is one that it deletes.
func (c *change) touched(key resource.Key, r resource.Resource, revision int64) {
	src := c.sources[key.Domain]
	if src == nil || len(src.asking) == 0 {
		return
	}
	switch key.Kind {
	case "application":
	case "form", "flow":
		t := touchedBelonging{key: key, owner: src.belongsTo(r), revision: revision}
		if r != nil && t.owner == "" {
			return // the domain's
		}
		for q := range src.asking {
			q.owned = append(q.owned, t)
		}
		return
	default:
		return
	}
	for q := range src.asking {
		if q.touched == nil {
			q.touched = map[string]int64{}
		}
		q.touched[key.ID] = max(q.touched[key.ID], revision)
	}
}

// voidQuestions makes the answers to the questions under way count for nothing.
func (src *source) voidQuestions() {
	for q := range src.asking {
		q.void = true
	}
}

// Templates returns the applications whose copies registrations can be, by name. They must not be changed.
func (d *Domain) Templates() []*Template { return d.clients.templates }
