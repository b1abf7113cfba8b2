package editor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

var (
	hasher = secret.NewHasher()
	here   = Place{Organization: "DEFAULT", Environment: "DEFAULT"}
)

// rig is an editor on a database of its own.
type rig struct {
	*Editor
	t       *testing.T
	ctx     context.Context
	options store.Options
}

func newRig(t *testing.T) *rig { return rigOn(t, storetest.Options(t)) }

func rigOn(t *testing.T, o store.Options) *rig {
	t.Helper()
	e := New(Options{Store: storetest.Open(t, o), Hasher: hasher})
	return &rig{Editor: e, t: t, ctx: t.Context(), options: o}
}

func (r *rig) tree(text string) prototree.Object {
	r.t.Helper()
	tree, err := prototree.Parse([]byte(text))
	if err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return tree
}

func (r *rig) domain(name string) (*configv1.Domain, Place) {
	r.t.Helper()
	d, _, err := Create(r.ctx, r.Editor, catalog.Domains, here, prototree.Object{"name": name})
	if err != nil {
		r.t.Fatal(err)
	}
	at := here
	at.Domain = d.GetId()
	return d, at
}

func (r *rig) application(at Place, body string) (*configv1.Application, string) {
	r.t.Helper()
	a, issued, err := Create(r.ctx, r.Editor, catalog.Applications, at, r.tree(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return a, issued.ClientSecret
}

const webApplication = `{"name": "Web", "type": "web", "redirectUris": ["https://app.example.com/cb"]}`

func (r *rig) patch(at Place, id, body string) (*configv1.Application, error) {
	r.t.Helper()
	return Patch(r.ctx, r.Editor, catalog.Applications, at, id, r.tree(body), 0)
}

// refused checks a documented refusal.
func refused(t *testing.T, what string, err error, kind fault.Kind, message string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.BodyOf(err).Message != message {
		t.Errorf("%s: %v (%v), want %v: %s", what, err, fault.KindOf(err), kind, message)
	}
}

func paths(err error) []string {
	var paths []string
	for _, d := range fault.BodyOf(err).Errors {
		paths = append(paths, d.Path)
	}
	return paths
}

// printed is what the management API shows.
func printed(t *testing.T, r resource.Resource) prototree.Object {
	t.Helper()
	tree, err := prototree.Management.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestNewDomain(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("My Été Domain!")
	tree := printed(t, d)
	for _, name := range []string{"id", "createdAt", "updatedAt", "revision"} {
		if tree[name] == nil {
			t.Errorf("no %s", name)
		}
		delete(tree, name)
	}
	want := r.tree(`{
		"name": "My Été Domain!", "hrid": "my-ete-domain", "path": "/my-ete-domain", "enabled": false, "version": "V2_0",
		"dataPlaneId": "default", "organization": "DEFAULT", "environment": "DEFAULT",
		"oidc": {
			"clientRegistrationSettings": {
				"isDynamicClientRegistrationEnabled": false, "isOpenDynamicClientRegistrationEnabled": false,
				"isAllowedScopesEnabled": false, "isClientTemplateEnabled": false, "allowLocalhostRedirectUri": false,
				"allowHttpSchemeRedirectUri": false, "allowWildCardRedirectUri": false,
				"allowRedirectUriParamsExpressionLanguage": false, "isApprovalRequired": false, "isSoftwareStatementRequired": false
			},
			"redirectUriStrictMatching": true, "securityProfileSettings": {"profile": "none"}, "logoutConfirmation": true,
			"forcePKCE": false, "requirePushedAuthorizationRequests": false, "allowUnregisteredPushedRedirectUris": false,
			"acceptEndpointAsAssertionAudience": false, "sessionManagementEnabled": false,
			"dpopSettings": {"enabled": true, "nonceRequired": false}
		},
		"loginSettings": {
			"identifierFirstEnabled": false, "selectionRulesOnLoginPage": false, "hideForm": false,
			"forgotPasswordEnabled": false, "registerEnabled": false, "rememberMeEnabled": false, "passwordlessEnabled": false,
			"passwordlessRememberDeviceEnabled": false, "passwordlessEnforcePasswordEnabled": false,
			"passwordlessDeviceNamingEnabled": false, "resetPasswordOnExpiration": false, "certificateBasedAuthEnabled": false,
			"magicLinkAuthEnabled": false
		},
		"accountSettings": {
			"loginAttemptsDetectionEnabled": false, "sendRecoverAccountEmail": false,
			"completeRegistrationWhenResetPassword": false, "autoLoginAfterRegistration": false,
			"dynamicUserRegistration": false, "autoLoginAfterResetPassword": false,
			"deletePasswordlessDevicesAfterResetPassword": false, "resetPasswordInvalidateTokens": false, "rememberMe": false,
			"resetPasswordCustomForm": false, "resetPasswordConfirmIdentity": false,
			"mfaChallengeAttemptsDetectionEnabled": false, "mfaChallengeSendVerifyAlertEmail": false
		},
		"passwordSettings": {
			"includeNumbers": false, "includeSpecialCharacters": false, "lettersInMixedCase": false,
			"excludePasswordsInDictionary": false, "excludeUserProfileInfoInPassword": false, "passwordHistoryEnabled": false
		},
		"selfServiceAccountManagementSettings": {"enabled": false},
		"scim": {"enabled": false, "idpSelectionEnabled": false},
		"tokenExchangeSettings": {"enabled": false, "allowImpersonation": false, "allowDelegation": false},
		"vhostMode": false, "master": false,
		"sessionSettings": {"idleSeconds": 1800, "maxAgeSeconds": 43200},
		"corsSettings": {"enabled": false, "allowCredentials": false},
		"secretSettings": {"enabled": false},
		"certificateSettings": {}
	}`)
	if diff := cmp.Diff(want, tree); diff != "" {
		t.Errorf("a new domain (-want +got):\n%s", diff)
	}
	if len(d.GetSecret()) != 32 {
		t.Errorf("the domain's secret has %d bytes", len(d.GetSecret()))
	}

	scopes, _, err := ReadAll(r.ctx, r.Editor, catalog.Scopes, at, image.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var shown, hidden []string
	for _, s := range scopes {
		if s.GetRevision() != d.GetRevision() || !s.GetSystem() {
			t.Errorf("scope %v", s)
		}
		if s.GetDiscovery() {
			shown = append(shown, s.GetKey())
		} else {
			hidden = append(hidden, s.GetKey())
		}
	}
	if got, want := strings.Join(shown, " "), "address email full_profile groups offline_access openid phone profile roles"; got != want {
		t.Errorf("scopes in discovery: %s, want %s", got, want)
	}
	if got, want := strings.Join(hidden, " "), "consent_admin dcr dcr_admin scim uma_protection"; got != want {
		t.Errorf("other scopes: %s, want %s", got, want)
	}
	certificates, _, err := ReadAll(r.ctx, r.Editor, catalog.Certificates, at, image.Query{})
	if err != nil || len(certificates) != 1 {
		t.Fatalf("%d certificates, %v", len(certificates), err)
	}
	if c := certificates[0]; c.GetKid() != "default" || c.GetAlgorithm() != "RS256" || !c.GetSystem() || len(c.GetPrivateKey()) == 0 {
		t.Errorf("certificate %v", resource.Redacted(c))
	}
	providers, _, err := ReadAll(r.ctx, r.Editor, catalog.IdentityProviders, at, image.Query{})
	if err != nil || len(providers) != 1 {
		t.Fatalf("%d providers, %v", len(providers), err)
	}
	if p := printed(t, providers[0]); p["id"] != "default-idp-"+d.GetId() || p["type"] != "mongo-am-idp" || p["system"] != true || p["external"] != false {
		t.Errorf("provider %v", p)
	}
	if last, err := r.store.LastRevision(r.ctx); err != nil || last != d.GetRevision() || last != 1 {
		t.Errorf("all of it should be one change: revision %d of %d, %v", d.GetRevision(), last, err)
	}
	if found, err := r.ReadDomainByHRID(r.ctx, here, "my-ete-domain"); err != nil || found.GetId() != d.GetId() {
		t.Errorf("by its readable identifier: %v, %v", found, err)
	}
}

func TestDomainRefusals(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	create := func(body string) error {
		_, _, err := Create(r.ctx, r.Editor, catalog.Domains, here, r.tree(body))
		return err
	}
	patch := func(body string) error {
		_, err := Patch(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), r.tree(body), 0)
		return err
	}
	refused(t, "no name", create(`{}`), fault.Invalid, "[name: must not be blank]")
	refused(t, "the same name in another case", create(`{"name": "ACME"}`), fault.Invalid, "A domain [ACME] already exists.")
	refused(t, "an unknown data plane", create(`{"name": "x", "dataPlaneId": "north"}`), fault.Invalid, "Data Plane [north] can not be found.")
	refused(t, "an unknown member", create(`{"name": "x", "colour": "red"}`), fault.Invalid, "Property [colour] is not recognized as a valid property")
	refused(t, "an empty patch", patch(`{}`), fault.Invalid, "You need to specify at least one value to update.")
	refused(t, "a patch of nothing but the server's members", patch(`{"id": "x", "createdAt": 1}`), fault.Invalid, "You need to specify at least one value to update.")
	unknown := patch(`{"oidc": {"clientRegistrationSettings": {"isDynamicClientRegistrationEnable": true}}}`)
	refused(t, "an unknown member inside", unknown, fault.Invalid, "Property [isDynamicClientRegistrationEnable] is not recognized as a valid property")
	if got := paths(unknown); !slices.Equal(got, []string{"oidc.clientRegistrationSettings.isDynamicClientRegistrationEnable"}) {
		t.Errorf("paths %q", got)
	}
	refused(t, "an unknown member set to null", patch(`{"oidc": {"what": null}}`), fault.Invalid, "Property [what] is not recognized as a valid property")
	refused(t, "a blank name", patch(`{"name": " "}`), fault.Invalid, "[name: must not be blank]")
	for _, path := range []string{"/", "/a//b", "/../x", "/a b", "/a?b"} {
		if err := patch(`{"path": "` + path + `"}`); !fault.Is(err, fault.Invalid) {
			t.Errorf("path %s: %v", path, err)
		}
	}
	taking := patch(`{"path": "/acme/oauth"}`)
	refused(t, "a path that takes endpoints away", taking, fault.Invalid,
		"[/acme/oauth: must not have the segment oauth after the first, where another domain has its endpoints]")
	if got := paths(taking); !slices.Equal(got, []string{"path"}) {
		t.Errorf("paths %q", got)
	}
	other, _ := r.domain("Other")
	refused(t, "a taken path", patch(`{"path": "/other"}`), fault.Invalid, "A domain [/other] already exists.")
	refused(t, "a taken name", patch(`{"name": "other"}`), fault.Invalid, "A domain [other] already exists.")
	_, err := Read(r.ctx, r.Editor, catalog.Domains, here, "nobody")
	refused(t, "an unknown domain", err, fault.NotFound, "Domain [nobody] can not be found.")
	_, err = Read(r.ctx, r.Editor, catalog.Domains, Place{Organization: "OTHER", Environment: "DEFAULT"}, other.GetId())
	refused(t, "a domain of another organization", err, fault.NotFound, "Domain ["+other.GetId()+"] can not be found.")
	_, err = Read(r.ctx, r.Editor, catalog.Scopes, Place{Domain: "nobody"}, "x")
	refused(t, "a scope of an unknown domain", err, fault.NotFound, "Domain [nobody] can not be found.")
	_, err = Read(r.ctx, r.Editor, catalog.IdentityProviders, at, "default-idp-"+other.GetId())
	refused(t, "a provider of another domain", err, fault.NotFound, "Identity Provider [default-idp-"+other.GetId()+"] can not be found.")
	if _, err := r.SetFallbackCertificate(r.ctx, at, "nobody"); fault.BodyOf(err).Message != "Certificate [nobody] can not be found." {
		t.Errorf("an unknown fallback certificate: %v", err)
	}
}

func TestDomainPatchMergesAtEveryDepth(t *testing.T) {
	r := newRig(t)
	d, _ := r.domain("Acme")
	patch := func(body string) prototree.Object {
		t.Helper()
		d, err := Patch(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), r.tree(body), 0)
		if err != nil {
			t.Fatal(err)
		}
		return printed(t, d)
	}
	patch(`{"enabled": true, "oidc": {"clientRegistrationSettings": {"isDynamicClientRegistrationEnabled": true, "allowedScopes": []}}}`)
	tree := patch(`{"oidc": {"clientRegistrationSettings": {"isAllowedScopesEnabled": true}, "redirectUriStrictMatching": false}}`)
	settings := tree["oidc"].(prototree.Object)["clientRegistrationSettings"].(prototree.Object)
	if settings["isDynamicClientRegistrationEnabled"] != true || settings["isAllowedScopesEnabled"] != true || settings["allowedScopes"] == nil ||
		tree["enabled"] != true || tree["oidc"].(prototree.Object)["redirectUriStrictMatching"] != false {
		t.Errorf("merged: %v", tree)
	}
	tree = patch(`{"oidc": {"clientRegistrationSettings": null}}`)
	settings = tree["oidc"].(prototree.Object)["clientRegistrationSettings"].(prototree.Object)
	if settings["isDynamicClientRegistrationEnabled"] != false || settings["allowedScopes"] != nil {
		t.Errorf("null should reset to the defaults: %v", settings)
	}
	if tree["oidc"].(prototree.Object)["redirectUriStrictMatching"] != false {
		t.Error("null for one group reset another")
	}
	if patch(`{"oidc": null}`)["oidc"].(prototree.Object)["redirectUriStrictMatching"] != true {
		t.Error("null for everything did not reset everything")
	}
	if tree := patch(`{"path": "shop/eu/"}`); tree["path"] != "/shop/eu" {
		t.Errorf("path %v", tree["path"])
	}
	// PUT takes the same body of optional members.
	put, err := Replace(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), r.tree(`{"description": "put"}`), 0)
	if err != nil || put.GetName() != "Acme" || put.GetDescription() != "put" {
		t.Errorf("PUT: %v, %v", put, err)
	}
	if !slices.Equal(put.GetSecret(), d.GetSecret()) || put.GetHrid() != d.GetHrid() {
		t.Error("PUT changed what only the server sets")
	}
	// What was read can be sent back.
	back := printed(t, put)
	again, err := Replace(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), back, put.GetRevision())
	if err != nil || again.GetRevision() != put.GetRevision()+1 {
		t.Errorf("sent back: %v, %v", again.GetRevision(), err)
	}
}

func TestChosenSigningAlgorithmBringsItsKey(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	kids := func() string {
		all, _, err := ReadAll(r.ctx, r.Editor, catalog.Certificates, at, image.Query{})
		if err != nil {
			t.Fatal(err)
		}
		var kids []string
		for _, c := range all {
			kids = append(kids, c.GetKid()+"="+c.GetAlgorithm())
		}
		slices.Sort(kids)
		return strings.Join(kids, " ")
	}
	for range 2 {
		if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), r.tree(`{"oidc": {"accessTokenSigningAlg": "ES256"}}`), 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := kids(); got != "default-es256=ES256 default=RS256" {
		t.Errorf("certificates %s", got)
	}
	a, _ := r.application(at, webApplication)
	if certificate, err := Read(r.ctx, r.Editor, catalog.Certificates, at, a.GetCertificate()); err != nil || certificate.GetKid() != "default" {
		t.Errorf("the certificate of a new application is %v, %v", certificate.GetKid(), err)
	}
	if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"accessTokenSigningAlg": "EdDSA"}}}`); err != nil {
		t.Fatal(err)
	}
	if got := kids(); got != "default-eddsa=EdDSA default-es256=ES256 default=RS256" {
		t.Errorf("certificates %s", got)
	}
	both := `{"settings": {"oauth": {"accessTokenSigningAlg": "PS256", "idTokenSignedResponseAlg": "PS256"}}}`
	if _, err := r.patch(at, a.GetId(), both); err != nil {
		t.Fatal(err)
	}
	if got := kids(); got != "default-eddsa=EdDSA default-es256=ES256 default-ps256=PS256 default=RS256" {
		t.Errorf("certificates after one algorithm for both tokens: %s", got)
	}
	if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"idTokenSignedResponseAlg": "ES384"}}}`); err != nil {
		t.Fatal(err)
	}
	if got := kids(); !strings.Contains(got, "default-es384=ES384") {
		t.Errorf("certificates after an algorithm of ID tokens: %s", got)
	}
	if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"accessTokenSigningAlg": "HS256"}}}`); !fault.Is(err, fault.Invalid) {
		t.Errorf("an algorithm without keys: %v", err)
	}
	if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"userinfoSignedResponseAlg": "RS384", "authorizationSignedResponseAlg": "PS512"}}}`); err != nil {
		t.Fatal(err)
	}
	if got := kids(); !strings.Contains(got, "default-rs384=RS384") || !strings.Contains(got, "default-ps512=PS512") {
		t.Errorf("certificates after algorithms of UserInfo and authorization responses: %s", got)
	}
	hmac := `{"settings": {"oauth": {"idTokenSignedResponseAlg": "HS256"}}}`
	if _, err := r.patch(at, a.GetId(), hmac); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "renew a secret first") {
		t.Errorf("an HMAC where only the hash of the secret is kept: %v", err)
	}
}

func TestAStrictProfileMakesItsKey(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), r.tree(`{"oidc": {"securityProfileSettings": {"profile": "oauth21"}}}`), 0); err != nil {
		t.Fatal(err)
	}
	all, _, err := store.List(r.ctx, r.store, catalog.Certificates, store.Query{Domain: at.Domain})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(c *configv1.Certificate) bool { return c.GetAlgorithm() == "ES256" }) {
		t.Errorf("no key for ES256 among %d certificates", len(all))
	}
}

func TestDeleteDomain(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	other, _ := r.domain("Other")
	r.application(at, webApplication)
	user := &directoryv1.User{Username: "ann", Source: "s", Subject: "x"}
	resource.Stamp(user, resource.Stamps{ID: "u1", Domain: d.GetId()})
	if err := r.store.Users().Insert(r.ctx, user); err != nil {
		t.Fatal(err)
	}
	before, _ := r.store.LastRevision(r.ctx)
	_, err := Delete(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), d.GetRevision()+77)
	refused(t, "a stale deletion", err, fault.Stale, "The resource has changed since the revision you named")
	revision, err := Delete(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), 0)
	if err != nil || revision != before+1 {
		t.Fatalf("revision %d after %d, %v", revision, before, err)
	}
	image, err := r.store.Load(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range image.Resources {
		if res.GetDomain() != other.GetId() {
			t.Errorf("%s is left", resource.KeyOf(res))
		}
	}
	if _, n, err := r.store.Users().List(r.ctx, store.UserQuery{Domain: d.GetId()}); err != nil || n != 0 {
		t.Errorf("%d users are left, %v", n, err)
	}
	if again, _ := r.domain("Acme"); again.GetPath() != "/acme" {
		t.Errorf("the name is not free: %v", again)
	}
}

func TestAuditHasNoSecrets(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	const password, chosen = "inline-password-sentinel", "chosen-secret-sentinel"
	if _, _, err := Create(r.ctx, r.Editor, catalog.IdentityProviders, at, r.tree(`{"name": "staff", "type": "inline-am-idp",
		"configuration": "{\"users\":[{\"username\":\"ann\",\"password\":\"`+password+`\"}]}"}`)); err != nil {
		t.Fatal(err)
	}
	a, issued := r.application(at, `{"name": "S", "type": "service", "clientSecret": "`+chosen+`"}`)
	if issued != chosen {
		t.Errorf("issued %q", issued)
	}
	_, plain, err := r.AddSecret(r.ctx, at, a.GetId(), "second")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.patch(at, a.GetId(), `{"name": "T"}`); err != nil {
		t.Fatal(err)
	}
	image, err := r.store.Load(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range image.Resources {
		document, err := prototree.Document(r.options.Sealer).Encode(res)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{password, chosen, plain} {
			if strings.Contains(fmt.Sprint(document), s) {
				t.Errorf("the document of %s holds %q", resource.KeyOf(res), s)
			}
		}
	}
	if _, err := Delete(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	records, _, err := r.store.Audits().List(r.ctx, store.AuditQuery{Whole: true, Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(records)
	var meant []*store.AuditRecord
	var actions []string
	for _, e := range records {
		text := fmt.Sprint(*e)
		for _, s := range []string{password, chosen, plain, secret.HashToken(plain), "$argon2id$"} {
			if strings.Contains(text, s) {
				t.Errorf("the record of %s holds %q", e.Action, s)
			}
		}
		if e.CauseKind == "" {
			meant = append(meant, e)
			actions = append(actions, e.Action+" "+e.Kind)
		}
	}
	want := []string{"create domain", "create identity_provider", "create application", "create_secret application", "update application", "delete application"}
	if !slices.Equal(actions, want) {
		t.Errorf("recorded %q, want %q", actions, want)
	}
	if e := meant[4]; e.Name != "T" || e.Revision == 0 || e.Previous == 0 || e.Changed != 2 ||
		!strings.Contains(e.Changes, `{"path":"name","before":"S","after":"T"}`) {
		t.Errorf("the record of a change: %v", e)
	}
	if e := meant[5]; e.After != "" || !strings.Contains(e.Before, `"name":"T"`) {
		t.Errorf("the record of a deletion: %v", e)
	}
}
