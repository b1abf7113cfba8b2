package state

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

const (
	revokedKey     = "revoked"
	revokedChannel = "revoked"
	// reloadEvery is how often the whole list is read again, in case a notice was lost.
	reloadEvery = 30 * time.Second
	// signOfLife is how long the connection may be silent before it is asked, and then how long the answer may take.
	signOfLife = 2 * time.Second
	// margin keeps expired revocations a little longer, because the clocks of gateways differ.
	margin = time.Minute
	// keepRevoked is the shortest time for which a grant stays revoked. Its tokens may have been made when the client's
	// lifetimes were longer.
	keepRevoked = 24 * time.Hour
)

// revocations is every gateway's own copy of what is revoked. It is read on every use of an access token, without asking
// Redis; Redis distributes it.
type revocations struct {
	loaded chan struct{}
	once   sync.Once
	// size is the number of entries. It spares the usual case, that nothing is revoked, the lock.
	size atomic.Int64

	mu       sync.RWMutex
	tokens   map[name]int64 // until, ms
	grants   map[name]int64 // until, ms
	subjects map[name]cut
	sessions map[name]cut
	consents map[name]cut
}

type name struct{ domain, id string }

// cut revokes what was issued up to a moment (ms).
type cut struct{ until, at int64 }

func (r *revocations) init() {
	r.loaded = make(chan struct{})
	r.tokens, r.grants = map[name]int64{}, map[name]int64{}
	r.subjects, r.sessions, r.consents = map[name]cut{}, map[name]cut{}, map[name]cut{}
}

// The kinds of revocation, as the list spells them: <domain>|<kind>|<id>, and |<at> after it for those that end what was
// made up to a moment: subjects, sessions and consents. Domains have no bar in their identifiers.
const (
	ofToken   = "t"
	ofGrant   = "g"
	ofSubject = "s"
	ofSession = "o"
	ofConsent = "c"
)

// RevokeToken ends one access token, named by its jti, until it would have expired anyway.
func (s *Store) RevokeToken(ctx context.Context, domain, jti string, until time.Time) error {
	return s.revoke(ctx, domain+"|"+ofToken+"|"+jti, until, nil)
}

// RevokeGrant ends a grant: its refresh tokens at once, and its access tokens, the last of which expires at until.
func (s *Store) RevokeGrant(ctx context.Context, domain, grant string, until time.Time) error {
	if least := s.now().Add(keepRevoked); until.Before(least) {
		until = least
	}
	return s.revoke(ctx, domain+"|"+ofGrant+"|"+grant, until, func(ctx context.Context, p redis.Pipeliner) {
		bury(ctx, p, grant)
	})
}

// RevokeSubject ends everything that a person allowed up to now: access tokens, grants and codes. The longest-lived of
// them, refresh tokens included, would end at until.
func (s *Store) RevokeSubject(ctx context.Context, domain, subject string, until time.Time) error {
	at := strconv.FormatInt(s.now().UnixMilli(), 10)
	return s.revoke(ctx, domain+"|"+ofSubject+"|"+subject+"|"+at, until, nil)
}

// RevokeConsent ends everything that a person allowed a client up to now: access tokens, grants and codes. The longest-lived
// of them, refresh tokens included, would end at until.
func (s *Store) RevokeConsent(ctx context.Context, domain, subject, clientID string, until time.Time) error {
	at := strconv.FormatInt(s.now().UnixMilli(), 10)
	return s.revoke(ctx, domain+"|"+ofConsent+"|"+consentOf(subject, clientID)+"|"+at, until, nil)
}

// consentOf names what a person allowed a client. The hash has no bar in it, which a client identifier may have.
func consentOf(subject, clientID string) string {
	return secret.HashToken(subject + "/" + secret.HashToken(clientID))
}

// Token is what Revoked needs to know of an access token.
type Token struct {
	Domain, JTI, Subject, ClientID string
	// IssuedAt is in milliseconds since the epoch.
	IssuedAt int64
}

// Revoked tells whether an access token was ended before its time. It asks this gateway's own copy: a revocation made
// elsewhere counts once its notice has arrived, usually within milliseconds.
func (s *Store) Revoked(t Token) bool {
	r := &s.revoked
	if r.size.Load() == 0 {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if _, ok := r.tokens[name{t.Domain, t.JTI}]; ok {
		return true
	}
	// Before the last dot stand the grant and what it came of: grants, and tokens without a grant (Authorization.Line).
	for rest := t.JTI; ; {
		part, after, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		n := name{t.Domain, part}
		if _, ok := r.grants[n]; ok {
			return true
		}
		if _, ok := r.tokens[n]; ok {
			return true
		}
		rest = after
	}
	if c, ok := r.subjects[name{t.Domain, t.Subject}]; ok && t.IssuedAt <= c.at {
		return true
	}
	if len(r.consents) == 0 || t.ClientID == "" {
		return false
	}
	c, ok := r.consents[name{t.Domain, consentOf(t.Subject, t.ClientID)}]
	return ok && t.IssuedAt <= c.at
}

// ended tells whether the grant that an authorization belongs to, or everything its person allowed then, was revoked, or
// the session in which it was made has ended and it was not to outlive the session (OpenID Connect Back-Channel Logout §2.7).
func (s *Store) ended(a *Authorization) bool {
	if s.revoked.size.Load() == 0 {
		return false
	}
	return s.Revoked(Token{
		Domain: a.Domain, JTI: a.Line() + ".", Subject: a.Person.Subject, ClientID: a.ClientID, IssuedAt: a.Created,
	}) || s.revoked.sessionEnded(a)
}

func (r *revocations) sessionEnded(a *Authorization) bool {
	if a.SessionID == "" || slices.Contains(a.Scopes, oauth2.ScopeOfflineAccess) {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	c, ok := r.sessions[name{a.Domain, a.SessionID}]
	return ok && a.Created <= c.at
}

// SessionEnded tells whether one of a domain's sessions that ended since a moment is the one that is meant; `is` is told the
// identifiers. What a session is called to clients cannot be turned back, so each is tried: it is for rare requests.
func (s *Store) SessionEnded(domain string, since time.Time, is func(session string) bool) bool {
	if s.revoked.size.Load() == 0 {
		return false
	}
	return slices.ContainsFunc(s.revoked.endedSince(domain, since.UnixMilli()), is)
}

// endedSince lists sessions of a domain, so that they can be looked at without the lock.
func (r *revocations) endedSince(domain string, since int64) (ids []string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for n, c := range r.sessions {
		if n.domain == domain && since <= c.at {
			ids = append(ids, n.id)
		}
	}
	return ids
}

// revoke enters a member into the list and tells everybody, together with what else is to happen in the same step.
func (s *Store) revoke(ctx context.Context, member string, until time.Time, also func(context.Context, redis.Pipeliner)) error {
	millis := until.UnixMilli()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.together(ctx, func(p redis.Pipeliner) {
		if also != nil {
			also(ctx, p)
		}
		announce(ctx, p, member, until)
	})
	if err != nil {
		return s.unavailable(err)
	}
	s.revoked.learn(member, millis)
	return nil
}

// announce enters a member into the list and tells everybody.
func announce(ctx context.Context, p redis.Pipeliner, member string, until time.Time) {
	millis := until.UnixMilli()
	p.ZAddGT(ctx, revokedKey, redis.Z{Score: float64(millis), Member: member})
	p.Publish(ctx, revokedChannel, strconv.FormatInt(millis, 10)+" "+member)
}

// learn enters one member into the copy. What it does not understand was written by a later version.
func (r *revocations) learn(member string, until int64) {
	parts := strings.Split(member, "|")
	if len(parts) < 3 {
		return
	}
	n := name{parts[0], parts[2]}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case parts[1] == ofToken && len(parts) == 3:
		r.tokens[n] = max(r.tokens[n], until)
	case parts[1] == ofGrant && len(parts) == 3:
		r.grants[n] = max(r.grants[n], until)
	case len(parts) == 4:
		cuts := r.cuts(parts[1])
		at, err := strconv.ParseInt(parts[3], 10, 64)
		if err != nil || cuts == nil {
			return
		}
		old := cuts[n]
		cuts[n] = cut{until: max(old.until, until), at: max(old.at, at)}
	}
	r.count()
}

// cuts are the revocations of one kind that end what was made up to a moment; nil for another kind.
func (r *revocations) cuts(kind string) map[name]cut {
	switch kind {
	case ofSubject:
		return r.subjects
	case ofSession:
		return r.sessions
	case ofConsent:
		return r.consents
	}
	return nil
}

// forget removes what no longer matters.
func (r *revocations) forget(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, until := range r.tokens {
		if until <= now {
			delete(r.tokens, n)
		}
	}
	for n, until := range r.grants {
		if until <= now {
			delete(r.grants, n)
		}
	}
	for _, cuts := range []map[name]cut{r.subjects, r.sessions, r.consents} {
		for n, c := range cuts {
			if c.until <= now {
				delete(cuts, n)
			}
		}
	}
	r.count()
}

func (r *revocations) count() {
	r.size.Store(int64(len(r.tokens) + len(r.grants) + len(r.subjects) + len(r.sessions) + len(r.consents)))
}

// Loaded is closed once the list of revocations has been read for the first time.
func (s *Store) Loaded() <-chan struct{} { return s.revoked.loaded }

// Run keeps the copy of the revocations current until ctx ends. It listens first and reads the list afterwards, so that
// nothing falls between; a lost connection starts over.
func (s *Store) Run(ctx context.Context) error {
	const shortest, longest = 50 * time.Millisecond, time.Second
	wait, lost := shortest, false
	for ctx.Err() == nil {
		err := s.follow(ctx, func() { wait, lost = shortest, false })
		if ctx.Err() != nil {
			return nil
		}
		if !lost {
			s.log.WarnContext(ctx, "revocations are not followed", "err", err)
			lost = true
		}
		pause := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			pause.Stop()
		case <-pause.C:
			wait = min(2*wait, longest)
		}
	}
	return nil
}

var errSilent = errors.New("redis is silent")

// follow applies notices until the connection fails or ctx ends. connected is called whenever the list has been read.
func (s *Store) follow(ctx context.Context, connected func()) error {
	sub := s.listener.Subscribe(ctx, revokedChannel)
	// Closing is what ends a blocked read; a context alone does not.
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })()
	defer func() { _ = sub.Close() }()
	if _, err := sub.ReceiveTimeout(ctx, s.timeout); err != nil {
		return s.unavailable(err)
	}
	var read time.Time
	for asked := false; ; {
		if time.Since(read) >= reloadEvery {
			if err := s.reload(ctx); err != nil {
				return err
			}
			connected()
			read = time.Now()
		}
		message, err := sub.ReceiveTimeout(ctx, signOfLife)
		switch {
		case err == nil:
			asked = false
			if m, ok := message.(*redis.Message); ok {
				s.hear(m.Payload)
			}
		case !isTimeout(err):
			return s.unavailable(err)
		case asked:
			return s.unavailable(errSilent)
		default:
			if err := sub.Ping(ctx); err != nil {
				return s.unavailable(err)
			}
			asked = true
		}
	}
}

// hear applies one notice.
func (s *Store) hear(payload string) {
	millis, member, ok := strings.Cut(payload, " ")
	until, err := strconv.ParseInt(millis, 10, 64)
	if ok && err == nil {
		s.revoked.learn(member, until)
	}
}

// reload reads the whole list and removes from it what no longer matters.
func (s *Store) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	over := s.now().Add(-margin).UnixMilli()
	if err := s.client.ZRemRangeByScore(ctx, revokedKey, "-inf", strconv.FormatInt(over, 10)).Err(); err != nil {
		return s.unavailable(err)
	}
	all, err := s.client.ZRangeWithScores(ctx, revokedKey, 0, -1).Result()
	if err != nil {
		return s.unavailable(err)
	}
	for _, z := range all {
		member, ok := z.Member.(string)
		if !ok {
			return fmt.Errorf("the list of revocations holds a %T", z.Member)
		}
		s.revoked.learn(member, int64(z.Score))
	}
	s.revoked.forget(over)
	s.revoked.once.Do(func() { close(s.revoked.loaded) })
	return nil
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
