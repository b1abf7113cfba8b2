package state

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// countRegistration lets the counter end a window after the first registration, however many follow. One beyond the limit is not
// counted.
var countRegistration = redis.NewScript(`
local n = tonumber(redis.call('GET', KEYS[1]) or '0')
if n >= tonumber(ARGV[1]) then return {0, redis.call('PTTL', KEYS[1])} end
if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {1, 0}
`)

// returnRegistration leaves a counter alone that has ended meanwhile: a new one would never end.
var returnRegistration = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DECR', KEYS[1])
end
return 0
`)

func registrationsKey(domain, source string) string {
	return "registrations:" + secret.HashToken(strings.Join([]string{domain, source}, "/"))
}

// BeginRegistration counts that somebody at a source registers a client, over all gateways, and reports whether there may be one
// more within the window. Where not, left is when the counting begins anew.
func (s *Store) BeginRegistration(ctx context.Context, domain, source string, most int, window time.Duration) (allowed bool, left time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	got, err := countRegistration.Run(ctx, s.client, []string{registrationsKey(domain, source)}, most, window.Milliseconds()).Int64Slice()
	if err != nil {
		return false, 0, s.unavailable(err)
	}
	return got[0] == 1, time.Duration(max(got[1], 0)) * time.Millisecond, nil
}

// ReturnRegistration takes back a registration that was counted and came to nothing.
func (s *Store) ReturnRegistration(ctx context.Context, domain, source string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return s.unavailable(returnRegistration.Run(ctx, s.client, []string{registrationsKey(domain, source)}).Err())
}
