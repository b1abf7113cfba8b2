package replay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	many  = 250 // documents
	batch = 100
)

// rig is a collection of many documents, seen directly and through a proxy.
type rig struct {
	proxy           *Proxy
	direct, through *mongo.Collection
}

func newRig(t *testing.T) *rig {
	t.Helper()
	uri := os.Getenv("GATEHOUSE_TEST_MONGODB_URI")
	if uri == "" {
		t.Fatal("GATEHOUSE_TEST_MONGODB_URI is not set: run this test under scripts/with-backing.sh")
	}
	p, err := Listen(uri)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	name := "replay_" + strings.ToLower(strings.NewReplacer("/", "_", " ", "_").Replace(t.Name()))
	name = name[:min(len(name), 60)]
	collection := func(uri string) *mongo.Collection {
		client, err := mongo.Connect(options.Client().ApplyURI(uri))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
		return client.Database(name).Collection("things")
	}
	r := &rig{proxy: p, direct: collection(uri), through: collection(p.URI())}
	t.Cleanup(func() { _ = r.direct.Database().Drop(context.Background()) })
	docs := make([]any, many)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: fmt.Sprint("d", i)}, {Key: "n", Value: i}, {Key: "in", Value: bson.A{"x", bson.D{{Key: "id", Value: int64(7)}}}}}
	}
	if _, err := r.direct.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	return r
}

var everything = bson.M{"_gone": bson.M{"$ne": true}}

// readAll returns all that a collection has for a filter, as text.
func readAll(ctx context.Context, c *mongo.Collection, filter any) ([]string, error) {
	cursor, err := c.Find(ctx, filter, options.Find().SetBatchSize(batch))
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	var found []string
	for cursor.Next(ctx) {
		found = append(found, cursor.Current.String())
	}
	return found, cursor.Err()
}

func (r *rig) read(t *testing.T, c *mongo.Collection, filter any) []string {
	t.Helper()
	found, err := readAll(t.Context(), c, filter)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// forget empties the collection behind the proxy's back: who still sees documents sees what was kept.
func (r *rig) forget(t *testing.T) {
	t.Helper()
	if _, err := r.direct.DeleteMany(t.Context(), bson.M{}); err != nil {
		t.Fatal(err)
	}
}

func TestALargeReadIsAnsweredAsTheDatabaseDid(t *testing.T) {
	r := newRig(t)
	want := r.read(t, r.direct, everything)
	if got := r.read(t, r.through, everything); len(want) != many || !slices.Equal(got, want) {
		t.Fatalf("%d documents through the proxy that records, %d without it", len(got), len(want))
	}
	if n := r.proxy.Answered(); n != 0 {
		t.Errorf("%d requests were answered by the recorder", n)
	}
	r.proxy.Replay()
	r.forget(t)
	for range 2 {
		if got := r.read(t, r.through, everything); !slices.Equal(got, want) {
			t.Fatalf("answered again:\n%s\nand by the database:\n%s", got, want)
		}
	}
	if n := r.proxy.Answered(); n != 2*3 {
		t.Errorf("%d requests were answered, want three for each of two reads", n)
	}
}

func TestEverybodyIsAnsweredAtOnce(t *testing.T) {
	r := newRig(t)
	want := r.read(t, r.through, everything)
	r.proxy.Replay()
	r.forget(t)
	var reading sync.WaitGroup
	for range 32 {
		reading.Go(func() {
			if got, err := readAll(t.Context(), r.through, everything); err != nil || !slices.Equal(got, want) {
				t.Errorf("%d documents, %v", len(got), err)
			}
		})
	}
	reading.Wait()
}

func TestEverythingElseIsTheDatabases(t *testing.T) {
	r := newRig(t)
	r.read(t, r.through, everything)
	r.read(t, r.through, bson.M{"n": bson.M{"$lt": 10}}) // in one answer
	broken, err := r.through.Find(t.Context(), bson.M{"n": bson.M{"$gte": 0}}, options.Find().SetBatchSize(batch))
	if err != nil {
		t.Fatal(err)
	}
	r.proxy.Replay()
	for broken.Next(t.Context()) { // it began before
	}
	if err := broken.Err(); err != nil {
		t.Errorf("a read that was under way: %v", err)
	}
	r.forget(t)
	for name, filter := range map[string]any{
		"a small read":                       bson.M{"n": bson.M{"$lt": 10}},
		"a read that nobody had made":        bson.M{"n": bson.M{"$ne": 3}},
		"a read that had not come to an end": bson.M{"n": bson.M{"$gte": 0}},
	} {
		if got := r.read(t, r.through, filter); len(got) != 0 {
			t.Errorf("%s finds %d documents that are no more", name, len(got))
		}
	}
	if _, err := r.through.InsertOne(t.Context(), bson.M{"_id": "new", "n": 1}); err != nil {
		t.Fatal(err)
	}
	if got := r.read(t, r.direct, bson.M{"_id": "new"}); len(got) != 1 {
		t.Errorf("a write through the proxy came as %v", got)
	}
	if n := r.proxy.Answered(); n != 0 {
		t.Errorf("%d requests were answered from the recording", n)
	}
}

func TestAReadThatIsBrokenOffIsForgotten(t *testing.T) {
	r := newRig(t)
	cursor, err := r.through.Find(t.Context(), everything, options.Find().SetBatchSize(batch))
	if err != nil {
		t.Fatal(err)
	}
	if err := cursor.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.proxy.Replay()
	r.forget(t)
	if got := r.read(t, r.through, everything); len(got) != 0 {
		t.Errorf("%d documents that are no more", len(got))
	}
}

func TestDatabasesThatAreNotOneServer(t *testing.T) {
	for _, uri := range []string{
		"mongodb+srv://db.example/", "mongodb://a:1,b:2/", "mongodb://a/", "mongodb://a:1/?tls=true", "mongodb://a:1/?replicaSet=r", "://",
	} {
		if _, err := Listen(uri); err == nil {
			t.Errorf("%s is taken", uri)
		}
	}
	p, err := Listen("mongodb://user:pass@db:27017/?maxPoolSize=5")
	if err != nil {
		t.Fatal(err)
	}
	p.listener.Close()
	u, err := url.Parse(p.URI())
	if err != nil || u.Hostname() != "127.0.0.1" || u.User.String() != "user:pass" || u.RawQuery != "maxPoolSize=5" {
		t.Errorf("URI %s, %v", p.URI(), err)
	}
}

// opMsgOf is a message with a document.
func opMsgOf(t *testing.T, id, to int32, doc any) message {
	t.Helper()
	body, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	m := append(make(message, bodyAt), body...)
	binary.LittleEndian.PutUint32(m, uint32(len(m)))
	binary.LittleEndian.PutUint32(m[4:], uint32(id))
	binary.LittleEndian.PutUint32(m[8:], uint32(to))
	binary.LittleEndian.PutUint32(m[12:], opMsg)
	return m
}

func TestWhatIsReadDoesNotDependOnTheSession(t *testing.T) {
	find := func(more ...bson.E) request {
		return requestOf(opMsgOf(t, 1, 0, append(bson.D{{Key: "find", Value: "things"}, {Key: "filter", Value: bson.M{"a": 1}}, {Key: "$db", Value: "d"}}, more...)))
	}
	plain := find()
	if plain.find == "" {
		t.Fatal("a find is none")
	}
	if find(bson.E{Key: "lsid", Value: bson.M{"id": 1}}, bson.E{Key: "maxTimeMS", Value: int64(5)}) != plain {
		t.Error("another session reads something else")
	}
	if find(bson.E{Key: "limit", Value: int64(5)}) == plain {
		t.Error("a limit makes no difference")
	}
}

func TestOddMessagesArePassedOn(t *testing.T) {
	find := opMsgOf(t, 1, 0, bson.D{{Key: "find", Value: "things"}})
	for n := range len(find) {
		if q := requestOf(find[:n]); q != (request{}) && n < len(find) {
			t.Errorf("%d bytes are %+v", n, q)
		}
	}
	flagged := append(message{}, find...)
	flagged[headerSize] = 1 // a checksum follows
	if q := requestOf(flagged); q != (request{}) {
		t.Errorf("a message with flags is %+v", q)
	}
	for name, doc := range map[string]bson.D{
		"a failure":           {{Key: "ok", Value: 0}, {Key: "cursor", Value: bson.M{"id": int64(5)}}},
		"no cursor":           {{Key: "ok", Value: 1}},
		"a cursor of a text":  {{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.M{"id": "5"}}},
		"an empty answer":     {},
		"a cursor of its own": {{Key: "ok", Value: 1}, {Key: "cursor", Value: "5"}},
	} {
		if id, ok := opMsgOf(t, 1, 1, doc).cursor(); ok {
			t.Errorf("%s has cursor %d", name, id)
		}
	}
}

func TestMessagesOfImpossibleLengthsEndTheConnection(t *testing.T) {
	for _, header := range []string{"\x0f\x00\x00\x00", "\xff\xff\xff\x7f", "\xff\xff\xff\xff"} {
		if _, err := readMessage(strings.NewReader(header + strings.Repeat("\x00", 12))); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", header, err)
		}
	}
	if _, err := readMessage(strings.NewReader("\x20\x00\x00\x00" + strings.Repeat("\x00", 20))); err == nil {
		t.Error("half a message is taken")
	}
}
