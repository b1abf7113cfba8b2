package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// countedOff is a migration that gives every document of a collection a member, one by one, and counts how often it does. After
// dieAfter of them its process dies.
func countedOff(number int, touched *atomic.Int64, dieAfter int64) Migration {
	return Migration{Number: number, Name: "documents are counted", Run: func(ctx context.Context, s *Store) error {
		c := s.db.Collection("migrated_things")
		for {
			var one struct {
				ID string `bson:"_id"`
			}
			err := c.FindOne(ctx, bson.M{"done": nil}).Decode(&one)
			if err := s.fail(ctx, err); errors.Is(err, ErrNotFound) {
				return nil
			} else if err != nil {
				return err
			}
			if dieAfter > 0 && touched.Load() == dieAfter {
				return died{errors.New("the process is killed")}
			}
			changed, err := c.UpdateOne(ctx, bson.M{"_id": one.ID, "done": nil}, bson.M{"$set": bson.M{"done": true}})
			if err != nil {
				return s.fail(ctx, err)
			}
			touched.Add(changed.ModifiedCount)
		}
	}}
}

const things = 20

// unmigrated is a database with things of an earlier version.
func unmigrated(t *testing.T) *Store {
	t.Helper()
	s := fresh(t, nil)
	for i := range things {
		if _, err := s.db.Collection("migrated_things").InsertOne(t.Context(), bson.M{"_id": fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// unprepared is another process that has not begun.
func unprepared(t *testing.T, s *Store, migrations []Migration) *Store {
	t.Helper()
	o := s.opts
	o.Migrations, o.MigrationLease = migrations, 500*time.Millisecond
	other, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close(context.Background()) })
	return other
}

func TestOneReplicaMigratesAndTheOthersWait(t *testing.T) {
	s := unmigrated(t)
	var touched, runs atomic.Int64
	m := countedOff(len(Migrations)+1, &touched, 0)
	inner := m.Run
	m.Run = func(ctx context.Context, s *Store) error {
		runs.Add(1)
		return inner(ctx, s)
	}
	var all sync.WaitGroup
	for range 32 {
		other := unprepared(t, s, append(Migrations[:len(Migrations):len(Migrations)], m))
		all.Go(func() {
			if err := other.Prepare(t.Context()); err != nil {
				t.Error(err)
			}
			if n := touched.Load(); n != things {
				t.Errorf("a replica goes on after %d of %d", n, things)
			}
		})
	}
	all.Wait()
	if runs.Load() != 1 {
		t.Errorf("the migration ran %d times", runs.Load())
	}
	done, err := s.Migrated(t.Context())
	if err != nil || len(done) != len(Migrations)+1 || done[len(Migrations)].DoneAt.IsZero() {
		t.Errorf("recorded %v, %v", done, err)
	}
}

func TestAMigrationGoesOnWhereItsProcessWasKilled(t *testing.T) {
	s := unmigrated(t)
	var touched atomic.Int64
	number := len(Migrations) + 1
	known := Migrations[:len(Migrations):len(Migrations)]
	dying := unprepared(t, s, append(known, countedOff(number, &touched, things/2)))
	if err := dying.Prepare(t.Context()); !errors.As(err, &died{}) {
		t.Fatalf("error %v", err)
	}
	done, err := s.Migrated(t.Context())
	if err != nil || !done[number-1].DoneAt.IsZero() {
		t.Fatalf("half a migration is recorded as %v, %v", done, err)
	}
	// The lease of the dead one is still there: who comes next waits for its end, and does the rest.
	next := unprepared(t, s, append(known, countedOff(number, &touched, 0)))
	if err := next.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if touched.Load() != things {
		t.Errorf("%d of %d things were touched", touched.Load(), things)
	}
	if err := next.Prepare(t.Context()); err != nil || touched.Load() != things {
		t.Errorf("once more: %d, %v", touched.Load(), err)
	}
}

func TestADatabaseThatIsTooNewIsRefused(t *testing.T) {
	s := fresh(t, nil)
	known := Migrations[:len(Migrations):len(Migrations)]
	nothing := func(context.Context, *Store) error { return nil }
	number := len(known) + 1
	later := unprepared(t, s, append(known, Migration{Number: number, Name: "something is added", Run: nothing}))
	if err := later.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := unprepared(t, s, known).Prepare(t.Context()); err != nil {
		t.Errorf("the version before does not run beside one that only added something: %v", err)
	}
	latest := unprepared(t, s, append(known, Migration{Number: number, Name: "something is added", Run: nothing},
		Migration{Number: number + 1, Name: "something is taken away", Least: number, Run: nothing}))
	if err := latest.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := unprepared(t, s, known).Prepare(t.Context())
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "something is taken away") {
		t.Errorf("error %v", err)
	}
	if err := later.Prepare(t.Context()); err != nil {
		t.Errorf("the version that knows the addition is refused: %v", err)
	}
}

func TestMigrationsAreNumbered(t *testing.T) {
	for i, m := range Migrations {
		if m.Number != i+1 || m.Name == "" || m.Run == nil || m.Least > m.Number {
			t.Errorf("migration %d is %+v", i+1, m)
		}
	}
}
