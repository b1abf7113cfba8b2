package domain_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// streamed is a database with registered clients, a replica of management that follows it at its own pace, and a gateway that is fed by
// the real stream and holds few of them. Each client has a page and a flow of its own from its beginning to its end.
type streamed struct {
	t      *testing.T
	rng    *rand.Rand
	set    *domain.Set
	config *gatewaytest.Config
	domain string

	mu        sync.Mutex
	revision  int64
	truth     map[resource.Key]resource.Resource
	changes   map[int64][]resource.Key
	made      int
	publisher *configsync.Publisher
	reached   int64
	// silent is a replica of before, which tells nothing of belongings; the stream is what it knows of them.
	silent bool
	server *grpc.Server
	listen *bufconn.Listener
}

const (
	streamedHeld    = 3
	streamedClients = 12
)

func newStreamed(t *testing.T, seed uint64) *streamed {
	t.Helper()
	w := &streamed{
		t: t, rng: rand.New(rand.NewPCG(seed, 3)), config: gatewaytest.NewAcme(t), revision: 10,
		truth: map[resource.Key]resource.Resource{}, changes: map[int64][]resource.Key{},
	}
	w.domain = w.config.Domain.GetId()
	for _, u := range w.config.Batch(10).Upserts {
		r := resource.Unwrap(u)
		w.truth[resource.KeyOf(r)] = r
	}
	for range streamedClients {
		w.register()
	}
	w.set = newSet(domain.Options{MostRegistered: streamedHeld, Resolve: w.resolve, Belongings: w.belongings})
	w.replace(true)
	conn := w.dial()
	subscriber := configsync.NewSubscriber(conn, "g", w.set, configsync.SubscriberOptions{MostRegistered: streamedHeld, BelongingsOnDemand: true, Lean: seed%2 == 0})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = subscriber.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		_ = conn.Close()
		<-ended
		w.server.Stop()
	})
	return w
}

func (w *streamed) dial() *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:management", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			w.mu.Lock()
			listen := w.listen
			w.mu.Unlock()
			return listen.DialContext(ctx)
		}))
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// write is one revision.
func (w *streamed) write(upserts []resource.Resource, deletes ...resource.Key) {
	w.revision++
	var keys []resource.Key
	for _, r := range upserts {
		r = proto.Clone(r).(resource.Resource)
		resource.Stamp(r, resource.Stamps{Revision: w.revision})
		w.truth[resource.KeyOf(r)] = r
		keys = append(keys, resource.KeyOf(r))
	}
	for _, k := range deletes {
		delete(w.truth, k)
		keys = append(keys, k)
	}
	w.changes[w.revision] = keys
}

// register makes a client: what belongs to it comes with it or before it.
func (w *streamed) register() {
	w.made++
	id := fmt.Sprint("c", w.made)
	app := gatewaytest.NewApp(w.domain, id, self, copied)
	page, flow := pageOf(app, "page-"+app.GetId(), "<p>1</p>", 0), denying(app, "flow-"+app.GetId(), 0)
	if w.rng.IntN(2) == 0 {
		w.write([]resource.Resource{page, flow, app})
		return
	}
	w.write([]resource.Resource{page, flow})
	w.write([]resource.Resource{app})
}

// clients are the registered clients that there are.
func (w *streamed) clients() (all []*configv1.Application) {
	for _, r := range w.truth {
		if a, ok := r.(*configv1.Application); ok && resource.Registered(a) {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b *configv1.Application) int { return int(a.GetRevision() - b.GetRevision()) })
	return all
}

// own are the keys of what belongs to an application.
func (w *streamed) own(a *configv1.Application) (keys []resource.Key) {
	for k, r := range w.truth {
		if l, ok := r.(interface{ GetLevel() string }); ok && l.GetLevel() == a.GetId() {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b resource.Key) int { return int(w.truth[a].GetRevision() - w.truth[b].GetRevision()) })
	return keys
}

func (w *streamed) edit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.clients()
	if len(all) < 5 || w.rng.IntN(8) == 0 {
		w.register()
		return
	}
	a := all[w.rng.IntN(len(all))]
	switch w.rng.IntN(9) {
	case 0: // deleted with all that belongs to it, or before that
		if w.rng.IntN(2) == 0 {
			w.write(nil, append(w.own(a), resource.KeyOf(a))...)
			return
		}
		w.write(nil, resource.KeyOf(a))
		w.write(nil, w.own(a)...)
	case 1, 2:
		w.write([]resource.Resource{pageOf(a, "page-"+a.GetId(), fmt.Sprintf("<p>%d</p>", w.revision), 0)})
	case 3:
		w.write([]resource.Resource{denying(a, "flow-"+a.GetId(), 0)})
	case 4: // another flow, or none
		if extra := denying(a, "more-"+a.GetId(), 0); w.truth[resource.KeyOf(extra)] == nil {
			w.write([]resource.Resource{extra})
		} else {
			w.write(nil, resource.KeyOf(extra))
		}
	case 5:
		changed := proto.CloneOf(a)
		changed.Template = !a.GetTemplate()
		w.write([]resource.Resource{changed})
	case 6: // another identifier
		changed := proto.CloneOf(a)
		w.made++
		changed.GetSettings().GetOauth().ClientId = fmt.Sprint("c", w.made)
		w.write([]resource.Resource{changed})
	case 7: // by its owner, at this gateway
		changed := proto.CloneOf(a)
		changed.Name = fmt.Sprint("name ", w.revision)
		w.write([]resource.Resource{changed})
		learned := proto.CloneOf(w.truth[resource.KeyOf(a)].(*configv1.Application))
		if !learned.GetTemplate() {
			w.mu.Unlock()
			w.set.Learn(context.Background(), learned, nil)
			w.mu.Lock()
		}
	default:
		changed := proto.CloneOf(a)
		changed.Name = fmt.Sprint("name ", w.revision)
		w.write([]resource.Resource{changed})
	}
}

func (w *streamed) all() (all []*configv1.Resource) {
	for _, r := range w.truth {
		all = append(all, resource.Wrap(r))
	}
	return all
}

// follow brings the replica further, in batches of one or more revisions. It reads what a key names as it is now, and leaves out what a
// later revision names: that one brings it.
func (w *streamed) follow(to int64) {
	for w.reached < to {
		keys := map[resource.Key]bool{}
		for range 1 + w.rng.IntN(3) {
			if w.reached < to {
				w.reached++
				for _, k := range w.changes[w.reached] {
					keys[k] = true
				}
			}
		}
		b := configsync.Batch{Revision: w.reached}
		for k := range maps.Keys(keys) {
			if w.namedAfter(w.reached, k) {
				continue
			}
			if r := w.truth[k]; r != nil {
				b.Upserts = append(b.Upserts, resource.Wrap(r))
			} else {
				b.Deletes = append(b.Deletes, k.Proto())
			}
		}
		if err := w.publisher.Apply(b); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *streamed) namedAfter(revision int64, k resource.Key) bool {
	for revision++; revision <= w.revision; revision++ {
		if slices.Contains(w.changes[revision], k) {
			return true
		}
	}
	return false
}

// replace puts another replica in the place of the one that there is. Gateways go on where they are, or begin anew.
func (w *streamed) replace(first bool) {
	w.mu.Lock()
	old := w.server
	w.publisher = configsync.NewPublisher(configsync.PublisherOptions{LogSize: []int{5, 1000}[w.rng.IntN(2)], PartResources: 7, CatchUp: time.Millisecond})
	w.reached = w.revision - int64(w.rng.IntN(3))
	var history []configsync.Change
	if !first && w.rng.IntN(2) == 0 {
		for revision := max(11, w.reached-20); revision <= w.reached; revision++ {
			history = append(history, configsync.Change{Revision: revision, Keys: w.changes[revision]})
		}
	}
	if err := w.publisher.Load("i", w.reached, w.all(), history...); err != nil {
		w.t.Error(err)
	}
	w.silent = !first && w.rng.IntN(4) == 0
	var service configsyncv1.ConfigSyncServiceServer = w.publisher
	if w.silent {
		service = before{w.publisher}
	}
	w.server, w.listen = grpc.NewServer(), bufconn.Listen(1<<16)
	configsyncv1.RegisterConfigSyncServiceServer(w.server, service)
	server, listen := w.server, w.listen
	go func() { _ = server.Serve(listen) }()
	w.mu.Unlock()
	if old != nil {
		old.Stop()
	}
}

// before is a stream that does not know that belongings may be on demand, nor what else it may say of clients.
type before struct {
	configsyncv1.ConfigSyncServiceServer
}

func (b before) Watch(s configsyncv1.ConfigSyncService_WatchServer) error {
	return b.ConfigSyncServiceServer.Watch(ignorant{s})
}

type ignorant struct {
	configsyncv1.ConfigSyncService_WatchServer
}

func (i ignorant) Recv() (*configsyncv1.WatchRequest, error) {
	m, err := i.ConfigSyncService_WatchServer.Recv()
	if sub := m.GetSubscribe(); sub != nil {
		sub.BelongingsOnDemand = false
	}
	return m, err
}

func (i ignorant) Send(m *configsyncv1.WatchResponse) error {
	m.Registered = nil
	return i.ConfigSyncService_WatchServer.Send(m)
}

// resolve answers from the replica's memory where that is new enough, and otherwise from the database.
func (w *streamed) resolve(_ context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	read := func(k resource.Key) resource.Resource { return w.truth[k] }
	if q.GetRevision() > 0 && w.reached >= q.GetRevision() {
		read = func(k resource.Key) resource.Resource {
			if r, ok := w.publisher.Get(k); ok {
				return resource.Unwrap(r)
			}
			return nil
		}
	}
	var app *configv1.Application
	for _, of := range []func(resource.Key) resource.Resource{read, func(k resource.Key) resource.Resource { return w.truth[k] }} {
		for k := range w.keys() {
			if a, ok := of(k).(*configv1.Application); ok && a.GetSettings().GetOauth().GetClientId() == q.GetClientId() {
				app = a
			}
		}
		if read = of; app != nil {
			break // one that another replica made a moment ago is in the database alone
		}
	}
	if app == nil || app.GetTemplate() {
		return nil, domain.ErrNoClient
	}
	answer := &registrationv1.ResolveResponse{Application: proto.CloneOf(app)}
	if q.GetBelongings() && !w.silent {
		answer.Belongings = w.told(app.GetId(), read)
	}
	return answer, nil
}

// keys are those of everything that there ever was.
func (w *streamed) keys() map[resource.Key]bool {
	all := map[resource.Key]bool{}
	for k := range w.truth {
		all[k] = true
	}
	for _, keys := range w.changes {
		for _, k := range keys {
			all[k] = true
		}
	}
	return all
}

func (w *streamed) told(application string, read func(resource.Key) resource.Resource) *registrationv1.Belongings {
	b := &registrationv1.Belongings{}
	for k := range w.keys() {
		r := read(k)
		if l, ok := r.(interface{ GetLevel() string }); ok && r != nil && l.GetLevel() == application {
			b.Resources = append(b.Resources, resource.Wrap(proto.Clone(r).(resource.Resource)))
		}
	}
	return b
}

func (w *streamed) belongings(_ context.Context, _, application string) (*registrationv1.Belongings, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.truth[resource.Key{Kind: "application", Domain: w.domain, ID: application}] == nil {
		return nil, nil
	}
	return w.told(application, func(k resource.Key) resource.Resource { return w.truth[k] }), nil
}

// ask asks for a client as a request does: it is there with its page and its flow, or it is not served.
func (w *streamed) ask(clientID string) (*domain.Client, *domain.Form) {
	d := w.set.Domain(w.domain)
	if d == nil {
		return nil, nil
	}
	c, err := d.Client(context.Background(), clientID)
	switch {
	case errors.Is(err, domain.ErrNoClient) || oauth2.CodeOf(err) == oauth2.TemporarilyUnavailable || fault.Is(err, fault.Unavailable):
		return nil, nil
	case err != nil:
		w.t.Errorf("client %s: %v", clientID, err)
		return nil, nil
	}
	return c, d.Form(c, "login")
}

// settle lets everything run to its end and compares.
func (w *streamed) settle() {
	w.t.Helper()
	w.mu.Lock()
	w.follow(w.revision)
	revision := w.revision
	w.mu.Unlock()
	for until := time.Now().Add(20 * time.Second); ; {
		if reached, _ := w.set.Revision(); reached >= revision {
			break
		}
		if time.Now().After(until) {
			w.t.Fatalf("the gateway does not reach revision %d", revision)
		}
		select {
		case <-w.t.Context().Done():
		case <-time.After(time.Millisecond):
		}
	}
	w.mu.Lock()
	all := w.clients()
	w.mu.Unlock()
	served := 0
	for _, a := range all {
		c, page := w.ask(a.GetSettings().GetOauth().GetClientId())
		if a.GetTemplate() {
			if c != nil {
				w.t.Errorf("template %s is served", a.GetId())
			}
			continue
		}
		if c == nil {
			continue // too many questions, or one that failed
		}
		served++
		if c.ID != a.GetId() || c.Name != a.GetName() {
			w.t.Errorf("client %s is %s called %q, want %s called %q", c.ClientID, c.ID, c.Name, a.GetId(), a.GetName())
		}
		w.mu.Lock()
		var pages []int64
		var runs []*flows.Flow
		for _, k := range w.own(a) {
			switch r := w.truth[k].(type) {
			case *configv1.Form:
				pages = append(pages, r.GetRevision())
			case *configv1.Flow:
				if compiled, _ := flows.Compile(r); compiled != nil {
					runs = append(runs, compiled)
				}
			}
		}
		w.mu.Unlock()
		if len(pages) == 0 {
			if page != nil {
				w.t.Errorf("client %s has a page that was deleted", a.GetId())
			}
		} else if page == nil || page.Revision != pages[0] {
			w.t.Errorf("client %s has the page %v, want that of revision %d", a.GetId(), page, pages[0])
		}
		if got, want := c.Flows.Stamp(flows.Login), flows.Combine(runs).Stamp(flows.Login); got != want {
			w.t.Errorf("client %s has the flows %q, want %q", a.GetId(), got, want)
		}
	}
	if served == 0 && len(all) > 0 {
		w.t.Error("nobody is served")
	}
}

// TestAClientIsNeverServedWithoutWhatBelongsToIt makes random changes, lost connections and changes of replicas, while requests ask for
// clients: each is served with its page and its flow, or not at all; and in the end with those that it has.
func TestAClientIsNeverServedWithoutWhatBelongsToIt(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("world %d", seed), func(t *testing.T) {
			t.Parallel()
			w := newStreamed(t, seed)
			w.settle()
			stop := make(chan struct{})
			var readers sync.WaitGroup
			for i := range 4 {
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				readers.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(time.Duration(rng.IntN(3)) * time.Millisecond):
						}
						w.mu.Lock()
						newest := w.made
						w.mu.Unlock()
						id := fmt.Sprint("c", max(1, newest-rng.IntN(2*streamedClients)))
						if c, page := w.ask(id); c != nil && c.ClientID != id {
							t.Errorf("asked for %s, got %s", id, c.ClientID)
						} else if c != nil && (page == nil || c.Flows == nil) {
							t.Errorf("client %s (%s) is served with the page %v and the flows %v", id, c.ID, page, c.Flows)
						}
					}
				})
			}
			for range 250 {
				switch n := w.rng.IntN(40); {
				case n < 24:
					w.edit()
				case n < 36:
					w.mu.Lock()
					w.follow(min(w.revision, w.reached+1+int64(w.rng.IntN(4))))
					w.mu.Unlock()
				case n < 37:
					w.replace(false)
				default:
					w.settle()
				}
			}
			close(stop)
			readers.Wait()
			w.settle()
		})
	}
}
