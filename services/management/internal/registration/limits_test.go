package registration_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// set changes a domain's settings of registration.
func (h *house) set(domain string, settings prototree.Object) {
	h.Helper()
	body := prototree.Object{"oidc": prototree.Object{"clientRegistrationSettings": settings}}
	if _, err := editor.Patch(h.Context(), h.editor, catalog.Domains, editor.Place{}, domain, body, 0); err != nil {
		h.Fatal(err)
	}
}

// token makes an initial access token.
func (h *house) token(domain string, draft *managementv1.NewRegistrationToken) (*store.RegistrationToken, string) {
	h.Helper()
	if draft.GetName() == "" {
		draft.Name = "for tests"
	}
	made, plain, err := h.server.NewToken(h.Context(), editor.Place{Domain: domain}, draft)
	if err != nil {
		h.Fatal(err)
	}
	return made, plain
}

// with is a registration by an initial access token.
func with(domain, token string) *registrationv1.CreateRequest {
	r := request(domain)
	r.Administrator, r.Caller, r.InitialAccessTokenHash = false, "", secret.HashToken(token)
	return r
}

func (h *house) used(t *store.RegistrationToken) int32 {
	h.Helper()
	found, err := h.store.RegistrationTokens().Get(h.Context(), t.Domain, t.ID)
	if err != nil {
		h.Fatal(err)
	}
	return found.Used
}

func TestAnInitialAccessTokenRegistersAsManyAsItMay(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, false)
	token, plain := h.token(domain, &managementv1.NewRegistrationToken{Quota: proto.Int32(3)})
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			switch _, err := h.server.Create(t.Context(), with(domain, plain)); {
			case err == nil:
				made.Add(1)
			case !fault.Is(fault.FromGRPC(err), fault.Unauthenticated):
				t.Errorf("one too many: %v", err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 3 || h.clients(domain) != 3 || h.used(token) != 3 {
		t.Errorf("%d made, %d clients, %d used", made.Load(), h.clients(domain), h.used(token))
	}
	found, _, err := store.List(t.Context(), h.store, catalog.Applications, store.Query{Domain: domain})
	if err != nil || found[0].GetRegistration().GetInitialAccessToken() != token.ID {
		t.Errorf("the client does not say which token: %v, %v", found[0].GetRegistration(), err)
	}
}

func TestWhatIsRefusedDoesNotCount(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, false)
	token, plain := h.token(domain, &managementv1.NewRegistrationToken{})
	bad := with(domain, plain)
	bad.Application.Settings.Oauth.RedirectUris = []string{"http://insecure.example/cb"}
	_, err := h.server.Create(t.Context(), bad)
	wantKind(t, "http", err, fault.Invalid)
	if n := h.used(token); n != 0 {
		t.Errorf("%d used", n)
	}
	// One that is asked for again counts once, and is answered though the token is used up.
	again := with(domain, plain)
	again.Attempt = &registrationv1.Attempt{Key: "k", Fingerprint: "f"}
	first, err := h.server.Create(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.server.Create(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "asked again", first, second)
	if n := h.used(token); n != 1 {
		t.Errorf("%d used", n)
	}
}

func TestInitialAccessTokensThatAreWorthNothing(t *testing.T) {
	h := newHouse(t)
	domain, other := h.domain("People", true, false), h.domain("Others", true, false)
	token, plain := h.token(domain, &managementv1.NewRegistrationToken{Quota: proto.Int32(9)})
	_, err := h.server.Create(t.Context(), with(other, plain))
	wantKind(t, "in another domain", err, fault.Unauthenticated)
	_, err = h.server.Create(t.Context(), with(domain, plain+"x"))
	wantKind(t, "invented", err, fault.Unauthenticated)
	if found, err := h.server.FindInitialAccessToken(t.Context(), &registrationv1.FindInitialAccessTokenRequest{Domain: domain, Hash: secret.HashToken(plain)}); err != nil || found.GetId() != token.ID {
		t.Errorf("found %v, %v", found, err)
	}
	h.now = h.now.Add(31 * 24 * time.Hour)
	_, err = h.server.Create(t.Context(), with(domain, plain))
	wantKind(t, "expired", err, fault.Unauthenticated)
	_, err = h.server.FindInitialAccessToken(t.Context(), &registrationv1.FindInitialAccessTokenRequest{Domain: domain, Hash: secret.HashToken(plain)})
	wantKind(t, "expired, looked for", err, fault.Unauthenticated)
	h.now = h.now.Add(-31 * 24 * time.Hour)
	if _, err := h.store.RegistrationTokens().Delete(t.Context(), domain, token.ID); err != nil {
		t.Fatal(err)
	}
	_, err = h.server.Create(t.Context(), with(domain, plain))
	wantKind(t, "ended", err, fault.Unauthenticated)
}

func TestDraftsOfInitialAccessTokensThatAreRefused(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, false)
	for name, draft := range map[string]*managementv1.NewRegistrationToken{
		"without a name":       {},
		"for nobody":           {Name: "n", Quota: proto.Int32(0)},
		"of no template":       {Name: "n", Template: "nothing"},
		"for an unknown scope": {Name: "n", Scopes: &configv1.Strings{Values: []string{"nothing"}}},
	} {
		_, _, err := h.server.NewToken(t.Context(), editor.Place{Domain: domain}, draft)
		wantKind(t, name, err, fault.Invalid)
	}
}

// TestATokensScopesLimitATemplateThatItsHolderChose, and not the one that the operator has bound to it.
func TestATokensScopesLimitATemplateThatItsHolderChose(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, false)
	h.set(domain, prototree.Object{"isClientTemplateEnabled": true})
	template := func(settings prototree.Object) string {
		t.Helper()
		a := h.byHand(domain, prototree.Object{"name": "Template", "type": "web", "redirectUris": []any{"https://shop.example.com/callback"}})
		_, err := editor.Patch(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, a.GetId(),
			prototree.Object{"template": true, "settings": prototree.Object{"oauth": settings}}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return a.GetId()
	}
	wide := template(prototree.Object{"scopeSettings": []any{prototree.Object{"scope": "openid", "defaultScope": true}, prototree.Object{"scope": "email"}}})
	raised := template(prototree.Object{"scopeSettings": []any{prototree.Object{"scope": "openid"}, prototree.Object{"scope": "scim"}}})
	limit := &configv1.Strings{Values: []string{"openid", "profile"}}
	for _, tt := range []struct {
		name, template string
		draft          *managementv1.NewRegistrationToken
		given          []string
		want           string
	}{
		{"one that the holder chose", wide, &managementv1.NewRegistrationToken{Scopes: limit}, nil, "openid"},
		{"with scopes of the request, which gateways filter", wide, &managementv1.NewRegistrationToken{Scopes: limit}, []string{"scope"}, "profile"},
		{"the token's own", wide, &managementv1.NewRegistrationToken{Scopes: limit, Template: wide}, nil, "openid email"},
		{"a token without a limit", wide, &managementv1.NewRegistrationToken{}, nil, "openid email"},
		{"a limit of no scope", wide, &managementv1.NewRegistrationToken{Scopes: &configv1.Strings{}}, nil, ""},
		{"scopes of administrators, which are taken away", raised, &managementv1.NewRegistrationToken{Scopes: limit}, nil, "openid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, plain := h.token(domain, tt.draft)
			r := with(domain, plain)
			r.Template, r.Given = tt.template, append([]string{"redirect_uris"}, tt.given...)
			if tt.given != nil {
				r.Application.Settings.Oauth.ScopeSettings = []*configv1.ScopeSetting{{Scope: "profile"}}
			}
			made, err := h.server.Create(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			o := made.GetApplication().GetSettings().GetOauth()
			var got []string
			for _, s := range o.GetScopeSettings() {
				got = append(got, s.GetScope())
			}
			if strings.Join(got, " ") != tt.want || o.GetStandardScopes() && tt.draft.GetScopes() != nil {
				t.Errorf("scopes %q, standard ones %t", got, o.GetStandardScopes())
			}
			if tt.draft.GetScopes() != nil && made.GetApplication().GetRegistration().GetScopeLimit() == nil {
				t.Error("the limit is not kept for later changes")
			}
		})
	}
}

func TestApproval(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isApprovalRequired": true})
	at := editor.Place{Domain: domain}
	made := h.register(domain)
	asked := request(domain)
	asked.Administrator = true
	trusted, err := h.server.Create(t.Context(), asked)
	if err != nil || !trusted.GetApplication().GetEnabled() {
		t.Errorf("an administrator's client waits: %v", err)
	}
	id, clientID := made.GetApplication().GetId(), clientID(made.GetApplication())
	if made.GetApplication().GetEnabled() || made.GetApplication().GetRegistration().GetStatus() != configv1.ClientRegistration_PENDING {
		t.Fatalf("it does not wait: %v", made.GetApplication().GetRegistration())
	}
	_, err = h.server.Resolve(t.Context(), &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID})
	wantKind(t, "found as a client", err, fault.NotFound)
	if _, err := h.server.Resolve(t.Context(), &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID, Pending: true}); err != nil {
		t.Errorf("found as one that waits: %v", err)
	}
	for range 2 { // as often as one likes
		a, err := h.editor.Accept(t.Context(), at, id)
		if err != nil || !a.GetEnabled() || a.GetRegistration().GetStatus() != configv1.ClientRegistration_ACTIVE || a.GetRegistration().GetAcceptedAt() == nil {
			t.Fatalf("accepted: %v, %v", a, err)
		}
	}
	wantKind(t, "rejected too late", h.editor.Reject(t.Context(), at, id), fault.Conflict)
	_, err = h.editor.Accept(t.Context(), at, trusted.GetApplication().GetId())
	wantKind(t, "accepted without need", err, fault.Conflict)

	second := h.register(domain)
	if err := h.editor.Reject(t.Context(), at, second.GetApplication().GetId()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "rejected twice", h.editor.Reject(t.Context(), at, second.GetApplication().GetId()), fault.NotFound)

	// Whoever enables it by hand has accepted it.
	third := h.register(domain)
	a, err := editor.Patch(t.Context(), h.editor, catalog.Applications, at, third.GetApplication().GetId(), prototree.Object{"enabled": true}, 0)
	if err != nil || a.GetRegistration().GetStatus() != configv1.ClientRegistration_ACTIVE {
		t.Errorf("enabled by hand: %v, %v", a.GetRegistration(), err)
	}
	actions := map[string]int{}
	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: domain, Kind: "application"})
	for _, r := range records {
		actions[r.Action]++
	}
	if err != nil || actions["accept_registration"] != 1 || actions["delete"] != 1 {
		t.Errorf("recorded %v, %v", actions, err)
	}
}

// TestAcceptingAClientChangesNothingElseOfIt: one without grant types, which introspects tokens alone, gets none by it.
func TestAcceptingAClientChangesNothingElseOfIt(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isApprovalRequired": true})
	made := h.register(domain, func(r *registrationv1.CreateRequest) {
		o := r.Application.Settings.Oauth
		o.GrantTypes, o.ResponseTypes, o.TokenEndpointAuthMethod, o.ApplicationType = []string{"authorization_code"}, nil, "client_secret_post", "native"
	})
	asked := made.GetApplication().GetSettings().GetOauth()
	found, _, err := h.editor.Registered(t.Context(), editor.Place{Domain: domain}, image.Query{Size: 1}, nil)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	a, err := h.editor.Accept(t.Context(), editor.Place{Domain: domain}, found[0].GetId())
	if err != nil {
		t.Fatal(err)
	}
	if len(asked.GetGrantTypes()) != 0 {
		t.Fatalf("it registered with %v", asked.GetGrantTypes())
	}
	if diff := cmp.Diff(asked, a.GetSettings().GetOauth(), protocmp.Transform()); diff != "" {
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
	changed, err := h.server.Update(t.Context(), updating(a, made.GetRegistrationAccessToken(), func(o *configv1.OAuthSettings) { o.ClientName = "Store" }))
	if err != nil || len(changed.GetApplication().GetSettings().GetOauth().GetGrantTypes()) != 0 {
		t.Errorf("another name: %v, %v", changed.GetApplication().GetSettings().GetOauth(), err)
	}
}

func TestOfManyWhoDecideOneDoes(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isApprovalRequired": true})
	id, at := h.register(domain).GetApplication().GetId(), editor.Place{Domain: domain}
	var accepted, rejected atomic.Int32
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if i%2 == 0 {
				if _, err := h.editor.Accept(t.Context(), at, id); err == nil {
					accepted.Add(1)
				}
			} else if h.editor.Reject(t.Context(), at, id) == nil {
				rejected.Add(1)
			}
		})
	}
	wg.Wait()
	if there := h.clients(domain); rejected.Load() > 1 || int32(there) != 1-rejected.Load() || rejected.Load() == 1 && accepted.Load() > 0 {
		t.Errorf("%d accepted, %d rejected, %d clients", accepted.Load(), rejected.Load(), there)
	}
}

func TestADomainHasAsManyRegisteredClientsAsItMay(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"maxRegisteredClients": int64(3)})
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := h.server.Create(t.Context(), request(domain)); err != nil && !fault.Is(fault.FromGRPC(err), fault.Limited) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.clients(domain); n != 3 {
		t.Errorf("%d clients", n)
	}
}

// Replicas count together: none of them registers one while another one counts.
func TestReplicasTogetherRegisterAsManyAsADomainMayHave(t *testing.T) {
	h := newHouse(t)
	other := editor.New(editor.Options{Store: h.store, Hasher: secret.NewHasher()})
	o := h.options()
	o.Editor = other
	servers := []*registration.Server{h.server, registration.New(o)}
	domain := h.domain("People", true, true)
	register := func(replica int) bool {
		_, err := servers[replica%2].Create(t.Context(), request(domain))
		if err != nil && !fault.Is(fault.FromGRPC(err), fault.Limited) {
			t.Error(err)
		}
		return err == nil
	}
	race := func(want int32) {
		t.Helper()
		var made atomic.Int32
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				if register(i) {
					made.Add(1)
				}
			})
		}
		wg.Wait()
		if made.Load() != want {
			t.Errorf("%d of 32 registered, want %d", made.Load(), want)
		}
	}
	h.set(domain, prototree.Object{"maxRegisteredClients": int64(5)})
	race(5)

	// The place of one that is deleted is free, and what was registered without a limit counts once there is one again.
	found, _, err := store.List(t.Context(), h.store, catalog.Applications, store.Query{Domain: domain})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := editor.Delete(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, found[0].GetId(), 0); err != nil {
		t.Fatal(err)
	}
	h.later = 3 * time.Second // a full domain is not counted for each that it refuses
	race(1)
	h.set(domain, prototree.Object{"maxRegisteredClients": int64(0)})
	for i := range 3 {
		if !register(i) {
			t.Fatal("refused without a limit")
		}
	}
	h.set(domain, prototree.Object{"maxRegisteredClients": int64(10)})
	race(2)
	if n := h.clients(domain); n != 10 {
		t.Errorf("%d clients, want 10", n)
	}

	// What is refused for its metadata takes no place.
	h.set(domain, prototree.Object{"maxRegisteredClients": int64(11)})
	bad := request(domain)
	bad.Application.Settings.Oauth.RedirectUris = []string{"http://insecure.example/cb"}
	for range 3 {
		_, err := servers[0].Create(t.Context(), bad)
		wantKind(t, "http", err, fault.Invalid)
	}
	race(1)
}

// TestClientsThatNobodyAcceptsAreDeleted: they are never used, and go when they would go if they had been.
func TestClientsThatNobodyAcceptsAreDeleted(t *testing.T) {
	h := newHouse(t)
	h.editor = editor.New(editor.Options{Store: h.store, Hasher: secret.NewHasher(), Now: func() time.Time { return h.now }})
	h.server = registration.New(h.options())
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isApprovalRequired": true, "unusedDisableDays": int64(30), "unusedDeleteDays": int64(10)})
	keeper := registration.NewKeeper(h.server, h.store.Leases(), 0)
	round := func(days, want int) {
		t.Helper()
		h.now = h.now.AddDate(0, 0, days)
		if err := keeper.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := h.clients(domain); n != want {
			t.Errorf("%d clients, want %d", n, want)
		}
	}
	round(0, 0) // from now on it is looked
	h.register(domain)
	round(20, 1)
	accepted := h.register(domain).GetApplication()
	if _, err := h.editor.Accept(t.Context(), editor.Place{Domain: domain}, accepted.GetId()); err != nil {
		t.Fatal(err)
	}
	round(19, 2)
	round(1, 1)
	if _, err := editor.Read(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, accepted.GetId()); err != nil {
		t.Errorf("the one that was accepted: %v", err)
	}
}

// TestUnusedClientsAreDisabledAndLaterDeleted walks through the days of four clients.
func TestUnusedClientsAreDisabledAndLaterDeleted(t *testing.T) {
	h := newHouse(t)
	clock := func() time.Time { return h.now }
	h.editor = editor.New(editor.Options{Store: h.store, Hasher: secret.NewHasher(), Now: clock})
	h.server = registration.New(h.options())
	domain := h.domain("People", true, true)
	at := editor.Place{Domain: domain}
	// The first one will break a rule that its domain has by then.
	h.set(domain, prototree.Object{"allowLocalhostRedirectUri": true})
	unused := h.register(domain, func(r *registrationv1.CreateRequest) {
		r.Application.Settings.Oauth.RedirectUris = []string{"https://localhost/callback"}
	}).GetApplication()
	h.set(domain, prototree.Object{"allowLocalhostRedirectUri": false})
	used, revived := h.register(domain).GetApplication(), h.register(domain).GetApplication()
	if _, _, err := editor.Create(t.Context(), h.editor, catalog.Applications, at, prototree.Object{"name": "by hand", "type": "service"}); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.AddDate(1, 0, 0)
	h.set(domain, prototree.Object{"unusedDisableDays": int64(30), "unusedDeleteDays": int64(10)})
	keeper := registration.NewKeeper(h.server, h.store.Leases(), 0)
	other := registration.NewKeeper(h.server, h.store.Leases(), 0)
	state := func(a *configv1.Application) string {
		t.Helper()
		found, err := editor.Read(t.Context(), h.editor, catalog.Applications, at, a.GetId())
		switch {
		case fault.Is(err, fault.NotFound):
			return "gone"
		case err != nil:
			t.Fatal(err)
		case found.GetEnabled():
			return "enabled"
		}
		return "disabled"
	}
	round := func(days int, want ...string) {
		t.Helper()
		h.now = h.now.AddDate(0, 0, days)
		if err := keeper.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, a := range []*configv1.Application{unused, used, revived} {
			if got := state(a); got != want[i] {
				t.Errorf("client %d is %s, want %s", i, got, want[i])
			}
		}
	}
	// Nobody noted uses before: the days begin now.
	round(0, "enabled", "enabled", "enabled")
	round(29, "enabled", "enabled", "enabled")
	if err := h.store.ClientUses().Record(t.Context(), []store.ClientUse{{Application: used.GetId(), Domain: domain, At: h.now, By: "g"}}); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.AddDate(0, 0, 1)
	if err := other.Round(t.Context()); err != nil || state(unused) != "enabled" {
		t.Errorf("somebody without the lease acts: %v", err)
	}
	round(0, "disabled", "enabled", "disabled")
	if _, err := editor.Patch(t.Context(), h.editor, catalog.Applications, at, revived.GetId(), prototree.Object{"enabled": true}, 0); err != nil {
		t.Fatal(err)
	}
	round(9, "disabled", "enabled", "enabled")
	round(1, "gone", "enabled", "enabled")
	round(19, "gone", "disabled", "enabled") // 29 days since its last use and one more
	round(1, "gone", "disabled", "disabled")
	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: domain, Kind: "application"})
	actions := map[string]int{}
	for _, r := range records {
		actions[r.Action]++
	}
	if err != nil || actions["disable_unused"] != 4 || actions["delete"] != 1 {
		t.Errorf("recorded %v, %v", actions, err)
	}
	if n := h.clients(domain); n != 3 {
		t.Errorf("%d applications: what operators made stays", n)
	}
}

// TestAProcessThatDiedUsesUpNoRegistration kills management between counting a use of an initial access token and making its
// client, and after it; the housekeeping finds out which it was.
func TestAProcessThatDiedUsesUpNoRegistration(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, false)
	token, plain := h.token(domain, &managementv1.NewRegistrationToken{Quota: proto.Int32(2)})
	dead := errors.New("killed")
	die := func(step registration.Step) *registration.Server {
		o := h.options()
		o.Hook = func(at registration.Step) error {
			if at == step {
				return dead
			}
			return nil
		}
		return registration.New(o)
	}
	if _, err := die(registration.Counted).Create(t.Context(), with(domain, plain)); err == nil {
		t.Fatal("it lives")
	}
	if n := h.used(token); n != 1 {
		t.Fatalf("%d used, want 1", n)
	}
	keeper := registration.NewKeeper(h.server, h.store.Leases(), 0)
	rounds := func(n int, want int32) {
		t.Helper()
		for range n {
			if err := keeper.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := h.used(token); n != want {
			t.Errorf("%d used, want %d", n, want)
		}
	}
	rounds(1, 1) // it may be slow only
	rounds(1, 0)
	// Whoever asks again by the same key is counted once, though the first one counted it.
	again := with(domain, plain)
	again.Attempt = &registrationv1.Attempt{Key: "k", Fingerprint: "f"}
	if _, err := die(registration.Counted).Create(t.Context(), again); err == nil {
		t.Fatal("it lives")
	}
	h.now = h.now.Add(31 * time.Second)
	if _, err := h.server.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	rounds(0, 1)
	// One that was made stays counted, also where nobody said so.
	made, err := h.store.RegistrationTokens().Take(t.Context(), token, h.application(domain), h.now)
	if err != nil || !made {
		t.Fatal(made, err)
	}
	rounds(3, 2)
	if _, err := h.server.Create(t.Context(), with(domain, plain)); !fault.Is(fault.FromGRPC(err), fault.Unauthenticated) {
		t.Errorf("one more than the token may: %v", err)
	}
}

// application returns the identifier of an application of a domain.
func (h *house) application(domain string) string {
	h.Helper()
	found, _, err := store.List(h.Context(), h.store, catalog.Applications, store.Query{Domain: domain})
	if err != nil || len(found) == 0 {
		h.Fatal(found, err)
	}
	return found[0].GetId()
}
