// Package storetest opens stores for the tests of packages that work with one.
package storetest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Options are those of a store on a database of its own, which is dropped when the test ends. Stores that are opened with the same
// options are those of several processes.
func Options(t testing.TB) store.Options {
	t.Helper()
	uri := os.Getenv("GATEHOUSE_TEST_MONGODB_URI")
	if uri == "" {
		t.Fatal("GATEHOUSE_TEST_MONGODB_URI is not set: run this test under scripts/with-backing.sh")
	}
	sealer, err := secret.NewSealer(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	o := store.Options{
		URI: uri, Database: "test_" + strings.ReplaceAll(secret.NewID(), "-", ""), Sealer: sealer,
		Logger: slog.New(slog.DiscardHandler), OperationTimeout: 30 * time.Second,
	}
	database := Database(t, o)
	t.Cleanup(func() {
		if err := database.Drop(context.Background()); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return o
}

// Open returns a store that is prepared, and closed when the test ends. A test may close it before.
func Open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
			t.Errorf("close the store: %v", err)
		}
	})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatalf("prepare the store: %v", err)
	}
	return s
}

// Database returns the database that stores with these options use, for what a store does not do.
func Database(t testing.TB, o store.Options) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(o.URI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(o.Database)
}
