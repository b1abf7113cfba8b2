package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

func newPeople(t *testing.T) (*tokens.People, *gatewaytest.Directory, *gatewaytest.Clock, string) {
	t.Helper()
	directory, clock := gatewaytest.NewDirectory(), gatewaytest.NewClock()
	user, err := directory.SignIn(t.Context(), "d", "", gatewaytest.Identity("ann"))
	if err != nil {
		t.Fatal(err)
	}
	return tokens.NewPeople(directory, clock.Now), directory, clock, user.GetSubject()
}

func TestPeople(t *testing.T) {
	t.Run("the directory is asked again when the answer is old", func(t *testing.T) {
		p, directory, clock, ann := newPeople(t)
		before := directory.Calls()
		for range 5 {
			if known, err := p.Find(t.Context(), "d", ann, time.Second); err != nil || known.Person.Username != "ann" || !known.Enabled {
				t.Fatalf("%+v, %v", known, err)
			}
		}
		clock.Forward(time.Second)
		for range 5 {
			if _, err := p.Find(t.Context(), "d", ann, time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if n := directory.Calls() - before; n != 2 {
			t.Errorf("%d questions, want 2", n)
		}
	})
	t.Run("people of different domains are different", func(t *testing.T) {
		p, _, _, ann := newPeople(t)
		if _, err := p.Find(t.Context(), "d", ann, time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Find(t.Context(), "e", ann, time.Second); !fault.Is(err, fault.NotFound) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("somebody who is removed is forgotten", func(t *testing.T) {
		p, directory, clock, ann := newPeople(t)
		if _, err := p.Find(t.Context(), "d", ann, time.Second); err != nil {
			t.Fatal(err)
		}
		directory.Remove("d", ann)
		clock.Forward(time.Second)
		if _, err := p.Find(t.Context(), "d", ann, time.Second); !fault.Is(err, fault.NotFound) {
			t.Errorf("error %v", err)
		}
		directory.Away(fault.Unavailablef("away"))
		if _, err := p.Find(t.Context(), "d", ann, time.Second); !fault.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("while the directory is silent its last word counts, for ten minutes", func(t *testing.T) {
		p, directory, clock, ann := newPeople(t)
		if _, err := p.Find(t.Context(), "d", ann, time.Second); err != nil {
			t.Fatal(err)
		}
		directory.Away(fault.Unavailablef("away"))
		clock.Forward(9 * time.Minute)
		before := directory.Calls()
		for range 5 {
			if known, err := p.Find(t.Context(), "d", ann, time.Second); err != nil || known.Person.Username != "ann" {
				t.Fatalf("%+v, %v", known, err)
			}
		}
		if n := directory.Calls() - before; n != 1 {
			t.Errorf("a silent directory was asked %d times within a second", n)
		}
		clock.Forward(time.Minute)
		if _, err := p.Find(t.Context(), "d", ann, time.Second); !fault.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
		directory.Away(nil)
		clock.Forward(time.Second)
		if _, err := p.Find(t.Context(), "d", ann, time.Second); err != nil {
			t.Errorf("the directory is back: %v", err)
		}
	})
	t.Run("an old answer is repeated for five seconds without asking again", func(t *testing.T) {
		p, directory, clock, ann := newPeople(t)
		if _, err := p.Find(t.Context(), "d", ann, time.Second); err != nil {
			t.Fatal(err)
		}
		directory.Away(fault.Unavailablef("away"))
		clock.Forward(time.Minute)
		before := directory.Calls()
		for range 10 {
			if _, err := p.Find(t.Context(), "d", ann, time.Second); err != nil {
				t.Fatal(err)
			}
			clock.Forward(time.Second)
		}
		if n := directory.Calls() - before; n != 2 {
			t.Errorf("%d questions within ten seconds, want 2", n)
		}
	})
	t.Run("who is gone is noticed within half a minute, and nobody is gone while the directory is away", func(t *testing.T) {
		p, directory, clock, ann := newPeople(t)
		gone := func(want bool) {
			t.Helper()
			session := &state.Session{Person: state.Person{Subject: ann}, AuthTime: clock.Now().Unix()}
			if got := p.SignedOut(t.Context(), "d", session); got != want {
				t.Errorf("signed out %v", got)
			}
		}
		gone(false)
		directory.Remove("d", ann)
		clock.Forward(30*time.Second - 1)
		gone(false)
		clock.Forward(1)
		gone(true)
		directory.Away(fault.Unavailablef("away"))
		gone(false)
		directory.Away(nil)
		clock.Forward(time.Second)
		directory.Put("d", &directoryv1.User{Subject: ann, Enabled: proto.Bool(false)})
		gone(true)
	})
	t.Run("another failure is told", func(t *testing.T) {
		p, directory, _, ann := newPeople(t)
		broken := errors.New("broken")
		directory.Away(broken)
		if _, err := p.Find(t.Context(), "d", ann, time.Second); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("many people take no more than so much memory", func(t *testing.T) {
		p, directory, _, _ := newPeople(t)
		for i := range 60_000 {
			subject := fmt.Sprint(i)
			directory.Put("d", &directoryv1.User{Subject: subject})
			if _, err := p.Find(t.Context(), "d", subject, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if n := tokens.Remembered(p); n > 50_000 {
			t.Errorf("%d people are remembered", n)
		}
	})
}

// stuck is a directory that does not answer until its context ends.
type stuck struct{ calls atomic.Int64 }

func (s *stuck) User(ctx context.Context, _, _ string) (*directoryv1.User, error) {
	s.calls.Add(1)
	<-ctx.Done()
	return nil, fault.Unavailablef("no answer").Because(ctx.Err())
}

func TestAStuckDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{}
		p := tokens.NewPeople(s, time.Now)
		began := time.Now()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := p.Find(t.Context(), "d", "ann", time.Second); !fault.Is(err, fault.Unavailable) {
					t.Errorf("error %v", err)
				}
			})
		}
		hurried, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := p.Find(hurried, "d", "ann", time.Second); !fault.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("an impatient caller waited %v", took)
		}
		all.Wait()
		if took := time.Since(began); took != time.Second || s.calls.Load() != 1 {
			t.Errorf("%d questions took %v", s.calls.Load(), took)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(time.Second) //nolint:forbidigo // inside a synctest bubble: the silence is over
		if _, err := p.Find(gone, "d", "bob", time.Second); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		synctest.Wait()
		time.Sleep(2 * time.Second) //nolint:forbidigo // inside a synctest bubble
	})
}
