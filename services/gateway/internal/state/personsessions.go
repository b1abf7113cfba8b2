package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// MaxPersonSessions is how many sessions of one person are kept in a domain. Whoever signs in once more ends the one in which
// they signed in the longest ago.
const MaxPersonSessions = 100

// Device is what a browser tells of itself when somebody signs in.
type Device struct {
	// Agent is its header User-Agent, at most MaxAgent bytes of it; Address is where it is.
	Agent   string `json:"agent,omitempty"`
	Address string `json:"address,omitempty"`
}

// MaxAgent is how many bytes of a User-Agent are kept.
const MaxAgent = 300

// PersonSession is one of the sessions of a person.
type PersonSession struct {
	// ID names the session, as in Session.
	ID string `json:"-"`
	// Key is where the session is kept. It signs nobody in.
	Key string `json:"key"`
	Device
	Provider string `json:"provider"`
	// Began is when the session began, AuthTime when the person signed in last, Ends when it ends at the latest; seconds since
	// the epoch.
	Began    int64 `json:"began"`
	AuthTime int64 `json:"auth_time"`
	Ends     int64 `json:"ends"`
	// Remembered says that the browser keeps the session when it is closed.
	Remembered bool `json:"remembered,omitempty"`
	// Idle is after how many milliseconds without a request the session ends.
	Idle int64 `json:"idle"`
	// Seen is when the browser sent the last request of the session.
	Seen time.Time `json:"-"`
}

// list adds a session to those of its person. Where there are too many it takes out those that have ended, then those in which
// the person signed in the longest ago, and returns the latter.
//
// KEYS[1] the sessions. ARGV: name, record, lifetime (ms), most sessions, now (s).
const list = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if redis.call('HLEN', KEYS[1]) <= tonumber(ARGV[4]) then return {} end
local all, there, out = redis.call('HGETALL', KEYS[1]), {}, {}
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] then
    local one = cjson.decode(all[i + 1])
    if one.ends <= tonumber(ARGV[5]) then
      redis.call('HDEL', KEYS[1], all[i])
    else
      there[#there + 1] = {all[i], all[i + 1], one.auth_time}
    end
  end
end
table.sort(there, function(a, b) return a[3] < b[3] end)
for i = 1, #there - tonumber(ARGV[4]) + 1 do
  redis.call('HDEL', KEYS[1], there[i][1])
  out[#out + 1] = there[i][1]
  out[#out + 1] = there[i][2]
end
return out
`

// unlist takes a session from those of its person, unless the same name is kept elsewhere meanwhile: the person has signed in
// to it again.
//
// KEYS[1] the sessions. ARGV: name, key of the session.
const unlist = `
local record = redis.call('HGET', KEYS[1], ARGV[1])
if record and cjson.decode(record).key == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
`

// adopt gives clients to a session that is there. The lifetime that is there counts if it is longer.
//
// KEYS[1] session, KEYS[2] its clients. ARGV: lifetime of the clients (ms), then client_id and application of each, as closing
// returns them.
const adopt = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 2, #ARGV, 2 do
  if ARGV[i] ~= '' then
    redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1])
  elseif tonumber(redis.call('HGET', KEYS[2], '') or '-1') < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[2], '', ARGV[i + 1])
  end
end
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
`

// BeginSession is SaveSession for somebody who has just signed in: the session is listed among those of the person, in the same
// round trip. It returns sessions that are too many now, and listed no more; the caller ends them.
func (s *Store) BeginSession(ctx context.Context, cookie string, v Session, idle time.Duration, d Device) (crowded []PersonSession, err error) {
	return s.SucceedSession(ctx, "", cookie, v, idle, d)
}

// SucceedSession is BeginSession for a session of the same name and person that was kept under another cookie until now: it ends
// there, and its clients are those of the new one.
func (s *Store) SucceedSession(
	ctx context.Context, old, cookie string, v Session, idle time.Duration, d Device,
) (crowded []PersonSession, err error) {
	record, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode session: %w", err)
	}
	if len(d.Agent) > MaxAgent {
		d.Agent = d.Agent[:MaxAgent]
	}
	key, now := sessionKey(cookie, v.Domain), s.now()
	entry, err := json.Marshal(PersonSession{
		Key: key, Device: d, Provider: v.Provider, Began: v.Began, AuthTime: v.AuthTime, Ends: v.Ends,
		Remembered: v.Remembered > 0, Idle: idle.Milliseconds(),
	})
	if err != nil {
		return nil, fmt.Errorf("encode session of person: %w", err)
	}
	left := time.Unix(v.Ends, 0).Sub(now)
	if left <= 0 {
		return nil, s.EndSession(ctx, cookie, v.Domain)
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var listed *redis.Cmd
	var clients *redis.MapStringStringCmd
	_, err = s.client.Pipelined(within, func(p redis.Pipeliner) error {
		p.Set(within, key, record, min(idle, left))
		listed = p.Eval(within, list, []string{personKey(v.Domain, v.Person.Subject)}, v.ID, entry, left.Milliseconds(), MaxPersonSessions, now.Unix())
		if old != "" {
			clients = p.HGetAll(within, clientsKey(sessionKey(old, v.Domain)))
		}
		return nil
	})
	if err != nil {
		return nil, s.unavailable(err)
	}
	flat, err := listed.StringSlice()
	if err != nil {
		return nil, fmt.Errorf("read sessions of person: %w", err)
	}
	for id, record := range pairs(flat) {
		if one, ok := personSession(id, record); ok {
			crowded = append(crowded, one)
		}
	}
	if clients == nil {
		return crowded, nil
	}
	return crowded, s.handOver(ctx, sessionKey(old, v.Domain), key, clients.Val(), left)
}

// handOver gives clients to a session under its new key before it ends under the old one; those that came to it there meanwhile
// follow.
func (s *Store) handOver(ctx context.Context, old, key string, clients map[string]string, left time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var closed *redis.Cmd
	err := s.together(ctx, func(p redis.Pipeliner) {
		if len(clients) > 0 {
			p.Eval(ctx, adopt, withClients(key), unpaired(left, clients)...)
		}
	}, func(p redis.Pipeliner) {
		closed = p.Eval(ctx, closing, withClients(old))
	})
	if err != nil {
		return s.unavailable(err)
	}
	flat, err := closed.StringSlice()
	if err != nil {
		return fmt.Errorf("read clients of session: %w", err)
	}
	late := pairs(flat)
	for id, known := range clients {
		if late[id] == known {
			delete(late, id)
		}
	}
	if len(late) == 0 {
		return nil
	}
	return s.unavailable(s.client.Eval(ctx, adopt, withClients(key), unpaired(left, late)...).Err())
}

func unpaired(left time.Duration, clients map[string]string) []any {
	args := []any{left.Milliseconds()}
	for id, application := range clients {
		args = append(args, id, application)
	}
	return args
}

// PersonSessions returns the sessions of a person in a domain that have not ended, the one that was used last first.
func (s *Store) PersonSessions(ctx context.Context, domain, subject string) ([]PersonSession, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	key := personKey(domain, subject)
	fields, err := s.client.HGetAll(ctx, key).Result()
	if err != nil || len(fields) == 0 {
		return nil, s.unavailable(err)
	}
	all := make([]PersonSession, 0, len(fields))
	for id, record := range fields {
		if one, ok := personSession(id, record); ok {
			all = append(all, one)
		}
	}
	left := make([]*redis.DurationCmd, len(all))
	if _, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, one := range all {
			left[i] = p.PTTL(ctx, one.Key)
		}
		return nil
	}); err != nil {
		return nil, s.unavailable(err)
	}
	now := s.now()
	there := all[:0]
	var gone []string
	for i, one := range all {
		if left[i].Val() <= 0 || now.Unix() >= one.Ends {
			gone = append(gone, one.ID)
			continue
		}
		one.Seen = one.seen(now, left[i].Val())
		there = append(there, one)
	}
	if len(gone) > 0 {
		if err := s.client.HDel(ctx, key, gone...).Err(); err != nil {
			return nil, s.unavailable(err)
		}
	}
	slices.SortFunc(there, func(a, b PersonSession) int { return b.Seen.Compare(a.Seen) })
	return there, nil
}

// seen follows from how long the session is still kept: every request begins the idle time anew.
func (p *PersonSession) seen(now time.Time, left time.Duration) time.Time {
	at := now.Add(left - time.Duration(p.Idle)*time.Millisecond)
	if signedIn := time.Unix(p.AuthTime, 0); at.Before(signedIn) {
		at = signedIn
	}
	if at.After(now) {
		at = now
	}
	return at
}

// ListedSession returns a session of a person as it is kept. It returns ErrUnknown if it has ended.
func (s *Store) ListedSession(ctx context.Context, domain string, one PersonSession) (Session, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	record, err := s.client.Get(ctx, one.Key).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return Session{}, ErrUnknown
	case err != nil:
		return Session{}, s.unavailable(err)
	}
	var v Session
	if err := json.Unmarshal([]byte(record), &v); err != nil {
		return Session{}, fmt.Errorf("decode session: %w", err)
	}
	if v.Domain != domain || v.ID != one.ID {
		return Session{}, ErrUnknown
	}
	return v, nil
}

// CloseListed is CloseSession for a session that is known by where it is kept.
func (s *Store) CloseListed(ctx context.Context, one PersonSession, v *Session, known SessionClients, notices []Notice) (SessionClients, error) {
	return s.closeSession(ctx, one.Key, v, known, notices)
}

func personSession(id, record string) (PersonSession, bool) {
	one := PersonSession{}
	if json.Unmarshal([]byte(record), &one) != nil || one.Key == "" {
		return one, false // not written by us, or by a later version
	}
	one.ID = id
	return one, true
}

// personKey names the sessions of a person in a domain.
func personKey(domain, subject string) string {
	return "person:" + secret.HashToken(domain+"/"+subject)
}
