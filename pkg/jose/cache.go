package jose

import (
	"crypto/sha256"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// TokenCache remembers what verified tokens say, so that a token which is presented again costs a hash instead of a
// signature. Tokens are kept as their SHA-256 only. An entry ends with its token, with Purge, and early when there is
// no room. It belongs to one key set: tokens of several domains need several caches. It is safe for concurrent use.
//
// Take the Generation before verifying and hand it to Put: what was verified before a Purge is then not kept after it.
type TokenCache[V any] struct {
	now        func() time.Time
	generation atomic.Uint64
	shards     []shard[V]
	mask       byte
	entries    int   // per shard
	bytes      int64 // per shard
}

type shard[V any] struct {
	mu    sync.RWMutex
	m     map[[sha256.Size]byte]cached[V] // guarded by mu
	bytes int64                           // guarded by mu
	_     [64]byte                        // keeps the locks of neighbours apart
}

type cached[V any] struct {
	value      V
	generation uint64
	expires    int64 // Unix nanoseconds
	size       int64
}

const (
	maxShards     = 64
	entryOverhead = 128 // bytes of key, bookkeeping and map per entry, roughly
	evictSample   = 8
)

// NewTokenCache returns a cache of at most maxEntries entries and roughly maxBytes bytes. A bound below one means that
// nothing is kept.
func NewTokenCache[V any](maxEntries int, maxBytes int64, now func() time.Time) *TokenCache[V] {
	n := 1
	if maxEntries >= 2*evictSample {
		n = min(maxShards, 1<<(bits.Len(uint(maxEntries/evictSample))-1))
	}
	c := &TokenCache[V]{
		now:     now,
		shards:  make([]shard[V], n),
		mask:    byte(n - 1),
		entries: max(maxEntries, 0) / n,
		bytes:   max(maxBytes, 0) / int64(n),
	}
	for i := range c.shards {
		c.shards[i].m = make(map[[sha256.Size]byte]cached[V])
	}
	return c
}

// Generation returns the number that Put needs. Each Purge makes a new one.
func (c *TokenCache[V]) Generation() uint64 { return c.generation.Load() }

func (c *TokenCache[V]) at(token string) (*shard[V], [sha256.Size]byte) {
	var buf [2048]byte // holds nearly every token without an allocation
	key := sha256.Sum256(append(buf[:0], token...))
	return &c.shards[key[0]&c.mask], key
}

// Get returns what is known about a token that has not expired.
func (c *TokenCache[V]) Get(token string) (V, bool) {
	s, key := c.at(token)
	s.mu.RLock()
	e, ok := s.m[key]
	s.mu.RUnlock()
	if !ok || e.generation != c.generation.Load() || c.now().UnixNano() >= e.expires {
		var none V
		return none, false
	}
	return e.value, true
}

// Put keeps the value of a verified token until expires. Size is the value's approximate size in bytes. Nothing is
// kept if the cache was purged since generation was read, or if the entry alone exceeds the cache's bounds.
func (c *TokenCache[V]) Put(token string, value V, size int, expires time.Time, generation uint64) {
	total := int64(max(size, 0)) + entryOverhead
	now := c.now().UnixNano()
	if total > c.bytes || c.entries == 0 || expires.UnixNano() <= now {
		return
	}
	s, key := c.at(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	// Purge raises the generation before it takes the locks, so an entry that passes here is cleared by it.
	current := c.generation.Load()
	if generation != current {
		return
	}
	s.drop(key)
	for len(s.m) >= c.entries || s.bytes+total > c.bytes {
		s.evict(now, current)
	}
	s.m[key] = cached[V]{value: value, generation: generation, expires: expires.UnixNano(), size: total}
	s.bytes += total
}

// evict removes at least one entry: the useless ones of a small random sample, else the one that ends first.
// The caller holds the lock and has made sure that there is an entry.
func (s *shard[V]) evict(now int64, generation uint64) {
	var first [sha256.Size]byte
	var ends int64
	seen, dropped := 0, false
	for key, e := range s.m { // the order of a map is random enough
		if e.expires <= now || e.generation != generation {
			s.drop(key)
			dropped = true
		} else if ends == 0 || e.expires < ends {
			first, ends = key, e.expires
		}
		if seen++; seen == evictSample {
			break
		}
	}
	if !dropped {
		s.drop(first)
	}
}

func (s *shard[V]) drop(key [sha256.Size]byte) {
	if e, ok := s.m[key]; ok {
		delete(s.m, key)
		s.bytes -= e.size
	}
}

// Delete forgets one token.
func (c *TokenCache[V]) Delete(token string) {
	s, key := c.at(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
}

// DeleteFunc forgets every token whose value satisfies the condition, such as those of a revoked grant. It looks at all
// entries. A token that is being verified meanwhile may still be put; where that matters, Purge.
func (c *TokenCache[V]) DeleteFunc(condition func(V) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for key, e := range s.m {
			if condition(e.value) {
				s.drop(key)
			}
		}
		s.mu.Unlock()
	}
}

// Purge forgets everything, as a change of the keys requires. Once it has returned, no Get sees what was verified
// before.
func (c *TokenCache[V]) Purge() {
	c.generation.Add(1)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.m)
		s.bytes = 0
		s.mu.Unlock()
	}
}

// Len returns the number of entries, expired ones included.
func (c *TokenCache[V]) Len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.m)
		s.mu.RUnlock()
	}
	return n
}
