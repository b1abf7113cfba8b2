package domain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

const (
	// askTimeout bounds one question to management. It does not depend on the request that happened to ask first.
	askTimeout = time.Second
	// refusalFor is how long an unknown client identifier is not asked for again.
	refusalFor = time.Second
	// Questions per domain: enough for a burst of fresh registrations, too few to carry a flood of invented identifiers
	// to management.
	askRate, askBurst = 200, 400
	// refusalsKept bounds the memory that invented identifiers can take.
	refusalsKept = 4096
)

// questions are asked about clients that the stream has not brought yet.
type questions struct {
	now    func() time.Time
	joined singleflight.Group

	mu       sync.Mutex
	limits   map[string]*rate.Limiter
	refusals map[string]time.Time
}

func (q *questions) init(now func() time.Time) {
	q.now, q.limits, q.refusals = now, map[string]*rate.Limiter{}, map[string]time.Time{}
}

// allow reports whether management may be asked now. An error means that too many questions were asked.
func (q *questions) allow(domain, question string) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if until, refused := q.refusals[question]; refused && now.Before(until) {
		return false, nil
	}
	limit := q.limits[domain]
	if limit == nil {
		limit = rate.NewLimiter(askRate, askBurst)
		q.limits[domain] = limit
	}
	if !limit.AllowN(now, 1) {
		return false, oauth2.TemporarilyUnavailable.Errorf("Too many unknown clients, try again shortly")
	}
	return true, nil
}

// forget drops what is kept for a domain that is gone.
func (q *questions) forget(domain string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.limits, domain)
}

func (q *questions) refuse(question string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if len(q.refusals) >= refusalsKept {
		for k, until := range q.refusals {
			if !now.Before(until) || len(q.refusals) >= refusalsKept {
				delete(q.refusals, k)
			}
		}
	}
	q.refusals[question] = now.Add(refusalFor)
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
	question := d.ID + "/" + clientID
	allowed, err := s.asked.allow(d.ID, question)
	if err != nil {
		return nil, err
	}
	if !allowed {
		return nil, ErrNoClient
	}
	answers := s.asked.joined.DoChan(question, func() (any, error) {
		if s.holds(d.ID, clientID) {
			return nil, nil // an answer to the same question came while this one was on its way here
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		app, err := s.options.Resolve(ctx, d.ID, clientID)
		if err != nil {
			if errors.Is(err, ErrNoClient) {
				s.asked.refuse(question)
			}
			return nil, err
		}
		s.Learn(app)
		return nil, nil
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

// Templates returns the applications whose copies registrations can be, by name. They must not be changed.
func (d *Domain) Templates() []*Template { return d.clients.templates }
