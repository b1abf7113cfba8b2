package state_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/testkit/redistest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// TestSlot compares with what the specification and servers say.
func TestSlot(t *testing.T) {
	for key, want := range map[string]int{"123456789": 12739, "foo": 12182, "{user1000}.following": state.Slot("user1000"), "foo{}{bar}": state.Slot("foo{}{bar}"), "a{b}c": state.Slot("b")} {
		if got := state.Slot(key); got != want {
			t.Errorf("%s: slot %d, want %d", key, got, want)
		}
	}
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"grant:x", "clients:{session:y}", "due:{notices:3}:d", "foo{}{bar}"} {
		says, err := c.Servers[0].Do("CLUSTER", "KEYSLOT", key)
		if err != nil || says != strconv.Itoa(state.Slot(key)) {
			t.Errorf("%s: slot %d, the server says %s %v", key, state.Slot(key), says, err)
		}
	}
}

// TestKeysSpread demands that no slot holds what many people do.
func TestKeysSpread(t *testing.T) {
	s := open(t, gatewaytest.Redis(t), gatewaytest.NewClock())
	slots := map[int]int{}
	var mu sync.Mutex
	s.Record(func(keys []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range keys {
			if k != "revoked" {
				slots[state.Slot(k)]++
			}
		}
	})
	now := gatewaytest.NewClock().Now()
	const people = 50
	for range people { // of one domain
		a := allowed()
		a.Domain, a.Grant = "d1", secret.NewToken()[:22]
		a.Person.Subject = secret.NewID()
		cookie, v := secret.NewToken(), state.Session{ID: secret.NewID(), Domain: "d1", Person: a.Person, AuthTime: now.Unix(), Ends: now.Add(time.Hour).Unix()}
		_, err := s.BeginSession(t.Context(), cookie, v, time.Minute, state.Device{})
		want(t, err, nil)
		want(t, s.NoteClient(t.Context(), cookie, v, state.SessionClient{ClientID: "web", ApplicationID: "web"}, time.Hour, time.Minute), nil)
		_, err = s.NewCode(t.Context(), a, time.Minute)
		want(t, err, nil)
		_, err = s.NewGrant(t.Context(), a, time.Hour)
		want(t, err, nil)
		_, err = s.CloseSession(t.Context(), cookie, &v, state.SessionClients{}, nil)
		want(t, err, nil)
	}
	for slot, n := range slots {
		if n > people/2 {
			t.Errorf("slot %d has %d keys of %d people", slot, n, people)
		}
	}
	if len(slots) < 3*people {
		t.Errorf("%d people need %d slots", people, len(slots))
	}
}

// TestKeysMoveWhileTheyAreUsed moves slots between the servers of a Cluster while codes are redeemed and tokens refreshed. What
// has two keys may be refused while they are on their way; nothing is lost and nothing done twice.
func TestKeysMoveWhileTheyAreUsed(t *testing.T) {
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	s := openFor(t, c.URL, gatewaytest.NewClock(), state.DefaultTimeout)
	stop := make(chan struct{})
	var all sync.WaitGroup
	var done atomic.Int64
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch err := use(t.Context(), s); {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, state.ErrUnavailable):
					t.Error(err)
					return
				}
			}
		})
	}
	eventually(t, "keys are used", func() bool { return done.Load() > 20 })
	for i := range 3 {
		if err := c.Move(c.Servers[i], c.Servers[(i+1)%3], 1500); err != nil {
			t.Error(err)
		}
	}
	before := done.Load()
	eventually(t, "keys are used afterwards", func() bool { return done.Load() > before+20 })
	close(stop)
	all.Wait()
	eventually(t, "nothing is refused any more", func() bool { return use(t.Context(), s) == nil })
}

// use makes, redeems and refreshes what one person allowed, and signs them in and out.
func use(ctx context.Context, s *state.Store) error {
	a := allowed()
	code, err := s.NewCode(ctx, a, time.Minute)
	if err != nil {
		return err
	}
	a, err = s.Redeem(ctx, a.Domain, a.ApplicationID, code)
	if err != nil {
		return err
	}
	token, err := s.NewGrant(ctx, a, time.Hour)
	if err != nil {
		return err
	}
	for range 3 {
		if _, token, err = s.Refresh(ctx, a.Domain, a.ApplicationID, token, state.Rotation{TTL: time.Hour}); err != nil {
			return err
		}
	}
	cookie, v := secret.NewToken(), state.Session{ID: secret.NewID(), Domain: a.Domain, Person: a.Person, Ends: gatewaytest.NewClock().Now().Add(time.Hour).Unix()}
	if _, err := s.BeginSession(ctx, cookie, v, time.Minute, state.Device{}); err != nil {
		return err
	}
	if err := s.NoteClient(ctx, cookie, v, state.SessionClient{ClientID: "web"}, 0, time.Minute); err != nil {
		return err
	}
	known, err := s.SessionClients(ctx, cookie, a.Domain)
	if err != nil || len(known.List) != 1 {
		return errors.Join(err, errors.New("the session's clients are not there"))
	}
	_, err = s.CloseSession(ctx, cookie, &v, known, []state.Notice{{ID: secret.NewID(), Domain: a.Domain}})
	return err
}

// TestNothingIsRepeatedInACluster cuts a connection after a command was carried out: whoever asked is told, and the code counts as
// redeemed once.
func TestNothingIsRepeatedInACluster(t *testing.T) {
	c, err := redistest.StartCluster()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := openFor(t, c.URL, gatewaytest.NewClock(), state.DefaultTimeout)
	want(t, s.Ping(t.Context()), nil)
	a := allowed()
	code, err := s.NewCode(t.Context(), a, time.Minute)
	want(t, err, nil)
	for _, server := range c.Servers {
		// The server is stopped while it has the command, and goes on once the gateway has given up.
		want(t, server.Stall(), nil)
	}
	_, err = s.Redeem(t.Context(), a.Domain, a.ApplicationID, code)
	want(t, err, state.ErrUnavailable)
	for _, server := range c.Servers {
		want(t, server.Resume(), nil)
	}
	eventually(t, "the cluster answers again", func() bool { return s.Ping(t.Context()) == nil })
	again := state.ErrUnavailable
	eventually(t, "the code is looked at", func() bool {
		_, again = s.Redeem(t.Context(), a.Domain, a.ApplicationID, code)
		return !errors.Is(again, state.ErrUnavailable)
	})
	want(t, again, state.ErrSpent)
}

func TestSentinelFailover(t *testing.T) {
	w, err := redistest.StartSentinels()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := openFor(t, w.URL, gatewaytest.NewClock(), state.DefaultTimeout)
	other := openFor(t, w.URL, gatewaytest.NewClock(), state.DefaultTimeout)
	follow(t, s)
	follow(t, other)
	<-s.Loaded()
	a := allowed()
	token, err := s.NewGrant(t.Context(), withGrant(a), time.Hour)
	want(t, err, nil)
	if _, err := w.Primary.Do("WAIT", "1", "5000"); err != nil {
		t.Fatal(err)
	}
	w.Primary.Kill()
	want(t, use(t.Context(), s), state.ErrUnavailable)
	if err := w.FailedOver(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new primary is used", func() bool { return use(t.Context(), s) == nil })
	if _, _, err := s.Refresh(t.Context(), a.Domain, a.ApplicationID, token, state.Rotation{TTL: time.Hour}); err != nil {
		t.Errorf("a grant from before, which the replica had: %v", err)
	}
	// Gateways hear from each other through the new primary.
	eventually(t, "revocations are followed again", func() bool {
		jti := secret.NewID()
		if err := s.RevokeToken(t.Context(), a.Domain, jti, time.Now().Add(time.Hour)); err != nil {
			return false
		}
		heard := time.Now().Add(500 * time.Millisecond)
		for time.Now().Before(heard) {
			if other.Revoked(state.Token{Domain: a.Domain, JTI: jti}) {
				return true
			}
		}
		return false
	})
}

func withGrant(a state.Authorization) state.Authorization {
	a.Grant = secret.NewToken()[:22]
	return a
}

func TestParseURL(t *testing.T) {
	good := []string{
		"redis://", "redis://h", "redis://h:6380", "redis://u:p%40@h:1/3", "rediss://:p@h", "redis://[::1]:6379", "redis://[::1]",
		"redis+sentinel://a,b:1,c/main", "rediss+sentinel://u:p@a:1/main/2?sentinel-user=s&sentinel-password=q", "redis+cluster://a:1,b:2,c", "rediss+cluster://:p@a/0",
	}
	for _, text := range good {
		if _, err := state.ParseURL(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, says := range map[string]string{
		"localhost:6379":              "must begin with redis://",
		"http://h":                    "must begin with redis://",
		"redis://h:hush":              "hosts must be host:port",
		"redis://h:0":                 "hosts must be host:port",
		"redis://a,b":                 "several servers",
		"redis://u:hu%zzsh@h":         "percent-encoded",
		"redis://h/hush":              "a number from 0",
		"redis://h/-1":                "a number from 0",
		"redis+cluster://h/1":         "always 0 in a Cluster",
		"redis+cluster://":            "hosts must be host:port",
		"redis+sentinel://h":          "must name what the Sentinels watch",
		"redis+sentinel://h/m?x=hush": "has a parameter \"x\"",
		"redis://h?sentinel-user=u":   "of redis+sentinel://",
		"redis+sentinel://h/m?%zz":    "malformed",
		"redis://u:hu sh@h":           "a space",
		"redis+sentinel://h/m?sentinel-user=a&sentinel-user=b": "twice",
	} {
		_, err := state.ParseURL(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %q and no password", text, err, says)
		}
	}
	a, err := state.ParseURL("rediss+sentinel://u@a/main")
	if err != nil || !a.Encrypted() || !a.Sentinel() || a.HasPassword() || a.HasSentinelPassword() {
		t.Errorf("%+v %v", a, err)
	}
}
