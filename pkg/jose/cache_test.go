package jose

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a clock that tests turn by hand.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) forward(d time.Duration) { c.ns.Add(int64(d)) }

func newCache(entries int, bytes int64) (*TokenCache[string], *clock) {
	c := &clock{}
	c.forward(time.Hour)
	return NewTokenCache[string](entries, bytes, c.now), c
}

func put(c *TokenCache[string], clk *clock, token string, ttl time.Duration) {
	c.Put(token, "value of "+token, 100, clk.now().Add(ttl), c.Generation())
}

func TestTokenCache(t *testing.T) {
	c, clk := newCache(1000, 1<<20)
	put(c, clk, "a", time.Minute)
	put(c, clk, "b", time.Hour)

	if v, ok := c.Get("a"); !ok || v != "value of a" {
		t.Errorf("a is %q, %v", v, ok)
	}
	if _, ok := c.Get("c"); ok {
		t.Error("a token that was never put is known")
	}
	clk.forward(time.Minute)
	if _, ok := c.Get("a"); ok {
		t.Error("an expired token is known")
	}
	if _, ok := c.Get("b"); !ok {
		t.Error("a token that still lives is gone")
	}
	c.Delete("b")
	if _, ok := c.Get("b"); ok {
		t.Error("a deleted token is known")
	}
}

func TestPurgeForgetsEverything(t *testing.T) {
	c, clk := newCache(1000, 1<<20)
	before := c.Generation()
	put(c, clk, "a", time.Hour)
	c.Purge()
	if _, ok := c.Get("a"); ok || c.Len() != 0 {
		t.Error("a token outlives a purge")
	}
	c.Put("late", "verified with the old keys", 10, clk.now().Add(time.Hour), before)
	if _, ok := c.Get("late"); ok {
		t.Error("what was verified before a purge is kept after it")
	}
	put(c, clk, "b", time.Hour)
	if _, ok := c.Get("b"); !ok {
		t.Error("nothing is kept after a purge")
	}
}

func TestDeleteFunc(t *testing.T) {
	c, clk := newCache(1000, 1<<20)
	for i := range 100 {
		put(c, clk, fmt.Sprint(i), time.Hour)
	}
	c.DeleteFunc(func(v string) bool { return v == "value of 42" || v == "value of 7" })
	if _, ok := c.Get("42"); ok || c.Len() != 98 {
		t.Errorf("%d entries are left", c.Len())
	}
}

func TestTokenCacheIsBounded(t *testing.T) {
	tests := []struct {
		name    string
		entries int
		bytes   int64
		most    int
	}{
		{"by entries", 64, 1 << 30, 64},
		{"by bytes", 1 << 20, 64 << 10, (64 << 10) / (100 + entryOverhead)},
		{"to one entry", 1, 1 << 20, 1},
		{"to nothing by entries", 0, 1 << 20, 0},
		{"to nothing by bytes", 100, 0, 0},
		{"to nothing by nonsense", -1, -1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, clk := newCache(tt.entries, tt.bytes)
			for i := range 5000 {
				put(c, clk, fmt.Sprint("token ", i), time.Duration(i+1)*time.Second)
			}
			if c.Len() > tt.most {
				t.Errorf("%d entries, at most %d fit", c.Len(), tt.most)
			}
			if tt.most > 0 && c.Len() == 0 {
				t.Error("nothing is kept")
			}
			var size int64
			for i := range c.shards {
				size += c.shards[i].bytes
			}
			if want := int64(c.Len()) * (100 + entryOverhead); size != want {
				t.Errorf("%d bytes are counted, %d are kept", size, want)
			}
		})
	}
}

func TestExpiredEntriesMakeRoomFirst(t *testing.T) {
	c, clk := newCache(8, 1<<20)
	for i := range 7 {
		put(c, clk, fmt.Sprint("old ", i), time.Second)
	}
	put(c, clk, "living", time.Hour)
	clk.forward(time.Minute)
	put(c, clk, "new", time.Hour)
	for _, token := range []string{"living", "new"} {
		if _, ok := c.Get(token); !ok {
			t.Errorf("%s is gone", token)
		}
	}
	if c.Len() != 2 {
		t.Errorf("%d entries", c.Len())
	}
}

func TestPutTwiceCountsOnce(t *testing.T) {
	c, clk := newCache(8, 1<<20)
	for range 100 {
		put(c, clk, "a", time.Hour)
	}
	if c.Len() != 1 || c.shards[0].bytes != 100+entryOverhead {
		t.Errorf("%d entries of %d bytes", c.Len(), c.shards[0].bytes)
	}
}

func TestAnExpiredTokenIsNotKept(t *testing.T) {
	c, clk := newCache(8, 1<<20)
	c.Put("a", "x", 1, clk.now(), c.Generation())
	c.Put("b", "x", 1<<30, clk.now().Add(time.Hour), c.Generation())
	if c.Len() != 0 {
		t.Error("an expired or an oversized entry is kept")
	}
}

func TestTokenCacheIsSafeForConcurrentUse(t *testing.T) {
	c, clk := newCache(200, 1<<20)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				token := fmt.Sprint(i % 300)
				switch (i + g) % 7 {
				case 0:
					c.Purge()
				case 1:
					c.Delete(token)
				case 2, 3:
					put(c, clk, token, time.Hour)
				default:
					if v, ok := c.Get(token); ok && v != "value of "+token {
						t.Errorf("%s is %q", token, v)
					}
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkTokenCacheGet(b *testing.B) {
	c := NewTokenCache[*Claims](1000, 1<<20, time.Now)
	k := newKey(b, ES256, "k")
	token := sign(b, k, TypeAccessToken, benchClaims)
	c.Put(token, &Claims{}, 500, time.Now().Add(time.Hour), c.Generation())
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Get(token); !ok {
			b.Fatal("gone")
		}
	}
}
