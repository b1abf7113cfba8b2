package store

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
)

func TestConnectionStringsMayNotAskForLess(t *testing.T) {
	open := func(query string) error {
		_, err := New(Options{URI: "mongodb://u:hush@a:1,b:2,c:3/?replicaSet=rs&tls=true&" + query, Database: "test_x", Sealer: testSealer})
		return err
	}
	for _, query := range []string{
		"", "w=majority", "w=majority&wtimeoutMS=5000", "journal=true", "readConcernLevel=majority", "readConcernLevel=linearizable", "readPreference=primary",
		"authSource=admin&authMechanism=SCRAM-SHA-256", "retryWrites=true&retryReads=true", "compressors=zstd",
	} {
		if err := open(query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	for query, says := range map[string]string{
		"w=1":                               "only w=majority",
		"w=2":                               "only w=majority",
		"w=0":                               "only w=majority",
		"w=two-data-centres":                "only w=majority",
		"journal=false":                     "journal=false",
		"readConcernLevel=local":            "readConcernLevel=local",
		"readConcernLevel=available":        "readConcernLevel=available",
		"readPreference=secondary":          "only the primary",
		"readPreference=secondaryPreferred": "only the primary",
		"readPreference=primaryPreferred":   "only the primary",
		"readPreference=nearest":            "only the primary",
	} {
		if err := open(query); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %q", query, err, says)
		}
	}
	// A server that does not answer is named in errors, and the password is not.
	away, err := New(Options{URI: "mongodb://u:hush@127.0.0.1:1/?authSource=admin", Database: "test_x", Sealer: testSealer, SelectionTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = away.Close(context.Background()) }()
	if err := away.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "hush") {
		t.Errorf("a server that is not there: %v", err)
	}
	if err := open("tlsCAFile=/nowhere"); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("authorities that are not there: %v", err)
	}
}

// TestWhatIsAcknowledgedIsKeptByTheMajority looks at the commands as they are sent.
func TestWhatIsAcknowledgedIsKeptByTheMajority(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	s := fresh(t, func(o *Options) {
		o.monitor = &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
			mu.Lock()
			defer mu.Unlock()
			seen[e.CommandName]++
			switch e.CommandName {
			case "insert", "update", "delete", "findAndModify", "createIndexes":
				level, _ := e.Command.Lookup("writeConcern", "w").StringValueOK()
				journal, _ := e.Command.Lookup("writeConcern", "j").BooleanOK()
				if level != "majority" || !journal {
					t.Errorf("%s is sent with writeConcern %s", e.CommandName, e.Command.Lookup("writeConcern"))
				}
			case "find", "aggregate", "count", "distinct":
				if level, _ := e.Command.Lookup("readConcern", "level").StringValueOK(); level != "majority" {
					t.Errorf("%s is sent with readConcern %s", e.CommandName, e.Command.Lookup("readConcern"))
				}
				if mode, found := e.Command.Lookup("$readPreference", "mode").StringValueOK(); found && mode != "primary" && mode != "primaryPreferred" {
					t.Errorf("%s is sent with readPreference %s", e.CommandName, mode)
				}
			}
		}}
	})
	if _, err := s.db.Collection("kept").InsertOne(t.Context(), bson.M{"_id": "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Collection("kept").ReplaceOne(t.Context(), bson.M{"_id": "x"}, bson.M{"a": 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Collection("kept").FindOne(t.Context(), bson.M{"_id": "x"}).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Collection("kept").DeleteOne(t.Context(), bson.M{"_id": "x"}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, command := range []string{"createIndexes", "insert", "update", "find", "delete"} {
		if seen[command] == 0 {
			t.Errorf("no %s was sent: %v", command, seen)
		}
	}
}
