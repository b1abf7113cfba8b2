package idptest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Rig is a provider with people.
type Rig struct {
	Provider idp.PasswordAuthenticator
	// Username and Password are somebody's, who is Identity.
	Username, Password string
	Identity           *idp.Identity
	// Profile are members that the assertion's profile must have; nil where the type asserts no more than the identity.
	Profile map[string]any
	// Odd are names of people with the same password that mean something to the protocol behind the provider.
	Odd []string
	// Blocked are names of people with the same password who may not sign in.
	Blocked []string
	// Requests counts what was asked of the server; nil where the work is the gateway's own, whose time is taken then.
	Requests func() int64

	// Costly says that every attempt costs the hash of a password: fewer are made.
	Costly bool

	// Stall makes the server accept connections and answer nothing; Away ends it. The functions they return undo it, and are
	// done when the server answers again. Both are nil for types without a server of their own.
	Stall, Away func(t *testing.T) (undo func())
	// Limit is the time within which a stalled server is given up.
	Limit time.Duration
}

// try tries until the machine has room for another password.
func (r *Rig) try(ctx context.Context, name, password string) (*idp.Assertion, error) {
	for {
		in := &rules.Input{Login: name, Request: rules.Request{Params: map[string][]string{"username": {name}}}}
		got, err := r.Provider.Authenticate(ctx, idp.Credentials{Username: name, Password: password, Input: in})
		if !errors.Is(err, secret.ErrBusy) || ctx.Err() != nil {
			return got, err
		}
	}
}

// hostile are names and passwords that nobody has.
var hostile = []string{
	"*", "a*", "*)(uid=*", "*)(objectClass=*))(|(uid=*", "(", ")", `\`, `\2a`, `\00`, "\x00", "a\x00b", "ann)(|(uid=*", "uid=ann", "cn=ann,dc=acme,dc=example",
	"&", "|", "!", "a,b", "a+b", "a;b", "#a", " ", "  ", "\t", "\n", "a\r\nX-Injected: yes", `"`, "'", "' or '1'='1", "/", "..", "../..", "/../admin",
	"%2e%2e", "%00", "?", "a?b=c", "a&b=c", "a#b", "{#login}", `{"a":1}`, `","admin":true,"x":"`, "<a>", "\xff", "\xc3\x28", "ä", "😀", "\u202e", strings.Repeat("a", 511),
	strings.Repeat("a", 5000), strings.Repeat("*", 400), strings.Repeat("(", 400), strings.Repeat("ä", 1<<16),
}

// Password runs the suite for providers that check names and passwords.
func Password(t *testing.T, open func(t *testing.T) *Rig) {
	t.Run("a right password is accepted, and says who it is", func(t *testing.T) { right(t, open(t)) })
	t.Run("a wrong password and an unknown name are refused alike", func(t *testing.T) { refused(t, open(t)) })
	t.Run("names that mean something to a protocol mean nothing", func(t *testing.T) { odd(t, open(t)) })
	t.Run("somebody who is blocked is told so, and a provider that cannot tell refuses", func(t *testing.T) { blocked(t, open(t)) })
	t.Run("many sign in at once", func(t *testing.T) { atOnce(t, open(t)) })
	t.Run("a request that was given up ends", func(t *testing.T) { canceled(t, open(t)) })
	t.Run("a server that stalls is given up in time, and asked again when it answers", func(t *testing.T) { stalled(t, open(t)) })
	t.Run("a server that is away is unavailable, and asked again when it is back", func(t *testing.T) { away(t, open(t)) })
}

func (r *Rig) accepts(t *testing.T, when string) {
	t.Helper()
	got, err := r.try(t.Context(), r.Username, r.Password)
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	if diff := cmp.Diff(r.Identity, got.Identity, protocmp.Transform()); diff != "" {
		t.Errorf("%s: identity (-want +got):\n%s", when, diff)
	}
}

func right(t *testing.T, r *Rig) {
	r.accepts(t, "at first")
	r.accepts(t, "again")
	got, err := r.try(t.Context(), r.Username, r.Password)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{idp.MethodPassword}, got.AMR); diff != "" {
		t.Errorf("amr (-want +got):\n%s", diff)
	}
	for name, want := range r.Profile {
		if diff := cmp.Diff(want, got.Profile[name]); diff != "" {
			t.Errorf("the profile's %s (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{strings.ToUpper(r.Username), strings.ToLower(r.Username)} {
		got, err := r.try(t.Context(), name, r.Password)
		switch {
		case errors.Is(err, idp.ErrRefused): // names of this provider have a case
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case got.Identity.GetExternalId() != r.Identity.GetExternalId() || got.Identity.GetSource() != r.Identity.GetSource():
			t.Errorf("%s is another person: %v", name, got.Identity)
		}
	}
}

func refused(t *testing.T, r *Rig) {
	measure := func(name, password string) (texts string, requests int64, quickest time.Duration) {
		quickest = time.Hour
		for range 3 {
			var before int64
			if r.Requests != nil {
				before = r.Requests()
			}
			begin := time.Now()
			got, err := r.try(t.Context(), name, password)
			quickest = min(quickest, time.Since(begin))
			if r.Requests != nil {
				requests = r.Requests() - before
			}
			if !errors.Is(err, idp.ErrRefused) || got != nil {
				t.Errorf("%q: %v, %v", name, got, err)
				return "", 0, 0
			}
			texts = err.Error()
		}
		return texts, requests, quickest
	}
	r.accepts(t, "before")
	wrongText, wrongRequests, wrongTime := measure(r.Username, "x"+r.Password)
	unknownText, unknownRequests, unknownTime := measure("nobody-"+r.Username, r.Password)
	if wrongText != unknownText {
		t.Errorf("a wrong password is %q, an unknown name %q", wrongText, unknownText)
	}
	if r.Requests != nil {
		if wrongRequests != unknownRequests {
			t.Errorf("a wrong password takes %d requests, an unknown name %d", wrongRequests, unknownRequests)
		}
	} else if unknownTime < wrongTime/4 || wrongTime < unknownTime/4 {
		t.Errorf("a wrong password takes %s, an unknown name %s", wrongTime, unknownTime)
	}
	for name, password := range map[string]string{
		"an empty password": "", "blanks": " ", "a password that is too long": strings.Repeat("x", 4000), "a zero byte": r.Password + "\x00",
		"half a password": r.Password[:len(r.Password)/2], "a password that is no text": "\xff\xfe",
	} {
		if got, err := r.try(t.Context(), r.Username, password); !errors.Is(err, idp.ErrRefused) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := r.try(t.Context(), "", r.Password); !errors.Is(err, idp.ErrRefused) || got != nil {
		t.Errorf("nobody's name: %v, %v", got, err)
	}
	if got, err := r.try(t.Context(), "", ""); !errors.Is(err, idp.ErrRefused) || got != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
}

func odd(t *testing.T, r *Rig) {
	for i, name := range hostile {
		if r.Costly && i%8 != 0 {
			continue
		}
		if slices.Contains(r.Odd, name) {
			continue
		}
		if got, err := r.try(t.Context(), name, r.Password); !errors.Is(err, idp.ErrRefused) || got != nil {
			t.Errorf("the name %.40q: %v, %v", name, got, err)
		}
		if got, err := r.try(t.Context(), r.Username, name); !errors.Is(err, idp.ErrRefused) || got != nil {
			t.Errorf("the password %.40q: %v, %v", name, got, err)
		}
	}
	ids := map[string]string{}
	for _, name := range r.Odd {
		got, err := r.try(t.Context(), name, r.Password)
		if err != nil {
			t.Errorf("%q is not found: %v", name, err)
			continue
		}
		id := got.Identity.GetExternalId()
		if other, taken := ids[id]; taken || id == "" || id == r.Identity.GetExternalId() {
			t.Errorf("%q is %q, as %q is", name, id, other)
		}
		ids[id] = name
	}
	r.accepts(t, "afterwards")
}

func blocked(t *testing.T, r *Rig) {
	for _, name := range r.Blocked {
		if got, err := r.try(t.Context(), name, r.Password); !errors.Is(err, idp.ErrBlocked) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	r.accepts(t, "somebody else")
}

func atOnce(t *testing.T, r *Rig) {
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			if i%2 == 0 {
				r.accepts(t, fmt.Sprintf("login %d", i))
				return
			}
			if got, err := r.try(t.Context(), r.Username, "wrong"); !errors.Is(err, idp.ErrRefused) || got != nil {
				t.Errorf("login %d with a wrong password: %v, %v", i, got, err)
			}
		})
	}
	group.Wait()
}

func canceled(t *testing.T, r *Rig) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := r.try(ctx, r.Username, r.Password); err != nil && errors.Is(err, idp.ErrRefused) {
		t.Errorf("a request that was given up is refused: %v, %v", got, err)
	}
	r.accepts(t, "the next")
}

func stalled(t *testing.T, r *Rig) {
	if r.Stall == nil {
		return
	}
	r.accepts(t, "before")
	undo := r.Stall(t)
	begin := time.Now()
	got, err := r.try(t.Context(), r.Username, r.Password)
	if took := time.Since(begin); !errors.Is(err, idp.ErrUnavailable) || got != nil || took > r.Limit {
		t.Errorf("after %s of %s: %v, %v", took, r.Limit, got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.try(ctx, r.Username, r.Password)
		done <- err
	}()
	cancel()
	if err := <-done; err == nil || errors.Is(err, idp.ErrRefused) {
		t.Errorf("given up while the server stalls: %v", err)
	}
	undo()
	r.accepts(t, "when it answers again")
}

func away(t *testing.T, r *Rig) {
	if r.Away == nil {
		return
	}
	r.accepts(t, "before")
	back := r.Away(t)
	for range 2 {
		if got, err := r.try(t.Context(), r.Username, r.Password); !errors.Is(err, idp.ErrUnavailable) || got != nil {
			t.Errorf("while it is away: %v, %v", got, err)
		}
	}
	back()
	r.accepts(t, "when it is back")
}
