package introspection_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// minted makes an access token of ann for a client.
func (r *rig) minted(clientID string, change func(*tokens.Authorization)) string {
	r.t.Helper()
	d := r.Domains.Domain(r.domain)
	c, err := d.Client(r.t.Context(), clientID)
	if err != nil {
		r.t.Fatal(err)
	}
	user, err := r.Directory.SignIn(r.t.Context(), r.domain, "", gatewaytest.Identity("ann"))
	if err != nil {
		r.t.Fatal(err)
	}
	person := tokens.PersonOf(user)
	a := tokens.Authorization{Client: c, Person: &person, Scopes: []string{"read"}, Grant: strings.Repeat("g", 22)}
	if change != nil {
		change(&a)
	}
	made, err := r.Minter.Mint(r.t.Context(), d, a)
	if err != nil {
		r.t.Fatal(err)
	}
	return made.AccessToken
}

func TestI2WhoIsToldAboutAToken(t *testing.T) {
	resource := func(uris ...string) func(*tokens.Authorization) {
		return func(a *tokens.Authorization) { a.Resources = uris }
	}
	strict := configv1.SecurityProfileSettings_OAUTH21
	tests := []struct {
		name    string
		profile configv1.SecurityProfileSettings_Profile
		token   func(*tokens.Authorization)
		caller  string
		told    bool
	}{
		{"every confidential client, under the compatible profile", 0, nil, "api", true},
		{"the client it was issued to", strict, nil, "web", true},
		{"somebody else", strict, nil, "api", false},
		{"the server of the resource it is for", strict, resource("https://api.example"), "api", true},
		{"the server of one of several resources", strict, resource("urn:other", "https://api.example"), "api", true},
		{"the server of another resource", strict, resource("urn:other"), "api", false},
		{"the server of a resource that is gone", strict, resource("urn:gone"), "api", false},
		{"the client that is its audience", strict, resource("api"), "api", true},
		{"the client it was issued to, whatever it is for", strict, resource("urn:other"), "web", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: tt.profile}
			c.Domain.Oidc.Resources = []*configv1.ProtectedResource{
				{Identifier: "https://api.example", Servers: []string{"x", "api"}}, {Identifier: "urn:other"},
			}
			c.App("web")
			c.App("api")
			r := &rig{gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c), t, c, c.Domain.GetId(), 1}
			token := r.minted("web", tt.token)
			a := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", token), gatewaytest.Basic(tt.caller))
			if told := a.JSON(t)["active"] == true; told != tt.told || !told && a.Body != `{"active":false}` {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
}

func TestI2ARefreshTokenIsItsClientsAlone(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", func(a *configv1.Application) {
		a.Settings.Oauth.SecurityProfile = configv1.SecurityProfileSettings_OAUTH21
	})
	c.App("strict", func(a *configv1.Application) {
		a.Settings.Oauth.SecurityProfile = configv1.SecurityProfileSettings_OAUTH21
	})
	c.App("api")
	r := &rig{gatewaytest.New(t, gatewaytest.Options{}, c), t, c, c.Domain.GetId(), 1}
	answer := r.tokens("grant_type", "authorization_code", "code", r.Code(r.domain, "web", "ann"), "redirect_uri", "https://web.example/cb")
	for caller, told := range map[string]bool{"web": true, "strict": false, "api": true} {
		a := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", answer["refresh_token"].(string)), gatewaytest.Basic(caller))
		if got := a.JSON(t)["active"] == true; got != told {
			t.Errorf("%s: %s", caller, a.Body)
		}
	}
}

func TestI2TheKeyOfATokenIsTold(t *testing.T) {
	r := newRig(t, "redis://127.0.0.1:1")
	got := r.described(r.minted("web", func(a *tokens.Authorization) {
		a.Confirmation = state.Confirmation{JKT: "a-thumbprint", X5T: "another"}
	}))
	want := map[string]any{"jkt": "a-thumbprint", "x5t#S256": "another"}
	if diff := cmp.Diff(want, got["cnf"]); diff != "" || got["token_type"] != "DPoP" {
		t.Errorf("type %v, cnf (-want +got):\n%s", got["token_type"], diff)
	}
}

func TestWhatIsToldOfAPairwiseToken(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", func(a *configv1.Application) { a.Settings.Oauth.SubjectType = "pairwise" })
	c.App("api")
	r := &rig{gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c), t, c, c.Domain.GetId(), 1}
	token := r.minted("web", nil)
	got := r.described(token)
	if got["sub"] == gatewaytest.Subject("staff", "ann") {
		t.Error("the subject is the public one")
	}
	for _, name := range []string{"sealed", "username", "gis"} {
		if got[name] != nil {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	r.Directory.Remove(r.domain, gatewaytest.Subject("staff", "ann"))
	r.Clock.Forward(60e9)
	r.inactive("the person is gone", token)
}

// TestAnswersInTheFormOfRFC9701 are signed, and no token.
func TestAnswersInTheFormOfRFC9701(t *testing.T) {
	r := newRig(t, "redis://127.0.0.1:1")
	ask := func(token, accept string) gatewaytest.Answer {
		return r.Post("/acme/oauth/introspect", gatewaytest.Form("token", token), gatewaytest.Basic("api"), gatewaytest.Header("Accept", accept))
	}
	token := r.minted("web", nil)
	for _, accept := range []string{"application/token-introspection+jwt", "application/json;q=0.5, application/token-introspection+jwt"} {
		a := ask(token, accept)
		if a.Status != 200 || a.Header.Get("Content-Type") != "application/token-introspection+jwt" || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("status %d, header %v: %s", a.Status, a.Header, a.Body)
		}
		checked, err := r.Domains.Domain(r.domain).Keys.Verify(a.Body, jose.Check{Types: []string{"token-introspection+jwt"}})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := checked.Claims()
		if err != nil {
			t.Fatal(err)
		}
		if names := slices.Sorted(maps.Keys(claims.Raw())); !slices.Equal(names, []string{"aud", "iat", "iss", "token_introspection"}) {
			t.Errorf("claims %v", names)
		}
		all := claims.Map()
		if all["iss"] != "https://gw.example/acme/oidc" || all["aud"] != "api" || claims.IssuedAt.Unix() != r.Clock.Now().Unix() {
			t.Errorf("claims %v", all)
		}
		said, _ := all["token_introspection"].(map[string]any)
		if said["active"] != true || said["client_id"] != "web" || said["scope"] != "read" || said["username"] != "ann" {
			t.Errorf("the token is %v", said)
		}
		r.inactive("the answer itself", a.Body)
	}
	if a := ask("x", "application/token-introspection+jwt"); !strings.HasPrefix(a.Header.Get("Content-Type"), "application/token-introspection+jwt") {
		t.Errorf("an unknown token is answered by %s", a.Body)
	} else if _, claims, err := jose.Unverified(a.Body); err != nil || string(claims.Raw()["token_introspection"]) != `{"active":false}` {
		t.Errorf("error %v, claims %v", err, claims.Map())
	}
	for _, accept := range []string{"", "*/*", "application/*", "application/json", "application/jwt", "application/token-introspection+jwt;q=0", ";;,"} {
		if a := ask(token, accept); a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("Accept %q is answered by %s", accept, a.Header.Get("Content-Type"))
		}
	}
}
