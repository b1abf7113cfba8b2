package access

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func openStore(t *testing.T, database string) *store.Store {
	t.Helper()
	uri := os.Getenv("GATEHOUSE_TEST_MONGODB_URI")
	if uri == "" {
		t.Fatal("GATEHOUSE_TEST_MONGODB_URI is not set: run this test under scripts/with-backing.sh")
	}
	sealer, err := secret.NewSealer(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.New(store.Options{URI: uri, Database: database, Sealer: sealer, Logger: slog.New(slog.DiscardHandler), OperationTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func TestAPictureKnowsWhatThisProcessChangesAtOnceAndOthersAfterAWhile(t *testing.T) {
	database := "people_" + strings.ReplaceAll(secret.NewID(), "-", "")[:16]
	here, there := openStore(t, database), openStore(t, database)
	if err := here.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := newCrowds(here, func() time.Time { return now })
	every := func(string) bool { return true }
	look := func() *crowd {
		t.Helper()
		got, err := c.get(t.Context(), "d", every)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	add := func(s *store.Store, name string) {
		t.Helper()
		if err := s.Users().Insert(t.Context(), &directoryv1.User{Id: name, Domain: "d", Username: name, Source: "x", Subject: name}); err != nil {
			t.Fatal(err)
		}
	}
	add(here, "bob")
	if got := look(); len(got.people) != 1 {
		t.Fatalf("%d people", len(got.people))
	}
	add(here, "ann")
	if _, err := here.Memberships().Add(t.Context(), "d", "g", []string{"bob"}); err != nil {
		t.Fatal(err)
	}
	if got := look(); len(got.people) != 2 || got.people[0].id != "ann" || got.byID["bob"].in.groups[0] != "g" {
		t.Errorf("what this process did is missing: %d people", len(got.people))
	}
	add(there, "zoe")
	now = now.Add(2 * staleAfter)
	if got := look(); len(got.people) != 2 {
		t.Errorf("%d people, and nobody read them anew", len(got.people))
	}
	if err := c.refresh(t.Context(), func(context.Context, string) (func(string) bool, error) { return every, nil }); err != nil {
		t.Fatal(err)
	}
	if got := look(); len(got.people) != 3 {
		t.Errorf("%d people after a refresh", len(got.people))
	}
	if err := here.Users().Delete(t.Context(), "d", "ann"); err != nil {
		t.Fatal(err)
	}
	if got := look(); len(got.people) != 2 || got.byID["ann"] != nil {
		t.Errorf("%d people after a deletion", len(got.people))
	}
}
