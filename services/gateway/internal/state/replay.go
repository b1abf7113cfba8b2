package state

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Once reports whether a thing of a domain is seen for the first time within ttl, in one atomic command over all gateways:
// of any number that ask at once exactly one is told true. The purpose keeps apart what different protocols call by the same
// identifier, such as the jti of assertions and of proofs; the identifier may be of any length and is kept as its hash.
func (s *Store) Once(ctx context.Context, domain, purpose, id string, ttl time.Duration) (first bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	// Milliseconds are as fine as Redis counts; what would end at once is remembered that long.
	err = s.client.SetArgs(ctx, onceKey(domain, purpose, id), "1", redis.SetArgs{Mode: "NX", TTL: max(ttl, time.Millisecond)}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, s.unavailable(err)
}

// onceKey hashes the identifier first, so that no other domain, purpose and identifier can have the same key.
func onceKey(domain, purpose, id string) string {
	return "once:" + secret.HashToken(strings.Join([]string{domain, purpose, secret.HashToken(id)}, "/"))
}

// Failures are those of one client at one address.
type Failures struct {
	// Count is how many there were since the counting began.
	Count int
	// Left is when the counting begins anew.
	Left time.Duration
}

// countFailure lets the counter end a window after the first failure, however many follow.
var countFailure = redis.NewScript(`
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('PTTL', KEYS[1])}
`)

// CountFailure counts that somebody at an address failed to authenticate as a client, over all gateways. What succeeds is
// not counted, and costs nothing.
func (s *Store) CountFailure(ctx context.Context, domain, client, address string, window time.Duration) (Failures, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	key := "failures:" + secret.HashToken(strings.Join([]string{domain, secret.HashToken(client), address}, "/"))
	counted, err := countFailure.Run(ctx, s.client, []string{key}, window.Milliseconds()).Int64Slice()
	if err != nil {
		return Failures{}, s.unavailable(err)
	}
	return Failures{Count: int(counted[0]), Left: time.Duration(max(counted[1], 0)) * time.Millisecond}, nil
}
