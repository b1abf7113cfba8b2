package faults

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// model knows what management has acknowledged, and so what has to be there whatever happens.
type model struct {
	w     *world
	count atomic.Int64 // names given
	acks  atomic.Int64

	mu     sync.Mutex // guards both
	things []*thing
	faults []string
}

// thing is a resource that one writer works on.
type thing struct {
	collection string // applications or scopes
	name, id   string
	client     app // of an application whose creation was answered

	known state
	// maybe is what the last write would have made, if it got no answer.
	maybe *state
	// revisions are those that were answered, in order.
	revisions []int64
}

// state is what can be seen of a thing: the lifetime of an application's access tokens in seconds; whether discovery
// shows a scope (1) or not (0).
type state struct {
	exists bool
	value  int64
}

func newModel(w *world) *model { return &model{w: w} }

// writers write until management gives no answer any more, or until they are stopped.
type writers struct {
	over atomic.Bool
	all  sync.WaitGroup
}

func (m *model) start(n int) *writers {
	ws := new(writers)
	for range n {
		ws.all.Go(func() {
			var mine []*thing
			for turn := 0; !ws.over.Load(); turn++ {
				if !m.step(&mine, turn) {
					return
				}
			}
		})
	}
	return ws
}

// stop waits for the answers under way.
func (ws *writers) stop() {
	ws.over.Store(true)
	ws.all.Wait()
}

// await waits until so many more writes were acknowledged.
func (m *model) await(more int64) {
	m.w.t.Helper()
	want := m.acks.Load() + more
	proc.Await(m.w.t, "writes are acknowledged", soon, func(context.Context) error {
		if got := m.acks.Load(); got < want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
}

// step makes one write: of seven, three create, three change and one deletes.
func (m *model) step(mine *[]*thing, turn int) bool {
	switch {
	case turn%7 < 3:
		x := m.name(turn)
		*mine = append(*mine, x)
		return m.write(x, "POST", "/"+x.collection, x.creation(), state{true, x.initial()})
	case turn%7 == 6:
		x := (*mine)[0]
		*mine = (*mine)[1:]
		return m.write(x, "DELETE", "/"+x.collection+"/"+x.id, nil, state{})
	default:
		x := (*mine)[turn%len(*mine)]
		next := state{true, m.count.Add(1) + 1000}
		if x.collection == "scopes" {
			next.value = 1 - x.known.value
		}
		return m.write(x, "PATCH", "/"+x.collection+"/"+x.id, x.change(next.value), next)
	}
}

func (m *model) name(turn int) *thing {
	x := &thing{collection: "applications", name: "thing_" + strconv.FormatInt(m.count.Add(1), 10)}
	if turn%2 == 1 {
		x.collection = "scopes"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.things = append(m.things, x)
	return x
}

func (x *thing) creation() object {
	if x.collection == "scopes" {
		return object{"key": x.name, "name": x.name, "description": "Made by a test"}
	}
	return object{"name": x.name, "type": "SERVICE"}
}

// initial is the value after creation: the default.
func (x *thing) initial() int64 {
	if x.collection == "scopes" {
		return 0
	}
	return 7200
}

func (x *thing) change(value int64) object {
	if x.collection == "scopes" {
		return object{"discovery": value == 1}
	}
	return object{"settings": object{"oauth": object{"accessTokenValiditySeconds": value}}}
}

// write sends one write and notes what came of it. It reports false if there was no answer.
func (m *model) write(x *thing, method, path string, body any, next state) bool {
	answer, err := m.w.api.Try(context.Background(), method, m.w.in(path), body)
	if err != nil || answer.Status >= 500 {
		x.maybe = &next
		return false
	}
	if answer.Status >= 300 {
		m.fault("%s %s: %d %s", method, path, answer.Status, answer.Text)
		return false
	}
	x.known = next
	if method != "DELETE" {
		x.revisions = append(x.revisions, revisionOf(answer))
	}
	if method == "POST" {
		x.id = answer.JSON().Text("id")
		if x.collection == "applications" {
			x.client = appOf(answer.JSON())
		}
	}
	m.acks.Add(1)
	return true
}

func (m *model) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

func revisionOf(answer proc.Answer) int64 {
	revision, _ := strconv.ParseInt(strings.Trim(answer.Header.Get("ETag"), `"`), 10, 64)
	return revision
}

// check compares what management has with what it has acknowledged. Writers must have stopped. What was in doubt is
// known afterwards.
func (m *model) check() {
	t := m.w.t
	t.Helper()
	for _, f := range m.faults {
		t.Error(f)
	}
	m.faults = nil
	ids := map[string]string{}
	for _, collection := range []string{"applications", "scopes"} {
		for name, id := range m.list(collection) {
			ids[name] = id
		}
	}
	for _, x := range m.things {
		got, revision := m.read(x, ids[x.name])
		switch {
		case got != x.known && (x.maybe == nil || got != *x.maybe):
			t.Errorf("%s %s is %+v; acknowledged was %+v, without an answer %+v", x.collection, x.name, got, x.known, x.maybe)
		case x.maybe == nil && got.exists && revision != x.revisions[len(x.revisions)-1]:
			t.Errorf("%s %s has revision %d, answered were %v", x.collection, x.name, revision, x.revisions)
		}
		x.known, x.maybe, x.id = got, nil, ids[x.name]
		if got.exists && (len(x.revisions) == 0 || revision > x.revisions[len(x.revisions)-1]) {
			x.revisions = append(x.revisions, revision)
		}
	}
}

// list returns the identifiers of a collection by name.
func (m *model) list(collection string) map[string]string {
	m.w.t.Helper()
	ids := map[string]string{}
	for page := 0; ; page++ {
		answer := m.w.api.Do("GET", m.w.in(fmt.Sprintf("/%s?size=50&page=%d", collection, page)), nil)
		all, _ := answer.At("data").([]any)
		for _, one := range all {
			o, _ := one.(map[string]any)
			ids[object(o).Text("name")] = object(o).Text("id")
		}
		if len(all) < 50 {
			return ids
		}
	}
}

func (m *model) read(x *thing, listed string) (state, int64) {
	m.w.t.Helper()
	id := x.id
	if id == "" {
		id = listed
	}
	if id == "" {
		return state{}, 0
	}
	answer, err := m.w.api.Try(m.w.t.Context(), "GET", m.w.in("/"+x.collection+"/"+id), nil)
	switch {
	case err != nil:
		m.w.t.Fatal(err)
	case answer.Status == http.StatusNotFound && listed == "":
		return state{}, 0
	case answer.Status != http.StatusOK || listed == "":
		m.w.t.Errorf("%s %s: %d %s, listed as %q", x.collection, x.name, answer.Status, answer.Text, listed)
		return state{}, 0
	}
	s := state{exists: true}
	if x.collection == "scopes" {
		if shown, _ := answer.JSON().At("discovery").(bool); shown {
			s.value = 1
		}
	} else {
		seconds, _ := answer.JSON().At("settings", "oauth", "accessTokenValiditySeconds").(float64)
		s.value = int64(seconds)
	}
	return s, revisionOf(answer)
}

// entry is an entry of the log of changes.
type entry struct {
	Revision int64 `bson:"_id"`
	Keys     []struct {
		ID string `bson:"id"`
	} `bson:"keys"`
	State string `bson:"state"`
}

func (e entry) names(id string) bool {
	return slices.ContainsFunc(e.Keys, func(k struct {
		ID string `bson:"id"`
	}) bool {
		return k.ID == id
	})
}

// changes reads the log of changes from the database.
func (w *world) changes(ctx context.Context) ([]entry, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(w.mongo.URI))
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	found, err := client.Database("gatehouse").Collection("changes").
		Find(ctx, bson.M{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, err
	}
	var all []entry
	return all, found.All(ctx, &all)
}

// decided waits until nothing in the log is pending, and returns it.
func (w *world) decided() []entry {
	w.t.Helper()
	var all []entry
	proc.Await(w.t, "no change is pending", soon, func(ctx context.Context) (err error) {
		if all, err = w.changes(ctx); err != nil {
			return err
		}
		for _, e := range all {
			if e.State == "pending" {
				return fmt.Errorf("revision %d is", e.Revision)
			}
		}
		return nil
	})
	return all
}

// checkLog demands that revisions are dense and that everything that was answered has one of its own.
func (m *model) checkLog() {
	t := m.w.t
	t.Helper()
	log := m.w.decided()
	for i, e := range log {
		if e.Revision != int64(i+1) {
			t.Fatalf("revision %d where %d was due", e.Revision, i+1)
		}
	}
	used := map[int64]string{}
	for _, x := range m.things {
		for _, r := range x.revisions {
			if other, twice := used[r]; twice {
				t.Errorf("revision %d was given to %s and to %s", r, other, x.name)
			}
			used[r] = x.name
			// A writer that died after writing leaves a dropped change, and its resource the change's revision.
			if r < 1 || r > int64(len(log)) || !log[r-1].names(x.idIn(log, r)) {
				t.Errorf("the log does not name %s at revision %d", x.name, r)
			}
		}
	}
}

// idIn is the thing's identifier, or for one that is gone what the log says, if it can be no other.
func (x *thing) idIn(log []entry, revision int64) string {
	if x.id == "" && revision >= 1 && revision <= int64(len(log)) && len(log[revision-1].Keys) == 1 {
		return log[revision-1].Keys[0].ID
	}
	return x.id
}

// checkGateways demands that every gateway holds what management holds: clients by the tokens that they get, scopes by
// discovery.
func (m *model) checkGateways() {
	t := m.w.t
	t.Helper()
	m.w.settle()
	for _, g := range m.w.gateways {
		m.checkGateway(t, g)
	}
}

func (m *model) checkGateway(t *testing.T, g *proc.Gateway) {
	t.Helper()
	metadata := m.w.works("discovery", m.w.at(g, "/oidc/.well-known/openid-configuration"), "").JSON()
	shown, _ := metadata.At("scopes_supported").([]any)
	for _, x := range m.things {
		if x.collection == "scopes" {
			if is, want := slices.Contains(shown, any(x.name)), x.known == (state{true, 1}); is != want {
				t.Errorf("%s shows scope %s: %v, want %v", g.Name, x.name, is, want)
			}
			continue
		}
		if x.client.Secret == "" {
			continue // nobody was told it
		}
		answer := m.w.must(g, x.client, "/oauth/token", ofService)
		seconds, _ := answer.JSON().At("expires_in").(float64)
		switch {
		case x.known.exists && (answer.Status != http.StatusOK || int64(seconds) != x.known.value):
			t.Errorf("%s answers client %s with %d %s, want a token for %d s", g.Name, x.name, answer.Status, answer.Text, x.known.value)
		case !x.known.exists && answer.Status != http.StatusUnauthorized:
			t.Errorf("%s answers the deleted client %s with %d", g.Name, x.name, answer.Status)
		}
	}
}
