package backing

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

func redisClient(t *testing.T) *goredis.Client {
	t.Helper()
	o, err := goredis.ParseURL(shared.RedisURL())
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAKeyExpiresByTheClock(t *testing.T) {
	c := redisClient(t)
	const ttl = 200 * time.Millisecond
	start := time.Now()
	if err := c.Set(t.Context(), "short", "v", ttl).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "long", "v", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := c.Exists(t.Context(), "short").Result()
		if err != nil {
			t.Fatal(err)
		}
		age := time.Since(start)
		if n == 0 {
			if age < ttl {
				t.Errorf("the key expired after %v, want %v", age, ttl)
			}
			break
		}
		if age > patience {
			t.Fatalf("the key lives after %v", age)
		}
	}
	left, err := c.PTTL(t.Context(), "long").Result()
	if err != nil {
		t.Fatal(err)
	}
	if spent := time.Hour - left; spent < ttl || spent > patience {
		t.Errorf("the hour has lost %v", spent)
	}
}

func TestScriptsAndExpiryShareTheClock(t *testing.T) {
	c := redisClient(t)
	script := goredis.NewScript(`
		local now = redis.call('TIME')
		local ms = now[1] * 1000 + math.floor(now[2] / 1000)
		redis.call('SET', KEYS[1], 'v', 'PXAT', ms + 60000)
		return {ms, redis.call('PTTL', KEYS[1])}`)
	before := time.Now().UnixMilli()
	got, err := script.Run(t.Context(), c, []string{"scripted"}).Int64Slice()
	if err != nil {
		t.Fatal(err)
	}
	if after := time.Now().UnixMilli(); got[0] < before || got[0] > after {
		t.Errorf("TIME is %d, want between %d and %d", got[0], before, after)
	}
	if got[1] < 59_000 || got[1] > 60_000 {
		t.Errorf("a minute ahead of TIME is %d ms away", got[1])
	}
}
