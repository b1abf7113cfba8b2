package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

func TestTheLogOfTouchesIsDenseWhoeverWritesIt(t *testing.T) {
	name := databaseName()
	here, there := open(t, name, nil), open(t, name, nil)
	var racing sync.WaitGroup
	for i := range 32 {
		racing.Go(func() {
			s := []*Store{here, there}[i%2]
			for n := range 8 {
				id := fmt.Sprintf("p%d-%d", i, n)
				if err := s.Users().Insert(t.Context(), &directoryv1.User{Id: id, Domain: "d", Username: id, Source: "x", Subject: id}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	racing.Wait()
	got, err := there.TouchedAfter(t.Context(), "d", 0)
	if err != nil || got.All || len(got.Users) != 32*8 {
		t.Fatalf("%d people, a gap: %v, %v", len(got.Users), got.All, err)
	}
	n, err := here.db.Collection(touchesCollection).CountDocuments(t.Context(), bson.M{})
	if err != nil || n != got.Last {
		t.Errorf("%d entries up to number %d: %v", n, got.Last, err)
	}
	t.Logf("%d changes in %d entries", 32*8, n)
}

func TestASignInIsNoTouchAndIsFoundByItsTime(t *testing.T) {
	s := fresh(t, nil)
	u := &directoryv1.User{Id: "ann", Domain: "d", Username: "ann", Source: "x", Subject: "ann", Revision: 1}
	if err := s.Users().Insert(t.Context(), proto.CloneOf(u)); err != nil {
		t.Fatal(err)
	}
	next := proto.CloneOf(u)
	began := time.Now().Truncate(time.Second)
	next.LoggedAt, next.LoginsCount, next.Enabled = timestamppb.New(began), 7, proto.Bool(true)
	if err := s.Users().Replace(t.Context(), u, next); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TouchedAfter(t.Context(), "d", 1); err != nil || got.Last != 1 || len(got.Users) != 0 || got.All {
		t.Errorf("%+v, %v", got, err)
	}
	found := map[string]time.Time{}
	for _, since := range []time.Time{began.Add(-time.Second), began} {
		if err := s.Users().SignedInSince(t.Context(), "d", since, func(id string, at time.Time) { found[id+since.Sub(began).String()] = at }); err != nil {
			t.Fatal(err)
		}
	}
	if len(found) != 1 || !found["ann-1s"].Equal(began) {
		t.Errorf("found %v", found)
	}
}
