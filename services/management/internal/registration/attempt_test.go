package registration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// attempted is a registration that may be asked for again.
func attempted(domain, key, content string) *registrationv1.CreateRequest {
	r := request(domain)
	r.Attempt = &registrationv1.Attempt{Key: secret.HashToken(key), Fingerprint: secret.HashToken(content)}
	return r
}

// clients returns how many applications a domain has.
func (h *house) clients(domain string) int {
	h.Helper()
	found, _, err := store.List(h.Context(), h.store, catalog.Applications, store.Query{Domain: domain})
	if err != nil {
		h.Fatal(err)
	}
	return len(found)
}

func same(t *testing.T, what string, a, b *registrationv1.CreateResponse) {
	t.Helper()
	if clientID(a.GetApplication()) != clientID(b.GetApplication()) || a.GetClientSecret() != b.GetClientSecret() ||
		a.GetRegistrationAccessToken() != b.GetRegistrationAccessToken() || a.GetClientSecret() == "" {
		t.Errorf("%s: another client, secret or registration access token", what)
	}
}

func TestARegistrationThatIsAskedForAgainIsTheSame(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	first, err := h.server.Create(t.Context(), attempted(domain, "k", "c"))
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(23 * time.Hour)
	again, err := h.server.Create(t.Context(), attempted(domain, "k", "c"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "asked again", first, again)
	if n := h.clients(domain); n != 1 {
		t.Errorf("%d clients", n)
	}
	_, err = h.server.Create(t.Context(), attempted(domain, "k", "another"))
	wantKind(t, "another body", err, fault.Invalid)
	other := h.domain("Others", true, true)
	elsewhere, err := h.server.Create(t.Context(), attempted(other, "k", "c"))
	if err != nil || clientID(elsewhere.GetApplication()) == clientID(first.GetApplication()) {
		t.Errorf("in another domain: %v", err)
	}
	// A day later the key is forgotten.
	h.now = h.now.Add(2 * time.Hour)
	late, err := h.server.Create(t.Context(), attempted(domain, "k", "another"))
	if err != nil || clientID(late.GetApplication()) == clientID(first.GetApplication()) {
		t.Errorf("a day later: %v", err)
	}
}

// TestWhoeverHangsUpDoesNotHoldTheirKey: a caller may be gone at any moment, as when a request and its end arrive together from a network
// that was stalled. Who asks again with the key gets a client within the time that they wait, not when the first counts as dead.
func TestWhoeverHangsUpDoesNotHoldTheirKey(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	began := time.Now()
	if _, err := h.server.Create(t.Context(), attempted(domain, "whole", "c")); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(began)
	const moments = 150 // of the first third, in which the attempt is entered
	for i := range moments {
		key := fmt.Sprintf("key %d", i)
		hangsUp, cancel := context.WithCancel(t.Context())
		left := time.AfterFunc(whole*time.Duration(i)/moments/3, cancel)
		_, _ = h.server.Create(hangsUp, attempted(domain, key, "c"))
		left.Stop()
		cancel()
		if _, err := h.server.Create(t.Context(), attempted(domain, key, "c")); err != nil {
			t.Fatalf("after the first has hung up after %s of %s: %v", whole*time.Duration(i)/moments/3, whole, err)
		}
	}
	if n := h.clients(domain); n != moments+1 {
		t.Errorf("%d clients by %d keys", n, moments+1)
	}
}

// TestAnAttemptIsKnownForAsLongAsItCounts: gateways count the same key once within the window of the limit by address, so that it must not
// make a second client there.
func TestAnAttemptIsKnownForAsLongAsItCounts(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"registrationsPerAddress": int64(5), "registrationWindowSeconds": int64(7 * 24 * 3600)})
	first, err := h.server.Create(t.Context(), attempted(domain, "k", "c"))
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(7*24*time.Hour - time.Minute)
	again, err := h.server.Create(t.Context(), attempted(domain, "k", "c"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "nearly a week later", first, again)
	h.now = h.now.Add(2 * time.Minute)
	if _, err := h.server.Create(t.Context(), attempted(domain, "k", "c")); err != nil {
		t.Fatal(err)
	}
	if n := h.clients(domain); n != 2 {
		t.Errorf("%d clients after a week, want another one", n)
	}
}

func TestAnAnswerIsNotRepeatedWhenItIsNoLongerTrue(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	renewed, err := h.server.Create(t.Context(), attempted(domain, "renewed", "c"))
	if err != nil {
		t.Fatal(err)
	}
	deleted, err := h.server.Create(t.Context(), attempted(domain, "deleted", "c"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.server.RenewSecret(t.Context(), &registrationv1.RenewSecretRequest{
		Domain: domain, ClientId: clientID(renewed.GetApplication()), Issuer: issuer, RegistrationEndpoint: "https://gw.example/oidc/register",
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.server.Delete(t.Context(), &registrationv1.DeleteRequest{Domain: domain, ClientId: clientID(deleted.GetApplication())}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"renewed", "deleted"} {
		_, err := h.server.Create(t.Context(), attempted(domain, key, "c"))
		wantKind(t, key, err, fault.Invalid)
	}
	if n := h.clients(domain); n != 1 {
		t.Errorf("%d clients", n)
	}
}

func TestARefusedRegistrationUsesNoKeyUp(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	bad := attempted(domain, "k", "bad")
	bad.Application.Settings.Oauth.RedirectUris = []string{"http://insecure.example/cb"}
	_, err := h.server.Create(t.Context(), bad)
	wantKind(t, "http", err, fault.Invalid)
	if _, err := h.server.Create(t.Context(), attempted(domain, "k", "good")); err != nil {
		t.Errorf("corrected: %v", err)
	}
}

func TestManyWhoAskAtOnceMakeOneClient(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	answers := make([]*registrationv1.CreateResponse, 32)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			// Two replicas share nothing but the database.
			server := h.server
			if i%2 == 1 {
				server = registration.New(h.options())
			}
			for {
				var err error
				if answers[i], err = server.Create(t.Context(), attempted(domain, "k", "c")); err == nil {
					return
				}
				if err = fault.FromGRPC(err); !fault.Is(err, fault.Unavailable) {
					t.Errorf("racer %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, a := range answers[1:] {
		same(t, "a racer", answers[0], a)
	}
	if n := h.clients(domain); n != 1 {
		t.Errorf("%d clients", n)
	}
}

// TestARegistrationWhoseProcessDiedIsCompleted kills management at every point, and asks again.
func TestARegistrationWhoseProcessDiedIsCompleted(t *testing.T) {
	h := newHouse(t)
	domain, closed := h.domain("People", true, true), h.domain("Closed", true, false)
	h.set(domain, prototree.Object{"isClientTemplateEnabled": true})
	template := h.byHand(domain, prototree.Object{"name": "Template", "type": "web", "redirectUris": []any{"https://shop.example.com/callback"}})
	if _, err := editor.Patch(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, template.GetId(), prototree.Object{"template": true}, 0); err != nil {
		t.Fatal(err)
	}
	h.leveled(editor.Place{Domain: domain, Application: template.GetId()})
	token, plain := h.token(closed, &managementv1.NewRegistrationToken{Quota: proto.Int32(4)})
	for name, asked := range map[string]func() *registrationv1.CreateRequest{
		"a client": func() *registrationv1.CreateRequest { return request(domain) },
		"a copy of a template": func() *registrationv1.CreateRequest {
			r := request(domain)
			r.Template, r.Given = template.GetId(), []string{"redirect_uris"}
			return r
		},
		"by an initial access token": func() *registrationv1.CreateRequest { return with(closed, plain) },
	} {
		for _, step := range []registration.Step{registration.Chosen, registration.Counted, registration.Made, registration.Kept} {
			t.Run(name+", "+string(step), func(t *testing.T) {
				attempt := func() *registrationv1.CreateRequest {
					r := asked()
					r.Attempt = &registrationv1.Attempt{Key: secret.HashToken(t.Name()), Fingerprint: secret.HashToken("c")}
					return r
				}
				before := h.clients(asked().GetDomain())
				first := h.completed(t, step, attempt)
				if got := h.clients(asked().GetDomain()); got != before+1 {
					t.Errorf("%d clients, want %d", got, before+1)
				}
				if a := first.GetApplication(); a.GetRegistration().GetTemplate() != "" {
					h.hasLeveled(editor.Place{Domain: domain, Application: a.GetId()})
				}
			})
		}
	}
	if n := h.used(token); n != 4 {
		t.Errorf("%d registrations of the token are used, want 4", n)
	}
}

// completed registers with a management that dies at a step, and again with one that lives.
func (h *house) completed(t *testing.T, step registration.Step, attempt func() *registrationv1.CreateRequest) *registrationv1.CreateResponse {
	t.Helper()
	o := h.options()
	o.Hook = func(at registration.Step) error {
		if at == step {
			return errors.New("killed")
		}
		return nil
	}
	if _, err := registration.New(o).Create(t.Context(), attempt()); err == nil {
		t.Fatal("it lives")
	}
	if step != registration.Kept {
		limited, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := h.server.Create(limited, attempt()); err == nil {
			t.Error("it is not waited for whoever may be slow only")
		}
		h.now = h.now.Add(31 * time.Second)
	}
	first, err := h.server.Create(t.Context(), attempt())
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.server.Create(t.Context(), attempt())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "afterwards", first, again)
	a := first.GetApplication()
	if a.GetSettings().GetOauth().GetRegistrationAccessTokenHash() != secret.HashToken(first.GetRegistrationAccessToken()) ||
		a.GetSecrets()[0].GetHash() != secret.Generated(first.GetClientSecret()) {
		t.Error("the credentials are not the client's")
	}
	return first
}

// TestWhoIsSlowGivesNoAnswerThatIsWorthNothing lets somebody take over from a process that goes on in the middle.
func TestWhoIsSlowGivesNoAnswerThatIsWorthNothing(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	for _, step := range []registration.Step{registration.Chosen, registration.Made} {
		t.Run(string(step), func(t *testing.T) {
			var taken *registrationv1.CreateResponse
			o := h.options()
			o.Hook = func(at registration.Step) error {
				if at != step {
					return nil
				}
				h.now = h.now.Add(31 * time.Second)
				var err error
				taken, err = h.server.Create(t.Context(), attempted(domain, string(step), "c"))
				return err
			}
			_, err := registration.New(o).Create(t.Context(), attempted(domain, string(step), "c"))
			wantKind(t, "slow", err, fault.Unavailable)
			again, err := h.server.Create(t.Context(), attempted(domain, string(step), "c"))
			if err != nil {
				t.Fatal(err)
			}
			same(t, "afterwards", taken, again)
		})
	}
	if n := h.clients(domain); n != 2 {
		t.Errorf("%d clients", n)
	}
}
