package gateways_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/gateways"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

var at = time.UnixMilli(1_800_000_000_000)

// replica is a process with gateways of its own.
type replica struct {
	*gateways.Register
	permission string
	handler    func(http.ResponseWriter, *http.Request) error
	answered   any

	mu    sync.Mutex // guards nodes
	nodes []configsync.NodeStatus
}

func (r *replica) Handle(_, permission string, handler func(http.ResponseWriter, *http.Request) error, _ operation.Operation) {
	r.permission, r.handler = permission, handler
}

func (r *replica) JSON(_ http.ResponseWriter, _ int, v any) error {
	r.answered = v
	return nil
}

func (r *replica) Nodes() []configsync.NodeStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes
}

func (r *replica) has(nodes ...configsync.NodeStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes = nodes
}

// installation is a database that several replicas use, and a clock.
type installation struct {
	testing.TB
	options store.Options

	mu  sync.Mutex // guards now
	now time.Time
}

func newInstallation(t testing.TB) *installation {
	i := &installation{TB: t, options: storetest.Options(t), now: at}
	i.options.Now = i.clock
	return i
}

func (i *installation) clock() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

func (i *installation) passes(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = i.now.Add(d)
}

func (i *installation) replica(name string, nodes ...configsync.NodeStatus) *replica {
	r := &replica{nodes: nodes}
	r.Register = gateways.New(gateways.Options{
		Nodes: r, Shared: storetest.Open(i, i.options).GatewayStreams(), Replica: func() string { return name }, Now: i.clock,
	})
	r.Mount(r)
	return r
}

// list is what a replica answers.
func (r *replica) list(t testing.TB) string {
	t.Helper()
	if err := r.handler(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/gateways", http.NoBody)); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r.answered)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// names are the names of the gateways that a replica lists, each with the replica that has it.
func (r *replica) names(t testing.TB) string {
	t.Helper()
	var all []struct{ Node, Replica string }
	if err := json.Unmarshal([]byte(r.list(t)), &all); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range all {
		names = append(names, g.Node+"@"+g.Replica)
	}
	return strings.Join(names, " ")
}

// runs tells the others until the test ends or the function is called that it returns.
func (r *replica) runs(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func connected(name string, since time.Time) configsync.NodeStatus {
	return configsync.NodeStatus{Node: name, ConnectedSince: since}
}

func TestGateways(t *testing.T) {
	for name, tt := range map[string]struct {
		nodes []configsync.NodeStatus
		want  string
	}{
		"nobody is connected": {nil, `[]`},
		"one has not reported yet": {
			[]configsync.NodeStatus{connected("a", at)},
			`[{"connectedAt":1800000000000,"node":"a","replica":"here","seenAt":1800000000000}]`,
		},
		"one is behind and cannot use a provider": {
			[]configsync.NodeStatus{{
				Node: "b", Domains: []string{"acme"}, Revision: 7, Lag: 1500 * time.Millisecond, ConnectedSince: at, ReportedAt: at.Add(time.Second),
				Rejections: []*configsyncv1.Rejection{{Key: &configv1.Key{Kind: "identity_provider", Domain: "acme", Id: "x"}, Reason: "its certificate is none"}},
			}},
			`[{"connectedAt":1800000000000,"domains":["acme"],"lagMillis":1500,"node":"b",` +
				`"rejections":[{"domain":"acme","id":"x","kind":"identity_provider","reason":"its certificate is none"}],` +
				`"replica":"here","reportedAt":1800000001000,"revision":7,"seenAt":1800000000000}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstallation(t)
			here, there := i.replica("here", tt.nodes...), i.replica("there")
			if diff := cmp.Diff(tt.want, here.list(t)); diff != "" || here.permission != "gateway:list" {
				t.Errorf("%s needs %s", diff, here.permission)
			}
			here.runs(t)
			await(t, func() error {
				if diff := cmp.Diff(tt.want, there.list(t)); diff != "" {
					return errors.New(diff)
				}
				return nil
			})
		})
	}
}

// TestGatewaysOfOtherReplicas: they are known, those of a replica that stops are gone at once, and those of one that was killed when
// nobody believes it any more.
func TestGatewaysOfOtherReplicas(t *testing.T) {
	i := newInstallation(t)
	one, two := i.replica("one", connected("a", at)), i.replica("two", connected("b", at), connected("c", at))
	one.runs(t)
	stop := two.runs(t)
	const everybody = "a@one b@two c@two"
	await(t, lists(t, one, everybody))
	await(t, lists(t, two, everybody))
	stop()
	if got := one.names(t); got != "a@one" {
		t.Errorf("after two has stopped: %s", got)
	}

	killed := storetest.Open(t, i.options).GatewayStreams()
	if err := killed.Say(t.Context(), "three", [][]byte{[]byte("\n\x01d"), []byte("\n\x01e")}, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	i.passes(29 * time.Second)
	if got := two.names(t); !strings.HasSuffix(got, "b@two c@two d@ e@") {
		t.Errorf("while it is believed: %s", got)
	}
	i.passes(time.Second)
	if got := two.names(t); strings.Contains(got, "d@") {
		t.Errorf("when it is believed no more: %s", got)
	}
}

// TestAGatewayThatGoesElsewhere is not listed twice, though the replica that it had cannot say so.
func TestAGatewayThatGoesElsewhere(t *testing.T) {
	i := newInstallation(t)
	killed, other := i.replica("killed", connected("a", at), connected("b", at)), i.replica("other")
	stop := killed.runs(t)
	await(t, lists(t, other, "a@killed b@killed"))
	i.passes(2 * time.Second)
	other.has(connected("a", i.clock()))
	if got := other.names(t); got != "a@other b@killed" {
		t.Errorf("%s", got)
	}
	// Two gateways may have one name, though: what is said later of the first is believed.
	killed.has(connected("a", at))
	stop()
	killed.runs(t)
	await(t, lists(t, other, "a@killed a@other"))
}

func lists(t testing.TB, r *replica, want string) func() error {
	return func() error {
		if got := r.names(t); got != want {
			return fmt.Errorf("%s, want %s", got, want)
		}
		return nil
	}
}

// await waits until a fact is there.
func await(t *testing.T, fact func() error) {
	t.Helper()
	limit, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		err := fact()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal(err)
		}
	}
}
