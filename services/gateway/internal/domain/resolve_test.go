package domain_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// asked is a management that counts questions.
type asked struct {
	questions atomic.Int64
	answer    func(ctx context.Context, domainID, clientID string) (*configv1.Application, error)
}

func (a *asked) resolve(ctx context.Context, domainID, clientID string) (*configv1.Application, error) {
	a.questions.Add(1)
	return a.answer(ctx, domainID, clientID)
}

func newAsking(t *testing.T) (*rig, *asked, *gatewaytest.Clock) {
	t.Helper()
	a, clock := &asked{}, gatewaytest.NewClock()
	a.answer = func(_ context.Context, domainID, clientID string) (*configv1.Application, error) {
		return stamped(gatewaytest.NewApp(domainID, clientID), 1000), nil
	}
	return newRig(t, domain.Options{Resolve: gatewaytest.Resolve(a.resolve), Now: clock.Now}, "web"), a, clock
}

func nobody(context.Context, string, string) (*configv1.Application, error) {
	return nil, domain.ErrNoClient
}

func TestAnUnknownClientIsAskedFor(t *testing.T) {
	r, a, _ := newAsking(t)
	r.wantClient("web", "app-web")
	if n := a.questions.Load(); n != 0 {
		t.Errorf("%d questions about a client that is held", n)
	}
	r.wantClient("fresh", "app-fresh")
	r.wantClient("fresh", "app-fresh")
	if n := a.questions.Load(); n != 1 {
		t.Errorf("%d questions, want 1", n)
	}
	r.wantClient("", "")
	r.wantClient(fmt.Sprintf("%0300d", 1), "")
	if n := a.questions.Load(); n != 1 {
		t.Errorf("%d questions about what cannot be a client identifier", n-1)
	}
}

func TestConcurrentQuestionsAreJoined(t *testing.T) {
	r, a, _ := newAsking(t)
	answer, release, begun := a.answer, make(chan struct{}), make(chan struct{})
	var once sync.Once
	a.answer = func(ctx context.Context, domainID, clientID string) (*configv1.Application, error) {
		once.Do(func() { close(begun) })
		<-release
		return answer(ctx, domainID, clientID)
	}
	d := r.Domain(r.id)
	gone, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := d.Client(gone, "fresh"); first <- err }()
	<-begun
	var others sync.WaitGroup
	for range 20 {
		others.Go(func() {
			if c, err := d.Client(t.Context(), "fresh"); err != nil || c.ID != "app-fresh" {
				t.Errorf("client %v, error %v", c, err)
			}
		})
	}
	cancel() // the one who asked first gives up; the question goes on
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(release)
	others.Wait()
	if n := a.questions.Load(); n != 1 { // a latecomer with the old snapshot finds what the question brought
		t.Errorf("%d questions, want 1", n)
	}
}

func TestRefusalsAreRememberedForASecond(t *testing.T) {
	r, a, clock := newAsking(t)
	a.answer = nobody
	for range 5 {
		r.wantClient("nobody", "")
	}
	if n := a.questions.Load(); n != 1 {
		t.Errorf("%d questions, want 1", n)
	}
	clock.Forward(time.Second)
	r.wantClient("nobody", "")
	if n := a.questions.Load(); n != 2 {
		t.Errorf("%d questions, want 2", n)
	}
	r.Learn(t.Context(), stamped(r.app("nobody"), 2000), nil)
	r.wantClient("nobody", "app-nobody")
}

func TestQuestionsAreLimited(t *testing.T) {
	r, a, clock := newAsking(t)
	a.answer = nobody
	limited := 0
	flood := func() {
		for i := range 1000 {
			_, err := r.Domain(r.id).Client(t.Context(), fmt.Sprintf("invented-%d-%d", i, clock.Now().UnixNano()))
			if oauth2.CodeOf(err) == oauth2.TemporarilyUnavailable {
				limited++
			} else if !errors.Is(err, domain.ErrNoClient) {
				t.Fatalf("error %v", err)
			}
		}
	}
	flood()
	if n := a.questions.Load(); n != 400 || limited != 600 {
		t.Errorf("%d questions and %d refusals, want 400 and 600", n, limited)
	}
	r.wantClient("web", "app-web")
	clock.Forward(time.Second)
	flood()
	if n := a.questions.Load(); n != 600 {
		t.Errorf("%d questions after a second, want 600", n)
	}
}

func TestInventedIdentifiersTakeLittleMemory(t *testing.T) {
	r, a, clock := newAsking(t)
	a.answer = nobody
	for i := range 20_000 {
		clock.Forward(5 * time.Millisecond)
		r.wantClient(fmt.Sprint("invented-", i), "")
	}
	if n := domain.Refusals(r.Set); n > 4096 {
		t.Errorf("%d refusals are remembered", n)
	}
}

func TestManagementThatCannotBeAsked(t *testing.T) {
	r, a, _ := newAsking(t)
	a.answer = func(context.Context, string, string) (*configv1.Application, error) {
		return nil, fault.Unavailablef("management is away")
	}
	if _, err := r.Domain(r.id).Client(t.Context(), "fresh"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("error %v", err)
	}
	r.wantClient("web", "app-web")
	a.answer = func(ctx context.Context, _, _ string) (*configv1.Application, error) {
		deadline, ok := ctx.Deadline()
		if !ok || time.Until(deadline) > time.Second {
			t.Errorf("the question may take until %v", deadline)
		}
		return nil, domain.ErrNoClient
	}
	r.wantClient("fresh", "")
	a.answer = func(_ context.Context, domainID, clientID string) (*configv1.Application, error) {
		return stamped(gatewaytest.NewApp(domainID, clientID, func(a *configv1.Application) { a.Template = true }), 3000), nil
	}
	r.wantClient("template", "")
	a.answer = func(_ context.Context, domainID, clientID string) (*configv1.Application, error) {
		return stamped(gatewaytest.NewApp(domainID, clientID), 5), nil // the stream is past it: deleted meanwhile
	}
	r.wantClient("past", "")
}
