package registration_test

import (
	"context"
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
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// byHand makes an application as operators do.
func (h *house) byHand(domain string, draft prototree.Object) *configv1.Application {
	h.Helper()
	a, _, err := editor.Create(h.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, draft)
	if err != nil {
		h.Fatal(err)
	}
	return a
}

// asBoss is a change of an application by an administrator through the registration endpoint.
func asBoss(app *configv1.Application, edit func(*configv1.OAuthSettings)) *registrationv1.UpdateRequest {
	r := updating(app, "", edit)
	r.RegistrationAccessTokenHash, r.Caller = "", "boss"
	return r
}

// TestWhatAnOperatorMadeStaysTheOperators: an administrator who changes an application through the registration endpoint, which gives it a
// registration access token, makes no registered client of it.
func TestWhatAnOperatorMadeStaysTheOperators(t *testing.T) {
	h := newHouse(t)
	h.editor = editor.New(editor.Options{Store: h.store, Hasher: secret.NewHasher(), Now: func() time.Time { return h.now }})
	h.server = registration.New(h.options())
	domain := h.domain("People", true, true)
	at := editor.Place{Domain: domain}
	a := h.byHand(domain, prototree.Object{"name": "by hand", "type": "service"})
	renewed, err := h.server.RenewSecret(t.Context(), &registrationv1.RenewSecretRequest{
		Domain: domain, ClientId: clientID(a), Issuer: issuer, RegistrationEndpoint: endpoint, Caller: "boss",
	})
	if err != nil {
		t.Fatal(err)
	}
	changed, err := h.server.Update(t.Context(), asBoss(renewed.GetApplication(), func(o *configv1.OAuthSettings) { o.ClientUri = "https://x.example" }))
	if err != nil {
		t.Fatal(err)
	}
	a = changed.GetApplication()
	if catalog.IsRegistered(a) || a.GetSettings().GetOauth().GetRegistrationAccessTokenHash() == "" {
		t.Errorf("registered %v, and may be managed by its token %q", catalog.IsRegistered(a), a.GetSettings().GetOauth().GetRegistrationAccessTokenHash())
	}
	if listed, n, err := h.editor.Registered(t.Context(), at, image.Query{}, nil); err != nil || n != 0 {
		t.Errorf("listed as registered: %v, %v", listed, err)
	}

	// It takes no place of registered clients.
	h.set(domain, prototree.Object{"maxRegisteredClients": int64(1)})
	h.register(domain)

	// Nobody uses it, and it stays.
	h.set(domain, prototree.Object{"unusedDisableDays": int64(30), "unusedDeleteDays": int64(10)})
	keeper := registration.NewKeeper(h.server, h.store.Leases(), 0)
	for _, days := range []int{0, 31, 11} {
		h.now = h.now.AddDate(0, 0, days)
		if err := keeper.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	now, err := editor.Read(t.Context(), h.editor, catalog.Applications, at, a.GetId())
	if err != nil || !now.GetEnabled() || now.GetRegistration() != nil {
		t.Errorf("after 42 days: %v, %v", now, err)
	}
	if n := h.clients(domain); n != 1 {
		t.Errorf("%d applications, want the operator's alone", n)
	}
}

// TestAChangeOfMetadataChangesNothingElse: what RFC 7592 does not know of a client stays as operators set it.
func TestAChangeOfMetadataChangesNothingElse(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	at := editor.Place{Domain: domain}
	a := h.byHand(domain, prototree.Object{"name": "by hand", "type": "web", "redirectUris": []any{"https://shop.example.com/callback"}})
	level := editor.Place{Domain: domain, Application: a.GetId()}
	for _, set := range []prototree.Object{
		{"settings": prototree.Object{
			"oauth": prototree.Object{
				"tokenEndpointAuthMethod": "", "accessTokenValiditySeconds": int64(77), "refreshTokenValiditySeconds": int64(78), "idTokenValiditySeconds": int64(79),
				"tokenCustomClaims": []any{prototree.Object{"tokenType": "id_token", "claimName": "c", "claimValue": "v"}},
			},
			"advanced": prototree.Object{"skipConsent": true},
		}},
	} {
		var err error
		if a, err = editor.Patch(t.Context(), h.editor, catalog.Applications, at, a.GetId(), set, 0); err != nil {
			t.Fatal(err)
		}
	}
	h.leveled(level)
	before := proto.CloneOf(a)
	answer, err := h.server.Update(t.Context(), asBoss(a, func(o *configv1.OAuthSettings) { o.ClientName = "Another name" }))
	if err != nil {
		t.Fatal(err)
	}
	now := answer.GetApplication()
	if now.GetName() != "Another name" {
		t.Errorf("its name is %q", now.GetName())
	}
	o, was := now.GetSettings().GetOauth(), before.GetSettings().GetOauth()
	for _, tt := range []struct {
		name      string
		was, have any
	}{
		{"the method of authentication, which nobody chose", was.GetTokenEndpointAuthMethod(), o.GetTokenEndpointAuthMethod()},
		{"the kind, which nobody chose", was.GetApplicationType(), o.GetApplicationType()},
		{"the type", before.GetType(), now.GetType()},
		{"the certificate", before.GetCertificate(), now.GetCertificate()},
		{"the life of access tokens", was.GetAccessTokenValiditySeconds(), o.GetAccessTokenValiditySeconds()},
		{"the life of refresh tokens", was.GetRefreshTokenValiditySeconds(), o.GetRefreshTokenValiditySeconds()},
		{"the life of ID tokens", was.GetIdTokenValiditySeconds(), o.GetIdTokenValiditySeconds()},
		{"custom claims", len(was.GetTokenCustomClaims()), len(o.GetTokenCustomClaims())},
		{"its consent", true, now.GetSettings().GetAdvanced().GetSkipConsent()},
		{"its secrets", before.GetSecrets()[0].GetHash(), now.GetSecrets()[0].GetHash()},
	} {
		if tt.was != tt.have {
			t.Errorf("%s: was %v, is %v", tt.name, tt.was, tt.have)
		}
	}
	h.hasLeveled(level)
}

// leveled gives an application a form, an e-mail and a flow of its own.
func (h *house) leveled(at editor.Place) {
	h.Helper()
	if _, _, err := editor.Create(h.Context(), h.editor, catalog.Forms, at, prototree.Object{"template": "login", "enabled": true, "content": "<p>hello</p>"}); err != nil {
		h.Fatal(err)
	}
	if _, _, err := editor.Create(h.Context(), h.editor, catalog.Emails, at, prototree.Object{
		"template": "reset_password", "enabled": true, "from": "us@people.example", "subject": "s", "content": "c", "expiresAfter": int64(60),
	}); err != nil {
		h.Fatal(err)
	}
	flow := prototree.Object{"name": "login", "type": "login", "enabled": true, "post": []any{
		prototree.Object{"name": "no", "policy": "deny", "enabled": true, "configuration": prototree.Object{"error": "access_denied", "message": "no"}},
	}}
	if _, err := h.editor.ReplaceFlows(h.Context(), at, []prototree.Object{flow}, 0); err != nil {
		h.Fatal(err)
	}
}

// hasLeveled checks that an application has what leveled gives.
func (h *house) hasLeveled(at editor.Place) {
	h.Helper()
	forms, err := editor.ReadLevel(h.Context(), h.editor, catalog.Forms, at)
	if err != nil || len(forms) != 1 || forms[0].GetContent() != "<p>hello</p>" {
		h.Errorf("forms %v, %v", forms, err)
	}
	emails, err := editor.ReadLevel(h.Context(), h.editor, catalog.Emails, at)
	if err != nil || len(emails) != 1 || emails[0].GetSubject() != "s" || emails[0].GetContent() != "c" {
		h.Errorf("e-mails %v, %v", emails, err)
	}
	flows, err := editor.ReadLevel(h.Context(), h.editor, catalog.Flows, at)
	if err != nil || len(flows) != 1 || flows[0].GetType() != configv1.Flow_LOGIN || flows[0].GetPost()[0].GetDeny().GetError() != "access_denied" {
		h.Errorf("flows %v, %v", flows, err)
	}
}

// TestWhatWasSetToNothingStaysNothing: a gateway fills in what a request leaves out, so what is empty here was null there.
func TestWhatWasSetToNothingStaysNothing(t *testing.T) {
	h := newHouse(t)
	asked := request(h.domain("People", true, true))
	asked.Application.Settings.Oauth.ApplicationType, asked.Application.Settings.Oauth.TokenEndpointAuthMethod = "", ""
	made, err := h.server.Create(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := h.server.Update(t.Context(), updating(made.GetApplication(), made.GetRegistrationAccessToken(), func(o *configv1.OAuthSettings) { o.ClientName = "Other" }))
	if err != nil {
		t.Fatal(err)
	}
	for when, a := range map[string]*configv1.Application{"registered": made.GetApplication(), "changed": changed.GetApplication()} {
		if o := a.GetSettings().GetOauth(); o.GetApplicationType() != "" || o.GetTokenEndpointAuthMethod() != "" {
			t.Errorf("%s: application_type %q, token_endpoint_auth_method %q", when, o.GetApplicationType(), o.GetTokenEndpointAuthMethod())
		}
	}
}

// TestACopyHasWhatItsTemplateHas: beside its metadata. What belongs to one client alone is never copied.
func TestACopyHasWhatItsTemplateHas(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isClientTemplateEnabled": true})
	at := editor.Place{Domain: domain}
	template := h.byHand(domain, prototree.Object{"name": "Template", "type": "web", "redirectUris": []any{"https://shop.example.com/callback"}})
	keys := `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	jwks, err := prototree.Parse([]byte(keys))
	if err != nil {
		t.Fatal(err)
	}
	template, err = editor.Patch(t.Context(), h.editor, catalog.Applications, at, template.GetId(), prototree.Object{"template": true, "settings": prototree.Object{
		"oauth": prototree.Object{
			"jwks": jwks, "tokenCustomClaims": []any{prototree.Object{"tokenType": "id_token", "claimName": "c", "claimValue": "v"}},
		},
		"login":          prototree.Object{"inherited": false, "rememberMeEnabled": true},
		"account":        prototree.Object{"inherited": false, "maxLoginAttempts": int64(7)},
		"cookieSettings": prototree.Object{"inherited": false},
	}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	h.leveled(editor.Place{Domain: domain, Application: template.GetId()})
	asked := request(domain)
	asked.Template, asked.Given = template.GetId(), []string{"redirect_uris"}
	made, err := h.server.Create(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	a := made.GetApplication()
	h.hasLeveled(editor.Place{Domain: domain, Application: a.GetId()})
	o, s := a.GetSettings().GetOauth(), template.GetSettings()
	for what, copied := range map[string]bool{
		"certificate":      a.GetCertificate() != "" && a.GetCertificate() == template.GetCertificate(),
		"custom claims":    len(o.GetTokenCustomClaims()) == 1 && o.GetTokenCustomClaims()[0].GetClaimValue() == "v",
		"login settings":   proto.Equal(a.GetSettings().GetLogin(), s.GetLogin()) && s.GetLogin() != nil,
		"account settings": proto.Equal(a.GetSettings().GetAccount(), s.GetAccount()) && s.GetAccount() != nil,
		"cookie settings":  proto.Equal(a.GetSettings().GetCookieSettings(), s.GetCookieSettings()) && s.GetCookieSettings() != nil,
	} {
		if !copied {
			t.Errorf("%s: not copied", what)
		}
	}
	for what, left := range map[string]bool{
		"sector_identifier_uri": o.GetSectorIdentifierUri() == "", "jwks": o.GetJwks() == nil && s.GetOauth().GetJwks() != nil, "jwks_uri": o.GetJwksUri() == "",
		"secret settings": len(a.GetSecrets()) == 1 && a.GetSecrets()[0].GetId() != template.GetSecrets()[0].GetId() &&
			a.GetSecrets()[0].GetHash() != template.GetSecrets()[0].GetHash() && a.GetSecretSettings()[0].GetId() != template.GetSecretSettings()[0].GetId(),
	} {
		if !left {
			t.Errorf("%s: copied", what)
		}
	}

	// The answer has what gateways need to serve it at once, and they can ask for it.
	if n := len(made.GetBelongings().GetResources()); n != 3 {
		t.Errorf("%d resources belong to it, want its form, its flow and the key of its answers", n)
	}
	for _, w := range made.GetBelongings().GetResources() {
		if r := resource.Unwrap(w); r.GetRevision() == 0 || r.GetRevision() > a.GetRevision() {
			t.Errorf("%T of revision %d comes after its application", r, r.GetRevision())
		}
	}
	found, err := h.server.FindBelongings(t.Context(), &registrationv1.FindBelongingsRequest{Domain: domain, Application: a.GetId()})
	if err != nil || !proto.Equal(found.GetBelongings(), made.GetBelongings()) {
		t.Errorf("asked for: %v, %v", found, err)
	}
	for name, r := range map[string]*registrationv1.FindBelongingsRequest{
		"of another domain": {Domain: h.domain("Other", true, true), Application: a.GetId()}, "of a domain": {Domain: domain, Application: domain},
	} {
		if found, err := h.server.FindBelongings(t.Context(), r); err != nil || found.GetBelongings() != nil {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	_, err = h.server.FindBelongings(t.Context(), &registrationv1.FindBelongingsRequest{Domain: domain})
	wantKind(t, "of nothing", err, fault.Invalid)
	if plain := h.register(domain); plain.GetBelongings() == nil || len(plain.GetBelongings().GetResources()) > 0 {
		t.Errorf("one that is no copy has %v, and nobody should have to ask", plain.GetBelongings())
	}
	for asked, want := range map[bool]*registrationv1.Belongings{true: made.GetBelongings(), false: nil} {
		q := &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID(a), Belongings: asked}
		if found, err := h.server.Resolve(t.Context(), q); err != nil || !proto.Equal(found.GetApplication(), a) || !proto.Equal(found.GetBelongings(), want) {
			t.Errorf("resolved, with what belongs to it %v: %v, %v", asked, found, err)
		}
	}
}

// TestACopyIsCompleteAndFollowsItsTemplate: what every write of a registered client completes is complete from the beginning, what
// the template leaves to the domain stays left to it, and neither is a difference.
func TestACopyIsCompleteAndFollowsItsTemplate(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isClientTemplateEnabled": true})
	at := editor.Place{Domain: domain}
	template := h.byHand(domain, prototree.Object{"name": "Template", "type": "web", "redirectUris": []any{"https://shop.example.com/callback"}})
	template, err := editor.Patch(t.Context(), h.editor, catalog.Applications, at, template.GetId(), prototree.Object{
		"template": true, "certificate": nil, "settings": prototree.Object{"oauth": prototree.Object{"authorizationSignedResponseAlg": nil}},
	}, 0)
	if err != nil || template.GetCertificate() != "" || template.GetSettings().GetOauth().GetAuthorizationSignedResponseAlg() != "" {
		t.Fatalf("%v, %v", template, err)
	}
	asked := request(domain)
	asked.Template, asked.Given = template.GetId(), []string{"redirect_uris"}
	made, err := h.server.Create(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	a := made.GetApplication()
	if alg := a.GetSettings().GetOauth().GetAuthorizationSignedResponseAlg(); alg != "RS256" || a.GetCertificate() != "" {
		t.Errorf("authorization_signed_response_alg %q, certificate %q", alg, a.GetCertificate())
	}
	h.differs(template, a)
	// Its registration access token is signed by what signs for it, which may change.
	fallback, _, err := editor.Create(t.Context(), h.editor, catalog.Certificates, at, prototree.Object{
		"name": "Other", "type": "generated-am-certificate", "configuration": prototree.Object{"algorithm": "ES256"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.editor.SetFallbackCertificate(t.Context(), at, fallback.GetId()); err != nil {
		t.Fatal(err)
	}
	renewed, err := h.server.RenewSecret(t.Context(), &registrationv1.RenewSecretRequest{
		Domain: domain, ClientId: clientID(a), Issuer: issuer, RegistrationEndpoint: endpoint,
	})
	if err != nil {
		t.Fatal(err)
	}
	header, _, err := jose.Unverified(renewed.GetRegistrationAccessToken())
	if err != nil || header.KeyID != fallback.GetKid() {
		t.Errorf("signed by %v, want %q, %v", header, fallback.GetKid(), err)
	}
	// What the template says by now is a difference.
	if _, err := editor.Patch(t.Context(), h.editor, catalog.Applications, at, template.GetId(), prototree.Object{
		"settings": prototree.Object{"oauth": prototree.Object{"authorizationSignedResponseAlg": "ES256"}},
	}, 0); err != nil {
		t.Fatal(err)
	}
	h.differs(template, renewed.GetApplication(), "settings.oauth.authorizationSignedResponseAlg")
}

// TestTheKeyOfAFirstClientBelongsToIt: a gateway that serves a client before the stream has brought the key that was made with it can ask
// for that key, and for no other.
func TestTheKeyOfAFirstClientBelongsToIt(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	made := h.register(domain, func(r *registrationv1.CreateRequest) {
		o := r.Application.Settings.Oauth
		o.IdTokenSignedResponseAlg, o.UserinfoSignedResponseAlg = "PS256", "HS256"
	})
	found, err := h.server.FindBelongings(t.Context(), &registrationv1.FindBelongingsRequest{Domain: domain, Application: made.GetApplication().GetId()})
	if err != nil || len(found.GetBelongings().GetResources()) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	key := found.GetBelongings().GetResources()[0].GetCertificate()
	if key.GetAlgorithm() != "PS256" || len(key.GetPrivateKey()) == 0 || key.GetRevision() > made.GetApplication().GetRevision() {
		t.Errorf("a key for %q of revision %d, the client's is %d", key.GetAlgorithm(), key.GetRevision(), made.GetApplication().GetRevision())
	}
}

// TestAUseThatIsToldLateCounts: housekeeping begins an interval after its start, because gateways tell of uses then that they saw while
// management was away.
func TestAUseThatIsToldLateCounts(t *testing.T) {
	h := newHouse(t)
	h.editor = editor.New(editor.Options{Store: h.store, Hasher: secret.NewHasher(), Now: func() time.Time { return h.now }})
	h.server = registration.New(h.options())
	domain := h.domain("People", true, true)
	a := h.register(domain).GetApplication()
	h.set(domain, prototree.Object{"unusedDisableDays": int64(30)})
	if err := registration.NewKeeper(h.server, h.store.Leases(), time.Hour).Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.AddDate(0, 0, 31)
	leases := &counting{Leases: h.store.Leases(), asked: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := registration.NewKeeper(h.server, leases, time.Hour).Run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(leases.asked) != 0 {
		t.Error("the first round is at the start")
	}
	now, err := editor.Read(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, a.GetId())
	if err != nil || !now.GetEnabled() {
		t.Errorf("after the start: %v, %v", now, err)
	}
}

// counting notes that somebody wants the lease of housekeeping, which begins a round.
type counting struct {
	registration.Leases
	asked chan struct{}
}

func (c *counting) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, bool, error) {
	select {
	case c.asked <- struct{}{}:
	default:
	}
	return c.Leases.Acquire(ctx, name, holder, ttl)
}
