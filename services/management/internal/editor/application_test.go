package editor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestNewApplication(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	a, plain := r.application(at, `{"name": "My App", "type": "WEB", "redirectUris": ["https://app.example.com/cb"], "metadata": {"a.b": "c"}}`)

	stored, err := Read(r.ctx, r.Editor, catalog.Applications, at, a.GetId())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, stored, protocmp.Transform()); diff != "" {
		t.Errorf("stored differs from answered (-answered +stored):\n%s", diff)
	}
	tree := printed(t, stored)
	for _, name := range []string{"id", "createdAt", "updatedAt", "revision", "certificate"} {
		if tree[name] == nil {
			t.Errorf("no %s", name)
		}
		delete(tree, name)
	}
	oauth := tree["settings"].(prototree.Object)["oauth"].(prototree.Object)
	if id, _ := oauth["clientId"].(string); len(id) < 20 {
		t.Errorf("client id %v", oauth["clientId"])
	}
	delete(oauth, "clientId")
	s := tree["secrets"].([]any)[0].(prototree.Object)
	if len(tree["secrets"].([]any)) != 1 || s["name"] != "Default" || s["id"] == nil || s["createdAt"] == nil || s["expiresAt"] != nil ||
		s["settingsId"] != tree["secretSettings"].([]any)[0].(prototree.Object)["id"] || len(s) != 4 {
		t.Errorf("secrets %v, settings %v", tree["secrets"], tree["secretSettings"])
	}
	delete(tree, "secrets")
	delete(tree, "secretSettings")
	want := r.tree(`{
		"name": "My App", "type": "web", "enabled": true, "template": false, "domain": "` + d.GetId() + `", "identityProviders": [],
		"metadata": {"a.b": "c"}, "slug": "my-app", "openInNewTab": false, "hidden": false, "claimMappings": [],
		"access": {"mode": "any", "entitlementsGrant": false, "onDenied": "page"}, "visibility": {"shown": true, "because": []},
		"settings": {
			"oauth": {
				"clientName": "My App", "redirectUris": ["https://app.example.com/cb"],
				"grantTypes": ["authorization_code", "password"],
				"responseTypes": ["code", "code id_token token", "code id_token", "code token"],
				"applicationType": "web", "tokenEndpointAuthMethod": "client_secret_basic", "requireAuthTime": false,
				"scopeSettings": [], "accessTokenValiditySeconds": 7200, "refreshTokenValiditySeconds": 14400,
				"idTokenValiditySeconds": 14400, "forcePKCE": false, "forceS256CodeChallengeMethod": false,
				"disableRefreshTokenRotation": false, "optInScopeSelection": true,
				"enhanceScopesWithUserPermissions": false, "singleSignOut": false, "silentReAuthentication": false,
				"requirePushedAuthorizationRequests": false, "tlsClientCertificateBoundAccessTokens": false,
				"dpopBoundAccessTokens": false, "frontchannelLogoutSessionRequired": false,
				"backchannelLogoutSessionRequired": false, "requireSignedRequestObject": false, "includeStateHash": false
			},
			"advanced": {"skipConsent": false, "flowsInherited": true}
		}
	}`)
	if diff := cmp.Diff(want, tree); diff != "" {
		t.Errorf("a new application (-want +got):\n%s", diff)
	}
	if ok, err := secret.VerifyGenerated(stored.GetSecrets()[0].GetHash(), plain); err != nil || !ok {
		t.Errorf("the issued secret does not fit: %v", err)
	}
	text, _ := json.Marshal(printed(t, stored))
	if strings.Contains(string(text), plain) || strings.Contains(string(text), "hash") {
		t.Errorf("printed: %s", text)
	}

	// Chosen values are kept.
	b, plain := r.application(at, `{"name": "S", "type": "service", "clientId": "my-client", "clientSecret": "my secret"}`)
	if plain != "my secret" || catalog.ClientID(b) != "my-client" {
		t.Errorf("client %s with %q", catalog.ClientID(b), plain)
	}
	if ok, _, err := hasher.Verify(r.ctx, b.GetSecrets()[0].GetHash(), "my secret"); err != nil || !ok || secret.IsGenerated(b.GetSecrets()[0].GetHash()) {
		t.Errorf("the chosen secret does not fit, or is not kept as argon2id: %v", err)
	}
	if b.GetSecretSettings()[0].GetAlgorithm() != "Argon2id" || a.GetSecretSettings()[0].GetAlgorithm() != "SHA-256" {
		t.Errorf("settings %v and %v", b.GetSecretSettings(), a.GetSecretSettings())
	}
	found, err := r.FindApplication(r.ctx, at, "my-client")
	if err != nil || found.GetId() != b.GetId() {
		t.Errorf("by client id: %v, %v", found, err)
	}
	_, err = r.FindApplication(r.ctx, at, "nobody")
	refused(t, "an unknown application", err, fault.NotFound, "Application [nobody] can not be found.")
	_, other := r.domain("Other")
	_, err = Read(r.ctx, r.Editor, catalog.Applications, other, a.GetId())
	refused(t, "an application of another domain", err, fault.Invalid, "Application does not belong to domain")
	// The same client id is free in another domain.
	r.application(other, `{"name": "S", "type": "service", "clientId": "my-client"}`)
}

func TestApplicationCreationRefusals(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	r.application(at, `{"name": "S", "type": "service", "clientId": "taken"}`)
	for _, tt := range []struct {
		name, body, want string
	}{
		{"nothing", `{}`, "[name: must not be blank, type: must not be blank]"},
		{"an unknown type", `{"name": "x", "type": "robot"}`, "[robot: must be one of web, native, browser, service, resource_server, bookmark]"},
		{"an unknown member", `{"name": "x", "type": "web", "settings": {}}`, "Property [settings] is not recognized as a valid property"},
		{"a wrong kind", `{"name": 7, "type": "web"}`, "[name: must be a string]"},
		{"no redirect URI", `{"name": "x", "type": "browser"}`, "At least one redirect_uri is required"},
		{"a taken client id", `{"name": "x", "type": "service", "clientId": "taken"}`, "A client [taken] already exists for domain [" + d.GetId() + "]"},
		{
			"a taken client id is found before other faults", `{"name": "x", "type": "web", "clientId": "taken"}`,
			"A client [taken] already exists for domain [" + d.GetId() + "]",
		},
		{"localhost", `{"name": "x", "type": "web", "redirectUris": ["http://localhost/cb"]}`, "localhost is forbidden"},
		{
			"a mask as the secret", `{"name": "x", "type": "service", "clientSecret": "********"}`,
			"[clientSecret: a masked value can only be sent back where a value is stored]",
		},
	} {
		_, _, err := Create(r.ctx, r.Editor, catalog.Applications, at, r.tree(tt.body))
		refused(t, tt.name, err, fault.Invalid, tt.want)
	}
}

func TestApplicationPatch(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	a, _ := r.application(at, webApplication)
	id := a.GetId()
	ok := func(body string) *configv1.Application {
		t.Helper()
		a, err := r.patch(at, id, body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return a
	}
	provider := "default-idp-" + at.Domain
	a = ok(`{"identityProviders": [{"identity": "` + provider + `", "selectionRule": "{#login.endsWith('@acme.example')}", "priority": 1}]}`)
	if len(a.GetIdentityProviders()) != 1 {
		t.Fatal("no provider")
	}
	a = ok(`{"identityProviders": null, "description": "kept"}`)
	if len(a.GetIdentityProviders()) != 1 {
		t.Error("null took the providers away")
	}
	ok(`{"settings": {"oauth": {"scopeSettings": [{"scope": "openid", "defaultScope": true}]}}}`)
	a = ok(`{"settings": {"oauth": {"scopeSettings": null, "contacts": ["a@example.com"]}}}`)
	if len(a.GetSettings().GetOauth().GetScopeSettings()) != 1 || len(a.GetSettings().GetOauth().GetRedirectUris()) != 1 {
		t.Error("null took the scopes away, or a merge the redirect URIs")
	}
	if a = ok(`{"name": "Renamed"}`); a.GetSettings().GetOauth().GetClientName() != "Renamed" {
		t.Error("a new name does not rewrite the client's")
	}
	if a = ok(`{"settings": {"oauth": {"clientName": "Own"}}}`); a.GetName() != "Renamed" || a.GetSettings().GetOauth().GetClientName() != "Own" {
		t.Error("the client's name cannot be set alone")
	}
	if a = ok(`{"enabled": null, "description": null}`); a.GetEnabled() || a.GetDescription() != "" {
		t.Error("null does not reset")
	}
	if a = ok(`{"enabled": true}`); !a.GetEnabled() {
		t.Error("cannot be enabled again")
	}
	service, _ := r.application(at, `{"name": "S", "type": "service"}`)
	reset, err := r.patch(at, service.GetId(), `{"settings": null}`)
	if err != nil || catalog.ClientID(reset) != catalog.ClientID(service) || len(reset.GetSecrets()) != 1 ||
		!slices.Equal(reset.GetSettings().GetOauth().GetGrantTypes(), []string{"client_credentials"}) {
		t.Errorf("null for all settings: %v, %v", reset, err)
	}
	a = ok(`{"settings": {"oauth": {"redirectUris": ["https://app.example.com/cb"], "grantTypes": ["client_credentials"]}}}`)
	if got := a.GetSettings().GetOauth().GetResponseTypes(); len(got) != 0 {
		t.Errorf("response types without their grant: %q", got)
	}
	a = ok(`{"settings": {"oauth": {"grantTypes": ["implicit", "authorization_code"]}}}`)
	if got, want := a.GetSettings().GetOauth().GetResponseTypes(), []string{
		"code", "code id_token token", "code id_token", "code token", "id_token token", "id_token", "token",
	}; !slices.Equal(got, want) {
		t.Errorf("response types %q, want %q", got, want)
	}
	before := a
	a = ok(`{"settings": {"oauth": {"grantTypes": []}}}`)
	if got, want := a.GetSettings().GetOauth().GetGrantTypes(), []string{"authorization_code", "password"}; !slices.Equal(got, want) {
		t.Errorf("grant types %q, want the defaults", got)
	}
	if a.GetCreatedAt().AsTime() != before.GetCreatedAt().AsTime() || !a.GetUpdatedAt().AsTime().After(before.GetCreatedAt().AsTime()) {
		t.Errorf("created %v, updated %v", a.GetCreatedAt().AsTime(), a.GetUpdatedAt().AsTime())
	}
	// PUT is the same operation, and what was read can be sent back.
	put, err := Replace(r.ctx, r.Editor, catalog.Applications, at, id, r.tree(`{"description": "put"}`), 0)
	if err != nil || put.GetName() != "Renamed" {
		t.Errorf("PUT: %v, %v", put, err)
	}
	again, err := Replace(r.ctx, r.Editor, catalog.Applications, at, id, printed(t, put), 0)
	if err != nil {
		t.Fatal(err)
	}
	again.Revision, again.UpdatedAt = put.Revision, put.UpdatedAt
	if diff := cmp.Diff(put, again, protocmp.Transform()); diff != "" {
		t.Errorf("sent back (-before +after):\n%s", diff)
	}

	for _, tt := range []struct {
		name, body, path, want string
	}{
		{"nothing", `{}`, "", "You need to specify at least one value to update."},
		{"another type", `{"type": "native"}`, "type", "[type: can not be changed]"},
		{"another client id", `{"settings": {"oauth": {"clientId": "x"}}}`, "settings.oauth.clientId", "[clientId: can not be changed]"},
		{"a bare list of providers", `{"identities": []}`, "identities", "Property [identities] is not recognized as a valid property"},
		{"an unknown provider", `{"identityProviders": [{"identity": "nobody"}]}`, "identityProviders[0].identity", "Identity Provider [nobody] can not be found."},
		{"an unknown certificate", `{"certificate": "nobody"}`, "certificate", "Certificate [nobody] can not be found."},
		{"an unknown scope", `{"settings": {"oauth": {"scopeSettings": [{"scope": "zip"}]}}}`, "settings.oauth.scopeSettings[0].scope", "scope zip is not valid."},
		{
			"a rule that does not compile", `{"identityProviders": [{"identity": "` + provider + `", "selectionRule": "logn == 'x'"}]}`,
			"identityProviders[0].selectionRule", "",
		},
		{
			"a claim that does not compile",
			`{"settings": {"oauth": {"tokenCustomClaims": [{"tokenType": "ACCESS_TOKEN", "claimName": "dept", "claimValue": "{#nobody.x}"}]}}}`,
			"settings.oauth.tokenCustomClaims[0].claimValue", "",
		},
	} {
		_, err := r.patch(at, id, tt.body)
		want := tt.want
		if want == "" {
			want = fault.BodyOf(err).Message
			if d := fault.BodyOf(err).Errors; len(d) != 1 || d[0].Line != 1 || d[0].Column < 1 {
				t.Errorf("%s: no line and column in %v", tt.name, d)
			}
		}
		refused(t, tt.name, err, fault.Invalid, want)
		if got := paths(err); tt.path != "" && !slices.Equal(got, []string{tt.path}) {
			t.Errorf("%s: path %q, want %q", tt.name, got, tt.path)
		}
	}
}

func TestApplicationType(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	a, _ := r.application(at, `{"name": "S", "type": "service"}`)
	web, err := r.SetType(r.ctx, at, a.GetId(), configv1.Application_WEB, 0)
	if err != nil {
		t.Fatal(err)
	}
	oauth := web.GetSettings().GetOauth()
	if web.GetType() != configv1.Application_WEB || !slices.Equal(oauth.GetGrantTypes(), []string{"authorization_code", "password"}) ||
		len(oauth.GetResponseTypes()) != 4 || len(oauth.GetRedirectUris()) != 0 {
		t.Errorf("became %v", oauth)
	}
	_, err = r.patch(at, a.GetId(), `{"description": "x"}`)
	refused(t, "any other change without a redirect URI", err, fault.Invalid, "At least one redirect_uri is required")
	native, err := r.SetType(r.ctx, at, a.GetId(), configv1.Application_NATIVE, 0)
	if o := native.GetSettings().GetOauth(); err != nil || o.GetTokenEndpointAuthMethod() != "none" || !o.GetForcePkce() || !o.GetForceS256CodeChallengeMethod() {
		t.Errorf("native: %v, %v", o, err)
	}
	server, err := r.SetType(r.ctx, at, a.GetId(), configv1.Application_RESOURCE_SERVER, 0)
	if o := server.GetSettings().GetOauth(); err != nil || o.GetForcePkce() || len(o.GetScopeSettings()) != 1 ||
		o.GetScopeSettings()[0].GetScope() != "uma_protection" ||
		!slices.Equal(o.GetGrantTypes(), []string{"authorization_code", "password", "client_credentials"}) {
		t.Errorf("resource server: %v, %v", o, err)
	}
	_, err = r.SetType(r.ctx, at, a.GetId(), configv1.Application_TYPE_UNSPECIFIED, 0)
	refused(t, "no type", err, fault.Invalid, "[type: must not be null]")
}

func TestClientSecrets(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	now := time.Now().Truncate(time.Millisecond)
	r.opts.Now = func() time.Time { return now }
	a, first := r.application(at, `{"name": "S", "type": "service", "clientSecret": "chosen"}`)
	id := a.GetId()

	second, plain, err := r.AddSecret(r.ctx, at, id, "  second ")
	if err != nil || second.GetName() != "second" || second.GetExpiresAt() != nil || plain == first {
		t.Fatalf("%v, %v", second, err)
	}
	_, _, err = r.AddSecret(r.ctx, at, id, "second")
	refused(t, "a taken name", err, fault.Invalid, "Secret with description second already exists")
	_, _, err = r.AddSecret(r.ctx, at, id, " ")
	refused(t, "no name", err, fault.Invalid, "[name: must not be blank]")
	for i := range 8 {
		if _, _, err := r.AddSecret(r.ctx, at, id, fmt.Sprint("s", i)); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = r.AddSecret(r.ctx, at, id, "eleventh")
	refused(t, "too many", err, fault.Invalid, "Too many Client Secrets. Cannot create more than 10 secrets")

	a, err = Read(r.ctx, r.Editor, catalog.Applications, at, id)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.GetSecretSettings()) != 2 {
		t.Errorf("settings %v", a.GetSecretSettings())
	}
	// The domain's settings decide, the application's win, and both only when a secret is made.
	if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), r.tree(`{"secretSettings": {"enabled": true, "expiryTimeSeconds": 60}}`), 0); err != nil {
		t.Fatal(err)
	}
	renewed, fresh, err := r.RenewSecret(r.ctx, at, id, second.GetId())
	if err != nil || fresh == plain || !renewed.GetExpiresAt().AsTime().Equal(now.Add(time.Minute)) || renewed.GetId() != second.GetId() {
		t.Errorf("renewed: %v, %v", renewed, err)
	}
	if ok, _ := secret.VerifyGenerated(renewed.GetHash(), plain); ok {
		t.Error("the old value still fits")
	}
	if ok, _ := secret.VerifyGenerated(renewed.GetHash(), fresh); !ok {
		t.Error("the new value does not fit")
	}
	if _, err := r.patch(at, id, `{"settings": {"secretExpirationSettings": {"enabled": true, "expiryTimeSeconds": 0}}}`); err != nil {
		t.Fatal(err)
	}
	// The chosen one becomes a generated one.
	renewed, _, err = r.RenewSecret(r.ctx, at, id, a.GetSecrets()[0].GetId())
	if err != nil || renewed.GetExpiresAt() != nil || !secret.IsGenerated(renewed.GetHash()) {
		t.Errorf("renewed: %v, %v", renewed, err)
	}
	after, _ := Read(r.ctx, r.Editor, catalog.Applications, at, id)
	if len(after.GetSecretSettings()) != 1 {
		t.Errorf("settings %v", after.GetSecretSettings())
	}
	for i, s := range after.GetSecrets() {
		err := r.DeleteSecret(r.ctx, at, id, s.GetId())
		if i < 9 && err != nil {
			t.Fatal(err)
		}
		if i == 9 {
			refused(t, "the last one", err, fault.Invalid, "Cannot remove last secret")
		}
	}
	_, _, err = r.RenewSecret(r.ctx, at, id, "nobody")
	refused(t, "an unknown secret", err, fault.NotFound, "Secret [nobody] can not be found.")
	refused(t, "an unknown secret", r.DeleteSecret(r.ctx, at, id, "nobody"), fault.NotFound, "Secret [nobody] can not be found.")
}

// TestTokensEndWithTheirApplication: what was issued before an application was made, disabled or made a template is
// worth nothing, and enabling it does not change that.
func TestTokensEndWithTheirApplication(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.opts.Now = func() time.Time { return clock }
	a, _ := r.application(at, webApplication)
	made := clock
	if got := a.GetTokensValidFrom().AsTime(); !got.Equal(made) || !got.Equal(a.GetCreatedAt().AsTime()) {
		t.Errorf("a new application has tokens from %v, made at %v", got, made)
	}
	want := made
	for _, step := range []struct {
		name, body string
		put, moves bool
	}{
		{"a change of something else", `{"description": "x"}`, false, false},
		{"a value of the caller's", `{"description": "y", "enabled": true}`, true, false},
		{"disabling", `{"enabled": false}`, false, true},
		{"disabling again", `{"enabled": false}`, false, false},
		{"enabling", `{"enabled": true}`, false, false},
		{"disabling by PUT", `{"enabled": false}`, true, true},
		{"enabling by PUT", `{"enabled": true}`, true, false},
		{"the reset of the switch", `{"enabled": null}`, false, true},
		{"enabling once more", `{"enabled": true}`, false, false},
		{"making it a template", `{"template": true}`, false, true},
		{"disabling a template", `{"enabled": false}`, false, false},
	} {
		clock = clock.Add(time.Minute)
		var err error
		if step.put {
			_, err = Replace(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), r.tree(step.body), 0)
		} else {
			_, err = r.patch(at, a.GetId(), step.body)
		}
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if step.moves {
			want = clock
		}
		stored, err := Read(r.ctx, r.Editor, catalog.Applications, at, a.GetId())
		if err != nil {
			t.Fatal(err)
		}
		if got := stored.GetTokensValidFrom().AsTime(); !got.Equal(want) {
			t.Errorf("%s: tokens from %v, want %v", step.name, got, want)
		}
	}
	clock = clock.Add(time.Minute)
	if _, _, err := r.AddSecret(r.ctx, at, a.GetId(), "more"); err != nil {
		t.Fatal(err)
	}
	if stored, err := Read(r.ctx, r.Editor, catalog.Applications, at, a.GetId()); err != nil || !stored.GetTokensValidFrom().AsTime().Equal(want) {
		t.Errorf("a new secret: tokens from %v, %v", stored.GetTokensValidFrom().AsTime(), err)
	}
	if text, _ := json.Marshal(printed(t, a)); strings.Contains(string(text), "tokensValidFrom") {
		t.Errorf("printed: %s", text)
	}
	if _, err := r.patch(at, a.GetId(), `{"tokensValidFrom": 1}`); !fault.Is(err, fault.Invalid) {
		t.Errorf("sent by a caller: %v", err)
	}
}

func TestSecretsChangeInApplicationsThatBreakARule(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	allow := func(v string) {
		t.Helper()
		if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, d.GetId(),
			r.tree(`{"oidc": {"clientRegistrationSettings": {"allowLocalhostRedirectUri": `+v+`}}}`), 0); err != nil {
			t.Fatal(err)
		}
	}
	allow("true")
	a, _ := r.application(at, `{"name": "x", "type": "web", "redirectUris": ["https://localhost/cb"]}`)
	allow("false")
	if _, err := r.patch(at, a.GetId(), `{"description": "x"}`); fault.BodyOf(err).Message != "localhost is forbidden" {
		t.Errorf("a patch: %v", err)
	}
	if _, _, err := r.RenewSecret(r.ctx, at, a.GetId(), a.GetSecrets()[0].GetId()); err != nil {
		t.Errorf("a leaked secret cannot be renewed: %v", err)
	}
}

func TestRegister(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	draft := &configv1.Application{
		Id: "mine", Domain: "other",
		Secrets: []*configv1.ClientSecret{{Hash: "$sha256$mine"}}, TokensValidFrom: timestamppb.New(time.Unix(1, 0)),
		Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
			ClientId: "mine", RegistrationAccessTokenHash: "mine",
			RedirectUris: []string{"https://app.example.com/cb"}, GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"},
			ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid"}}, ApplicationType: "native", StandardScopes: true,
		}},
	}
	was := proto.CloneOf(draft)
	var signed *configv1.Certificate
	request := Registration{
		Domain:       at.Domain,
		Registration: catalog.Registration{Application: draft, Endpoint: "https://gw.example/acme/oidc/register/"},
		Token: func(a *configv1.Application, c *configv1.Certificate) (string, error) {
			signed = c
			return "token of " + catalog.ClientID(a), nil
		},
	}
	a, issued, err := r.Register(r.ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(was, draft, protocmp.Transform()); diff != "" {
		t.Errorf("the draft was changed:\n%s", diff)
	}
	oauth := a.GetSettings().GetOauth()
	if a.GetId() == "mine" || a.GetDomain() != at.Domain || oauth.GetClientId() == "mine" || len(a.GetSecrets()) != 1 {
		t.Errorf("identifiers of the caller were kept: %v", a)
	}
	if ok, _ := secret.VerifyGenerated(a.GetSecrets()[0].GetHash(), issued.ClientSecret); !ok {
		t.Error("the issued secret does not fit")
	}
	if a.GetTokensValidFrom() == nil || !a.GetTokensValidFrom().AsTime().Equal(a.GetCreatedAt().AsTime()) {
		t.Errorf("tokens from %v, made at %v", a.GetTokensValidFrom().AsTime(), a.GetCreatedAt().AsTime())
	}
	if issued.Token != "token of "+oauth.GetClientId() || oauth.GetRegistrationAccessTokenHash() != secret.HashToken(issued.Token) {
		t.Errorf("token %s, hash %s", issued.Token, oauth.GetRegistrationAccessTokenHash())
	}
	if signed.GetId() != a.GetCertificate() || signed.GetKid() != "default" {
		t.Errorf("signed by %s", signed.GetKid())
	}
	if a.GetName() != "Unknown Client" || oauth.GetClientName() != "Unknown Client" || a.GetType() != configv1.Application_NATIVE ||
		oauth.GetTokenEndpointAuthMethod() != "" || oauth.GetForcePkce() || !a.GetEnabled() || !oauth.GetStandardScopes() {
		t.Errorf("defaults: %v", a)
	}
	if oauth.GetRegistrationClientUri() != "https://gw.example/acme/oidc/register/"+oauth.GetClientId() || oauth.GetClientIdIssuedAt() == nil {
		t.Errorf("%s issued at %v", oauth.GetRegistrationClientUri(), oauth.GetClientIdIssuedAt())
	}
	if !slices.Equal(oauth.GetResponseTypes(), []string{"code"}) {
		t.Errorf("response types %q", oauth.GetResponseTypes())
	}
	if p := a.GetIdentityProviders(); len(p) != 1 || p[0].GetIdentity() != "default-idp-"+at.Domain || p[0].GetPriority() != -1 {
		t.Errorf("providers %v", p)
	}
	if found, err := r.FindClient(r.ctx, at.Domain, oauth.GetClientId()); err != nil || found.GetId() != a.GetId() {
		t.Errorf("found %v, %v", found, err)
	}

	for _, scope := range []string{"dcr_admin", "scim", "consent_admin"} {
		draft.Settings.Oauth.ScopeSettings = []*configv1.ScopeSetting{{Scope: scope}}
		request.Administrator = false
		_, _, err = r.Register(r.ctx, request)
		refused(t, scope, err, fault.Invalid, "scope "+scope+" is not valid.")
		request.Administrator = true
		if _, _, err := r.Register(r.ctx, request); err != nil {
			t.Errorf("%s for an administrator: %v", scope, err)
		}
	}
	_, _, err = r.Register(t.Context(), Registration{Domain: "nobody"})
	refused(t, "an unknown domain", err, fault.NotFound, "Domain [nobody] can not be found.")
	// A PATCH by an administrator keeps what dynamic registration needs.
	patched, err := r.patch(at, a.GetId(), `{"description": "x"}`)
	if o := patched.GetSettings().GetOauth(); err != nil || o.GetRegistrationAccessTokenHash() == "" || !o.GetStandardScopes() || o.GetRegistrationClientUri() == "" {
		t.Errorf("after a patch: %v, %v", o, err)
	}
}

func TestScopes(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	s, _, err := Create(r.ctx, r.Editor, catalog.Scopes, at, r.tree(`{"key": "  my  Zip\tcode ", "name": "Zip", "description": "The zip code", "discovery": true}`))
	if err != nil || s.GetKey() != "my_Zip_code" {
		t.Fatalf("key %q, %v", s.GetKey(), err)
	}
	create := func(body string) error {
		_, _, err := Create(r.ctx, r.Editor, catalog.Scopes, at, r.tree(body))
		return err
	}
	refused(t, "a missing field", create(`{"key": "x"}`), fault.Invalid, "[name: must not be blank, description: must not be blank]")
	refused(t, "a duplicate", create(`{"key": "openid", "name": "x", "description": "x"}`), fault.Invalid, "A scope [openid] already exists for domain ["+d.GetId()+"]")
	refused(t, "a bad icon", create(`{"key": "y", "name": "x", "description": "x", "iconUri": "no uri"}`), fault.Invalid, "Icon uri claim is malformed : no uri")

	if same, err := Patch(r.ctx, r.Editor, catalog.Scopes, at, s.GetId(), r.tree(`{}`), 0); err != nil || same.GetName() != "Zip" {
		t.Errorf("an empty patch: %v, %v", same, err)
	}
	put, err := Replace(r.ctx, r.Editor, catalog.Scopes, at, s.GetId(), r.tree(`{"key": "other", "name": "n", "description": "d", "parameterized": null}`), 0)
	if err != nil || put.GetKey() != "my_Zip_code" || !put.GetDiscovery() || put.GetName() != "n" {
		t.Errorf("PUT: %v, %v", put, err)
	}
	_, err = Replace(r.ctx, r.Editor, catalog.Scopes, at, s.GetId(), r.tree(`{"name": "n"}`), 0)
	refused(t, "a PUT without a description", err, fault.Invalid, "[description: must not be blank]")
	openid, err := store.FindByUnique(r.ctx, r.store, catalog.Scopes, "key", catalog.DomainKey(d.GetId(), "openid"))
	if err != nil {
		t.Fatal(err)
	}
	system, err := Patch(r.ctx, r.Editor, catalog.Scopes, at, openid.GetId(), r.tree(`{"discovery": false, "parameterized": true, "name": "Sign in"}`), 0)
	if err != nil || !system.GetDiscovery() || system.GetParameterized() || system.GetName() != "Sign in" {
		t.Errorf("a system scope: %v, %v", system, err)
	}
	_, err = Delete(r.ctx, r.Editor, catalog.Scopes, at, openid.GetId(), 0)
	refused(t, "the deletion of a system scope", err, fault.Invalid, "Scope ["+openid.GetId()+"] is flag as system and cannot be deleted.")

	// Deleting a scope takes it out of applications and registration settings, as one change.
	a, _ := r.application(at, webApplication)
	if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"scopeSettings": [{"scope": "openid"}, {"scope": "my_Zip_code"}]}}}`); err != nil {
		t.Fatal(err)
	}
	if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), r.tree(
		`{"oidc": {"clientRegistrationSettings": {"allowedScopes": ["my_Zip_code"], "defaultScopes": ["openid", "my_Zip_code"]}}}`), 0); err != nil {
		t.Fatal(err)
	}
	revision, err := Delete(r.ctx, r.Editor, catalog.Scopes, at, s.GetId(), 0)
	if err != nil {
		t.Fatal(err)
	}
	after, err := Read(r.ctx, r.Editor, catalog.Applications, at, a.GetId())
	if err != nil || len(after.GetSettings().GetOauth().GetScopeSettings()) != 1 || after.GetRevision() != revision {
		t.Errorf("the application: %v at %d, %v", after.GetSettings().GetOauth().GetScopeSettings(), after.GetRevision(), err)
	}
	domain, err := Read(r.ctx, r.Editor, catalog.Domains, here, d.GetId())
	settings := domain.GetOidc().GetClientRegistrationSettings()
	if err != nil || len(settings.GetDefaultScopes()) != 1 || settings.GetAllowedScopes() == nil || len(settings.GetAllowedScopes().GetValues()) != 0 {
		t.Errorf("the domain: %v, %v", settings, err)
	}
	_, err = Read(r.ctx, r.Editor, catalog.Scopes, at, s.GetId())
	refused(t, "a deleted scope", err, fault.NotFound, "Scope ["+s.GetId()+"] can not be found.")
}
