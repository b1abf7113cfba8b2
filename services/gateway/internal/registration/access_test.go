package registration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

const (
	forbidden   = "Not allowed to access to this resource."
	missing     = "Missing access token. It must be sent in the Authorization header, with the scheme Bearer or DPoP"
	invalid     = "The access token is invalid"
	scopeNeeded = "Invalid access token scopes. The access token should have at least 'dcr_admin' scope"
	notAClient  = "The access token was not issued for a Client"
	superseded  = "Non matching registration_access_token"
	challenge   = `Bearer realm="gatehouse"`
)

func TestRegistrationThatIsOffRefusesBeforeItReadsAToken(t *testing.T) {
	rg := newRig(t, &configv1.ClientRegistrationSettings{OpenDynamicClientRegistrationEnabled: true})
	admin := rg.admin()
	for _, header := range [][]string{nil, bearer(admin), bearer("garbage"), {"Authorization", "nonsense"}} {
		rg.refused(rg.register(minimal, header...), 403, oauth2.RegistrationForbidden, forbidden)
		rg.refused(rg.do("GET", "/acme/oidc/register/admin", "", header...), 403, oauth2.RegistrationForbidden, forbidden)
		rg.refused(rg.do("DELETE", "/acme/oidc/register/admin", "", header...), 403, oauth2.RegistrationForbidden, forbidden)
	}
}

func TestOpenRegistrationLooksAtNoToken(t *testing.T) {
	rg := newRig(t, open())
	admin := rg.admin()
	for _, header := range [][]string{nil, bearer("garbage"), {"Authorization", "nonsense"}, bearer(admin)} {
		if got := rg.register(minimal, header...); got.status != 201 {
			t.Errorf("with %q: %d %s", header, got.status, got.text)
		}
		if rg.management.last().GetAdministrator() {
			t.Error("an open registration counts as an administrator's")
		}
	}
}

func TestWhoMayRegister(t *testing.T) {
	rg := newRig(t, closed())
	admin := rg.admin()
	rg.client("plain", "openid")
	other := func(change func(map[string]any)) string {
		return rg.management.sign("https://gate.example/acme/oidc", acme, "admin", change)
	}
	tests := []struct {
		name        string
		header      []string
		status      int
		code        oauth2.Code
		description string
		challenge   string
	}{
		{"no token", nil, 401, oauth2.InvalidToken, missing, challenge},
		{"a token that cannot be decoded", bearer("garbage"), 401, oauth2.InvalidToken, invalid,
			challenge + `, error="invalid_token", error_description="The access token is invalid"`},
		{"a scheme other than Bearer", []string{"Authorization", "Basic YTpi"}, 401, oauth2.InvalidToken,
			"The access token must be sent with the scheme Bearer or DPoP",
			challenge + `, error="invalid_token", error_description="The access token must be sent with the scheme Bearer or DPoP"`},
		{"a header without a space", []string{"Authorization", "Bearer"}, 400, oauth2.InvalidRequest,
			"The Authorization header has no credentials",
			challenge + `, error="invalid_request", error_description="The Authorization header has no credentials"`},
		{"a user's token, even with dcr_admin", bearer(rg.token("admin", "ann", "dcr_admin")), 401, oauth2.InvalidToken, notAClient,
			challenge + `, error="invalid_token", error_description="` + notAClient + `"`},
		{"a client's token without dcr_admin", bearer(rg.token("plain", "", "openid")), 403, oauth2.InsufficientScope, scopeNeeded,
			challenge + `, error="insufficient_scope", error_description="` + scopeNeeded + `", scope="dcr_admin"`},
		{"a client's token without any scope", bearer(rg.token("plain", "")), 403, oauth2.InsufficientScope, scopeNeeded,
			challenge + `, error="insufficient_scope", error_description="` + scopeNeeded + `", scope="dcr_admin"`},
		{"a registration token", bearer(other(nil)), 403, oauth2.InsufficientScope, scopeNeeded,
			challenge + `, error="insufficient_scope", error_description="` + scopeNeeded + `", scope="dcr_admin"`},
		{"a registration token that claims dcr_admin", bearer(other(func(c map[string]any) { c["scope"] = "dcr dcr_admin" })),
			403, oauth2.InsufficientScope, scopeNeeded,
			challenge + `, error="insufficient_scope", error_description="` + scopeNeeded + `", scope="dcr_admin"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := *rg
			rg.TB = t
			got := rg.register(minimal, tt.header...)
			rg.refused(got, tt.status, tt.code, tt.description)
			if c := got.header.Get("WWW-Authenticate"); c != tt.challenge {
				t.Errorf("challenge %q, want %q", c, tt.challenge)
			}
		})
	}
	if rg.management.last() != nil {
		t.Error("management was asked to register on behalf of somebody who may not")
	}
	if got := rg.register(minimal, bearer(admin)...); got.status != 201 || !rg.management.last().GetAdministrator() {
		t.Errorf("a dcr_admin token: %d %s", got.status, got.text)
	}
	if got := rg.do("POST", "/acme/oidc/register?access_token="+admin, minimal); got.status != 201 {
		t.Errorf("a dcr_admin token as a parameter: %d %s", got.status, got.text)
	}
	rg.refused(rg.do("POST", "/acme/oidc/register?access_token="+admin, minimal, bearer(admin)...),
		400, oauth2.InvalidRequest, "The access token was sent twice")
	for method, allow := range map[string]string{"GET": "POST, OPTIONS", "DELETE": "POST, OPTIONS"} {
		got := rg.do(method, "/acme/oidc/register/somebody/renew_secret", "", bearer(admin)...)
		if got.status != 405 || got.header.Get("Allow") != allow {
			t.Errorf("%s of renew_secret: %d, Allow %q", method, got.status, got.header.Get("Allow"))
		}
	}
	got := rg.do("POST", "/acme/oidc/register?access_token=garbage", minimal)
	rg.refused(got, 401, oauth2.InvalidToken, invalid)
	if c := got.header.Get("WWW-Authenticate"); !strings.Contains(c, `error="invalid_token"`) {
		t.Errorf("a bad token as a parameter is challenged by %q", c)
	}
}

func TestTokensThatAreNoLongerAny(t *testing.T) {
	rg := newRig(t, closed())
	rg.admin()

	token := rg.token("admin", "", "dcr_admin")
	_, claims, err := jose.Unverified(token)
	if err != nil {
		t.Fatal(err)
	}
	rg.revoked.jtis[claims.ID] = true
	rg.refused(rg.register(minimal, bearer(token)...), 401, oauth2.InvalidToken, invalid)

	token = rg.token("admin", "", "dcr_admin")
	rg.now = rg.now.Add(2*time.Hour - time.Second)
	if got := rg.register(minimal, bearer(token)...); got.status != 201 {
		t.Fatalf("a second before it expires: %d %s", got.status, got.text)
	}
	rg.now = rg.now.Add(time.Second)
	rg.refused(rg.register(minimal, bearer(token)...), 401, oauth2.InvalidToken, invalid)

	token = rg.token("admin", "", "dcr_admin")
	if got := rg.do("DELETE", "/acme/oidc/register/admin", "", bearer(token)...); got.status != 204 {
		t.Fatalf("an administrator cannot delete itself: %d %s", got.status, got.text)
	}
	rg.refused(rg.register(minimal, bearer(token)...), 401, oauth2.InvalidToken, invalid)
	rg.refused(rg.do("GET", "/acme/oidc/register/admin", "", bearer(token)...), 401, oauth2.InvalidToken, invalid)
}

func TestWhoMayReadAndDelete(t *testing.T) {
	rg := newRig(t, open())
	admin := rg.admin()
	rg.client("plain", "openid")
	own, others := rg.register(minimal), rg.register(minimal)
	id, token := own.field("client_id"), own.field("registration_access_token")
	sign := func(change func(map[string]any)) []string {
		return bearer(rg.management.sign("https://gate.example/acme/oidc", acme, id, change))
	}
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	foreign, err := jose.GenerateKey(jose.ES256, "k1")
	if err != nil {
		t.Fatal(err)
	}
	forged := management{key: foreign, now: rg.management.now}

	tests := []struct {
		name        string
		id          string
		header      []string
		status      int
		code        oauth2.Code
		description string
	}{
		{"no token, open registration or not", id, nil, 401, oauth2.InvalidToken, missing},
		{"a token that cannot be decoded", id, bearer("garbage"), 401, oauth2.InvalidToken, invalid},
		{"a registration token that is not the current one", id, sign(nil), 403, oauth2.RegistrationForbidden, superseded},
		{"a registration token on another client", others.field("client_id"), bearer(token), 403, oauth2.InsufficientScope, scopeNeeded},
		{"a registration token on no client", "nobody", bearer(token), 403, oauth2.InsufficientScope, scopeNeeded},
		{"a registration token on a client of the administrators", "admin", bearer(token), 403, oauth2.InsufficientScope, scopeNeeded},
		{"another token without dcr_admin", id, bearer(rg.token("plain", "", "openid")), 403, oauth2.InsufficientScope, scopeNeeded},
		{"a user's token", id, bearer(rg.token("plain", "ann", "openid")), 403, oauth2.InsufficientScope, scopeNeeded},
		{"a user's token with dcr_admin, which the client has not", id, bearer(rg.token("plain", "ann", "dcr_admin")), 403, oauth2.InsufficientScope, scopeNeeded},
		{"a user's token with dcr_admin, of a user who is gone", id, bearer(rg.token("admin", "ann", "dcr_admin")), 401, oauth2.InvalidToken, invalid},
		{"the client's own access token", id, bearer(rg.token(id, "", "openid")), 403, oauth2.InsufficientScope, scopeNeeded},
		{"an administrator's token, unknown client", "nobody", bearer(admin), 404, oauth2.NotFound, "client not found"},
		{"an administrator's token, nested path", id + "/nothing", bearer(admin), 404, oauth2.NotFound, "client not found"},
		{"a superseded token that expired within what clocks may differ", id, sign(set("exp", rg.now.Unix())), 403, oauth2.RegistrationForbidden, superseded},
		{"a registration token that expired long ago", id, sign(set("exp", rg.now.Add(-time.Hour).Unix())), 401, oauth2.InvalidToken, invalid},
		{"a registration token without an end", id, sign(func(c map[string]any) { delete(c, "exp") }), 401, oauth2.InvalidToken, invalid},
		{"a registration token of another domain", id, sign(set("domain", "d2")), 401, oauth2.InvalidToken, invalid},
		{"a registration token for another audience", id, sign(set("aud", "somebody")), 401, oauth2.InvalidToken, invalid},
		{"a registration token without the scope dcr", id, sign(set("scope", "openid")), 401, oauth2.InvalidToken, invalid},
		{"a registration token without a jti", id, sign(func(c map[string]any) { delete(c, "jti") }), 401, oauth2.InvalidToken, invalid},
		{"a registration token signed by another key", id, bearer(forged.sign("https://gate.example/acme/oidc", acme, id, nil)), 401, oauth2.InvalidToken, invalid},
		{"the current token with its signature spoilt", id, bearer(token[:len(token)-4] + "AAAA"), 401, oauth2.InvalidToken, invalid},
	}
	for _, method := range []string{"GET", "DELETE"} {
		for _, tt := range tests {
			t.Run(method+" "+tt.name, func(t *testing.T) {
				rg := *rg
				rg.TB = t
				got := rg.do(method, "/acme/oidc/register/"+tt.id, "", tt.header...)
				rg.refused(got, tt.status, tt.code, tt.description)
				challenged := got.header.Get("WWW-Authenticate") != ""
				if want := tt.code == oauth2.InvalidToken || tt.code == oauth2.InsufficientScope; challenged != want {
					t.Errorf("challenge %q", got.header.Get("WWW-Authenticate"))
				}
			})
		}
	}
	for _, header := range [][]string{bearer(token), bearer(admin)} {
		if got := rg.do("GET", "/acme/oidc/register/"+id, "", header...); got.status != 200 || got.field("client_id") != id {
			t.Errorf("GET: %d %s", got.status, got.text)
		}
	}
	// A clock of management that is a little ahead does not make a fresh token useless.
	rg.now = rg.now.Add(-30 * time.Second)
	if got := rg.do("GET", "/acme/oidc/register/"+id, "", bearer(token)...); got.status != 200 {
		t.Errorf("GET with a token from the near future: %d %s", got.status, got.text)
	}
}

func TestDeletedClientIsGone(t *testing.T) {
	for _, by := range []string{"itself", "an administrator"} {
		t.Run("by "+by, func(t *testing.T) {
			rg := newRig(t, open())
			admin := rg.admin()
			made := rg.register(minimal)
			id, token := made.field("client_id"), made.field("registration_access_token")
			header := bearer(token)
			if by != "itself" {
				header = bearer(admin)
			}
			got := rg.do("DELETE", "/acme/oidc/register/"+id, "", header...)
			if got.status != 204 || got.text != "" || got.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("DELETE: %d %q %v", got.status, got.text, got.header)
			}
			rg.refused(rg.do("GET", "/acme/oidc/register/"+id, "", bearer(token)...), 401, oauth2.InvalidToken, invalid)
			rg.refused(rg.do("DELETE", "/acme/oidc/register/"+id, "", bearer(token)...), 401, oauth2.InvalidToken, invalid)
			rg.refused(rg.do("GET", "/acme/oidc/register/"+id, "", bearer(admin)...), 404, oauth2.NotFound, "client not found")
			if _, err := rg.set.Domain(acme).Client(t.Context(), id); err == nil {
				t.Error("the gateway still serves the client")
			}
		})
	}
}

func TestManagementKnowsBetter(t *testing.T) {
	tests := []struct {
		name        string
		refusal     error
		admin       bool
		status      int
		code        oauth2.Code
		description string
	}{
		{"the client was deleted elsewhere, asks itself", fault.NotFoundf("x"), false, 401, oauth2.InvalidToken, invalid},
		{"the client was deleted elsewhere, an administrator asks", fault.NotFoundf("x"), true, 404, oauth2.NotFound, "client not found"},
		{"the token was superseded elsewhere", fault.Deniedf("x"), false, 403, oauth2.RegistrationForbidden, superseded},
		{"management is away", fault.Unavailablef("x"), false, 503, oauth2.TemporarilyUnavailable,
			"a part that is needed to answer is not available, try again shortly"},
		{"somebody else changes it", fault.Stalef("x"), true, 503, oauth2.TemporarilyUnavailable,
			"the client is being changed by others, try again shortly"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := newRig(t, open())
			header := bearer(rg.admin())
			made := rg.register(minimal)
			if !tt.admin {
				header = bearer(made.field("registration_access_token"))
			}
			rg.management.refuse(tt.refusal)
			rg.refused(rg.do("DELETE", "/acme/oidc/register/"+made.field("client_id"), "", header...), tt.status, tt.code, tt.description)
			if _, err := rg.set.Domain(acme).Client(t.Context(), made.field("client_id")); err != nil {
				t.Errorf("the gateway dropped a client that management did not delete: %v", err)
			}
		})
	}
}

func TestOtherMethods(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(minimal)
	own := "/acme/oidc/register/" + made.field("client_id")
	for _, request := range [][2]string{
		{"GET", "/acme/oidc/register"}, {"PUT", "/acme/oidc/register"}, {"POST", own}, {"PUT", "/acme/oidc/register_templates"},
	} {
		got := rg.do(request[0], request[1], "", bearer(made.field("registration_access_token"))...)
		if got.status != 405 || got.code() != string(oauth2.MethodNotAllowed) || got.header.Get("Allow") == "" {
			t.Errorf("%s %s: %d %s, Allow %q", request[0], request[1], got.status, got.code(), got.header.Get("Allow"))
		}
	}
}
