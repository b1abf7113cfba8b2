package state

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Account is what attempts to sign in are counted for: a user name at one provider, as one application asks for it. There
// need not be anybody of that name, so that an answer does not tell whether there is. Without an application it is the name in the
// whole domain, where the attempts at all applications count together that are counted with AttemptLimit.Domain.
type Account struct {
	Domain, Application, Provider, Username string
}

// key names the counter of an account. All spellings of a name that some provider may take for one share it (see folded).
func (a Account) key() string {
	return "tries:" + secret.HashToken(strings.Join([]string{a.Domain, a.Application, a.Provider, folded(a.Username)}, "/"))
}

// spelling tells apart, within a counter, the names that a provider may take for two. Who proves to be one of them says
// nothing about the failures of the other.
func (a Account) spelling() string {
	return "by:" + secret.HashToken(strings.ToLower(a.Username))
}

// everywhere is the account without its application.
func (a Account) everywhere() Account {
	a.Application = ""
	return a
}

// share tells apart, within the counter of the whole domain, the attempts at an application: who proves at one who they are says
// nothing about the failures at another, where the account may be locked.
func (a Account) share() string {
	if a.Application == "" {
		return a.spelling()
	}
	return "at:" + secret.HashToken(a.Application+"/"+strings.ToLower(a.Username))
}

// AttemptLimit says when an account is locked. All times and numbers are positive.
type AttemptLimit struct {
	// Max is how many attempts may fail in a row; the next one finds the account locked.
	Max int
	// Reset is the time without an attempt after which failures are forgotten, Block how long an account stays locked.
	Reset, Block time.Duration
	// Domain is the limit for the name in the whole domain, for which an attempt at an application counts as well; nil for none. It
	// does not lock the application. It must not be wider than this one.
	Domain *AttemptLimit
}

// countAttempt counts before the password is looked at: however many guesses are under way at once, no more than the
// maximum are looked at.
//
// KEYS[1] counter. ARGV: maximum, times after a failure and when locked (ms), spelling.
const countAttemptText = `
local max = tonumber(ARGV[1])
local n = tonumber(redis.call('HGET', KEYS[1], 'n') or '0') + 1
if n > max then return n end
redis.call('HSET', KEYS[1], 'n', n)
redis.call('HINCRBY', KEYS[1], ARGV[4], 1)
if n < max then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return n
`

var countAttempt = redis.NewScript(countAttemptText)

// BeginAttempt counts an attempt to sign in, over all gateways, and reports whether it may be made: not while the account
// is locked. A locked account is locked no longer for being tried. Forget what was counted when the attempt succeeds.
func (s *Store) BeginAttempt(ctx context.Context, a Account, limit AttemptLimit) (allowed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	n, err := countAttempt.Run(ctx, s.client, []string{a.key()}, limit.Max, limit.Reset.Milliseconds(), limit.Block.Milliseconds(), a.spelling()).Int64()
	if err != nil {
		return false, s.unavailable(err)
	}
	return n <= int64(limit.Max), nil
}

// lockAttempts locks a counter anew that has come to its maximum.
//
// KEYS[1] counter. ARGV: maximum, time when locked (ms).
const lockAttempts = `
if tonumber(redis.call('HGET', KEYS[1], 'n') or '0') < tonumber(ARGV[1]) then return 0 end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
`

// Begun says what may become of an attempt.
type Begun struct {
	// Locked means that the account is locked, Last that it will be if this attempt fails.
	Locked, Last bool
	// Wait is how long whoever tries has to wait, because of too many failures from there; 0 = not at all.
	Wait time.Duration
}

// BeginAttemptFrom is BeginAttempt for somebody whose failures are counted in windows as well, in the same round trip. With a
// limit whose Max is 0 only the windows count. An attempt that may not be made because of where it comes from is not held
// against the account; one that finds the account locked counts in the windows like any that fails.
func (s *Store) BeginAttemptFrom(ctx context.Context, a Account, limit AttemptLimit, windows ...Window) (Begun, error) {
	if limit.Max == 0 && len(windows) == 0 {
		return Begun{}, nil
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var counted *redis.Cmd
	var entered []*redis.Cmd
	_, err := s.client.Pipelined(within, func(p redis.Pipeliner) error {
		if limit.Max > 0 {
			counted = p.Eval(within, countAttemptText, []string{a.key()}, limit.Max, limit.Reset.Milliseconds(), limit.Block.Milliseconds(), a.spelling())
			if l := limit.Domain; l != nil {
				p.Eval(within, countAttemptText, []string{a.everywhere().key()}, l.Max, l.Reset.Milliseconds(), l.Block.Milliseconds(), a.share())
			}
		}
		entered = s.enter(within, p, windows)
		return nil
	})
	if err != nil {
		return Begun{}, s.unavailable(err)
	}
	var begun Begun
	if begun.Wait, err = waitOf(entered); err != nil {
		return Begun{}, err
	}
	if counted == nil {
		return begun, nil
	}
	n, err := counted.Int64()
	if err != nil {
		return Begun{}, err
	}
	begun.Locked, begun.Last = n > int64(limit.Max), n == int64(limit.Max)
	if l := limit.Domain; begun.Last && l != nil {
		// The lock of the domain lasts as long as this one, which begins only now.
		if err := s.client.Eval(within, lockAttempts, []string{a.everywhere().key()}, l.Max, l.Block.Milliseconds()).Err(); err != nil {
			return Begun{}, s.unavailable(err)
		}
	}
	if begun.Wait > 0 && begun.Locked {
		return Begun{Wait: begun.Wait}, nil // what finds the account locked is not counted for it
	}
	if begun.Wait > 0 {
		return Begun{Wait: begun.Wait}, s.SettleAttempts(ctx, Settlement{Return: []Account{a}})
	}
	return begun, nil
}

// Settlement is what is counted no longer once an attempt has come to its end.
type Settlement struct {
	// Forget are accounts whose attempts are forgotten, Return those of which one attempt is taken back, Leave windows in which one is.
	Forget, Return []Account
	Leave          []Window
}

// SettleAttempts settles, in one round trip.
func (s *Store) SettleAttempts(ctx context.Context, what Settlement) error {
	if len(what.Forget)+len(what.Return)+len(what.Leave) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, a := range what.Forget { // one by one: in a cluster they lie on different servers
			p.Eval(ctx, takeBackAttempts, []string{a.key()}, a.spelling(), 0)
			if a.Application != "" {
				p.Eval(ctx, takeBackAttempts, []string{a.everywhere().key()}, a.share(), 0)
			}
		}
		for _, a := range what.Return {
			p.Eval(ctx, takeBackAttempts, []string{a.key()}, a.spelling(), 1)
			if a.Application != "" {
				p.Eval(ctx, takeBackAttempts, []string{a.everywhere().key()}, a.share(), 1)
			}
		}
		for _, w := range what.Leave {
			p.Eval(ctx, leaveWindow, []string{w.key()})
		}
		return nil
	})
	return s.unavailable(err)
}

// takeBackAttempts takes attempts by one spelling out of a counter. It leaves a counter alone that has ended meanwhile: a new one
// would never end.
//
// KEYS[1] counter. ARGV: spelling, how many; 0 = all.
const takeBackAttempts = `
local had = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local back = tonumber(ARGV[2])
if back == 0 or back > had then back = had end
if back == 0 then return 0 end
if redis.call('HINCRBY', KEYS[1], 'n', -back) <= 0 then return redis.call('DEL', KEYS[1]) end
if back == had then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HINCRBY', KEYS[1], ARGV[1], -back)
end
return 0
`

// ReturnAttempt takes back an attempt that was begun and could not be made: nobody said that the password was wrong.
func (s *Store) ReturnAttempt(ctx context.Context, a Account) error {
	return s.SettleAttempts(ctx, Settlement{Return: []Account{a}})
}

// ForgetAttempts forgets the attempts by the very names of accounts, in any case: somebody has just proved who they are.
func (s *Store) ForgetAttempts(ctx context.Context, accounts ...Account) error {
	return s.SettleAttempts(ctx, Settlement{Forget: accounts})
}
