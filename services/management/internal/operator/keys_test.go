package operator

import (
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// replica is another process over the same database.
func replica(t *testing.T, db *store.Store, c *clock) *Service {
	t.Helper()
	s, err := New(Options{Store: db, Hasher: secret.NewHasher(), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keyID(t *testing.T, token string) string {
	t.Helper()
	header, _, err := jose.Unverified(token)
	if err != nil {
		t.Fatal(err)
	}
	return header.KeyID
}

func TestARotationSignsNobodyOut(t *testing.T) {
	s, db, c, j := newService(t)
	other := replica(t, db, c)
	old := mustSignIn(t, s, "ann").Value
	if _, err := other.Authenticate(t.Context(), old); err != nil {
		t.Fatalf("another replica: %v", err)
	}
	if err := s.RotateKeys(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	// Until every replica knows the new key, the old one signs.
	if got := mustSignIn(t, s, "ann").Value; keyID(t, got) != keyID(t, old) {
		t.Error("the new key signs before the other replica knows it")
	}
	c.advance(keysSpread)
	fresh := mustSignIn(t, s, "ann").Value
	if keyID(t, fresh) == keyID(t, old) {
		t.Error("the old key still signs")
	}
	for _, token := range []string{old, fresh} {
		if _, err := other.Authenticate(t.Context(), token); err != nil {
			t.Errorf("after the rotation: %v", err)
		}
	}
	// The old key goes when everything that it has signed has ended.
	c.advance(DefaultLifetime + skew)
	if keys, err := other.keys.current(t.Context()); err != nil || len(keys.parsed) != 1 {
		t.Errorf("%d keys are left, %v", len(keys.parsed), err)
	}
	if last := j.changes[len(j.changes)-1]; last.Action != "rotate" || last.Kind != "token_key" {
		t.Errorf("recorded %+v", last)
	}
}

func TestARotationThatRevokesSignsEverybodyOut(t *testing.T) {
	s, db, c, _ := newService(t)
	other := replica(t, db, c)
	old := mustSignIn(t, s, "ann").Value
	if _, err := other.Authenticate(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := s.RotateKeys(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	c.advance(keysFresh)
	for _, replica := range []*Service{s, other} {
		if _, err := replica.Authenticate(t.Context(), old); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a token of the key that is gone: %v", err)
		}
	}
	token := mustSignIn(t, s, "ann").Value
	if _, err := other.Authenticate(t.Context(), token); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
}

func TestReplicasThatStartTogetherHaveOneKey(t *testing.T) {
	_, db, c, _ := newService(t)
	ids := make(chan string, 8)
	for range 8 {
		go func() {
			keys, err := replica(t, db, c).keys.current(t.Context())
			if err != nil {
				t.Error(err)
				ids <- ""
				return
			}
			ids <- keys.signs(c.now()).ID()
		}()
	}
	first := <-ids
	for range 7 {
		if id := <-ids; id != first {
			t.Errorf("keys %s and %s", first, id)
		}
	}
}

func TestReplicasSlowDownGuessingTogether(t *testing.T) {
	s, db, c, _ := newService(t)
	for i := range pairLimit.free + 1 {
		// Each attempt at another replica, which knows nothing by itself.
		_, err := replica(t, db, c).SignIn(t.Context(), "ann", "wrong", "192.0.2.1")
		if !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
	}
	if _, err := s.SignIn(t.Context(), "ANN", password, "192.0.2.1"); !fault.Is(err, fault.Limited) {
		t.Errorf("the right password too soon: %v", err)
	}
	if _, err := s.SignIn(t.Context(), "ann", password, "192.0.2.2"); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	c.advance(time.Second)
	if _, err := s.SignIn(t.Context(), "ann", password, "192.0.2.1"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	// Success has forgotten the mistakes.
	for range pairLimit.free {
		if _, err := replica(t, db, c).SignIn(t.Context(), "ann", "wrong", "192.0.2.1"); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a mistake after the success: %v", err)
		}
	}
}

func TestAPersonalTokenIsNotedOnceAMinute(t *testing.T) {
	s, _, c, _ := newService(t)
	o := insert(t, s, "Robot", "")
	made, plain, err := s.NewToken(t.Context(), o.ID, "mine", c.now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	used := func() time.Time {
		t.Helper()
		if _, err := s.Authenticate(t.Context(), plain); err != nil {
			t.Fatal(err)
		}
		found, err := s.Store.PersonalTokens().Get(t.Context(), made.Hash)
		if err != nil {
			t.Fatal(err)
		}
		return found.LastUsedAt
	}
	first := used()
	if !first.Equal(c.now()) {
		t.Errorf("used at %s", first)
	}
	c.advance(usedEvery - time.Millisecond)
	if got := used(); !got.Equal(first) {
		t.Errorf("noted again at %s", got)
	}
	c.advance(time.Millisecond)
	if got := used(); !got.Equal(c.now()) {
		t.Errorf("not noted again: %s", got)
	}
	c.advance(time.Hour)
	if _, err := s.Authenticate(t.Context(), plain); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("after its time: %v", err)
	}
}
