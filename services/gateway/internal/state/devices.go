package state

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Errors of device codes (RFC 8628 §3.5), beside ErrUnknown, ErrForeign and ErrExpired.
var (
	// ErrPending means that the person has not decided yet.
	ErrPending = errors.New("the person has not decided yet")
	// ErrTooSoon means the same, and that the device asked before its time.
	ErrTooSoon = errors.New("asked too soon")
	// ErrDenied means that the person refused.
	ErrDenied = errors.New("the person refused")
)

// DeviceRequest is what a device asks a person for.
type DeviceRequest struct {
	Domain        string   `json:"domain"`
	ApplicationID string   `json:"application"`
	ClientID      string   `json:"client_id"`
	Scopes        []string `json:"scopes,omitempty"`
	Resources     []string `json:"resources,omitempty"`
}

// PendingDevice is a request about which nobody has decided yet.
type PendingDevice struct {
	DeviceRequest
	key, userKey string
}

// The letters of user codes: consonants that are not mistaken for one another or for digits, and make no words (RFC 8628
// §6.1). Eight of them are 34 bits, which the lifetime and the limit of attempts make enough.
const (
	userLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userLength  = 8
)

// newUserCode returns eight random letters, each as likely as the others.
func newUserCode() string {
	code := make([]byte, 0, userLength)
	var b [2 * userLength]byte
	for {
		_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
		for _, r := range b {
			// 240 is the largest multiple of 20 in a byte: what lies beyond would favour some letters.
			if r < 240 {
				code = append(code, userLetters[r%20])
			}
			if len(code) == userLength {
				return string(code)
			}
		}
	}
}

// ReadUserCode returns the letters of a user code as people write it: in any case, with or without the dash, with space
// around and inside. It reports false for what cannot be one.
func ReadUserCode(s string) (string, bool) {
	if len(s) > 64 {
		return "", false
	}
	code := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r == '-', r == ' ', r == '\t', r == '_', r == '–', r == '\u00a0':
			return -1
		}
		return r
	}, s)
	return code, len(code) == userLength && strings.Trim(code, userLetters) == ""
}

// ShowUserCode writes a user code in two halves.
func ShowUserCode(code string) string {
	if len(code) != userLength {
		return code
	}
	return code[:userLength/2] + "-" + code[userLength/2:]
}

// NewDevice keeps a request for ttl and returns the device's code (256 random bits) and the person's, which are the letters
// alone. The device may ask every interval.
func (s *Store) NewDevice(ctx context.Context, r DeviceRequest, ttl, interval time.Duration) (deviceCode, userCode string, err error) {
	record, err := json.Marshal(r)
	if err != nil {
		return "", "", fmt.Errorf("encode device request: %w", err)
	}
	deviceCode = secret.NewToken()
	key := deviceKey(deviceCode)
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	expires := s.now().Add(ttl).UnixMilli()
	_, err = s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, key, "request", record, "client", owner(r.Domain, r.ApplicationID), "expires", expires, "interval", interval.Milliseconds())
		p.PExpire(ctx, key, ttl+keepExpired)
		return nil
	})
	if err != nil {
		return "", "", s.unavailable(err)
	}
	for range 5 { // a code that is in use is as likely as guessing one
		userCode = newUserCode()
		err = s.client.SetArgs(ctx, userCodeKey(r.Domain, userCode), key, redis.SetArgs{Mode: "NX", TTL: ttl}).Err()
		if !errors.Is(err, redis.Nil) {
			return deviceCode, userCode, s.unavailable(err)
		}
	}
	return "", "", errors.New("no user code is free")
}

// Device finds the request behind a user code as long as nobody has decided about it. Otherwise it returns ErrUnknown.
func (s *Store) Device(ctx context.Context, domain, userCode string) (PendingDevice, error) {
	userKey := userCodeKey(domain, userCode)
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	key, err := s.client.Get(ctx, userKey).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return PendingDevice{}, ErrUnknown
	case err != nil:
		return PendingDevice{}, s.unavailable(err)
	}
	g, err := s.client.HMGet(ctx, key, "request", "decided", "expires").Result()
	if err != nil {
		return PendingDevice{}, s.unavailable(err)
	}
	record, ok := g[0].(string)
	if !ok || g[1] != nil {
		return PendingDevice{}, ErrUnknown
	}
	p := PendingDevice{key: key, userKey: userKey}
	if err := json.Unmarshal([]byte(record), &p.DeviceRequest); err != nil {
		return PendingDevice{}, fmt.Errorf("decode device request: %w", err)
	}
	if p.Domain != domain || expired(g[2], s.now()) {
		return PendingDevice{}, ErrUnknown
	}
	return p, nil
}

// expired tells whether a time in milliseconds, as Redis returns it, is over.
func expired(millis any, now time.Time) bool {
	text, _ := millis.(string)
	at, err := strconv.ParseInt(text, 10, 64)
	return err != nil || now.UnixMilli() >= at
}

// decideDevice writes a decision where there is none yet.
//
// KEYS[1] device. ARGV: decision, now (ms).
var decideDevice = redis.NewScript(`
local g = redis.call('HMGET', KEYS[1], 'request', 'decided', 'expires')
if not g[1] or g[2] or tonumber(ARGV[2]) >= tonumber(g[3]) then return 0 end
redis.call('HSET', KEYS[1], 'decided', ARGV[1])
return 1
`)

// denied is the decision against a device. A record is a JSON object and never begins so.
const denied = "denied"

// DecideDevice records what a person decided: what they allowed, or nil if they refused. The first decision counts, over all
// gateways: afterwards, and when the time is over, it is ErrUnknown.
func (s *Store) DecideDevice(ctx context.Context, p PendingDevice, allowed *Authorization) error {
	decision := denied
	if allowed != nil {
		a := *allowed
		if len(a.Grant) != partLength {
			return errors.New("decide device: the authorization names no grant")
		}
		a.Created = s.now().UnixMilli()
		record, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("encode authorization: %w", err)
		}
		decision = string(record)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	decided, err := decideDevice.Run(ctx, s.client, []string{p.key}, decision, s.now().UnixMilli()).Int()
	switch {
	case err != nil:
		return s.unavailable(err)
	case decided == 0:
		return ErrUnknown
	}
	// The user code is worth nothing any more. That it is forgotten early is tidiness alone.
	_ = s.client.Del(ctx, p.userKey).Err()
	return nil
}

// pollDevice answers a device. A decision is handed out once, and then the request is gone.
//
// KEYS[1] device. ARGV: owner, now, what is added to the interval, tolerance (ms).
var pollDevice = redis.NewScript(`
local g = redis.call('HMGET', KEYS[1], 'client', 'decided', 'expires', 'interval', 'next')
if not g[1] then return {'unknown'} end
if g[1] ~= ARGV[1] then return {'foreign'} end
local now = tonumber(ARGV[2])
if now >= tonumber(g[3]) then return {'expired'} end
if g[2] then
  redis.call('DEL', KEYS[1])
  return {'decided', g[2]}
end
local interval, answer = tonumber(g[4]), 'pending'
if g[5] and now + tonumber(ARGV[4]) < tonumber(g[5]) then
  interval, answer = interval + tonumber(ARGV[3]), 'soon'
end
redis.call('HSET', KEYS[1], 'interval', interval, 'next', string.format('%d', now + interval))
return {answer}
`)

const (
	// slowDown is added to the interval of a device that asks too soon (RFC 8628 §3.5).
	slowDown = 5 * time.Second
	// early is how much too soon is not: the way of a request takes different times.
	early = 500 * time.Millisecond
)

// PollDevice returns what a person allowed an application's device, once over all gateways. Otherwise the error is ErrPending,
// ErrTooSoon, ErrDenied, ErrExpired, ErrForeign (nothing was changed) or ErrUnknown.
func (s *Store) PollDevice(ctx context.Context, domain, application, deviceCode string) (Authorization, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := pollDevice.Run(ctx, s.client, []string{deviceKey(deviceCode)}, owner(domain, application),
		s.now().UnixMilli(), slowDown.Milliseconds(), early.Milliseconds()).StringSlice()
	if err != nil {
		return Authorization{}, s.unavailable(err)
	}
	switch answer[0] {
	case "unknown":
		return Authorization{}, ErrUnknown
	case "foreign":
		return Authorization{}, ErrForeign
	case "expired":
		return Authorization{}, ErrExpired
	case "pending":
		return Authorization{}, ErrPending
	case "soon":
		return Authorization{}, ErrTooSoon
	}
	if answer[1] == denied {
		return Authorization{}, ErrDenied
	}
	var a Authorization
	if err := json.Unmarshal([]byte(answer[1]), &a); err != nil {
		return Authorization{}, fmt.Errorf("decode authorization: %w", err)
	}
	if s.ended(&a) {
		return Authorization{}, ErrUnknown
	}
	return a, nil
}

func deviceKey(code string) string { return "device:" + secret.HashToken(code) }

// userCodeKey names a user code in its domain. The identifiers of domains have no slash.
func userCodeKey(domain, code string) string { return "usercode:" + secret.HashToken(domain+"/"+code) }
