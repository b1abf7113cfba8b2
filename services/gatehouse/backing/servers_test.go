package backing

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// patience bounds every wait for something that is about to happen.
const patience = 30 * time.Second

// shared is the instance of all tests that do not stop or damage theirs.
var shared *Servers

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	var err error
	if shared, err = New(Options{}); err != nil {
		panic(err)
	}
	go func() { over <- shared.Run(ctx) }()
	if err := shared.Ready(ctx); err != nil {
		panic(err)
	}
	code := m.Run()
	cancel()
	if err := <-over; err != nil {
		panic(err)
	}
	return code
}

// instance is a running set of servers and how it ends.
type instance struct {
	*Servers
	cancel context.CancelFunc
	over   chan struct{}
	err    error
}

func start(t *testing.T, o Options) *instance {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	i := &instance{Servers: s, cancel: cancel, over: make(chan struct{})}
	go func() {
		i.err = s.Run(ctx)
		close(i.over)
	}()
	t.Cleanup(func() { i.stop(t) })
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return i
}

// stop ends the servers and waits until they have ended.
func (i *instance) stop(t *testing.T) {
	t.Helper()
	i.cancel()
	select {
	case <-i.over:
	case <-time.After(patience):
		t.Fatal("the servers did not stop")
	}
	if i.err != nil {
		t.Errorf("run: %v", i.err)
	}
}

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// database is a fresh database of the shared server, dropped after the test.
func database(t *testing.T) *mongo.Database {
	t.Helper()
	db := connect(t, shared.MongoDBURI()).Database("test_" + bson.NewObjectID().Hex())
	t.Cleanup(func() {
		if err := db.Drop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return db
}

func uniqueIndex(t *testing.T, c *mongo.Collection, o *options.IndexOptionsBuilder, fields ...string) {
	t.Helper()
	if err := unique(t.Context(), c, o, fields...); err != nil {
		t.Fatal(err)
	}
}

func insert(t *testing.T, c *mongo.Collection, docs ...any) {
	t.Helper()
	if _, err := c.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		name    string
		address string
		want    string // empty means refused
	}{
		{"nothing means a free port on 127.0.0.1", "", "127.0.0.1:0"},
		{"a port alone means 127.0.0.1", ":27017", "127.0.0.1:27017"},
		{"the name localhost is kept", "localhost:1", "localhost:1"},
		{"another loopback address is kept", "127.0.0.2:1", "127.0.0.2:1"},
		{"IPv6 loopback is kept", "[::1]:1", "[::1]:1"},
		{"all interfaces are refused", "0.0.0.0:1", ""},
		{"all IPv6 interfaces are refused", "[::]:1", ""},
		{"another machine's address is refused", "192.0.2.1:1", ""},
		{"a name is refused", "db.example:1", ""},
		{"an address without a port is refused", "127.0.0.1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := loopback(tt.address)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("loopback(%q) = %q, %v; want %q", tt.address, got, err, tt.want)
			}
			if _, err := New(Options{RedisAddress: tt.address}); (err == nil) != (tt.want != "") {
				t.Errorf("New with Redis at %q: %v", tt.address, err)
			}
			if _, err := New(Options{MongoDBAddress: tt.address}); (err == nil) != (tt.want != "") {
				t.Errorf("New with MongoDB at %q: %v", tt.address, err)
			}
		})
	}
}

func TestTheAddressesAreEmptyBeforeTheServersRun(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.MongoDBURI() != "" || s.RedisURL() != "" {
		t.Errorf("addresses %q and %q of servers that do not run", s.MongoDBURI(), s.RedisURL())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ready = %v, want %v", err, context.Canceled)
	}
}

func TestRunTwiceIsRefused(t *testing.T) {
	i := start(t, Options{RedisOnly: true})
	if err := i.Run(t.Context()); err == nil {
		t.Error("the second Run was accepted")
	}
}

func TestRedisOnlyHasNoDatabase(t *testing.T) {
	i := start(t, Options{RedisOnly: true})
	if i.MongoDBURI() != "" {
		t.Errorf("database at %s", i.MongoDBURI())
	}
	if i.RedisURL() == "" {
		t.Error("no Redis")
	}
}

func TestATakenAddressIsReportedAndLeavesNothingBehind(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	temp := shortTemp(t)
	for _, o := range []Options{{MongoDBAddress: taken.Addr().String()}, {RedisAddress: taken.Addr().String()}} {
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err == nil {
			t.Errorf("Run with %+v: no error", o)
		}
		if err := s.Ready(t.Context()); err == nil {
			t.Errorf("Ready with %+v: no error", o)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestATemporaryDirectoryIsRemoved(t *testing.T) {
	temp := shortTemp(t)
	i := start(t, Options{})
	insert(t, connect(t, i.MongoDBURI()).Database("d").Collection("c"), bson.D{{Key: "_id", Value: 1}})
	if found, _ := filepath.Glob(filepath.Join(temp, "gatehouse-*", "mongodb", "d.sqlite")); len(found) != 1 {
		t.Fatalf("databases: %v, want one", found)
	}
	i.stop(t)
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// shortTemp makes a directory with a short path the place of temporary files.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "t") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

func TestADataDirectoryHasOneUser(t *testing.T) {
	dir := t.TempDir()
	first := start(t, Options{DataDir: dir})
	second, err := New(Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another process is using it") {
		t.Errorf("second user: %v", err)
	}
	first.stop(t)
	start(t, Options{DataDir: dir})
}

func TestADataDirectoryMayHaveALongOrStrangePath(t *testing.T) {
	for _, name := range []string{strings.Repeat("long", 40), "with space and ümlaut+"} {
		dir := filepath.Join(t.TempDir(), name)
		i := start(t, Options{DataDir: dir})
		insert(t, connect(t, i.MongoDBURI()).Database("d").Collection("c"), bson.D{{Key: "_id", Value: 1}})
		if _, err := os.Stat(filepath.Join(dir, "mongodb", "d.sqlite")); err != nil {
			t.Error(err)
		}
		i.stop(t)
	}
	s, err := New(Options{DataDir: filepath.Join(t.TempDir(), "100%")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("a path that SQLite cannot use was accepted")
	}
}

func TestARestartKeepsDocumentsAndUniqueIndex(t *testing.T) {
	dir := t.TempDir()
	i := start(t, Options{DataDir: dir})
	c := connect(t, i.MongoDBURI()).Database("d").Collection("c")
	uniqueIndex(t, c, options.Index(), "name")
	insert(t, c, bson.D{{Key: "_id", Value: 1}, {Key: "name", Value: "ann"}})
	i.stop(t)

	i = start(t, Options{DataDir: dir})
	c = connect(t, i.MongoDBURI()).Database("d").Collection("c")
	var got struct{ Name string }
	if err := c.FindOne(t.Context(), bson.D{{Key: "_id", Value: 1}}).Decode(&got); err != nil || got.Name != "ann" {
		t.Errorf("document after the restart: %+v, %v", got, err)
	}
	_, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 2}, {Key: "name", Value: "ann"}})
	if !mongo.IsDuplicateKeyError(err) {
		t.Errorf("second ann after the restart: %v", err)
	}
}

// counted is a value that counts how often something is made of it.
type counted struct{ times *int }

func (c counted) LogValue() slog.Value {
	*c.times++
	return slog.StringValue("text of a document")
}

// What FerretDB attaches to every statement costs nothing until something is logged, and is logged then.
func TestWhatIsAttachedToLogLinesIsUsedForThoseAlone(t *testing.T) {
	var log strings.Builder
	times := 0
	plain := slog.New(severe{Handler: slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})})
	logger := plain.With("statement", counted{&times}).WithGroup("g").With("b", 1)
	other := plain.With("statement", "other")
	logger.Debug("a statement")
	logger.Warn("a slow statement")
	if times != 0 || log.Len() != 0 {
		t.Errorf("made %d texts and the log %q, want neither", times, log.String())
	}
	logger.Error("failed")
	other.Error("failed too")
	for _, want := range []string{`msg=failed statement="text of a document" g.b=1`, `msg="failed too" statement=other`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log %q, want %q in it", log.String(), want)
		}
	}
}

func TestTheDatabaseLogsNoDocuments(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	i := start(t, Options{Logger: logger})
	c := connect(t, i.MongoDBURI()).Database("d").Collection("c")
	uniqueIndex(t, c, options.Index(), "name")
	for range 2 {
		_, _ = c.InsertOne(t.Context(), bson.D{{Key: "name", Value: "hunter2"}})
	}
	_, _ = c.UpdateOne(t.Context(), bson.D{{Key: "hunter2", Value: bson.D{{Key: "$hunter2", Value: 1}}}}, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}})
	i.stop(t)
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log contains a document:\n%s", log.String())
	}
}
