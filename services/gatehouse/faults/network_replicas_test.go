package faults

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/balance"
	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// How long it takes until gateways know that a replica has lost its database: it asks every 2 s, a question that gets no answer fails
// after 2 s where connections are refused and after 5 s where nothing is heard, and says so to every gateway at once.
const (
	knownCut    = 5 * time.Second
	knownSilent = 9 * time.Second
)

const goesOn = "every login and registration is answered"

var oneWithoutDatabase = faultproxy.Pair{
	Name: "management → MongoDB, of one replica among others",
	Meanwhile: "at gateways everything: a replica tells them whether it can serve (gRPC health), and they ask the others. Until they know, what they ask of this " +
		"one is answered by 503. Its streams of configuration go to the others as well.",
	Rows: []faultproxy.Row{
		{Fault: faultproxy.Cut, Seen: goesOn, By: knownCut, Back: 10 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: goesOn, By: knownSilent, Back: noticed},
		{Fault: faultproxy.Deaf, Seen: goesOn, By: noticed, Back: noticed, Note: "The replica is asked again when its connections are replaced, which is while the fault lasts"},
		{Fault: faultproxy.Stalled, Seen: goesOn, By: knownSilent, Back: noticed},
	},
}

var allWithoutDatabase = faultproxy.Pair{
	Name: "management → MongoDB, of all replicas",
	Meanwhile: "at gateways what needs no directory. They stay ready and connected. Calls are refused without asking anybody once it is known, " +
		"which takes 5 s where connections are refused and 9 s where nothing is heard. A gateway that starts gets the configuration that replicas have read, " +
		"where it finds them; the service of the chart names none that is not ready.",
	Rows: []faultproxy.Row{
		{Fault: faultproxy.Cut, Seen: unavailable, By: time.Second, Back: 10 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: unavailable, By: time.Second, Back: noticed},
	},
}

// twoReplicas is a gateway that finds two managements behind one name, each with a network of its own to the database.
type twoReplicas struct {
	*world
	gateway  *proc.Gateway
	replicas [2]*proc.Management
	networks [2]*faultproxy.Proxy
	target   string // the name of both
	made     tokens
}

func newTwoReplicas(t *testing.T) *twoReplicas {
	t.Helper()
	w := newWorld(t, 0)
	w.openRegistration()
	both := &twoReplicas{world: w}
	_, port, err := net.SplitHostPort(proc.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	hosts := [2]string{"127.0.0.2", "127.0.0.3"}
	var known []netip.Addr
	for i, host := range hosts {
		both.networks[i] = behind(t, w.mongo.Address)
		there := *w.inst
		there.MongoDBURI = "mongodb://" + both.networks[i].Address()
		both.replicas[i] = there.StartManagement()
		plane, err := faultproxy.Listen(net.JoinHostPort(host, port), both.replicas[i].PlaneAddress) // replicas behind one name share a port
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = plane.Close() })
		t.Cleanup(func() { (&world{t: t, management: both.replicas[i]}).nothingPanicked() })
		known = append(known, netip.MustParseAddr(host))
	}
	names, err := balance.ListenNames(func() []netip.Addr { return known })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(names.Close)
	both.target = names.Target(port)
	both.gateway = w.gateway(w.inst, both.target)
	both.made = w.aliceAt(both.gateway)
	return both
}

// ask signs somebody of the directory in, or registers a client.
func (b *twoReplicas) ask(ctx context.Context, registers bool) string {
	if registers {
		return outcome(b.registers(ctx, b.gateway, ""))
	}
	return outcome(b.post(ctx, b.gateway, b.staff, "/oauth/token", passwordOf(bob, bobsPassword)))
}

// attempt is a call and what came of it.
type attempt struct {
	began time.Time
	took  time.Duration
	saw   string
}

// crowd is people and clients who go on asking.
type crowd struct {
	mu       sync.Mutex // guards attempts
	attempts []attempt
}

// crowds lets people and clients ask until the test ends.
func (b *twoReplicas) crowds() *crowd {
	c := &crowd{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				began := time.Now()
				saw := b.ask(ctx, i == 0)
				if ctx.Err() == nil {
					c.mu.Lock()
					c.attempts = append(c.attempts, attempt{began, time.Since(began), saw})
					c.mu.Unlock()
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	b.t.Cleanup(func() { cancel(); all.Wait() })
	return c
}

// since waits for so many attempts that began after a moment and returns them.
func (c *crowd) since(t *testing.T, moment time.Time, n int) []attempt {
	t.Helper()
	var found []attempt
	proc.Await(t, "people and clients are answered", time.Until(moment)+2*soon, func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		found = nil
		for _, a := range c.attempts {
			if a.began.After(moment) {
				found = append(found, a)
			}
		}
		if len(found) < n {
			return fmt.Errorf("%d attempts of %d", len(found), n)
		}
		return nil
	})
	return found
}

// see demands that every attempt that begins after a moment sees something, on a busy machine all but one in thirty, and returns how long
// the fastest took.
func (c *crowd) see(t *testing.T, moment time.Time, is func(string) bool) time.Duration {
	t.Helper()
	fastest := time.Hour
	all := c.since(t, moment, 60)
	var wrong []string
	for _, a := range all {
		if !is(a.saw) {
			wrong = append(wrong, fmt.Sprintf("%s after the time that is stated: %s", a.began.Sub(moment), a.saw))
		}
		fastest = min(fastest, a.took)
	}
	allowed := 0
	if busy() {
		allowed = len(all) / 30
	}
	if len(wrong) > allowed {
		t.Errorf("%d of %d: %s", len(wrong), len(all), strings.Join(wrong, "\n"))
	}
	return fastest
}

func good(saw string) bool { return saw == "200" || saw == "201" }

// bothAreAsked waits until calls go to either replica.
func (b *twoReplicas) bothAreAsked(t *testing.T) {
	t.Helper()
	for _, m := range b.replicas {
		calls := func() int { return strings.Count(m.Stderr(), "DirectoryService/Authenticate") }
		before := calls()
		proc.Await(t, "calls go to both replicas", soon, func(context.Context) error {
			if calls() == before {
				return fmt.Errorf("none to %s", m.URL)
			}
			return nil
		})
	}
}

// feeds is the replica at which the gateway's stream ends.
func (b *twoReplicas) feeds(t *testing.T) int {
	t.Helper()
	for i, m := range b.replicas {
		if metric(t, m.TechnicalURL, "gatehouse_gateways_connected") == 1 {
			return i
		}
	}
	t.Fatal("no replica feeds the gateway")
	return 0
}

func (b *twoReplicas) set(t *testing.T, f faultproxy.Fault, networks ...*faultproxy.Proxy) time.Time {
	t.Helper()
	for _, network := range networks {
		if err := network.Set(f); err != nil {
			t.Fatal(err)
		}
	}
	return time.Now()
}

// TestReplicasWithoutTheirDatabase cuts the way to the database of one replica of two, and of both, and in the end stops one in order.
func TestReplicasWithoutTheirDatabase(t *testing.T) {
	t.Parallel()
	b := newTwoReplicas(t)
	c := b.crowds()
	for _, row := range oneWithoutDatabase.Rows {
		t.Run("one: "+row.Fault.String(), func(t *testing.T) {
			b.bothAreAsked(t)
			feeds := b.feeds(t)
			began := b.set(t, row.Fault, b.networks[feeds])
			c.see(t, began.Add(faultproxy.Allowed(row.By)), good)
			b.during(t).keepsServing(b.gateway, b.made.Access)
			b.api.During(t).Settle(b.domain, b.gateway.TechnicalURL) // a change that another replica writes
			b.connected(t)
			began = b.set(t, faultproxy.Healthy, b.networks[feeds])
			c.see(t, began, good) // its return disturbs nobody
			b.bothAreAsked(t)
			b.asBefore(t, began, row)
		})
	}
	for _, row := range allWithoutDatabase.Rows {
		t.Run("all: "+row.Fault.String(), func(t *testing.T) {
			b.bothAreAsked(t)
			began := b.set(t, row.Fault, b.networks[:]...)
			known := knownCut
			if row.Fault == faultproxy.HalfOpen {
				known = knownSilent
			}
			if fastest := c.see(t, began.Add(faultproxy.Allowed(known)), func(saw string) bool { return saw == row.Seen }); fastest > faultproxy.Allowed(row.By) {
				t.Errorf("seen after %s, stated is %s", fastest, row.By)
			}
			b.during(t).keepsServing(b.gateway, b.made.Access)
			b.connected(t)
			newcomer := b.inst.StartGateway(&proc.Management{PlaneAddress: b.target}, publicURL)
			b.during(t).granted(newcomer, b.service, ofService)
			newcomer.Stop()
			began = b.set(t, faultproxy.Healthy, b.networks[:]...)
			c.see(t, began.Add(faultproxy.Allowed(row.Back)), good)
			b.bothAreAsked(t)
		})
	}
	t.Run("one stops in order", func(t *testing.T) {
		b.bothAreAsked(t)
		began := time.Now()
		b.replicas[1].Stop()
		c.see(t, began, good)
		b.replicas[1].Relaunch()
		b.replicas[1].Ready()
		c.see(t, began, good)
		b.bothAreAsked(t)
	})
	b.settle()
}

// connected demands that the gateway has its stream.
func (b *twoReplicas) connected(t *testing.T) {
	t.Helper()
	if lag := metric(t, b.gateway.TechnicalURL, "gatehouse_config_lag_seconds"); lag != 0 {
		t.Errorf("the gateway has lost its stream for %g s", lag)
	}
}

func (b *twoReplicas) asBefore(t *testing.T, healed time.Time, row faultproxy.Row) {
	t.Helper()
	if took := time.Since(healed); took > faultproxy.Allowed(row.Back) {
		t.Errorf("as before after %s, stated is %s", took, row.Back)
	}
}
