package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

const (
	// keepExpired is how much longer than its tokens a grant is kept, so that an expired token is told from an unknown one.
	keepExpired = 10 * time.Minute
	// tombstoneFor is how long an ended grant cannot begin: much longer than any request takes.
	tombstoneFor = 10 * time.Minute
)

// Errors of refresh tokens.
var (
	// ErrExpired means that the refresh token was valid once and its time is over.
	ErrExpired = errors.New("expired")
	// ErrReused means that a refresh token was presented after its successor had been used, or too late for a lost
	// answer. The grant is gone.
	ErrReused = errors.New("used before")
	// ErrForeign means that the token belongs to another application or domain. Nothing was changed.
	ErrForeign = errors.New("issued to another client")
	// ErrUnproven means that the token is bound to a key whose possession was not proved. Nothing was changed: who has only the
	// token cannot even use it up.
	ErrUnproven = errors.New("bound to another key")
	// ErrBeyond means that more was asked for than the authorization holds. Nothing was changed.
	ErrBeyond = errors.New("more than was authorized")
	// ErrEnded means that a grant was ended before it began: its code was redeemed twice at the same time.
	ErrEnded = errors.New("ended already")
)

// begin keeps a grant unless it was ended before.
//
// KEYS[1] grant. ARGV: record, owner, family, current (hashes), expires, lifetime of the key (ms), begun (ms), key thumbprints,
// end (ms).
var begin = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'client', ARGV[2], 'family', ARGV[3], 'current', ARGV[4], 'expires', ARGV[5], 'begun', ARGV[7])
if ARGV[8] ~= '' then redis.call('HSET', KEYS[1], 'jkt', ARGV[8]) end
if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'x5t', ARGV[9]) end
if ARGV[10] ~= '0' then redis.call('HSET', KEYS[1], 'ends', ARGV[10]) end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
`)

// NewGrant keeps an authorization for ttl and returns its first refresh token. It returns ErrEnded if the grant was
// revoked meanwhile.
func (s *Store) NewGrant(ctx context.Context, a Authorization, ttl time.Duration) (string, error) {
	if len(a.Grant) != partLength {
		return "", errors.New("new grant: the authorization names no grant")
	}
	now := s.now()
	if a.Created == 0 {
		a.Created = now.UnixMilli()
	}
	record, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encode authorization: %w", err)
	}
	if a.Ends > 0 {
		ttl = min(ttl, time.UnixMilli(a.Ends).Sub(now))
	}
	t := refreshToken{grant: a.Grant, family: secret.NewToken()[:partLength], token: secret.NewToken()}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	begun, err := begin.Run(ctx, s.client, []string{grantKey(t.grant)}, record, owner(a.Domain, a.ApplicationID),
		secret.HashToken(t.family), secret.HashToken(t.token), now.Add(ttl).UnixMilli(), (ttl + keepExpired).Milliseconds(),
		a.Created, a.Confirmation.JKT, a.Confirmation.X5T, a.Ends).Int()
	switch {
	case err != nil:
		return "", s.unavailable(err)
	case begun == 0:
		return "", ErrEnded
	}
	return t.String(), nil
}

// rotate checks a presented token and puts its successor in its place, in one step. A repeated presentation within the
// grace counts as a lost answer as long as the successor was not used: using it would have moved the presented one out
// of `previous`. The line ends at its age, whatever its tokens say.
//
// KEYS[1] grant. ARGV: 1 family, 2 presented, 3 successor (hashes), 4 now, 5 grace, 6 ttl, 7 keep (ms), 8 owner, 9 whether
// tokens that are bound to a key are replaced, 10 whether others are, 11 age of the line (ms; 0 = any), 12 and 13 the
// thumbprints of the keys that were proved, 14 what is asked for as JSON, empty if that does not matter.
var rotate = redis.NewScript(`
local g = redis.call('HMGET', KEYS[1], 'record', 'family', 'current', 'previous', 'rotated', 'expires', 'client', 'begun', 'jkt', 'x5t', 'ends')
if not g[1] or g[2] ~= ARGV[1] then return {'unknown'} end
if g[7] ~= ARGV[8] then return {'foreign'} end
if g[9] and g[9] ~= ARGV[12] or g[10] and g[10] ~= ARGV[13] then return {'unproven'} end
local now = tonumber(ARGV[4])
local replace = ARGV[10] == '1'
if g[9] or g[10] then replace = ARGV[9] == '1' end
local current = g[3] == ARGV[2]
if not current then
  local lost = replace and g[4] == ARGV[2] and now - tonumber(g[5] or '0') <= tonumber(ARGV[5])
  if not lost then
    redis.call('DEL', KEYS[1])
    return {'reused', g[1]}
  end
end
local ends = tonumber(g[11] or math.huge)
if ARGV[11] ~= '0' and g[8] then ends = math.min(ends, tonumber(g[8]) + tonumber(ARGV[11])) end
if now >= tonumber(g[6]) or now >= ends then return {'expired'} end
if ARGV[14] ~= '' then
  local asked, had = cjson.decode(ARGV[14]), cjson.decode(g[1])
  for name, list in pairs(asked) do
    local have = {}
    for _, v in ipairs(had[name] or {}) do have[v] = true end
    for _, v in ipairs(list) do
      if not have[v] then return {'beyond', g[1]} end
    end
  end
end
if not replace then return {'kept', g[1]} end
if not current then
  redis.call('HSET', KEYS[1], 'current', ARGV[3])
  return {'ok', g[1]}
end
local expires = math.min(now + tonumber(ARGV[6]), ends)
redis.call('HSET', KEYS[1], 'current', ARGV[3], 'previous', ARGV[2], 'rotated', ARGV[4], 'expires', string.format('%d', expires))
redis.call('PEXPIRE', KEYS[1], string.format('%d', expires - now + tonumber(ARGV[7])))
return {'ok', g[1]}
`)

// Rotation says how Refresh treats the presented token.
type Rotation struct {
	// Keep leaves a presented token valid and makes no successor. KeepBound does so for tokens that are bound to a key.
	Keep, KeepBound bool
	// Grace is how long a rotated token may be presented again while its successor is unused (a lost answer); 0 = never.
	Grace time.Duration
	// TTL is the lifetime of the successor: how long a client may be idle.
	TTL time.Duration
	// MaxAge is when the line of tokens ends, counted from the authorization; no successor outlives it. 0 = never.
	MaxAge time.Duration
	// Proved are the keys whose possession the request proves. A token that is bound needs its own.
	Proved Confirmation
	// Within refuses, and changes nothing, if not all of these are among what was authorized. Nil lists ask for nothing.
	Within Within
}

// Within is what a refresh may insist on.
type Within struct {
	Scopes    []string `json:"scopes,omitempty"`
	Resources []string `json:"resources,omitempty"`
}

// Refresh exchanges an application's refresh token for the authorization behind it and its successor, which is empty where
// the presented one stays valid. It returns ErrUnknown, ErrForeign, ErrUnproven, ErrExpired; ErrBeyond with the authorization;
// or ErrReused with the authorization whose grant it has ended.
func (s *Store) Refresh(ctx context.Context, domain, application, token string, r Rotation) (Authorization, string, error) {
	t, ok := parseRefreshToken(token)
	if !ok {
		return Authorization{}, "", ErrUnknown
	}
	next := refreshToken{grant: t.grant, family: t.family}
	successor := ""
	if !r.Keep || !r.KeepBound {
		next.token = secret.NewToken()
		successor = secret.HashToken(next.token)
	}
	grace := r.Grace.Milliseconds()
	if r.Grace <= 0 {
		grace = -1 // not even within one millisecond
	}
	var within []byte
	if len(r.Within.Scopes) > 0 || len(r.Within.Resources) > 0 {
		var err error
		if within, err = json.Marshal(r.Within); err != nil {
			return Authorization{}, "", fmt.Errorf("encode what is asked for: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := rotate.Run(ctx, s.client, []string{grantKey(t.grant)},
		secret.HashToken(t.family), secret.HashToken(t.token), successor,
		s.now().UnixMilli(), grace, r.TTL.Milliseconds(), keepExpired.Milliseconds(), owner(domain, application),
		!r.KeepBound, !r.Keep, max(r.MaxAge, 0).Milliseconds(), r.Proved.JKT, r.Proved.X5T, within).StringSlice()
	if err != nil {
		return Authorization{}, "", s.unavailable(err)
	}
	switch answer[0] {
	case "unknown":
		return Authorization{}, "", ErrUnknown
	case "foreign":
		return Authorization{}, "", ErrForeign
	case "unproven":
		return Authorization{}, "", ErrUnproven
	case "expired":
		return Authorization{}, "", ErrExpired
	}
	var a Authorization
	if err := json.Unmarshal([]byte(answer[1]), &a); err != nil {
		return Authorization{}, "", fmt.Errorf("decode authorization: %w", err)
	}
	switch {
	case answer[0] == "reused":
		return a, "", ErrReused
	case s.ended(&a):
		return Authorization{}, "", ErrUnknown
	case answer[0] == "beyond":
		return a, "", ErrBeyond
	case answer[0] == "kept":
		return a, "", nil
	}
	return a, next.String(), nil
}

// Inspection is what is known of a refresh token.
type Inspection struct {
	Authorization Authorization
	Expires       time.Time
	// Usable reports whether the token is the newest of its grant and has not expired. An older one still names the grant.
	Usable bool
}

// Inspect looks at a refresh token without using it. What is no refresh token of a living grant is ErrUnknown.
func (s *Store) Inspect(ctx context.Context, token string) (Inspection, error) {
	t, ok := parseRefreshToken(token)
	if !ok {
		return Inspection{}, ErrUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	g, err := s.client.HMGet(ctx, grantKey(t.grant), "record", "family", "current", "expires").Result()
	if err != nil {
		return Inspection{}, s.unavailable(err)
	}
	record, ok := g[0].(string)
	if !ok || !equal(g[1], secret.HashToken(t.family)) {
		return Inspection{}, ErrUnknown
	}
	var in Inspection
	if err := json.Unmarshal([]byte(record), &in.Authorization); err != nil {
		return Inspection{}, fmt.Errorf("decode authorization: %w", err)
	}
	millis, err := strconv.ParseInt(fmt.Sprint(g[3]), 10, 64)
	if err != nil {
		return Inspection{}, fmt.Errorf("decode expiry of grant: %w", err)
	}
	if s.ended(&in.Authorization) {
		return Inspection{}, ErrUnknown
	}
	in.Expires = time.UnixMilli(millis)
	in.Usable = equal(g[2], secret.HashToken(t.token)) && s.now().Before(in.Expires)
	return in, nil
}

// EndGrant removes a grant with its refresh tokens. Access tokens made from it end by RevokeGrant.
func (s *Store) EndGrant(ctx context.Context, grant string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.unavailable(s.client.Eval(ctx, burial, []string{grantKey(grant)}, tombstoneFor.Milliseconds()).Err())
}

// burial puts a tombstone in the place of a grant.
//
// KEYS[1] grant. ARGV: how long it cannot begin (ms).
const burial = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`

func bury(ctx context.Context, p redis.Pipeliner, grant string) {
	p.Eval(ctx, burial, []string{grantKey(grant)}, tombstoneFor.Milliseconds())
}

func equal(v any, want string) bool {
	s, ok := v.(string)
	return ok && secret.Equal(s, want)
}

func grantKey(id string) string { return "grant:" + id }
