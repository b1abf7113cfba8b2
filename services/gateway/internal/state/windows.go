package state

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Window bounds how often something is done by somebody within a time that slides along.
type Window struct {
	// Purpose says what is done, Domain in which domain (empty = in any), By who does it, such as a network.
	Purpose, Domain, By string
	// Max is how often it may be done within Period. Both are positive.
	Max    int
	Period time.Duration
}

func (w Window) key() string {
	return "window:" + secret.HashToken(strings.Join([]string{w.Purpose, w.Domain, w.By}, "/"))
}

func (w Window) args(now time.Time) []any {
	return []any{now.UnixMilli(), w.Period.Milliseconds(), w.Max}
}

// enterWindow counts in two halves: b is the number of the period that runs, n what was counted in it, p in the one before,
// of which that part still counts which the window covers. What is refused is not counted: whoever goes on trying waits no
// longer than the others. It returns 0, or the milliseconds to wait.
const enterWindow = `
local now, period, max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local h = redis.call('HMGET', KEYS[1], 'b', 'n', 'p')
local b, n, p = tonumber(h[1] or '0') or 0, tonumber(h[2] or '0') or 0, tonumber(h[3] or '0') or 0
local running = math.floor(now / period)
if running > b then
  if running == b + 1 then p = n else p = 0 end
  b, n = running, 0
end
local into = now - b * period
if into < 0 then into = 0 end
if n + p * (period - into) / period >= max then
  if n >= max then return period - into + math.ceil(period * (1 - max / (n + 1))) end
  return math.max(1, math.ceil(period * (1 - (max - n) / p)) - into + 1)
end
redis.call('HSET', KEYS[1], 'b', b, 'n', n + 1, 'p', p)
redis.call('PEXPIRE', KEYS[1], 2 * period)
return 0
`

// leaveWindow takes back what was counted last.
const leaveWindow = `
local h = redis.call('HMGET', KEYS[1], 'n', 'p')
local n, p = tonumber(h[1] or '0') or 0, tonumber(h[2] or '0') or 0
if n > 0 then
  redis.call('HINCRBY', KEYS[1], 'n', -1)
elseif p > 0 then
  redis.call('HINCRBY', KEYS[1], 'p', -1)
end
return 0
`

// EnterWindows counts that something is about to be done, over all gateways, in one round trip. It returns how long to wait if
// that is too often in one of the windows; then it must not be done. However many do it at once, no more than the maximum may.
func (s *Store) EnterWindows(ctx context.Context, windows ...Window) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var entered []*redis.Cmd
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		entered = s.enter(ctx, p, windows)
		return nil
	})
	if err != nil {
		return 0, s.unavailable(err)
	}
	return waitOf(entered)
}

func (s *Store) enter(ctx context.Context, p redis.Pipeliner, windows []Window) []*redis.Cmd {
	now := s.now()
	entered := make([]*redis.Cmd, len(windows))
	for i, w := range windows {
		entered[i] = p.Eval(ctx, enterWindow, []string{w.key()}, w.args(now)...)
	}
	return entered
}

// waitOf is the longest time that any of the windows asks for.
func waitOf(entered []*redis.Cmd) (wait time.Duration, err error) {
	for _, one := range entered {
		millis, err := one.Int64()
		if err != nil {
			return 0, err
		}
		wait = max(wait, time.Duration(millis)*time.Millisecond)
	}
	return wait, nil
}
