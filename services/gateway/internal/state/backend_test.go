package state_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/testkit/redistest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// cluster is started by the first test that wants one, and ends with all of them: fuzzing wants none.
var (
	cluster = sync.OnceValues(func() (*redistest.Cluster, error) {
		c, err := redistest.StartCluster()
		started = c
		return c, err
	})
	started *redistest.Cluster
)

func TestMain(m *testing.M) {
	code := m.Run()
	if started != nil {
		started.Close()
	}
	os.Exit(code)
}

// onBoth runs a test against a real redis-server, a real Cluster, and the in-process server of the development binary.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("redis-server", func(t *testing.T) { test(t, gatewaytest.Redis(t)) })
	t.Run("cluster", func(t *testing.T) {
		c, err := cluster()
		if err != nil {
			t.Fatal(err)
		}
		test(t, c.URL)
	})
	t.Run("in-process", func(t *testing.T) { test(t, inProcess(t)) })
}

func inProcess(t *testing.T) string {
	if url := os.Getenv("GATEHOUSE_TEST_INPROCESS_REDIS_URL"); url != "" {
		return url
	}
	m := miniredis.RunT(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // its keys do not expire by the clock
		defer close(done)
		const step = 10 * time.Millisecond
		tick := time.NewTicker(step)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.FastForward(step)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return "redis://" + m.Addr() + "/0"
}

func open(t *testing.T, url string, clock *gatewaytest.Clock) *state.Store {
	t.Helper()
	return openFor(t, url, clock, browsertest.RedisPatience)
}

// openFor is open with a bound for each answer.
func openFor(t *testing.T, url string, clock *gatewaytest.Clock, timeout time.Duration) *state.Store {
	t.Helper()
	s, err := state.Open(url, state.Options{Now: clock.Now, Logger: slog.New(slog.DiscardHandler), Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.Record(func(keys []string) { oneSlot(t, keys) })
	return s
}

// oneSlot demands that what is one command, one script or one transaction needs one server of a Cluster.
func oneSlot(t *testing.T, keys []string) {
	t.Helper()
	for _, key := range keys {
		if state.Slot(key) != state.Slot(keys[0]) {
			t.Errorf("one step with keys in several slots of a Cluster: %q", keys)
		}
	}
}

// follow keeps a store's copy of the revocations current until the test ends.
func follow(t *testing.T, s *state.Store) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// eventually waits for a fact.
func eventually(t *testing.T, what string, fact func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !fact() {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
		pause := time.NewTimer(2 * time.Millisecond)
		<-pause.C
	}
}

func want(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// allowed is what ann allowed a client of a domain that no other test uses.
func allowed() state.Authorization {
	return state.Authorization{
		Domain: "domain-" + secret.NewID(), ApplicationID: "web", ClientID: "web", Scopes: []string{"openid", "read"},
		Person:   state.Person{UserID: "u1", Subject: "subject-of-ann", Source: "staff", ExternalID: "ann", Username: "ann", Profile: map[string]any{"email": "ann@acme.example"}},
		AuthTime: 1_900_000_000, ACR: "acr", AMR: []string{"pwd"}, Nonce: "nonce", SessionID: "sid",
		RedirectURI: "https://web.example/cb", RedirectURISent: true, Challenge: "challenge", ChallengeMethod: "S256",
	}
}

func left(t *testing.T, s *state.Store, key string) time.Duration {
	t.Helper()
	d, err := s.Left(t.Context(), key)
	want(t, err, nil)
	return d
}

func between(t *testing.T, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("kept for %v, want %v to %v", got, least, most)
	}
}

func contextCanceled() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, cancel
}
