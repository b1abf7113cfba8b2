package operator

import (
	"container/list"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// limit says how soon attempts are slowed down: after free attempts each further one must wait, first for a second,
// then twice as long every time, at most for longest.
type limit struct {
	free    int
	longest time.Duration
}

// Guessing is bounded three times over. A pair of account and address is where people mistype. An address may try many
// accounts. An account may be tried from many addresses; there the wait stays short, and addresses from which the
// account has signed in are not held up, so that nobody can lock an operator out from elsewhere.
var (
	pairLimit    = limit{free: 5, longest: 5 * time.Minute}
	addressLimit = limit{free: 30, longest: 5 * time.Minute}
	accountLimit = limit{free: 50, longest: 2 * time.Second}
)

const (
	// forgetAfter is how long attempts count.
	forgetAfter = 15 * time.Minute
	// maxTracked bounds the memory: about 200 bytes each.
	maxTracked = 16384
	// maxTrackedName is how much of a name tells accounts apart, in bytes.
	maxTrackedName = 128
)

// throttle slows down those who guess passwords. It is kept in memory, so each replica counts for itself; what replicas
// count together is in shared.go. An attempt counts from its beginning: attempts made at the same time do not slip through
// together.
type throttle struct {
	now func() time.Time
	max int

	mu      sync.Mutex // guards what follows
	tracked map[string]*list.Element
	recent  list.List // of *attempts, the latest first
}

type attempts struct {
	key   string
	count int
	last  time.Time
	until time.Time // no attempt before
	good  bool      // the password was right here before
}

func newThrottle(now func() time.Time, size int) *throttle {
	return &throttle{now: now, max: size, tracked: make(map[string]*list.Element)}
}

// attempt is one attempt to sign in.
type attempt struct {
	t      *throttle
	counts []count
}

type count struct {
	key   string
	limit limit
}

// ways are the ways in which an attempt is counted, the pair of account and address first. The account by itself is not
// counted where it has signed in from that address before.
func (t *throttle) ways(account, address string) []count {
	if len(account) > maxTrackedName {
		account = account[:maxTrackedName]
	}
	account, address = strings.ToLower(account), network(address)
	pair := count{"p\x00" + account + "\x00" + address, pairLimit}
	all := []count{pair, {"a\x00" + address, addressLimit}}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.find(pair.key); e == nil || !e.good {
		all = append(all, count{"n\x00" + account, accountLimit})
	}
	return all
}

// begin counts an attempt. A wait above zero means that it must not be made before that time has passed.
func (t *throttle) begin(account, address string) (*attempt, time.Duration) {
	a := &attempt{t: t, counts: t.ways(account, address)}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	var wait time.Duration
	for _, c := range a.counts {
		if e := t.find(c.key); e != nil {
			wait = max(wait, e.until.Sub(now))
		}
	}
	if wait > 0 {
		return nil, wait
	}
	for _, c := range a.counts {
		e := t.take(c.key, now)
		e.count++
		e.last = now
		e.until = c.limit.until(e.count, now)
	}
	return a, 0
}

// succeeded takes the attempt back and forgets the mistakes before it.
func (a *attempt) succeeded() {
	a.abandoned()
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	e := a.t.take(a.counts[0].key, a.t.now())
	e.count, e.until, e.good = 0, time.Time{}, true
}

// abandoned takes the attempt back: nothing was learned by it.
func (a *attempt) abandoned() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	for _, c := range a.counts {
		if e := a.t.find(c.key); e != nil && e.count > 0 {
			e.count--
			e.until = c.limit.until(e.count, e.last)
		}
	}
}

// until is the time before which no further attempt may be made, after n of them.
func (l limit) until(n int, now time.Time) time.Time {
	if n <= l.free {
		return time.Time{}
	}
	wait := l.longest
	if over := n - l.free - 1; over < 30 {
		wait = min(wait, time.Second<<over)
	}
	return now.Add(wait)
}

// find returns what is remembered, or nil. It holds t.mu.
func (t *throttle) find(key string) *attempts {
	el := t.tracked[key]
	if el == nil {
		return nil
	}
	e := el.Value.(*attempts)
	if !e.good && t.now().Sub(e.last) > forgetAfter {
		t.drop(el)
		return nil
	}
	return e
}

// take returns what is remembered, or begins to remember; the one not seen for longest makes room. It holds t.mu.
func (t *throttle) take(key string, now time.Time) *attempts {
	if e := t.find(key); e != nil {
		t.recent.MoveToFront(t.tracked[key])
		if now.Sub(e.last) > forgetAfter {
			e.count = 0
		}
		return e
	}
	for t.recent.Len() >= t.max {
		t.drop(t.recent.Back())
	}
	e := &attempts{key: key, last: now}
	t.tracked[key] = t.recent.PushFront(e)
	return e
}

func (t *throttle) drop(el *list.Element) {
	delete(t.tracked, el.Value.(*attempts).key)
	t.recent.Remove(el)
}

// network is the part of an address that one party has to itself: an IPv4 address, the /64 of an IPv6 one.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if len(address) > maxTrackedName {
			return address[:maxTrackedName]
		}
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return prefix.String()
}
