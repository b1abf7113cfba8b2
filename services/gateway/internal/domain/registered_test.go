package domain_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// large is a domain with more registered clients than its gateway holds, and the management that knows all of them.
type large struct {
	*rig
	clock *gatewaytest.Clock

	mu    sync.Mutex
	known map[string]*configv1.Application
	asked map[string]int
	// away means that management cannot be asked.
	away bool
	// meanwhile is called while a question is on its way back.
	meanwhile func(clientID string)
}

func self(a *configv1.Application) { a.Registration = &configv1.ClientRegistration{} }

// newLarge returns a domain with the application web and registered clients r0, r1, …, of which the gateway holds none yet, and at
// most held of them.
func newLarge(t *testing.T, held, clients int) *large {
	t.Helper()
	l := &large{clock: gatewaytest.NewClock(), known: map[string]*configv1.Application{}, asked: map[string]int{}}
	l.rig = newRig(t, domain.Options{Resolve: gatewaytest.Resolve(l.resolve), Now: l.clock.Now, MostRegistered: held}, "web")
	for i := range clients {
		id := fmt.Sprint("r", i)
		l.known[id] = stamped(l.app(id, self), 5)
	}
	l.accept(l.reset(11))
	return l
}

// reset is what the stream sends when it begins anew.
func (l *large) reset(revision int64) configsync.Batch {
	b := l.config.Batch(revision)
	withheld := configsync.Withheld{Domain: l.id}
	for id := range l.known {
		withheld.Clients = append(withheld.Clients, configsync.HashClient(id))
	}
	b.Withheld = []configsync.Withheld{withheld}
	return b
}

func (l *large) resolve(_ context.Context, _, clientID string) (*configv1.Application, error) {
	l.mu.Lock()
	l.asked[clientID]++
	app, away, meanwhile := l.known[clientID], l.away, l.meanwhile
	l.mu.Unlock()
	if away {
		return nil, fault.Unavailablef("management is away")
	}
	if meanwhile != nil {
		meanwhile(clientID)
	}
	if app == nil {
		return nil, domain.ErrNoClient
	}
	return app, nil
}

// questions returns how often a client was asked for.
func (l *large) questions(clientID string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked[clientID]
}

// change changes a client at management, and returns the batch that says so.
func (l *large) change(clientID, name string) configsync.Batch {
	app := l.app(clientID, self, func(a *configv1.Application) { a.Name = name })
	b := gatewaytest.Upserts(l.revision+1, app)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[clientID] = proto.CloneOf(app)
	return b
}

func (l *large) name(clientID string) string {
	l.t.Helper()
	c, err := l.Domain(l.id).Client(l.t.Context(), clientID)
	if err != nil {
		l.t.Fatalf("client %s: %v", clientID, err)
	}
	return c.Name
}

func TestARegisteredClientBeyondTheBoundIsAskedForOnce(t *testing.T) {
	l := newLarge(t, 10, 100)
	for range 3 {
		l.wantClient("r7", "app-r7")
	}
	if n := l.questions("r7"); n != 1 {
		t.Errorf("%d questions about a client that is used again and again, want 1", n)
	}
	l.wantClient("web", "app-web")
	if n := l.questions("web"); n != 0 {
		t.Errorf("%d questions about an application of an operator, which is always held", n)
	}
}

func TestTheRegisteredClientsUsedLastAreHeld(t *testing.T) {
	l := newLarge(t, 10, 100)
	for i := range 100 {
		l.wantClient("r0", "app-r0")
		l.wantClient(fmt.Sprint("r", i), fmt.Sprint("app-r", i))
		if n := domain.Held(l.Set, l.id); n > 10 {
			t.Fatalf("%d registered clients are held, at most 10 may be", n)
		}
	}
	if n := l.questions("r0"); n > 2 { // one that is always in use stays
		t.Errorf("%d questions about a client in use", n)
	}
	l.wantClient("r1", "app-r1")
	if n := l.questions("r1"); n != 2 {
		t.Errorf("%d questions about a client that nobody used for long, want 2", n)
	}
}

func TestAChangeOfAHeldClientTakesEffectWithTheBatch(t *testing.T) {
	l := newLarge(t, 10, 100)
	l.wantClient("r1", "app-r1")
	l.accept(l.change("r1", "renamed"))
	if got := l.name("r1"); got != "renamed" || l.questions("r1") != 1 {
		t.Errorf("the client is called %q after %d questions", got, l.questions("r1"))
	}
	l.remove(l.known["r1"])
	delete(l.known, "r1")
	l.wantClient("r1", "")
}

func TestAChangeOfAClientThatIsNotHeldIsFoundWhenItIsUsed(t *testing.T) {
	l := newLarge(t, 2, 100)
	l.wantClient("r1", "app-r1")
	l.wantClient("r2", "app-r2")
	l.accept(l.change("r3", "renamed"))
	if n := domain.Held(l.Set, l.id); n != 2 {
		t.Errorf("%d registered clients are held after a change of one that is not, want 2", n)
	}
	if got := l.name("r3"); got != "renamed" {
		t.Errorf("the client is called %q", got)
	}
}

// What travels between question and answer must not be lost: the answer may be older than the batch that overtook it.
func TestAnAnswerThatABatchOvertookIsNotBelieved(t *testing.T) {
	tests := []struct {
		name string
		then func(l *large)
		want string
	}{
		{"the client changed", func(l *large) { l.accept(l.change("r1", "renamed")) }, "renamed"},
		{"the client was deleted", func(l *large) {
			app := l.known["r1"]
			l.mu.Lock()
			delete(l.known, "r1")
			l.mu.Unlock()
			l.remove(app)
		}, ""},
		{"the stream began anew", func(l *large) {
			_ = l.change("r1", "renamed")
			l.accept(l.reset(l.revision + 1))
		}, "renamed"},
		{"another client changed", func(l *large) { l.accept(l.change("r2", "other")) }, "r1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLarge(t, 10, 100)
			first := true
			l.meanwhile = func(clientID string) {
				if clientID == "r1" && first {
					first = false
					tt.then(l)
				}
			}
			c, err := l.Domain(l.id).Client(t.Context(), "r1")
			switch {
			case tt.want == "" && !errors.Is(err, domain.ErrNoClient):
				t.Errorf("client %v, error %v", c, err)
			case tt.want != "" && (err != nil || c.Name != tt.want):
				t.Errorf("client %v, error %v; want %q", c, err, tt.want)
			}
			// And so it is from then on.
			if tt.want != "" && l.name("r1") != tt.want {
				t.Errorf("afterwards it is called %q", l.name("r1"))
			}
		})
	}
}

func TestAClientThatNeverRestsIsTemporarilyUnavailable(t *testing.T) {
	l := newLarge(t, 1, 100)
	l.wantClient("r2", "app-r2")
	l.meanwhile = func(clientID string) { l.accept(l.change(clientID, "again")) }
	if _, err := l.Domain(l.id).Client(t.Context(), "r1"); oauth2.CodeOf(err) != oauth2.TemporarilyUnavailable {
		t.Errorf("error %v", err)
	}
}

func TestADeletionMadeHereCountsBeforeTheStreamSaysSo(t *testing.T) {
	l := newLarge(t, 10, 100)
	l.wantClient("r1", "app-r1")
	l.meanwhile = func(string) { l.Forget(l.id, "app-r1", l.revision+5) } // by its owner, while somebody asks
	l.accept(l.reset(12))
	if _, err := l.Domain(l.id).Client(t.Context(), "r1"); err == nil {
		t.Error("a client is served that was deleted here")
	}
}

func TestHeldRegisteredClientsAreForgottenWhereTheStreamBeginsAnew(t *testing.T) {
	l := newLarge(t, 10, 100)
	l.wantClient("r1", "app-r1")
	_ = l.change("r1", "renamed")
	l.accept(l.reset(20))
	if got := l.name("r1"); got != "renamed" || l.questions("r1") != 2 {
		t.Errorf("the client is called %q after %d questions", got, l.questions("r1"))
	}
	// As soon as the stream brings all of them, none is asked for.
	b := l.config.Batch(30)
	b.Upserts = append(b.Upserts, resource.Wrap(l.known["r2"]))
	l.accept(b)
	l.wantClient("r2", "app-r2")
	if n := l.questions("r2"); n != 0 {
		t.Errorf("%d questions about a client that the stream brought", n)
	}
}

func TestADomainThatGrowsBeyondTheBound(t *testing.T) {
	l := newLarge(t, 5, 0)
	l.accept(l.config.Batch(12)) // everything is brought
	for i := range 20 {
		l.accept(l.change(fmt.Sprint("r", i), "client"))
	}
	if n := domain.Held(l.Set, l.id); n != 5 {
		t.Errorf("%d registered clients are held, want 5", n)
	}
	for i := range 20 {
		l.wantClient(fmt.Sprint("r", i), fmt.Sprint("app-r", i))
	}
	if n := l.questions("r0") + l.questions("r1") + l.questions("r4"); n != 0 {
		t.Errorf("%d questions about clients that were there first", n)
	}
}

func TestARegistrationMadeHereIsServedAtOnceAmongAMillion(t *testing.T) {
	l := newLarge(t, 2, 100)
	l.wantClient("r1", "app-r1")
	l.wantClient("r2", "app-r2")
	l.Learn(t.Context(), stamped(l.app("fresh", self), l.revision+3), nil)
	l.wantClient("fresh", "app-fresh")
	if n := l.questions("fresh"); n != 0 {
		t.Errorf("%d questions about a client that was registered here", n)
	}
	if n := domain.Held(l.Set, l.id); n != 2 {
		t.Errorf("%d registered clients are held, want 2", n)
	}
}

func TestTemplatesAreAlwaysHeld(t *testing.T) {
	l := newLarge(t, 2, 100)
	template := l.app("template", self, func(a *configv1.Application) { a.Template = true })
	l.upsert(template)
	for i := range 50 {
		l.wantClient(fmt.Sprint("r", i), fmt.Sprint("app-r", i))
	}
	names := func() (ids []string) {
		for _, t := range l.Domain(l.id).Templates() {
			ids = append(ids, t.ID)
		}
		return ids
	}
	if got := names(); !slices.Equal(got, []string{"app-template"}) {
		t.Errorf("templates are %v", got)
	}
}

// A client in use outlives an outage of management; one that is not held is temporarily unavailable, and never unknown.
func TestWhileManagementIsAwayHeldClientsAreServed(t *testing.T) {
	l := newLarge(t, 10, 100)
	l.wantClient("r1", "app-r1")
	l.away = true
	l.wantClient("r1", "app-r1")
	if _, err := l.Domain(l.id).Client(t.Context(), "r2"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a client that is not held: error %v", err)
	}
	l.away = false
	l.wantClient("r2", "app-r2")
}

// Invented identifiers have a bound of their own, and take nothing from clients that are there.
func TestAFloodOfInventedIdentifiersLeavesRegisteredClientsAlone(t *testing.T) {
	l := newLarge(t, 10, 1000)
	refused := 0
	for i := range 2000 {
		_, err := l.Domain(l.id).Client(t.Context(), fmt.Sprint("invented-", i))
		if oauth2.CodeOf(err) == oauth2.TemporarilyUnavailable {
			refused++
		}
	}
	if refused != 1600 {
		t.Errorf("%d of 2000 questions about invented identifiers were refused, want 1600", refused)
	}
	for i := range 1000 {
		l.wantClient(fmt.Sprint("r", i), fmt.Sprint("app-r", i))
	}
}

func TestQuestionsAboutRegisteredClientsAreLimited(t *testing.T) {
	l := newLarge(t, 1, 5000)
	count := func() (answered int) {
		for i := range 5000 {
			_, err := l.Domain(l.id).Client(t.Context(), fmt.Sprint("r", i))
			switch {
			case err == nil:
				answered++
			case oauth2.CodeOf(err) != oauth2.TemporarilyUnavailable:
				t.Fatalf("error %v", err)
			}
		}
		return answered
	}
	if n := count(); n != 4000 {
		t.Errorf("%d clients are answered at once, want 4000", n)
	}
	l.clock.Forward(time.Second)
	if n := count(); n < 2000 || n > 2001 { // the one that is held is not asked for
		t.Errorf("%d clients are answered after a second, want 2000", n)
	}
}

func TestAMillionRegisteredClientsTakeLittleMemory(t *testing.T) {
	const n = 1_000_000
	clients := make([]uint64, n)
	for i := range clients {
		clients[i] = configsync.HashClient(fmt.Sprint(i))
	}
	set := newSet(domain.Options{MostRegistered: 1000})
	config := gatewaytest.NewAcme(t)
	b := config.Batch(1)
	b.Withheld = []configsync.Withheld{{Domain: config.Domain.GetId(), Clients: clients}}
	before := heap()
	set.Apply(t.Context(), b)
	each := (heap() - before) / n
	t.Logf("%d bytes for each registered client that is not held", each)
	if each > 64 {
		t.Errorf("a registered client that is not held takes %d bytes, at most 64 are allowed", each)
	}
	if set.Domain(config.Domain.GetId()) == nil {
		t.Fatal("there is no domain")
	}
}

// Readers, changes, resets and the hand that lets clients go meet; what is served is always the present state or an error.
func TestClientsOnDemandUnderChanges(t *testing.T) {
	l := newLarge(t, 8, 64)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprint("r", i%64)
				if c, err := l.Domain(l.id).Client(context.Background(), id); err == nil && c.ClientID != id {
					t.Errorf("asked for %s, got %s", id, c.ClientID)
				}
			}
		})
	}
	last := map[string]string{}
	for i := range 500 {
		l.clock.Forward(time.Second)
		id := fmt.Sprint("r", i*7%64)
		last[id] = fmt.Sprint("name ", i)
		l.accept(l.change(id, last[id]))
		if i%50 == 49 {
			l.mu.Lock()
			b := l.reset(l.revision + 1)
			l.mu.Unlock()
			l.accept(b)
		}
	}
	close(stop)
	readers.Wait()
	l.clock.Forward(time.Minute)
	for id, name := range last {
		if got := l.name(id); got != name {
			t.Errorf("client %s is called %q, want %q", id, got, name)
		}
	}
}

func TestDeletedClientsAreKnownNoLonger(t *testing.T) {
	const n = 3000
	l := newLarge(t, 10, n)
	b := configsync.Batch{Revision: 12}
	for i := range n {
		b.Deletes = append(b.Deletes, resource.Key{Kind: "application", Domain: l.id, ID: fmt.Sprint("app-r", i)}.Proto())
	}
	l.known = map[string]*configv1.Application{}
	l.accept(b)
	asked := func() (made int) {
		for i := range n {
			if _, err := l.Domain(l.id).Client(t.Context(), fmt.Sprint("r", i)); errors.Is(err, domain.ErrNoClient) {
				made++
			}
		}
		return made
	}
	if asked() == 0 {
		t.Fatal("nothing is asked")
	}
	l.clock.Forward(time.Minute)
	if again := asked(); again > 400 {
		t.Errorf("%d questions about deleted clients at once reach management again, at most 400 about unknown ones do", again)
	}
}
