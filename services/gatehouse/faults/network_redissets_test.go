package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/pkg/testkit/redistest"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// replacedWithin is how long it takes until Sentinels that wait for a second have replaced a primary, and gateways use the other one. Where
// none of them wins the election they wait for ten seconds more, and where it happens again once more.
const replacedWithin = 25 * time.Second

const replaced = "Within 25 s the Sentinels, who wait for 1 s here, have replaced it, and everything works while the fault lasts"

var (
	toPrimary = faultproxy.Pair{
		Name: "gateway, replica and Sentinels → the primary of Redis",
		Meanwhile: "what needs no Redis. All of them know a server by one address, so that it is away for all of them at once. What the replica had not received is " +
			"lost; whoever had it signs in again.",
		Rows: []faultproxy.Row{
			{Fault: faultproxy.Cut, Seen: unavailable, By: time.Second, Back: 5 * time.Second, Note: replaced},
			{Fault: faultproxy.HalfOpen, Seen: unavailable, By: time.Second, Back: 5 * time.Second, Note: replaced},
			{Fault: faultproxy.Stalled, Seen: unavailable, By: time.Second, Back: 5 * time.Second, Note: replaced + ". " + spent},
		},
	}
	toOneSentinel = faultproxy.Pair{
		Name: "gateway → one Sentinel of three", Meanwhile: "everything.",
		Rows: []faultproxy.Row{
			{Fault: faultproxy.Cut, Seen: "200", By: time.Second, Back: 2 * time.Second},
			{Fault: faultproxy.HalfOpen, Seen: "200", By: time.Second, Back: 2 * time.Second},
		},
	}
	toAllSentinels = faultproxy.Pair{
		Name: "gateway → all Sentinels", Meanwhile: "everything, by the connections to Redis that there are. Nobody replaces a primary.",
		Rows: []faultproxy.Row{
			{Fault: faultproxy.Cut, Seen: "200", By: time.Second, Back: 5 * time.Second},
			{Fault: faultproxy.HalfOpen, Seen: "200", By: time.Second, Back: 5 * time.Second},
		},
	}
	toOneOfACluster = faultproxy.Pair{
		Name: "gateway → one server of a Redis Cluster",
		Meanwhile: "what lies on the other servers. Whoever signs in needs several keys, which lie anywhere. The servers hear each other, so that no replica takes over; " +
			"where they do not, it does.",
		Rows: []faultproxy.Row{
			{Fault: faultproxy.Cut, Seen: some503, By: time.Second, Back: 5 * time.Second},
			{Fault: faultproxy.HalfOpen, Seen: some503, By: 2 * time.Second, Back: 5 * time.Second},
			{Fault: faultproxy.Deaf, Seen: some503, By: 2 * time.Second, Back: 5 * time.Second, Note: "After the first such answer new connections are made, and everything works"},
			{Fault: faultproxy.Stalled, Seen: some503, By: 2 * time.Second, Back: 5 * time.Second, Note: spent},
		},
	}
)

const some503 = "200 or " + unavailable

// redisSets are the pairs that are tried here.
func redisSets() []faultproxy.Pair {
	return []faultproxy.Pair{toPrimary, toOneSentinel, toAllSentinels, toOneOfACluster}
}

// networks stand before servers, by the address at which these appear.
type networks struct {
	t *testing.T
	m map[string]*faultproxy.Proxy
}

func (n *networks) behind(address string) (string, error) {
	p, err := faultproxy.Listen("", address)
	if err != nil {
		return "", err
	}
	n.t.Cleanup(func() { _ = p.Close() })
	n.m[p.Address()] = p
	return p.Address(), nil
}

func (n *networks) set(t *testing.T, f faultproxy.Fault, servers ...*redistest.Server) {
	t.Helper()
	for _, s := range servers {
		if err := n.m[s.Announced].Set(f); err != nil {
			t.Fatal(err)
		}
	}
}

// answer is what a login saw, and how long it took.
type answer struct {
	saw  string
	took time.Duration
}

// logins are so many at once.
func (w *world) logins(ctx context.Context, g *proc.Gateway, n int) []answer {
	all := make([]answer, n)
	var asking sync.WaitGroup
	for i := range all {
		asking.Go(func() {
			began := time.Now()
			saw := outcome(w.post(ctx, g, w.web, "/oauth/token", passwordOf(alice, alicesPassword)))
			all[i] = answer{saw, time.Since(began)}
		})
	}
	asking.Wait()
	return all
}

// allSignIn demands that everybody of a crowd is signed in, soon and then at once.
func (w *world) allSignIn(t *testing.T, what string, g *proc.Gateway, within time.Duration) {
	t.Helper()
	began := time.Now()
	proc.Await(t, what, faultproxy.Allowed(within)+soon, func(ctx context.Context) error {
		for _, a := range w.logins(ctx, g, 12) {
			if a.saw != "200" {
				return fmt.Errorf("%s", a.saw)
			}
		}
		return nil
	})
	if took := time.Since(began); took > faultproxy.Allowed(within) {
		t.Errorf("%s after %s, stated is %s", what, took, within)
	}
}

// seenBy demands of a crowd's answers that they are one of those that are stated, and that one of each comes in time.
func (w *world) seenBy(t *testing.T, g *proc.Gateway, row faultproxy.Row) {
	t.Helper()
	for _, wrong := range w.seen(t, g, row) {
		t.Error(wrong)
	}
}

// seen is seenBy; it returns what is not as stated.
func (w *world) seen(t *testing.T, g *proc.Gateway, row faultproxy.Row) (wrong []string) {
	fastest := map[string]time.Duration{}
	for range 3 {
		for _, a := range w.logins(t.Context(), g, 12) {
			if !strings.Contains(row.Seen, a.saw) {
				wrong = append(wrong, fmt.Sprintf("seen: %s, stated is %s", a.saw, row.Seen))
			}
			if best, known := fastest[a.saw]; !known || a.took < best {
				fastest[a.saw] = a.took
			}
		}
	}
	for saw, took := range fastest {
		if took > faultproxy.Allowed(row.By) {
			wrong = append(wrong, fmt.Sprintf("%s after %s, stated is %s", saw, took, row.By))
		}
	}
	if row.Seen == some503 && row.Fault != faultproxy.Deaf && len(fastest) != 2 {
		wrong = append(wrong, fmt.Sprintf("all see the same: %v", fastest))
	}
	return wrong
}

// TestNetworksToSentinels lets Sentinels and the servers that they watch be behind networks that fail.
func TestNetworksToSentinels(t *testing.T) {
	t.Parallel()
	n := &networks{t, map[string]*faultproxy.Proxy{}}
	servers, err := redistest.StartSentinelsBehind(n.behind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	w := onRedis(t, servers.URL, 1)
	g := w.gateways[0]
	made := w.journey(g)
	for _, row := range toOneSentinel.Rows {
		t.Run("one Sentinel: "+row.Fault.String(), func(t *testing.T) { w.sentinelsRow(t, n, g, row, made, servers.Sentinels[0]) })
	}
	for _, row := range toAllSentinels.Rows {
		t.Run("all Sentinels: "+row.Fault.String(), func(t *testing.T) { w.sentinelsRow(t, n, g, row, made, servers.Sentinels...) })
	}
	for _, row := range toPrimary.Rows {
		t.Run("the primary: "+row.Fault.String(), func(t *testing.T) {
			w := w.during(t)
			w.allSignIn(t, "everybody is signed in", g, soon)
			kept := w.journey(g)
			away := servers.Serving()
			if away == nil {
				t.Fatal("there is no primary")
			}
			if _, err := away.Do("WAIT", "1", "5000"); err != nil {
				t.Fatal(err)
			}
			n.set(t, row.Fault, away)
			w.withinASecond("a refresh", func() {
				if got := outcome(w.post(t.Context(), g, w.web, "/oauth/token", refreshOf(kept.Refresh))); got != row.Seen {
					t.Errorf("a refresh: %s", got)
				}
			})
			w.keepsServing(g, made.Access)
			w.allSignIn(t, "the other server is used", g, replacedWithin)
			w.journey(g)
			if row.Fault != faultproxy.Stalled { // a refresh that was held up is one whose answer was lost; it may be repeated for a moment only
				w.granted(g, w.web, refreshOf(kept.Refresh))
			}
			n.set(t, faultproxy.Healthy, away)
			w.allSignIn(t, "as before", g, row.Back)
			proc.Await(t, "who was the primary is the replica", 3*soon, func(context.Context) error {
				info, err := away.Do("INFO", "replication")
				if err == nil && !strings.Contains(info, "master_link_status:up") {
					err = fmt.Errorf("%s", info)
				}
				return err
			})
		})
	}
	w.revocationsAreFollowed(g)
}

func (w *world) sentinelsRow(t *testing.T, n *networks, g *proc.Gateway, row faultproxy.Row, made tokens, sentinels ...*redistest.Server) {
	w = w.during(t)
	w.allSignIn(t, "everybody is signed in", g, soon)
	n.set(t, row.Fault, sentinels...)
	// Without Sentinels nobody replaces a connection. On a machine that is so busy that Redis is silent for half a second they are gone,
	// and it is tried again from the beginning.
	for tries := 1; ; tries++ {
		wrong := w.seen(t, g, row)
		if len(wrong) == 0 {
			break
		}
		if tries == 3 {
			t.Fatalf("%d times: %v", tries, wrong)
		}
		n.set(t, faultproxy.Healthy, sentinels...)
		w.allSignIn(t, "once more", g, soon)
		n.set(t, row.Fault, sentinels...)
	}
	w.journey(g)
	w.keepsServing(g, made.Access)
	n.set(t, faultproxy.Healthy, sentinels...)
	w.allSignIn(t, "as before", g, row.Back)
}

// TestNetworksToACluster lets one server of a Cluster be behind a network that fails.
func TestNetworksToACluster(t *testing.T) {
	t.Parallel()
	n := &networks{t, map[string]*faultproxy.Proxy{}}
	servers, err := redistest.StartClusterBehind(n.behind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	w := onRedis(t, servers.URL, 1)
	g := w.gateways[0]
	made := w.journey(g)
	for _, row := range toOneOfACluster.Rows {
		t.Run(row.Fault.String(), func(t *testing.T) {
			w := w.during(t)
			w.allSignIn(t, "everybody is signed in", g, soon)
			n.set(t, row.Fault, servers.Servers[1])
			w.seenBy(t, g, row)
			if row.Fault == faultproxy.Deaf {
				w.allSignIn(t, "new connections are made", g, row.Back)
			}
			w.keepsServing(g, made.Access)
			n.set(t, faultproxy.Healthy, servers.Servers[1])
			w.allSignIn(t, "as before", g, row.Back)
			w.journey(g)
		})
	}
	w.revocationsAreFollowed(g)
}
