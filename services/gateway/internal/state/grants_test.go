package state_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// rig is a store with one grant.
type rig struct {
	*state.Store
	t     *testing.T
	clock *gatewaytest.Clock
	a     state.Authorization
	first string
}

var rotation = state.Rotation{Grace: 10 * time.Second, TTL: time.Hour}

func newRig(t *testing.T, url string) *rig {
	t.Helper()
	r := &rig{t: t, clock: gatewaytest.NewClock(), a: allowed()}
	r.Store = open(t, url, r.clock)
	r.a.Grant = secret.NewToken()[:22]
	var err error
	r.first, err = r.NewGrant(t.Context(), r.a, time.Hour)
	want(t, err, nil)
	return r
}

// use presents a token as its client and wants it to be accepted, or an error.
func (r *rig) use(token string, wanted error) (next string) {
	r.t.Helper()
	return r.useWith(token, rotation, wanted)
}

func (r *rig) useWith(token string, how state.Rotation, wanted error) string {
	r.t.Helper()
	a, next, err := r.Refresh(r.t.Context(), r.a.Domain, r.a.ClientID, token, how)
	want(r.t, err, wanted)
	if wanted == nil && a.Person.Subject != r.a.Person.Subject {
		r.t.Errorf("the token leads to %q", a.Person.Subject)
	}
	return next
}

func TestRefreshToken(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, r *rig)
	}{
		{"is replaced at every use", func(t *testing.T, r *rig) {
			second := r.use(r.first, nil)
			third := r.use(second, nil)
			if second == r.first || third == second || !state.IsRefreshToken(third) {
				t.Errorf("tokens %q, %q, %q", r.first, second, third)
			}
		}},
		{"stays where the client does not rotate", func(t *testing.T, r *rig) {
			for range 3 {
				if next := r.useWith(r.first, state.Rotation{Keep: true}, nil); next != "" {
					t.Errorf("a successor %q", next)
				}
			}
		}},
		{"may be presented again within the grace while its successor is unused", func(t *testing.T, r *rig) {
			lost := r.use(r.first, nil)
			r.clock.Forward(10 * time.Second)
			second := r.use(r.first, nil)
			if lost == second {
				t.Error("the lost successor is handed out again")
			}
			r.use(second, nil)
		}},
		{"leaves its replaced successor worthless, and a use of that ends the grant", func(t *testing.T, r *rig) {
			lost := r.use(r.first, nil)
			second := r.use(r.first, nil)
			r.use(lost, state.ErrReused)
			r.use(second, state.ErrUnknown)
		}},
		{"ends the grant when presented after the grace", func(t *testing.T, r *rig) {
			second := r.use(r.first, nil)
			r.clock.Forward(10*time.Second + time.Millisecond)
			r.use(r.first, state.ErrReused)
			r.use(second, state.ErrUnknown)
		}},
		{"ends the grant when presented after its successor was used", func(t *testing.T, r *rig) {
			second := r.use(r.first, nil)
			third := r.use(second, nil)
			r.use(r.first, state.ErrReused)
			r.use(third, state.ErrUnknown)
		}},
		{"ends the grant at any second use without a grace", func(t *testing.T, r *rig) {
			second := r.useWith(r.first, state.Rotation{TTL: time.Hour}, nil)
			r.useWith(r.first, state.Rotation{TTL: time.Hour}, state.ErrReused)
			r.use(second, state.ErrUnknown)
		}},
		{"ends with the age of its line, which a successor does not outlive", func(t *testing.T, r *rig) {
			aged := state.Rotation{TTL: time.Hour, MaxAge: 90 * time.Minute}
			r.clock.Forward(45 * time.Minute)
			second := r.useWith(r.first, aged, nil)
			in, err := r.Inspect(t.Context(), second)
			want(t, err, nil)
			if left := in.Expires.Sub(r.clock.Now()); left != 45*time.Minute {
				t.Errorf("the successor lives for %v", left)
			}
			r.clock.Forward(44 * time.Minute)
			third := r.useWith(second, aged, nil)
			r.clock.Forward(time.Minute)
			r.useWith(third, aged, state.ErrExpired)
		}},
		{"ends with the age of its line where it is not replaced, too", func(t *testing.T, r *rig) {
			r.clock.Forward(30 * time.Minute)
			r.useWith(r.first, state.Rotation{Keep: true, MaxAge: 30*time.Minute + time.Millisecond}, nil)
			r.useWith(r.first, state.Rotation{Keep: true, MaxAge: 30 * time.Minute}, state.ErrExpired)
		}},
		{"is not used up by asking for more than was authorized", func(t *testing.T, r *rig) {
			for _, beyond := range []state.Within{{Scopes: []string{"read", "write"}}, {Resources: []string{"https://api.example"}}} {
				a, _, err := r.Refresh(t.Context(), r.a.Domain, r.a.ClientID, r.first, state.Rotation{TTL: time.Hour, Within: beyond})
				want(t, err, state.ErrBeyond)
				if a.Grant != r.a.Grant {
					t.Errorf("grant %q", a.Grant)
				}
			}
			r.useWith(r.first, state.Rotation{TTL: time.Hour, Within: state.Within{Scopes: []string{"read"}}}, nil)
		}},
		{"names the grant that a reuse ended", func(t *testing.T, r *rig) {
			r.use(r.use(r.first, nil), nil)
			a, _, err := r.Refresh(t.Context(), r.a.Domain, r.a.ClientID, r.first, rotation)
			want(t, err, state.ErrReused)
			if a.Grant != r.a.Grant {
				t.Errorf("grant %q, want %q", a.Grant, r.a.Grant)
			}
		}},
		{"changes nothing in the hands of another client or domain", func(t *testing.T, r *rig) {
			old := r.first
			second := r.use(r.first, nil)
			for _, token := range []string{old, second} {
				_, _, err := r.Refresh(t.Context(), r.a.Domain, "other", token, rotation)
				want(t, err, state.ErrForeign)
				_, _, err = r.Refresh(t.Context(), "other", r.a.ClientID, token, rotation)
				want(t, err, state.ErrForeign)
			}
			r.use(second, nil)
		}},
		{"revokes nothing when it is invented around a known grant", func(t *testing.T, r *rig) {
			parts := strings.Split(r.first, ".")
			for _, token := range []string{
				parts[0] + "." + secret.NewToken()[:22] + "." + secret.NewToken(),
				parts[0] + "." + secret.NewToken()[:22] + "." + parts[2],
				parts[0] + "..", parts[0], parts[0] + "." + parts[1], "", "..", strings.Repeat("x", 300), r.first + "x",
				strings.Repeat("é", 44),
			} {
				r.use(token, state.ErrUnknown)
			}
			r.use(r.first, nil)
		}},
		{"is told from an unknown one when it has expired", func(t *testing.T, r *rig) {
			r.clock.Forward(time.Hour)
			r.use(r.first, state.ErrExpired)
			in, err := r.Inspect(t.Context(), r.first)
			want(t, err, nil)
			if in.Usable {
				t.Error("an expired token is usable")
			}
		}},
		{"lives from its own making", func(t *testing.T, r *rig) {
			r.clock.Forward(59 * time.Minute)
			second := r.use(r.first, nil)
			r.clock.Forward(59 * time.Minute)
			r.use(second, nil)
		}},
		{"is kept for its lifetime and a little more", func(t *testing.T, r *rig) {
			between(t, left(t, r.Store, state.GrantKey(r.a.Grant)), 69*time.Minute, 70*time.Minute)
			r.useWith(r.first, state.Rotation{TTL: 2 * time.Hour}, nil)
			between(t, left(t, r.Store, state.GrantKey(r.a.Grant)), 129*time.Minute, 130*time.Minute)
			want(t, r.EndGrant(t.Context(), r.a.Grant), nil)
			between(t, left(t, r.Store, state.GrantKey(r.a.Grant)), 9*time.Minute, 10*time.Minute)
		}},
		{"does not live longer by being kept", func(t *testing.T, r *rig) {
			r.clock.Forward(59 * time.Minute)
			r.useWith(r.first, state.Rotation{Keep: true, TTL: time.Hour}, nil)
			r.clock.Forward(time.Minute)
			r.useWith(r.first, state.Rotation{Keep: true, TTL: time.Hour}, state.ErrExpired)
		}},
		{"ends with its grant", func(t *testing.T, r *rig) {
			want(t, r.EndGrant(t.Context(), r.a.Grant), nil)
			r.use(r.first, state.ErrUnknown)
		}},
		{"cannot begin after its grant was revoked", func(t *testing.T, r *rig) {
			a := r.a
			a.Grant = secret.NewToken()[:22]
			want(t, r.RevokeGrant(t.Context(), a.Domain, a.Grant, r.clock.Now().Add(time.Hour)), nil)
			_, err := r.NewGrant(t.Context(), a, time.Hour)
			want(t, err, state.ErrEnded)
		}},
		{"ends with everything its person allowed, and what they allow later does not", func(t *testing.T, r *rig) {
			want(t, r.RevokeSubject(t.Context(), r.a.Domain, r.a.Person.Subject, r.clock.Now().Add(time.Hour)), nil)
			r.use(r.first, state.ErrUnknown)
			_, err := r.Inspect(t.Context(), r.first)
			want(t, err, state.ErrUnknown)
			r.clock.Forward(time.Millisecond)
			a := r.a
			a.Grant = secret.NewToken()[:22]
			later, err := r.NewGrant(t.Context(), a, time.Hour)
			want(t, err, nil)
			r.use(later, nil)
		}},
		{"shows what it is worth without being used", func(t *testing.T, r *rig) {
			in, err := r.Inspect(t.Context(), r.first)
			want(t, err, nil)
			expected := r.a
			expected.Created = r.clock.Now().UnixMilli()
			if diff := cmp.Diff(expected, in.Authorization); diff != "" {
				t.Errorf("authorization (-want +got):\n%s", diff)
			}
			if !in.Usable || !in.Expires.Equal(r.clock.Now().Add(time.Hour)) {
				t.Errorf("usable %v, expires %v", in.Usable, in.Expires)
			}
			second := r.use(r.first, nil)
			old, err := r.Inspect(t.Context(), r.first)
			want(t, err, nil)
			if old.Usable || old.Authorization.Grant != r.a.Grant {
				t.Error("a rotated token is usable, or does not name its grant")
			}
			r.use(second, nil)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, url string) { tt.do(t, newRig(t, url)) })
		})
	}
}

// TestARefreshTokenThatIsBound is worth nothing to who has not the key, and not even ended by them.
func TestARefreshTokenThatIsBound(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		r := newRig(t, url)
		for _, key := range []state.Confirmation{{JKT: "one"}, {X5T: "one"}, {JKT: "one", X5T: "two"}} {
			r.a.Confirmation, r.a.Grant = key, secret.NewToken()[:22]
			token, err := r.NewGrant(t.Context(), r.a, time.Hour)
			want(t, err, nil)
			for _, wrong := range []state.Confirmation{{}, {JKT: "other", X5T: "other"}} {
				r.useWith(token, state.Rotation{TTL: time.Hour, Proved: wrong}, state.ErrUnproven)
			}
			kept := r.useWith(token, state.Rotation{TTL: time.Hour, KeepBound: true, Proved: key}, nil)
			if kept != "" {
				t.Errorf("a bound token was replaced by %q", kept)
			}
			next := r.useWith(token, state.Rotation{TTL: time.Hour, Keep: true, Proved: key}, nil)
			if next == "" {
				t.Error("a bound token was not replaced")
			}
			r.useWith(token, state.Rotation{TTL: time.Hour}, state.ErrUnproven) // not a reuse by somebody without the key
			r.useWith(next, state.Rotation{TTL: time.Hour, Proved: key}, nil)
		}
	})
}

func TestRefreshTokenUsedByManyAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		r := newRig(t, url)
		other := open(t, url, r.clock)
		var mu sync.Mutex
		var successors []string
		var racers sync.WaitGroup
		for i := range 32 {
			s := r.Store
			if i%2 == 1 {
				s = other
			}
			racers.Go(func() {
				_, next, err := s.Refresh(t.Context(), r.a.Domain, r.a.ClientID, r.first, rotation)
				if err != nil {
					t.Errorf("racer %d: %v", i, err)
				}
				mu.Lock()
				defer mu.Unlock()
				successors = append(successors, next)
			})
		}
		racers.Wait()
		usable := 0
		for _, token := range successors {
			in, err := r.Inspect(t.Context(), token)
			want(t, err, nil)
			if in.Usable {
				usable++
			}
		}
		if usable != 1 {
			t.Errorf("%d of %d successors are usable, want 1", usable, len(successors))
		}
	})
}

func TestNewGrantNeedsAGrant(t *testing.T) {
	s := open(t, gatewaytest.Redis(t), gatewaytest.NewClock())
	if _, err := s.NewGrant(t.Context(), allowed(), time.Hour); err == nil || errors.Is(err, state.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func FuzzIsRefreshToken(f *testing.F) {
	f.Add(strings.Repeat("a", 22) + "." + strings.Repeat("b", 22) + "." + strings.Repeat("c", 43))
	f.Add("eyJhbGciOiJFUzI1NiJ9.e30.c2ln")
	f.Fuzz(func(t *testing.T, s string) {
		if state.IsRefreshToken(s) && (len(s) != 89 || strings.Count(s, ".") != 2 || strings.ContainsAny(s, " {}:*\r\n")) {
			t.Errorf("%q counts as a refresh token", s)
		}
	})
}
