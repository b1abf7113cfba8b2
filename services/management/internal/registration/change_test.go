package registration_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const endpoint = "https://auth.example.com/people/oidc/register"

// updating asks for other metadata of a client, by its token.
func updating(app *configv1.Application, token string, edit func(*configv1.OAuthSettings)) *registrationv1.UpdateRequest {
	asked := proto.CloneOf(app)
	edit(asked.Settings.Oauth)
	return &registrationv1.UpdateRequest{
		Domain: app.GetDomain(), ClientId: clientID(app), Application: asked, Revision: app.GetRevision(),
		RegistrationAccessTokenHash: secret.HashToken(token), Issuer: issuer, RegistrationEndpoint: endpoint,
	}
}

func TestUpdate(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	made := h.register(domain)
	app, token := made.GetApplication(), made.GetRegistrationAccessToken()
	answer, err := h.server.Update(t.Context(), updating(app, token, func(o *configv1.OAuthSettings) {
		o.ClientName, o.Contacts, o.ClientId, o.ForcePkce = "Store", []string{"ann"}, "mine", true
		o.ResponseTypes, o.GrantTypes = []string{"code"}, []string{"authorization_code", "refresh_token"}
		o.ScopeSettings = []*configv1.ScopeSetting{{Scope: "openid"}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	changed := answer.GetApplication()
	o := changed.GetSettings().GetOauth()
	if changed.GetName() != "Store" || o.GetClientName() != "Store" || !slices.Equal(o.GetContacts(), []string{"ann"}) || len(o.GetScopeSettings()) != 1 {
		t.Errorf("metadata %v", changed)
	}
	if o.GetClientId() != clientID(app) || o.GetForcePkce() || changed.GetId() != app.GetId() || !slices.Equal(o.GetResponseTypes(), []string{"code"}) ||
		!proto.Equal(changed.GetSecrets()[0], app.GetSecrets()[0]) || len(changed.GetIdentityProviders()) != 1 {
		t.Errorf("more than metadata has changed: %v", changed)
	}
	fresh := answer.GetRegistrationAccessToken()
	if fresh == token || o.GetRegistrationAccessTokenHash() != secret.HashToken(fresh) {
		t.Error("there is no new registration access token")
	}
	_, err = h.server.Update(t.Context(), updating(changed, token, func(*configv1.OAuthSettings) {}))
	wantKind(t, "by the superseded token", err, fault.Denied)
	_, err = h.server.Update(t.Context(), updating(app, fresh, func(*configv1.OAuthSettings) {}))
	wantKind(t, "from an older revision", err, fault.Stale)
	_, err = h.server.Update(t.Context(), updating(changed, fresh, func(o *configv1.OAuthSettings) { o.RedirectUris = []string{"http://x.example"} }))
	wantKind(t, "with metadata that break a rule", err, fault.Invalid)
	for _, scope := range []string{"dcr_admin", "scim", "consent_admin"} {
		request := updating(changed, fresh, func(o *configv1.OAuthSettings) { o.ScopeSettings = []*configv1.ScopeSetting{{Scope: scope}} })
		_, err = h.server.Update(t.Context(), request)
		wantKind(t, scope+" by the client itself", err, fault.Invalid)
	}
	request := updating(changed, "", func(o *configv1.OAuthSettings) { o.ScopeSettings = []*configv1.ScopeSetting{{Scope: "dcr_admin"}} })
	request.RegistrationAccessTokenHash, request.Caller = "", "boss"
	raised, err := h.server.Update(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.server.Update(t.Context(), updating(raised.GetApplication(), raised.GetRegistrationAccessToken(), func(o *configv1.OAuthSettings) { o.ClientUri = "https://x.example" }))
	wantKind(t, "by a client that keeps what an administrator gave it", err, fault.Internal)

	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: domain, Kind: "application"})
	if err != nil {
		t.Fatal(err)
	}
	var by []string
	for _, r := range records {
		by = append(by, r.Action+" "+r.ActorID)
	}
	id := clientID(app)
	slices.Reverse(by)
	if want := []string{"register ", "update_registration " + id, "update_registration boss", "update_registration " + id}; !slices.Equal(by, want) {
		t.Errorf("records %q, want %q", by, want)
	}
}

func TestTheTypeFollowsTheMetadata(t *testing.T) {
	h := newHouse(t)
	made := h.register(h.domain("People", true, true))
	app, token := made.GetApplication(), made.GetRegistrationAccessToken()
	for _, tt := range []struct {
		name string
		edit func(*configv1.OAuthSettings)
		want configv1.Application_Type
	}{
		{"another name", func(o *configv1.OAuthSettings) { o.ClientName = "x" }, configv1.Application_WEB},
		{"another kind", func(o *configv1.OAuthSettings) { o.ApplicationType = "native" }, configv1.Application_NATIVE},
		{"grants for itself alone", func(o *configv1.OAuthSettings) {
			o.GrantTypes, o.ResponseTypes, o.RedirectUris = []string{"client_credentials"}, nil, nil
		}, configv1.Application_SERVICE},
	} {
		answer, err := h.server.Update(t.Context(), updating(app, token, tt.edit))
		if err != nil || answer.GetApplication().GetType() != tt.want {
			t.Fatalf("%s: %v, %v", tt.name, answer.GetApplication().GetType(), err)
		}
		app, token = answer.GetApplication(), answer.GetRegistrationAccessToken()
	}
}

func TestRenewSecret(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	made := h.register(domain)
	app := made.GetApplication()
	renewing := func(token string) *registrationv1.RenewSecretRequest {
		return &registrationv1.RenewSecretRequest{
			Domain: domain, ClientId: clientID(app), RegistrationAccessTokenHash: secret.HashToken(token), Issuer: issuer, RegistrationEndpoint: endpoint,
		}
	}
	answer, err := h.server.RenewSecret(t.Context(), renewing(made.GetRegistrationAccessToken()))
	if err != nil {
		t.Fatal(err)
	}
	now := answer.GetApplication()
	if len(now.GetSecrets()) != 1 {
		t.Fatalf("%d secrets", len(now.GetSecrets()))
	}
	for plain, want := range map[string]bool{made.GetClientSecret(): false, answer.GetClientSecret(): true} {
		if ok, err := secret.VerifyGenerated(now.GetSecrets()[0].GetHash(), plain); ok != want || err != nil {
			t.Errorf("the secret is good: %t, want %t, %v", ok, want, err)
		}
	}
	if got := now.GetSettings().GetOauth().GetRegistrationAccessTokenHash(); got != secret.HashToken(answer.GetRegistrationAccessToken()) {
		t.Error("the new registration access token is not kept")
	}
	_, err = h.server.RenewSecret(t.Context(), renewing(made.GetRegistrationAccessToken()))
	wantKind(t, "by the superseded token", err, fault.Denied)
	h.allow(domain, false, true)
	_, err = h.server.RenewSecret(t.Context(), renewing(answer.GetRegistrationAccessToken()))
	wantKind(t, "where registration was switched off", err, fault.Denied)
}

// TestOnlyOneChangeByAToken: of many changes with the same token one is made, because it ends the token.
func TestOnlyOneChangeByAToken(t *testing.T) {
	h := newHouse(t)
	made := h.register(h.domain("People", true, true))
	app := made.GetApplication()
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if i%2 == 0 {
				_, err := h.server.Update(t.Context(), updating(app, made.GetRegistrationAccessToken(), func(o *configv1.OAuthSettings) { o.ClientUri = "https://x.example" }))
				if err == nil {
					won.Add(1)
				}
				return
			}
			_, err := h.server.RenewSecret(t.Context(), &registrationv1.RenewSecretRequest{
				Domain: app.GetDomain(), ClientId: clientID(app), RegistrationAccessTokenHash: secret.HashToken(made.GetRegistrationAccessToken()),
				Issuer: issuer, RegistrationEndpoint: endpoint,
			})
			if err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d changes were made", won.Load())
	}
}

func TestTemplates(t *testing.T) {
	h := newHouse(t)
	domain, other := h.domain("People", true, true), h.domain("Other", true, true)
	at := editor.Place{Domain: domain}
	create := func(body prototree.Object) *configv1.Application {
		t.Helper()
		a, _, err := editor.Create(t.Context(), h.editor, catalog.Applications, at, body)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	patch := func(id, body string) {
		t.Helper()
		tree, err := prototree.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := editor.Patch(t.Context(), h.editor, catalog.Applications, at, id, tree, 0); err != nil {
			t.Fatal(err)
		}
	}
	plain := create(prototree.Object{"name": "Plain", "type": "service"})
	template := create(prototree.Object{"name": "Template", "type": "browser", "redirectUris": []any{"https://template.example/cb"}})
	patch(template.GetId(), `{"template":true,"metadata":{"a":"b"},"description":"made for others","identityProviders":[],"settings":{"advanced":{"skipConsent":true},
		"oauth":{"scopeSettings":[{"scope":"openid","defaultScope":true},{"scope":"email"}],"logoUri":"https://template.example/l.png","contacts":["ann"],
		"accessTokenValiditySeconds":77,"grantTypes":["authorization_code","refresh_token"],"responseTypes":["code"]}}}`)
	level := editor.Place{Domain: domain, Application: template.GetId()}
	if _, _, err := editor.Create(t.Context(), h.editor, catalog.Forms, level, prototree.Object{"template": "login", "enabled": true, "content": "<p>hello</p>"}); err != nil {
		t.Fatal(err)
	}

	asking := func(software string) *registrationv1.CreateRequest {
		r := request(domain)
		r.Template, r.Given = software, []string{"redirect_uris", "contacts", "software_id"}
		r.Application.Settings.Oauth = &configv1.OAuthSettings{RedirectUris: []string{"https://mine.example/cb"}, SoftwareId: software}
		return r
	}
	_, err := h.server.Create(t.Context(), asking(template.GetId()))
	wantKind(t, "where templates are off", err, fault.Denied)
	for _, d := range []string{domain, other} {
		settings := prototree.Object{"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true, "isClientTemplateEnabled": true}
		if _, err := editor.Patch(t.Context(), h.editor, catalog.Domains, editor.Place{}, d,
			prototree.Object{"oidc": prototree.Object{"clientRegistrationSettings": settings}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	made, err := h.server.Create(t.Context(), asking(template.GetId()))
	if err != nil {
		t.Fatal(err)
	}
	a := made.GetApplication()
	o := a.GetSettings().GetOauth()
	if a.GetName() != "Unknown Client" || o.GetClientName() != "Unknown Client" || !slices.Equal(o.GetRedirectUris(), []string{"https://mine.example/cb"}) ||
		a.GetTemplate() || a.GetId() == template.GetId() || o.GetClientId() == clientID(template) || len(a.GetSecrets()) != 1 ||
		a.GetSecrets()[0].GetHash() == template.GetSecrets()[0].GetHash() {
		t.Errorf("what belongs to one client alone: %v", a)
	}
	if a.GetType() != configv1.Application_BROWSER || a.GetDescription() != "made for others" || a.GetMetadata()["a"] != "b" || len(a.GetIdentityProviders()) != 0 ||
		o.GetAccessTokenValiditySeconds() != 77 || o.GetLogoUri() == "" || o.GetTokenEndpointAuthMethod() != "none" || !a.GetSettings().GetAdvanced().GetSkipConsent() ||
		len(o.GetScopeSettings()) != 2 || !o.GetScopeSettings()[0].GetDefaultScope() || !o.GetForcePkce() || !slices.Equal(o.GetGrantTypes(), []string{"authorization_code", "refresh_token"}) {
		t.Errorf("what is copied: %v", a)
	}
	if len(o.GetContacts()) != 0 {
		t.Error("a member that the request set to null is the template's")
	}
	forms, err := editor.ReadLevel(t.Context(), h.editor, catalog.Forms, editor.Place{Domain: domain, Application: a.GetId()})
	if err != nil || len(forms) != 1 || forms[0].GetContent() != "<p>hello</p>" || !forms[0].GetEnabled() {
		t.Errorf("forms %v, %v", forms, err)
	}
	if mine, err := editor.ReadLevel(t.Context(), h.editor, catalog.Forms, level); err != nil || len(mine) != 1 || mine[0].GetId() == forms[0].GetId() {
		t.Errorf("the template's forms %v, %v", mine, err)
	}
	h.differs(template, a, "settings.oauth.contacts") // which the request set to null
	at = editor.Place{Domain: domain, Application: a.GetId()}
	if _, err := editor.Patch(t.Context(), h.editor, catalog.Forms, at, forms[0].GetId(), prototree.Object{"content": "<p>ours</p>"}, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := editor.Create(t.Context(), h.editor, catalog.Emails, at, prototree.Object{
		"template": "reset_password", "enabled": true, "from": "us@people.example", "subject": "s", "content": "c", "expiresAfter": int64(60),
	}); err != nil {
		t.Fatal(err)
	}
	h.differs(template, a, "settings.oauth.contacts", "forms.login.content", "emails.reset_password")
	if found, err := h.server.Resolve(t.Context(), &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID(a)}); err != nil || !proto.Equal(found.GetApplication(), a) {
		t.Errorf("resolved %v, %v", found, err)
	}

	for _, tt := range []struct{ name, domain, software, want string }{
		{"a client that is no template", domain, plain.GetId(), "Client behind software_id is not a template"},
		{"an identifier of nobody", domain, "nobody", "No template found for software_id nobody"},
		{"the client_id of a template", domain, clientID(template), "No template found for software_id " + clientID(template)},
		{"a template of another domain", other, template.GetId(), "No template found for software_id " + template.GetId()},
	} {
		r := asking(tt.software)
		r.Domain = tt.domain
		_, err := h.server.Create(t.Context(), r)
		if err = fault.FromGRPC(err); !fault.Is(err, fault.Invalid) || fault.BodyOf(err).Message != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	r := asking(template.GetId())
	r.Given, r.Application.Settings.Oauth.ScopeSettings = append(r.Given, "scope"), []*configv1.ScopeSetting{{Scope: "dcr_admin"}}
	_, err = h.server.Create(t.Context(), r)
	wantKind(t, "administrative scopes by the request itself", err, fault.Invalid)
	patch(template.GetId(), `{"settings":{"oauth":{"scopeSettings":[{"scope":"scim"}]}}}`)
	_, err = h.server.Create(t.Context(), asking(template.GetId()))
	wantKind(t, "administrative scopes of the template, for anybody", err, fault.Invalid)
	r = asking(template.GetId())
	r.Administrator = true
	_, err = h.server.Create(t.Context(), r)
	wantKind(t, "administrative scopes of the template, for an administrator", err, fault.Internal)
	_, err = h.server.RenewSecret(t.Context(), &registrationv1.RenewSecretRequest{
		Domain: domain, ClientId: clientID(template), Issuer: issuer, RegistrationEndpoint: endpoint, Caller: "boss",
	})
	wantKind(t, "a template is no client", err, fault.NotFound)
}

// differs checks where a client differs from its template.
func (h *house) differs(template, client *configv1.Application, want ...string) {
	h.Helper()
	current, err := editor.Read(h.Context(), h.editor, catalog.Applications, editor.Place{Domain: template.GetDomain()}, template.GetId())
	if err != nil {
		h.Fatal(err)
	}
	found, err := h.editor.DifferencesFrom(h.Context(), current, []*configv1.Application{client})
	if err != nil {
		h.Fatal(err)
	}
	var paths []string
	for _, d := range found[0] {
		paths = append(paths, d.Path)
	}
	if !slices.Equal(paths, want) {
		h.Errorf("differs in %v, want %v", paths, want)
	}
}
