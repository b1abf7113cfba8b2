package registration_test

import (
	"net/http"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

const initial = "gatehouse_iat_0123456789"

// withToken lets management know an initial access token.
func (rg *rig) withToken(t *registrationv1.FindInitialAccessTokenResponse) {
	t.Id = "token"
	rg.management.initial = map[string]*registrationv1.FindInitialAccessTokenResponse{secret.HashToken(initial): t}
}

func TestInitialAccessTokens(t *testing.T) {
	rg := newRig(t, closed())
	rg.withToken(&registrationv1.FindInitialAccessTokenResponse{})
	got := rg.register(minimal, bearer(initial)...)
	asked := rg.management.last()
	if got.status != http.StatusCreated || asked.GetInitialAccessTokenHash() != secret.HashToken(initial) || asked.GetAdministrator() || asked.GetCaller() != "" {
		t.Fatalf("%d %s, asked for %v", got.status, got.text, asked)
	}
	rg.refused(rg.register(minimal, bearer(initial+"x")...), 401, oauth2.InvalidToken, "The access token is invalid")
	rg.refused(rg.register(minimal, "Authorization", "DPoP "+initial), 401, oauth2.InvalidToken, "The access token is invalid")
	// It registers, and is worth nothing elsewhere.
	own := "/acme/oidc/register/" + got.field("client_id")
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		rg.refused(rg.do(method, own, `{}`, bearer(initial)...), 401, oauth2.InvalidToken, "The access token is invalid")
	}
	// Whoever makes others up, faster than management is asked, takes nothing from it.
	for range 1000 {
		rg.register(minimal, bearer(initial+secret.NewID())...)
	}
	if got := rg.register(minimal, bearer(initial+"y")...); got.status != http.StatusServiceUnavailable {
		t.Errorf("a thousandth invented one: %d %s", got.status, got.text)
	}
	if got := rg.register(minimal, bearer(initial)...); got.status != http.StatusCreated {
		t.Errorf("among a thousand invented ones: %d %s", got.status, got.text)
	}
	// Scopes of administrators are not for it.
	rg.refused(rg.register(`{"redirect_uris":["https://client.example/cb"],"scope":"dcr_admin"}`, bearer(initial)...), 400, oauth2.InvalidClientMetadata, "scope dcr_admin is not valid.")
	// It may be used up by the time that the client is made.
	rg.management.refuse(fault.Unauthenticatedf("used up"))
	rg.refused(rg.register(minimal, bearer(initial)...), 401, oauth2.InvalidToken, "The access token is invalid")
}

func TestAnInitialAccessTokenIsNotLookedAtWhereEverybodyRegisters(t *testing.T) {
	rg := newRig(t, open())
	if got := rg.register(minimal, bearer("gatehouse_iat_unknown")...); got.status != http.StatusCreated || rg.management.last().GetInitialAccessTokenHash() != "" {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestAnInitialAccessTokenForcesItsTemplate(t *testing.T) {
	rg := newRig(t, closed()) // templates are not switched on for everybody
	rg.withToken(&registrationv1.FindInitialAccessTokenResponse{Template: "t1"})
	for _, body := range []string{`{}`, `{"software_id":"t1"}`} {
		if got := rg.register(body, bearer(initial)...); got.status != http.StatusCreated || rg.management.last().GetTemplate() != "t1" {
			t.Errorf("%s: %d %s, template %q", body, got.status, got.text, rg.management.last().GetTemplate())
		}
	}
	rg.refused(rg.register(`{"software_id":"t2"}`, bearer(initial)...), 400, oauth2.InvalidClientMetadata, "software_id is not the template of the initial access token")
}

func TestAnInitialAccessTokenLimitsScopes(t *testing.T) {
	settings := closed()
	settings.DefaultScopes = []string{"openid", "email"}
	rg := newRig(t, settings)
	rg.withToken(&registrationv1.FindInitialAccessTokenResponse{ScopesLimited: true, Scopes: []string{"openid"}})
	for _, tt := range []struct{ name, body string }{
		{"those that are asked for", `{"redirect_uris":[],"scope":"openid profile"}`},
		{"those of the domain", minimal},
	} {
		if got := rg.register(tt.body, bearer(initial)...); got.status != http.StatusCreated || got.field("scope") != "openid" {
			t.Errorf("%s: %d %s", tt.name, got.status, got.text)
		}
	}
	made := rg.register(minimal, bearer(initial)...)
	for method, body := range map[string]string{
		"PATCH": `{"scope": "openid profile email"}`, "PUT": `{"redirect_uris": [], "scope": "profile openid"}`,
	} {
		got := rg.change(method, made, body)
		if got.status != http.StatusOK || got.field("scope") != "openid" {
			t.Errorf("%s widens what the token allowed: %d %s", method, got.status, got.text)
		}
		made.body["registration_access_token"] = got.body["registration_access_token"]
	}
	rg.withToken(&registrationv1.FindInitialAccessTokenResponse{ScopesLimited: true})
	if got := rg.register(minimal, bearer(initial)...); got.status != http.StatusCreated || got.field("scope") != "" ||
		rg.management.last().GetApplication().GetSettings().GetOauth().GetStandardScopes() {
		t.Errorf("no scope at all: %d %s", got.status, got.text)
	}
}

// TestACopyKeepsTheStandardScopesOfItsTemplate: a token for one template leaves the copy what that has, and a change of something else
// does not take it away. A client without them does not get them.
func TestACopyKeepsTheStandardScopesOfItsTemplate(t *testing.T) {
	for _, had := range []bool{true, false} {
		rg := newRig(t, closed())
		rg.withToken(&registrationv1.FindInitialAccessTokenResponse{ScopesLimited: true})
		made := rg.register(minimal, bearer(initial)...)
		rg.asBefore(made, func(o *configv1.OAuthSettings) { o.StandardScopes = had })
		if got := rg.change("PATCH", made, renamed); got.status != http.StatusOK || rg.management.updated.GetApplication().GetSettings().GetOauth().GetStandardScopes() != had {
			t.Errorf("%t before: %d %s", had, got.status, got.text)
		}
	}
}

// TestAClientThatWaitsForApprovalCanBeReadAndDeleted, and nothing else.
func TestAClientThatWaitsForApprovalCanBeReadAndDeleted(t *testing.T) {
	rg := newRig(t, open())
	rg.management.approval = true
	got := rg.register(minimal)
	if got.status != http.StatusCreated || got.body["enabled"] != false {
		t.Fatalf("%d %s", got.status, got.text)
	}
	id, token := got.field("client_id"), got.field("registration_access_token")
	own := "/acme/oidc/register/" + id
	if _, err := rg.set.Domain(acme).Client(t.Context(), id); err == nil {
		t.Error("it is served")
	}
	if read := rg.do("GET", own, "", bearer(token)...); read.status != 200 || read.body["enabled"] != false || read.field("client_id") != id {
		t.Errorf("read %d %s", read.status, read.text)
	}
	const waits = "The client waits for approval: it can be read and deleted"
	rg.refused(rg.do("PUT", own, minimal, bearer(token)...), 403, oauth2.RegistrationForbidden, waits)
	rg.refused(rg.do("PATCH", own, `{}`, bearer(token)...), 403, oauth2.RegistrationForbidden, waits)
	rg.refused(rg.do("POST", own+"/renew_secret", "", bearer(token)...), 403, oauth2.RegistrationForbidden, waits)
	other := rg.register(minimal)
	rg.refused(rg.do("GET", "/acme/oidc/register/"+other.field("client_id"), "", bearer(token)...), 403, oauth2.InsufficientScope,
		"Invalid access token scopes. The access token should have at least 'dcr_admin' scope")

	// Once it is accepted it is used like any other client.
	accepted := rg.management.clients[id]
	accepted.Revision += 1000
	*accepted.Enabled = true
	if read := rg.do("GET", own, "", bearer(token)...); read.status != 200 || read.body["enabled"] != true {
		t.Errorf("accepted: %d %s", read.status, read.text)
	}
	if gone := rg.do("DELETE", "/acme/oidc/register/"+other.field("client_id"), "", bearer(other.field("registration_access_token"))...); gone.status != 204 {
		t.Errorf("deleted while it waits: %d %s", gone.status, gone.text)
	}
	rg.refused(rg.do("GET", "/acme/oidc/register/"+other.field("client_id"), "", bearer(other.field("registration_access_token"))...), 401, oauth2.InvalidToken, "The access token is invalid")
}

// TestADisabledClientIsThereForAdministrators, who may read and delete any client of the domain. It is no client for itself.
func TestADisabledClientIsThereForAdministrators(t *testing.T) {
	rg := newRig(t, open())
	rg.revision = 5000 // the stream is ahead of what this gateway has learned
	const disabled = "The client is disabled: it can be read and deleted"
	for name, tt := range map[string]struct {
		status   configv1.ClientRegistration_Status
		streamed bool
		says     string
		self     int
	}{
		"by housekeeping":                   {configv1.ClientRegistration_UNUSED, true, disabled, 401},
		"by an operator":                    {configv1.ClientRegistration_ACTIVE, true, disabled, 401},
		"before the stream says so":         {configv1.ClientRegistration_ACTIVE, false, disabled, 401},
		"until an operator has accepted it": {configv1.ClientRegistration_PENDING, true, "The client waits for approval: it can be read and deleted", 200},
	} {
		t.Run(name, func(t *testing.T) {
			made := rg.register(minimal)
			app := proto.CloneOf(rg.management.clients[made.field("client_id")])
			app.Enabled, app.Registration = proto.Bool(false), &configv1.ClientRegistration{Status: tt.status}
			rg.management.put(app)
			if tt.streamed {
				rg.push(proto.CloneOf(app))
			}
			admin := bearer(rg.admin())
			if got := rg.do("GET", own(made), "", bearer(made.field("registration_access_token"))...); got.status != tt.self {
				t.Errorf("its own token: %d %s", got.status, got.text)
			}
			if got := rg.do("GET", own(made), "", admin...); got.status != 200 || got.body["enabled"] != false || got.field("client_id") != made.field("client_id") {
				t.Errorf("read: %d %s", got.status, got.text)
			}
			rg.refused(rg.do("PUT", own(made), minimal, admin...), 403, oauth2.RegistrationForbidden, tt.says)
			rg.refused(rg.do("PATCH", own(made), `{}`, admin...), 403, oauth2.RegistrationForbidden, tt.says)
			rg.refused(rg.do("POST", own(made)+"/renew_secret", "", admin...), 403, oauth2.RegistrationForbidden, tt.says)
			if got := rg.do("DELETE", own(made), "", admin...); got.status != http.StatusNoContent {
				t.Errorf("deleted: %d %s", got.status, got.text)
			}
			rg.refused(rg.do("GET", own(made), "", admin...), 404, oauth2.NotFound, "client not found")
		})
	}
}

func TestRegistrationsAreLimitedByAddress(t *testing.T) {
	settings := open()
	settings.RegistrationsPerAddress, settings.RegistrationWindowSeconds = 2, 600
	rg := newRig(t, settings)
	rg.management.refuse(fault.Invalidf("no"))
	for range 3 {
		if got := rg.register(minimal); got.status != 400 {
			t.Fatalf("what is refused is not counted: %d %s", got.status, got.text)
		}
	}
	rg.management.refuse(nil)
	for range 2 {
		if got := rg.register(minimal); got.status != http.StatusCreated {
			t.Fatalf("%d %s", got.status, got.text)
		}
	}
	got := rg.register(minimal)
	rg.refused(got, 429, oauth2.TooManyRequests, "Too many registrations from this address, try again later")
	if again := got.header.Get("Retry-After"); again != "600" {
		t.Errorf("again after %q", again)
	}
}

func TestAFullDomainSaysSo(t *testing.T) {
	rg := newRig(t, open())
	rg.management.refuse(fault.Limitedf("full").At("maxRegisteredClients", "is reached"))
	got := rg.register(minimal)
	rg.refused(got, 429, oauth2.TooManyRequests, "The domain has as many registered clients as it may have")
	if got.header.Get("Retry-After") != "3600" {
		t.Errorf("again after %q", got.header.Get("Retry-After"))
	}
}
