package registration_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

const issuer = "https://auth.example.com/people/oidc"

// house is the registration service over a database of its own.
type house struct {
	testing.TB
	store  *store.Store
	editor *editor.Editor
	server *registration.Server
	now    time.Time
	// later is by how much the store's clock is ahead.
	later time.Duration
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{TB: t, now: time.Now().Truncate(time.Second)}
	o := storetest.Options(t)
	o.Now = func() time.Time { return time.Now().Add(h.later) }
	h.store = storetest.Open(t, o)
	h.editor = editor.New(editor.Options{Store: h.store, Hasher: secret.NewHasher(), Logger: o.Logger})
	h.server = registration.New(h.options())
	return h
}

// domain makes a domain with settings for dynamic registration.
func (h *house) domain(name string, on, open bool) string {
	h.Helper()
	at := editor.Place{Organization: "DEFAULT", Environment: "DEFAULT"}
	d, _, err := editor.Create(h.Context(), h.editor, catalog.Domains, at, prototree.Object{"name": name})
	if err != nil {
		h.Fatal(err)
	}
	h.allow(d.GetId(), on, open)
	return d.GetId()
}

func (h *house) allow(domain string, on, open bool) {
	h.Helper()
	settings := prototree.Object{"isDynamicClientRegistrationEnabled": on, "isOpenDynamicClientRegistrationEnabled": open}
	_, err := editor.Patch(h.Context(), h.editor, catalog.Domains, editor.Place{}, domain,
		prototree.Object{"oidc": prototree.Object{"clientRegistrationSettings": settings}}, 0)
	if err != nil {
		h.Fatal(err)
	}
}

// request is a registration as gateways ask for it: with the defaults of what its body leaves out.
func request(domain string) *registrationv1.CreateRequest {
	return &registrationv1.CreateRequest{
		Domain: domain, Issuer: issuer, RegistrationEndpoint: "https://auth.example.com/people/oidc/register",
		Application: &configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
			ClientName: "Shop", RedirectUris: []string{"https://shop.example.com/callback"},
			ApplicationType: "web", TokenEndpointAuthMethod: "client_secret_basic",
		}}},
	}
}

func (h *house) register(domain string, edits ...func(*registrationv1.CreateRequest)) *registrationv1.CreateResponse {
	h.Helper()
	asked := request(domain)
	for _, edit := range edits {
		edit(asked)
	}
	made, err := h.server.Create(h.Context(), asked)
	if err != nil {
		h.Fatal(err)
	}
	return made
}

func clientID(a *configv1.Application) string { return a.GetSettings().GetOauth().GetClientId() }

func wantKind(t testing.TB, what string, err error, want fault.Kind) {
	t.Helper()
	if err = fault.FromGRPC(err); want == fault.Internal && err != nil || want != fault.Internal && !fault.Is(err, want) {
		t.Errorf("%s: %v (%v), want %v", what, err, fault.KindOf(err), want)
	}
}

func TestRegisteredClient(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	asked := request(domain)
	asked.Application.Id, asked.Application.Settings.Oauth.ClientId = "mine", "mine"
	made, err := h.server.Create(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	app := made.GetApplication()
	id := clientID(app)
	if app.GetId() == "mine" || id == "mine" || id == "" || made.GetClientSecret() == "" {
		t.Errorf("identifiers %q and %q, secret %q", app.GetId(), id, made.GetClientSecret())
	}
	if got, want := app.GetSettings().GetOauth().GetRegistrationClientUri(), asked.GetRegistrationEndpoint()+"/"+id; got != want {
		t.Errorf("client's own URI %s, want %s", got, want)
	}
	if asked.Application.Id != "mine" || asked.Application.Settings.Oauth.ClientId != "mine" {
		t.Error("the request was changed")
	}

	certificates, _, err := store.List(t.Context(), h.store, catalog.Certificates, store.Query{Domain: domain})
	if err != nil || len(certificates) != 1 {
		t.Fatalf("%d certificates, %v", len(certificates), err)
	}
	key, err := jose.ParsePrivateKey(certificates[0].GetPrivateKey(), certificates[0].GetKid(), jose.RS256)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jose.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	token := made.GetRegistrationAccessToken()
	verified, err := keys.Verify(token, jose.Check{})
	if err != nil {
		t.Fatalf("registration access token: %v", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(verified.Payload, &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"iss": issuer, "sub": id, "aud": id, "domain": domain, "scope": "dcr",
		"iat": float64(h.now.Unix()), "exp": float64(h.now.Add(2 * 365 * 24 * time.Hour).Unix()),
	} {
		if claims[name] != want {
			t.Errorf("claim %s is %v, want %v", name, claims[name], want)
		}
	}
	if _, has := claims["client_id"]; has || claims["jti"] == nil || claims["jti"] == "" {
		t.Errorf("claims %v", claims)
	}
	if got := app.GetSettings().GetOauth().GetRegistrationAccessTokenHash(); got != secret.HashToken(token) {
		t.Errorf("kept hash %q is not the token's", got)
	}

	found, err := h.server.Resolve(t.Context(), &registrationv1.ResolveRequest{Domain: domain, ClientId: id})
	if err != nil || !proto.Equal(found.GetApplication(), app) {
		t.Errorf("resolved %v, %v; created %v", found, err, app)
	}
	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: domain, Kind: "application", Whole: true})
	if err != nil || len(records) != 1 || records[0].Action != "register" || records[0].ActorKind != audit.ActorClient {
		t.Errorf("records %v, %v", records, err)
	}
	for _, r := range records {
		for _, plain := range []string{made.GetClientSecret(), token, secret.HashToken(token)} {
			if strings.Contains(r.After, plain) {
				t.Error("the record contains a secret")
			}
		}
	}
}

func TestWhoMayRegister(t *testing.T) {
	h := newHouse(t)
	off, on, open := h.domain("Off", false, true), h.domain("On", true, false), h.domain("Open", true, true)
	tests := []struct {
		name string
		edit func(*registrationv1.CreateRequest)
		want fault.Kind
	}{
		{"anybody, where registration is open", func(r *registrationv1.CreateRequest) { r.Domain = open }, fault.Internal},
		{"an administrator, where registration is on", func(r *registrationv1.CreateRequest) { r.Domain, r.Administrator = on, true }, fault.Internal},
		{"nobody else, where registration is on", func(r *registrationv1.CreateRequest) { r.Domain = on }, fault.Denied},
		{"nobody, where registration is off", func(r *registrationv1.CreateRequest) { r.Domain = off }, fault.Denied},
		{"no administrator either", func(r *registrationv1.CreateRequest) { r.Domain, r.Administrator = off, true }, fault.Denied},
		{"nobody in an unknown domain", func(r *registrationv1.CreateRequest) { r.Domain = "nowhere" }, fault.NotFound},
		{"not without a domain", func(r *registrationv1.CreateRequest) { r.Domain = "" }, fault.Invalid},
		{"not without an application", func(r *registrationv1.CreateRequest) { r.Application = nil }, fault.Invalid},
		{"not without an issuer", func(r *registrationv1.CreateRequest) { r.Issuer = "" }, fault.Invalid},
		{"not for an issuer that is no URL", func(r *registrationv1.CreateRequest) { r.Issuer = "javascript:alert(1)" }, fault.Invalid},
		{"not without an endpoint", func(r *registrationv1.CreateRequest) { r.RegistrationEndpoint = "" }, fault.Invalid},
		{"not at an endless endpoint", func(r *registrationv1.CreateRequest) {
			r.RegistrationEndpoint = "https://x/" + strings.Repeat("x", 3000)
		}, fault.Invalid},
		{"not with endless metadata", func(r *registrationv1.CreateRequest) {
			r.Application.Description = strings.Repeat("x", 2<<20)
		}, fault.Invalid},
		{"not with metadata that break a rule", func(r *registrationv1.CreateRequest) {
			r.Domain, r.Application.Settings.Oauth.RedirectUris = open, nil
		}, fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(open)
			tt.edit(r)
			_, err := h.server.Create(t.Context(), r)
			wantKind(t, "create", err, tt.want)
		})
	}
	if _, n, err := store.List(t.Context(), h.store, catalog.Applications, store.Query{}); err != nil || n != 2 {
		t.Errorf("%d applications, %v", n, err)
	}
}

func TestDomainWithoutCertificate(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Bare", true, true)
	all, _, err := store.List(t.Context(), h.store, catalog.Certificates, store.Query{Domain: domain})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if _, err := editor.Delete(t.Context(), h.editor, catalog.Certificates, editor.Place{Domain: domain}, c.GetId(), 0); err != nil {
			t.Fatal(err)
		}
	}
	_, err = h.server.Create(t.Context(), request(domain))
	wantKind(t, "create", err, fault.Conflict)
}

func TestDelete(t *testing.T) {
	h := newHouse(t)
	domain, other := h.domain("People", true, true), h.domain("Other", true, true)
	mine, theirs := h.register(domain), h.register(domain)
	id := clientID(mine.GetApplication())
	current := secret.HashToken(mine.GetRegistrationAccessToken())
	plain, _, err := editor.Create(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain},
		prototree.Object{"name": "Plain", "type": "service", "clientId": "plain"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name                 string
		domain, client, hash string
		want                 fault.Kind
	}{
		{"by another client's token", domain, id, secret.HashToken(theirs.GetRegistrationAccessToken()), fault.Denied},
		{"by the token itself", domain, id, mine.GetRegistrationAccessToken(), fault.Denied},
		{"by a token of a client that never had one", domain, clientID(plain), current, fault.Denied},
		{"in another domain", other, id, current, fault.NotFound},
		{"in an unknown domain", "nowhere", id, current, fault.NotFound},
		{"of an unknown client", domain, "nobody", current, fault.NotFound},
		{"without a domain", "", id, current, fault.Invalid},
		{"without a client", domain, "", current, fault.Invalid},
		{"by the current token", domain, id, current, fault.Internal},
		{"by the token of a client that is gone", domain, id, current, fault.NotFound},
		{"by an administrator", domain, clientID(theirs.GetApplication()), "", fault.Internal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := h.server.Delete(t.Context(), &registrationv1.DeleteRequest{
				Domain: tt.domain, ClientId: tt.client, RegistrationAccessTokenHash: tt.hash,
			})
			wantKind(t, "delete", err, tt.want)
			if last, err := h.store.LastRevision(t.Context()); tt.want == fault.Internal && (err != nil || answer.GetRevision() != last) {
				t.Errorf("revision %d, the last is %d, %v", answer.GetRevision(), last, err)
			}
		})
	}
	_, err = h.server.Resolve(t.Context(), &registrationv1.ResolveRequest{Domain: domain, ClientId: id})
	wantKind(t, "resolve a deleted client", err, fault.NotFound)
}

func TestSupersededTokenDeletesNothing(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	made := h.register(domain)
	app := made.GetApplication()
	renewed := proto.CloneOf(app)
	renewed.Settings.Oauth.RegistrationAccessTokenHash = secret.HashToken("another token")
	if _, err := h.store.Write(t.Context(), store.Change{Ops: []store.Op{{Old: app, New: renewed}}}); err != nil {
		t.Fatal(err)
	}
	remove := func(token string) error {
		_, err := h.server.Delete(t.Context(), &registrationv1.DeleteRequest{
			Domain: domain, ClientId: clientID(app), RegistrationAccessTokenHash: secret.HashToken(token),
		})
		return err
	}
	wantKind(t, "by the superseded token", remove(made.GetRegistrationAccessToken()), fault.Denied)
	h.allow(domain, false, false)
	wantKind(t, "where registration was switched off", remove("another token"), fault.Denied)
	h.allow(domain, true, false)
	wantKind(t, "by the present token", remove("another token"), fault.Internal)
}

// TestDeleteWhileTheClientIsChanged: a harmless change that comes in between does not save the client.
func TestDeleteWhileTheClientIsChanged(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	made := h.register(domain)
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for range 5 {
			_, err := editor.Patch(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, made.GetApplication().GetId(),
				prototree.Object{"description": secret.NewID()}, 0)
			if err != nil && !fault.Is(err, fault.NotFound) {
				t.Errorf("patch: %v", err)
			}
		}
	}()
	_, err := h.server.Delete(t.Context(), &registrationv1.DeleteRequest{
		Domain: domain, ClientId: clientID(made.GetApplication()), RegistrationAccessTokenHash: secret.HashToken(made.GetRegistrationAccessToken()),
	})
	<-changed
	wantKind(t, "delete", err, fault.Internal)
}

func TestResolve(t *testing.T) {
	h := newHouse(t)
	domain, other := h.domain("People", false, false), h.domain("Other", true, true)
	at := editor.Place{Domain: domain}
	create := func(id string) *configv1.Application {
		t.Helper()
		a, _, err := editor.Create(t.Context(), h.editor, catalog.Applications, at, prototree.Object{"name": id, "type": "service", "clientId": id})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	patch := func(a *configv1.Application, body prototree.Object) {
		t.Helper()
		if _, err := editor.Patch(t.Context(), h.editor, catalog.Applications, at, a.GetId(), body, 0); err != nil {
			t.Fatal(err)
		}
	}
	create("plain")
	patch(create("disabled"), prototree.Object{"enabled": false})
	patch(create("template"), prototree.Object{"template": true})
	clientless := &configv1.Application{Name: "Bookmark", Enabled: proto.Bool(true)}
	resource.Stamp(clientless, resource.Stamps{ID: secret.NewID(), Domain: domain})
	if _, err := h.store.Write(t.Context(), store.Change{Ops: []store.Op{{New: clientless}}}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, domain, client string
		want                 fault.Kind
	}{
		{"an enabled application is found", domain, "plain", fault.Internal},
		{"client identifiers have a case", domain, "PLAIN", fault.NotFound},
		{"a disabled one is not found", domain, "disabled", fault.NotFound},
		{"a template is not found", domain, "template", fault.NotFound},
		{"an unknown one is not found", domain, "nobody", fault.NotFound},
		{"nor one of another domain", other, "plain", fault.NotFound},
		{"nor by a way around the domain", "", domain + "/plain", fault.Invalid},
		{"nor one that has no client identifier", domain, "/" + clientless.GetId(), fault.NotFound},
		{"nor by its identifier", domain, clientless.GetId(), fault.NotFound},
		{"an endless name is invalid", domain, strings.Repeat("x", 1000), fault.Invalid},
		{"a name with control characters is invalid", domain, "a\nb", fault.Invalid},
		{"no name is invalid", domain, "", fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, err := h.server.Resolve(t.Context(), &registrationv1.ResolveRequest{Domain: tt.domain, ClientId: tt.client})
			wantKind(t, "resolve", err, tt.want)
			if err == nil && clientID(found.GetApplication()) != tt.client {
				t.Errorf("found %v", found)
			}
		})
	}
	for id, want := range map[string]fault.Kind{"plain": fault.Internal, "disabled": fault.Internal, "template": fault.NotFound, "nobody": fault.NotFound} {
		found, err := h.server.Resolve(t.Context(), &registrationv1.ResolveRequest{Domain: domain, ClientId: id, Disabled: true})
		wantKind(t, id+" for an administrator", err, want)
		if err == nil && clientID(found.GetApplication()) != id {
			t.Errorf("found %v", found)
		}
	}
}

func (h *house) options() registration.Options {
	return registration.Options{Editor: h.editor, Attempts: h.store.RegistrationAttempts(), Tokens: h.store.RegistrationTokens(), Uses: h.store.ClientUses(), Now: func() time.Time { return h.now }}
}
