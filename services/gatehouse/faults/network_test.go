package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// handbook says what is stated of faults.
var handbook = filepath.Join("..", "..", "..", "deploy", "handbook", "failures.md")

// behind starts a network before the server at an address.
func behind(t *testing.T, server string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Listen("", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// trial is how the rows of a pair are tried.
type trial struct {
	pair    faultproxy.Pair
	network *faultproxy.Proxy
	// good is what ask says while nothing is wrong. ask says what whoever needs the pair sees: a status, with the code of an error,
	// or what became of the connection.
	good string
	ask  func(context.Context) string
	// crowd is how many ask at once before the fault, so that there are connections, and in the end.
	crowd int
	// before is done before each fault, during while it is there, after once it is over; each may be nil.
	before, during, after func(*testing.T, faultproxy.Row)
	// programs may not have more connections and goroutines in the end than in the beginning.
	programs []string // their technical URLs
}

// run tries all rows.
func (n *trial) run(t *testing.T) {
	n.many(t)
	began := map[string]size{}
	for _, p := range n.programs {
		began[p] = sizeOf(t, p)
	}
	for _, row := range n.pair.Rows {
		t.Run(row.Fault.String(), func(t *testing.T) { n.row(t, row) })
	}
	for _, p := range n.programs {
		proc.Await(t, "connections and goroutines come back down at "+p, soon+n.longest(), func(context.Context) error {
			if now := sizeOf(t, p); now.goroutines > began[p].goroutines+slack || now.files > began[p].files+slack {
				return fmt.Errorf("%+v, before the faults %+v", now, began[p])
			}
			return nil
		})
	}
	proc.Await(t, "connections are closed", soon, func(context.Context) error {
		if open := n.network.Open(); open > n.crowd+slack {
			return fmt.Errorf("%d are open", open)
		}
		return nil
	})
}

// slack is how many connections and goroutines more than before are no growth: as many as come and go.
const slack = 24

func (n *trial) longest() (most time.Duration) {
	for _, r := range n.pair.Rows {
		most = max(most, r.Back)
	}
	return most
}

func (n *trial) row(t *testing.T, row faultproxy.Row) {
	n.many(t)
	if n.before != nil {
		n.before(t, row)
	}
	n.set(t, row.Fault)
	healed := false
	defer func() {
		if !healed {
			n.set(t, faultproxy.Healthy)
		}
	}()
	wrong := n.seen(t, row)
	for tries := 1; wrong != "" && busy() && tries < 3; tries++ { // from the beginning: a program may have given up what was open
		n.set(t, faultproxy.Healthy)
		n.many(t)
		if n.before != nil {
			n.before(t, row)
		}
		n.set(t, row.Fault)
		wrong = n.seen(t, row)
	}
	if wrong != "" {
		t.Error(wrong)
	}
	if n.during != nil {
		n.during(t, row)
	}
	n.set(t, faultproxy.Healthy)
	healed = true
	began := time.Now()
	proc.Await(t, "it is as before", faultproxy.Allowed(row.Back)+soon, func(context.Context) error { return n.all(t) })
	if took := time.Since(began); took > faultproxy.Allowed(row.Back) {
		t.Errorf("as before after %s, stated is %s", took, row.Back)
	}
	if n.after != nil {
		n.after(t, row)
	}
}

// seen asks while the fault is there. It returns what is not as stated.
func (n *trial) seen(t *testing.T, row faultproxy.Row) (wrong string) {
	t.Helper()
	fastest := time.Hour
	for range 3 {
		began := time.Now()
		got := n.ask(t.Context())
		fastest = min(fastest, time.Since(began))
		if row.Fault == faultproxy.Deaf && got == n.good {
			break // whoever asked before has met the dead connections, and they are replaced
		}
		if got != row.Seen {
			return fmt.Sprintf("seen: %s, stated is %s", got, row.Seen)
		}
		if row.By == 0 || fastest <= faultproxy.Allowed(row.By) {
			break
		}
	}
	if row.By > 0 && fastest > faultproxy.Allowed(row.By) {
		return fmt.Sprintf("seen after %s, stated is %s", fastest, row.By)
	}
	return ""
}

// busy reports whether the machine is shared with others, so that a single answer may be what its processes had no time for.
func busy() bool { return faultproxy.Allowed(time.Second) > time.Second }

func (n *trial) set(t *testing.T, f faultproxy.Fault) {
	t.Helper()
	if err := n.network.Set(f); err != nil {
		t.Fatal(err)
	}
}

// many waits until everybody who asks is answered: a machine that is busy may need a moment.
func (n *trial) many(t *testing.T) {
	t.Helper()
	proc.Await(t, "everybody who asks is answered", soon, func(context.Context) error { return n.all(t) })
}

// all asks as often as there is a crowd, at once.
func (n *trial) all(t *testing.T) error {
	answers := make([]string, max(n.crowd, 1))
	var asking sync.WaitGroup
	for i := range answers {
		asking.Go(func() { answers[i] = n.ask(t.Context()) })
	}
	asking.Wait()
	for _, got := range answers {
		if got != n.good {
			return fmt.Errorf("one of %d sees: %s", len(answers), got)
		}
	}
	return nil
}

// outcome is what a request brought, in a few words.
func outcome(answer proc.Answer, err error) string {
	var timeout net.Error
	switch {
	case err == nil && answer.Status < 300:
		return strconv.Itoa(answer.Status)
	case err == nil:
		return strings.TrimSpace(fmt.Sprintf("%d %s", answer.Status, answer.JSON().Text("error")))
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	case answer.Status != 0 || errors.Is(err, io.ErrUnexpectedEOF):
		return "an answer that is cut off"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF):
		return "connection lost"
	}
	return err.Error()
}

// size is how large a program is, by its metrics.
type size struct{ goroutines, files int }

func sizeOf(t *testing.T, technicalURL string) size {
	t.Helper()
	return size{int(metric(t, technicalURL, "go_goroutines")), int(metric(t, technicalURL, "process_open_fds"))}
}

// metric reads a metric without labels.
func metric(t *testing.T, technicalURL, name string) float64 {
	t.Helper()
	answer, err := fetch(t.Context(), technicalURL+"/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(answer.Text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s does not measure %s", technicalURL, name)
	return 0
}

// slow is a network on which everything takes a while.
var slow = faultproxy.Latency(60*time.Millisecond, 40*time.Millisecond)

// TestNetworks tries what is stated of failing networks, pair by pair, in one installation whose programs are connected through
// networks that fail.
func TestNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.openRegistration()
	// All at once, whatever -parallel says: they wait for most of the time.
	var all sync.WaitGroup
	defer all.Wait()
	for _, pair := range []struct {
		name string
		try  func(*world) func()
	}{
		{"a gateway and Redis", (*world).networkToRedis},
		{"a gateway and the directory", (*world).networkToDirectory},
		{"a gateway and registration", (*world).networkToRegistration},
		{"management and a gateway", (*world).networkToGateway},
		{"management and the database", (*world).networkToDatabase},
		{"clients and a gateway", (*world).networkOfClients},
		{"operators and management", (*world).networkOfOperators},
	} {
		started := make(chan struct{}) // one after the other
		all.Go(func() {
			t.Run(pair.name, func(t *testing.T) {
				ready := sync.OnceFunc(func() { close(started) })
				defer ready()
				try := pair.try(w.during(t))
				ready()
				try()
			})
		})
		<-started
	}
}

// gateway starts a gateway of an installation that is known to be up to date.
func (w *world) gateway(i *proc.Installation, planeAddress string, args ...string) *proc.Gateway {
	w.t.Helper()
	g := i.StartGateway(&proc.Management{PlaneAddress: planeAddress}, publicURL, args...)
	w.gateways = []*proc.Gateway{g}
	w.t.Cleanup(w.nothingPanicked)
	w.settle()
	return g
}
