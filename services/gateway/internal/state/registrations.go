package state

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// mostRepeated is how often an attempt counts once that makes the gateway fetch: whoever repeats it more often is counted each time.
const mostRepeated = 8

// countRegistration keeps the attempts of a window, each with how many are at it or have left it there. The window ends some time after
// the first of them, however many follow. An attempt that is there counts once. One that fetches counts anew, under a name of its own,
// once it was repeated too often, or what it fetched came to nothing so often that the source is beyond its limit. One beyond the
// limit is not counted at all.
var countRegistration = redis.NewScript(`
local one = ARGV[1]
local there = tonumber(redis.call('HGET', KEYS[1], one) or 0)
local counted = redis.call('HLEN', KEYS[1])
local most = tonumber(ARGV[2])
if there > 0 then
  if ARGV[4] == '' or there < tonumber(ARGV[5]) and counted <= most then
    redis.call('HINCRBY', KEYS[1], one, 1)
    return {1, redis.call('PTTL', KEYS[1]), one}
  end
  one = ARGV[4]
end
if counted >= most then return {0, redis.call('PTTL', KEYS[1]), ''} end
redis.call('HINCRBY', KEYS[1], one, 1)
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {1, redis.call('PTTL', KEYS[1]), one}
`)

// endRegistration takes one from an attempt, and counts it under another name where there is one. A window that is over stays so.
var endRegistration = redis.NewScript(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
if ARGV[2] ~= '' then redis.call('HINCRBY', KEYS[1], ARGV[2], 1) end
if redis.call('HINCRBY', KEYS[1], ARGV[1], -1) <= 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
`)

func registrationsKey(domain, source string) string {
	return "registrations:" + secret.HashToken(strings.Join([]string{domain, source}, "/"))
}

// Registration is somebody's attempt to register a client, or to have something fetched for one.
type Registration struct {
	// Domain is where, Source from where.
	Domain, Source string
	// Attempt tells it from others: the same attempt counts once, however often it is made. Empty is an attempt of its own.
	Attempt string
	// Fetches says that it makes the gateway fetch something. Such an attempt counts once for the first eight times.
	Fetches bool
}

// Counted is what became of counting a registration.
type Counted struct {
	// Allowed says that there may be this one within the window. Left is when the counting begins anew.
	Allowed bool
	Left    time.Duration
	// As is the attempt as which it was counted.
	As string
}

// BeginRegistration counts that somebody registers a client, over all gateways, of which there may be so many within a window.
func (s *Store) BeginRegistration(ctx context.Context, r Registration, most int, window time.Duration) (Counted, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	one, other := r.Attempt, ""
	switch {
	case one == "":
		one = secret.NewID()
	case r.Fetches:
		other = secret.NewID()
	}
	got, err := countRegistration.Run(ctx, s.client, []string{registrationsKey(r.Domain, r.Source)},
		one, most, window.Milliseconds(), other, mostRepeated).Slice()
	if err != nil {
		return Counted{}, s.unavailable(err)
	}
	allowed, _ := got[0].(int64)
	left, _ := got[1].(int64)
	as, _ := got[2].(string)
	return Counted{Allowed: allowed == 1, Left: time.Duration(max(left, 0)) * time.Millisecond, As: as}, nil
}

// EndRegistration ends a registration that was counted and surely came to nothing; Attempt is what it was counted as. It is taken
// back, unless it fetches: then it stays counted, under a name that nobody repeats.
func (s *Store) EndRegistration(ctx context.Context, r Registration) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	other := ""
	if r.Fetches {
		other = secret.NewID()
	}
	return s.unavailable(endRegistration.Run(ctx, s.client, []string{registrationsKey(r.Domain, r.Source)}, r.Attempt, other).Err())
}
