package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// MaxSessionClients is how many clients of one session are remembered. Those beyond it are not told when it ends; their refresh
// tokens end with the others.
const MaxSessionClients = 200

// SessionClient is a client that somebody signed in to with a session.
type SessionClient struct {
	ClientID, ApplicationID string
}

// SessionClients are the clients of a session.
type SessionClients struct {
	List []SessionClient
	// Refresh is the longest lifetime of refresh tokens that any of them had when it was used.
	Refresh time.Duration
}

// Has reports whether a client is among them.
func (c SessionClients) Has(clientID string) bool {
	return slices.ContainsFunc(c.List, func(one SessionClient) bool { return one.ClientID == clientID })
}

// note stores a session that is there, and adds a client to its clients. The field "" holds the longest lifetime in seconds, the
// others the applications by client_id.
//
// KEYS[1] session, KEYS[2] its clients. ARGV: record, lifetime of the session (ms), client_id, application, lifetime of its
// refresh tokens (s), lifetime of the clients (ms), most clients.
var note = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if tonumber(redis.call('HGET', KEYS[2], '') or '-1') < tonumber(ARGV[5]) then redis.call('HSET', KEYS[2], '', ARGV[5]) end
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 or redis.call('HLEN', KEYS[2]) <= tonumber(ARGV[7]) then
  redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return 1
`)

// NoteClient is UpdateSession for a session that signs in to a client, whose refresh tokens live for refresh. Requests that
// note clients of one session at the same time lose none of them.
func (s *Store) NoteClient(ctx context.Context, cookie string, v Session, c SessionClient, refresh, idle time.Duration) error {
	record, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	left := time.Unix(v.Ends, 0).Sub(s.now())
	if left <= 0 {
		return errors.Join(ErrUnknown, s.EndSession(ctx, cookie, v.Domain))
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	there, err := note.Run(ctx, s.client, withClients(sessionKey(cookie, v.Domain)),
		record, min(idle, left).Milliseconds(), c.ClientID, c.ApplicationID, int64(refresh/time.Second), left.Milliseconds(),
		MaxSessionClients).Int()
	switch {
	case err != nil:
		return s.unavailable(err)
	case there == 0:
		return ErrUnknown
	}
	return nil
}

// SessionClients returns the clients of a domain's session.
func (s *Store) SessionClients(ctx context.Context, cookie, domain string) (SessionClients, error) {
	return s.clientsAt(ctx, sessionKey(cookie, domain))
}

// ListedClients is SessionClients for a session that is known by where it is kept.
func (s *Store) ListedClients(ctx context.Context, one PersonSession) (SessionClients, error) {
	return s.clientsAt(ctx, one.Key)
}

func (s *Store) clientsAt(ctx context.Context, session string) (SessionClients, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	fields, err := s.client.HGetAll(ctx, clientsKey(session)).Result()
	if err != nil {
		return SessionClients{}, s.unavailable(err)
	}
	return clientsOf(fields), nil
}

func clientsOf(fields map[string]string) SessionClients {
	var c SessionClients
	for id, v := range fields {
		if id != "" {
			c.List = append(c.List, SessionClient{ClientID: id, ApplicationID: v})
			continue
		}
		seconds, _ := strconv.ParseInt(v, 10, 64) // what is no number was not written by us, and says nothing
		c.Refresh = time.Duration(seconds) * time.Second
	}
	return c
}

// codesFor is how long a session that ended is remembered at least: its codes are not redeemed any more.
const codesFor = 10 * time.Minute

// closing ends a session and returns its clients.
//
// KEYS[1] session, KEYS[2] its clients.
const closing = `
local clients = redis.call('HGETALL', KEYS[2])
redis.call('DEL', KEYS[1], KEYS[2])
return clients
`

// CloseSession ends a session for good, in one step: nobody is signed in by it any more, its codes and the refresh tokens
// issued without offline_access are worth nothing, and the notices are queued. known are the clients the notices were made
// for. It returns those that the session was used for meanwhile, whom the caller has to tell as well.
func (s *Store) CloseSession(ctx context.Context, cookie string, v *Session, known SessionClients, notices []Notice) (SessionClients, error) {
	return s.closeSession(ctx, sessionKey(cookie, v.Domain), v, known, notices)
}

func (s *Store) closeSession(ctx context.Context, key string, v *Session, known SessionClients, notices []Notice) (SessionClients, error) {
	lists, err := encodeNotices(notices)
	if err != nil {
		return SessionClients{}, err
	}
	now := s.now()
	member := v.Domain + "|" + ofSession + "|" + v.ID + "|" + strconv.FormatInt(now.UnixMilli(), 10)
	until := now.Add(max(known.Refresh, codesFor))
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var closed *redis.Cmd
	var queued []*redis.Cmd
	// In this order: where the steps are several, what is left undone is done when the session is closed again.
	err = s.together(ctx, func(p redis.Pipeliner) {
		p.Eval(ctx, unlist, []string{personKey(v.Domain, v.Person.Subject)}, v.ID, key)
		announce(ctx, p, member, until)
		queued = lists.queue(ctx, p, now)
	}, func(p redis.Pipeliner) {
		closed = p.Eval(ctx, closing, withClients(key))
	})
	if err != nil {
		return SessionClients{}, s.unavailable(err)
	}
	s.dropped(ctx, queued)
	if len(queued) > 0 {
		s.tellNoticed()
	}
	s.revoked.learn(member, until.UnixMilli())
	flat, err := closed.StringSlice()
	if err != nil {
		return SessionClients{}, fmt.Errorf("read clients of session: %w", err)
	}
	late := clientsOf(pairs(flat))
	late.List = slices.DeleteFunc(late.List, func(c SessionClient) bool { return known.Has(c.ClientID) })
	if late.Refresh > known.Refresh {
		err = s.revoke(ctx, member, now.Add(late.Refresh), nil)
	}
	return late, err
}

func pairs(flat []string) map[string]string {
	m := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		m[flat[i]] = flat[i+1]
	}
	return m
}

// clientsKey names the clients of a session after the key of the session, so that both change in one step (see doc.go).
func clientsKey(session string) string { return "clients:{" + session + "}" }

func withClients(session string) []string { return []string{session, clientsKey(session)} }
