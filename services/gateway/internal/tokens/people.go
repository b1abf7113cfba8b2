package tokens

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Directory knows the people of a domain. Somebody it does not know is fault.NotFound.
type Directory interface {
	User(ctx context.Context, domain, subject string) (*directoryv1.User, error)
}

// Known is what the directory says of a person.
type Known struct {
	Person state.Person
	// Enabled is false for people who may not sign in.
	Enabled bool
	// PasswordChanged is when the person's password was last set anew; zero if it never was, or is not the directory's.
	PasswordChanged time.Time
	// User is all that the directory says, with the groups, inherited ones included. It must not be changed.
	User *directoryv1.User

	// withdrawn is when the person withdrew their consents, by client; in milliseconds since the epoch. Nil for most.
	withdrawn map[string]int64

	// as is the person as decisions about access see them, made when the first one does.
	as     *access.Person
	asOnce sync.Once

	// at is when the directory was asked.
	at time.Time
	// repeat is until when this is said again without asking, because the directory did not answer; in nanoseconds since
	// the epoch.
	repeat atomic.Int64
}

const (
	// stale is how long what the directory said is repeated while it does not answer.
	stale = 10 * time.Minute
	// lookupTimeout bounds one question. It does not depend on the request that happened to ask first.
	lookupTimeout = time.Second
	// silence is how long a directory that did not answer is left alone.
	silence = time.Second
	// repeatFor is how long an old answer is repeated after the directory was asked in vain: a directory that does not
	// answer costs its timeout seldom.
	repeatFor = 5 * time.Second
	// present is how old an answer may be that decides whether somebody is still there.
	present = 30 * time.Second
	// keptPeople bounds the number of people remembered.
	keptPeople = 50_000
)

// People remembers for a moment what the directory says of the people whom tokens name, so that a client that asks often
// costs the directory little and a short absence of management goes unnoticed. It is safe for concurrent use.
type People struct {
	directory Directory
	now       func() time.Time
	joined    singleflight.Group
	// silentUntil is when the directory may be asked again, in nanoseconds since the epoch.
	silentUntil atomic.Int64

	mu sync.RWMutex
	// young and old are two generations: when the young one is half of what is kept, it becomes the old one.
	young, old map[personKey]*Known
}

type personKey struct{ domain, subject string }

// NewPeople returns an empty memory before a directory.
func NewPeople(directory Directory, now func() time.Time) *People {
	return &People{directory: directory, now: now, young: map[personKey]*Known{}, old: map[personKey]*Known{}}
}

// Find returns what the directory says, or said at most maxAge ago. While the directory does not answer it may have said
// so up to ten minutes ago; beyond that the error is fault.Unavailable. Somebody unknown is fault.NotFound.
func (p *People) Find(ctx context.Context, domain, subject string, maxAge time.Duration) (*Known, error) {
	key := personKey{domain, subject}
	held, now := p.get(key), p.now()
	usable := held != nil && now.Sub(held.at) < stale
	if held != nil && now.Sub(held.at) < maxAge || usable && now.UnixNano() < held.repeat.Load() {
		return held, nil
	}
	known, err := p.ask(ctx, key)
	if fault.Is(err, fault.Unavailable) && usable {
		held.repeat.Store(p.now().Add(repeatFor).UnixNano())
		return held, nil
	}
	return known, err
}

// Lately is Find for decisions about access, which hold at once: what the directory says, or said at most maxAge ago. While it does
// not answer what it said last counts, if that was within grace; beyond that the error is fault.Unavailable.
func (p *People) Lately(ctx context.Context, domain, subject string, maxAge, grace time.Duration) (*Known, error) {
	key := personKey{domain, subject}
	held := p.get(key)
	if held != nil && p.now().Sub(held.at) < maxAge {
		return held, nil
	}
	known, err := p.ask(ctx, key)
	if fault.Is(err, fault.Unavailable) && held != nil && p.now().Sub(held.at) < grace {
		return held, nil
	}
	return known, err
}

// Access is the person as decisions about access see them. It must not be changed.
func (k *Known) Access() *access.Person {
	k.asOnce.Do(func() { k.as = access.NewPerson(k.User) })
	return k.as
}

// SignedOut reports whether a session is over: the directory does not know its person any more, they are disabled, or they have
// set another password since they signed in. It notices so within half a minute. A directory that does not answer says
// nothing, and nobody is signed out: gateways serve on without it.
func (p *People) SignedOut(ctx context.Context, domain string, s *state.Session) bool {
	known, err := p.Find(ctx, domain, s.Person.Subject, present)
	if err != nil {
		return fault.Is(err, fault.NotFound)
	}
	// Sign-ins are known to the second: one in the second of the change may be the one with the new password.
	return !known.Enabled || s.AuthTime < known.PasswordChanged.Unix()
}

// Withdrew reports whether the person has withdrawn since what they allowed a client at a moment, in milliseconds since the
// epoch.
func (k *Known) Withdrew(clientID string, allowed int64) bool {
	at, ok := k.withdrawn[clientID]
	return ok && allowed <= at
}

// Upholds reports whether what the person allowed still counts, as Stands does.
func (k *Known) Upholds(a *state.Authorization) bool {
	return k.Enabled && !k.PasswordChanged.After(time.UnixMilli(a.Created)) && !k.Withdrew(a.ClientID, a.Created)
}

// Errors of Stands.
var (
	ErrGone            = errors.New("the person is deleted or disabled")
	ErrPasswordChanged = errors.New("the person's password was changed since")
	ErrWithdrawn       = errors.New("the person has withdrawn the consent since")
)

// Stands returns nil if what somebody allowed a client at a moment still counts: they may be signed in, and have neither
// another password nor withdrawn it since. It notices all of that within half a minute; a directory that does not answer says
// nothing against it. Otherwise the error is ErrGone, ErrPasswordChanged or ErrWithdrawn.
func (p *People) Stands(ctx context.Context, domain, subject, clientID string, allowed time.Time) error {
	known, err := p.Find(ctx, domain, subject, present)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && !known.Enabled:
		return ErrGone
	case err == nil && known.PasswordChanged.After(allowed):
		return ErrPasswordChanged
	case err == nil && known.Withdrew(clientID, allowed.UnixMilli()):
		return ErrWithdrawn
	}
	return nil
}

// ask joins concurrent questions about one person.
func (p *People) ask(ctx context.Context, key personKey) (*Known, error) {
	if p.now().UnixNano() < p.silentUntil.Load() {
		return nil, fault.Unavailablef("the directory did not answer a moment ago")
	}
	answers := p.joined.DoChan(key.domain+"/"+key.subject, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		asked := p.now() // an answer may be as old as its question
		user, err := p.directory.User(ctx, key.domain, key.subject)
		switch {
		case fault.Is(err, fault.Unavailable):
			p.silentUntil.Store(p.now().Add(silence).UnixNano())
			return nil, err
		case fault.Is(err, fault.NotFound):
			p.forget(key)
			return nil, err
		case err != nil:
			return nil, err
		}
		known := &Known{Person: PersonOf(user), Enabled: user.Enabled == nil || user.GetEnabled(), User: user, at: asked}
		if at := user.GetLastPasswordReset(); at != nil {
			known.PasswordChanged = at.AsTime()
		}
		for client, at := range user.GetWithdrawals() {
			if known.withdrawn == nil {
				known.withdrawn = make(map[string]int64, len(user.GetWithdrawals()))
			}
			known.withdrawn[client] = at.AsTime().UnixMilli()
		}
		p.put(key, known)
		return known, nil
	})
	select {
	case <-ctx.Done():
		if ctx.Err() == context.DeadlineExceeded {
			return nil, fault.Unavailablef("the directory did not answer in time").Because(ctx.Err())
		}
		return nil, ctx.Err()
	case answer := <-answers:
		if answer.Err != nil {
			return nil, answer.Err
		}
		return answer.Val.(*Known), nil
	}
}

func (p *People) get(key personKey) *Known {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if held := p.young[key]; held != nil {
		return held
	}
	return p.old[key]
}

func (p *People) put(key personKey, known *Known) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.young) >= keptPeople/2 {
		p.old, p.young = p.young, map[personKey]*Known{}
	}
	p.young[key] = known
}

func (p *People) forget(key personKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.young, key)
	delete(p.old, key)
}
