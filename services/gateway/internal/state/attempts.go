package state

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Account is what attempts to sign in are counted for: a user name at one provider, as one application asks for it. There
// need not be anybody of that name, so that an answer does not tell whether there is.
type Account struct {
	Domain, Application, Provider, Username string
}

// key names the counter of an account; names are the same in any case.
func (a Account) key() string {
	return "attempts:" + secret.HashToken(strings.Join([]string{a.Domain, a.Application, a.Provider, strings.ToLower(a.Username)}, "/"))
}

// AttemptLimit says when an account is locked. All members are positive.
type AttemptLimit struct {
	// Max is how many attempts may fail in a row; the next one finds the account locked.
	Max int
	// Reset is the time without an attempt after which failures are forgotten, Block how long an account stays locked.
	Reset, Block time.Duration
}

// countAttempt counts before the password is looked at: however many guesses are under way at once, no more than the
// maximum are looked at.
var countAttempt = redis.NewScript(`
local n = redis.call('INCR', KEYS[1])
local max = tonumber(ARGV[1])
if n < max then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif n == max then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return n
`)

// BeginAttempt counts an attempt to sign in, over all gateways, and reports whether it may be made: not while the account
// is locked. A locked account is locked no longer for being tried. Forget what was counted when the attempt succeeds.
func (s *Store) BeginAttempt(ctx context.Context, a Account, limit AttemptLimit) (allowed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	n, err := countAttempt.Run(ctx, s.client, []string{a.key()}, limit.Max, limit.Reset.Milliseconds(), limit.Block.Milliseconds()).Int64()
	if err != nil {
		return false, s.unavailable(err)
	}
	return n <= int64(limit.Max), nil
}

// ReturnAttempt takes back an attempt that was begun and could not be made: nobody said that the password was wrong.
func (s *Store) ReturnAttempt(ctx context.Context, a Account) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return s.unavailable(returnAttempt.Run(ctx, s.client, []string{a.key()}).Err())
}

// returnAttempt leaves a counter alone that has ended meanwhile: a new one would never end.
var returnAttempt = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DECR', KEYS[1])
end
return 0
`)

// ForgetAttempts ends the counting for accounts: somebody has just proved who they are.
func (s *Store) ForgetAttempts(ctx context.Context, accounts ...Account) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, a := range accounts { // one by one: in a cluster they lie on different servers
			p.Del(ctx, a.key())
		}
		return nil
	})
	return s.unavailable(err)
}
