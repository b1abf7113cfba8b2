package tokens_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// profiled gives access tokens the form of RFC 9068.
func profiled(a *configv1.Application) { a.Settings.Oauth.AccessTokenProfile = "at+jwt" }

func header(t *testing.T, token string) jose.Header {
	t.Helper()
	h, _, err := jose.Unverified(token)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestK5AccessTokensInTheFormOfRFC9068(t *testing.T) {
	r := newMintRig(t, func(a *configv1.Application) {
		profiled(a)
		a.Settings.Oauth.TokenCustomClaims = []*configv1.CustomClaim{
			{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "roles", ClaimValue: "{#user.roles}"},
			{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "groups", ClaimValue: "{#user.groups}"},
			{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "entitlements", ClaimValue: `{#["a"]}`},
		}
	})
	response, access, _ := r.mint(tokens.Authorization{
		Person: ann(), Scopes: []string{"openid", "read"}, Grant: strings.Repeat("g", 22), AuthTime: 17, ACR: "gold", AMR: []string{"pwd", "otp"},
	})
	if h := header(t, response.AccessToken); h.Type != "at+jwt" || h.Algorithm != jose.ES256 || h.KeyID != "es" {
		t.Errorf("header %+v", h)
	}
	if id := access["jti"]; id == nil {
		t.Error("the token has no identifier")
	}
	delete(access, "jti")
	now := float64(r.Clock.Now().Unix())
	want := map[string]any{
		"iss": "https://gw.example/acme/oidc", "sub": "s1", "aud": "web", "client_id": "web", "scope": "openid read", "iat": now, "exp": now + 7200,
		"auth_time": 17.0, "acr": "gold", "amr": []any{"pwd", "otp"}, "roles": []any{"boss"}, "groups": []any{"north"}, "entitlements": []any{"a"},
	}
	if diff := cmp.Diff(want, access); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	_, service, _ := r.mint(tokens.Authorization{Scopes: []string{"read"}})
	for _, name := range []string{"auth_time", "acr", "amr", "gis", "domain"} {
		if service[name] != nil {
			t.Errorf("the token of a client says %s: %v", name, service[name])
		}
	}
	if service["sub"] != "web" {
		t.Errorf("the subject of a client is %v", service["sub"])
	}
}

func TestWhatSwitchesTheFormOfAccessTokens(t *testing.T) {
	tests := []struct {
		name   string
		domain func(*configv1.OpenIDSettings)
		app    string
		typ    string
		aud    string
	}{
		{"nothing", func(*configv1.OpenIDSettings) {}, "", "JWT", "web"},
		{"the application", func(*configv1.OpenIDSettings) {}, "at+jwt", "at+jwt", "web"},
		{"the domain", func(o *configv1.OpenIDSettings) { o.AccessTokenProfile = "at+jwt" }, "", "at+jwt", "web"},
		{"the security profile", func(o *configv1.OpenIDSettings) {
			o.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: configv1.SecurityProfileSettings_OAUTH21}
		}, "", "at+jwt", "web"},
		{"a default audience, in the form of RFC 9068", func(o *configv1.OpenIDSettings) { o.DefaultAudience = "https://api.example" }, "at+jwt", "at+jwt", "https://api.example"},
		{"a default audience, in the compatible form", func(o *configv1.OpenIDSettings) { o.DefaultAudience = "https://api.example" }, "", "JWT", "web"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			tt.domain(c.Domain.Oidc)
			c.App("web", func(a *configv1.Application) { a.Settings.Oauth.AccessTokenProfile = tt.app })
			h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
			d := h.Domains.Domain(c.Domain.GetId())
			client, err := d.Client(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			made, err := h.Minter.Mint(t.Context(), d, tokens.Authorization{Client: client, Scopes: []string{"read"}})
			if err != nil {
				t.Fatal(err)
			}
			found, err := h.Verifier.Verify(d, made.AccessToken)
			if err != nil {
				t.Fatalf("the gateway does not know its own token: %v", err)
			}
			if h := header(t, made.AccessToken); h.Type != tt.typ {
				t.Errorf("type %q, want %q", h.Type, tt.typ)
			}
			if diff := cmp.Diff([]string{tt.aud}, found.Claims.Audience); diff != "" {
				t.Errorf("audience (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAudienceOfResources(t *testing.T) {
	audience := func(a *configv1.Application) {
		a.Settings.Oauth.TokenCustomClaims = []*configv1.CustomClaim{
			{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "aud", ClaimValue: `{#["https://custom.example", "web"]}`},
		}
	}
	tests := []struct {
		name      string
		change    func(*configv1.Application)
		resources []string
		want      any
	}{
		{"one resource is a text", nil, []string{"https://api.example"}, "https://api.example"},
		{"several are a list", nil, []string{"https://api.example", "urn:b"}, []any{"https://api.example", "urn:b"}},
		{"one that is named twice stands once", nil, []string{"urn:b", "urn:b"}, "urn:b"},
		{"in the form of RFC 9068 too", profiled, []string{"https://api.example"}, "https://api.example"},
		{"a custom audience is appended to the client", audience, nil, []any{"web", "https://custom.example"}},
		{"and is left out where a resource was asked for", audience, []string{"urn:b"}, "urn:b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newMintRig(t, tt.change)
			response, access, _ := r.mint(tokens.Authorization{Scopes: []string{"read"}, Resources: tt.resources})
			if diff := cmp.Diff(tt.want, access["aud"]); diff != "" {
				t.Errorf("audience (-want +got):\n%s", diff)
			}
			if _, err := r.Verifier.Verify(r.d, response.AccessToken); err != nil {
				t.Errorf("the gateway does not know its own token: %v", err)
			}
		})
	}
}

func TestTokensEndWithWhatTheyWereMadeFrom(t *testing.T) {
	r := newMintRig(t, nil)
	now := r.Clock.Now()
	response, access, id := r.mint(tokens.Authorization{Person: ann(), Scopes: []string{"openid"}, NotAfter: now.Add(time.Minute)})
	if response.ExpiresIn != time.Minute || access["exp"] != float64(now.Unix()+60) || id["exp"] != float64(now.Unix()+60) {
		t.Errorf("lives %v, until %v and %v", response.ExpiresIn, access["exp"], id["exp"])
	}
	if response, _, _ := r.mint(tokens.Authorization{NotAfter: now.Add(24 * time.Hour)}); response.ExpiresIn != 2*time.Hour {
		t.Errorf("a late end makes tokens live %v", response.ExpiresIn)
	}
	if _, err := r.minter.Mint(t.Context(), r.d, tokens.Authorization{Client: r.c, NotAfter: now}); err == nil {
		t.Error("a token was made from something that is over")
	}
}

func TestK6AccessTokensOfPairwiseClientsHideThePerson(t *testing.T) {
	for _, form := range []struct {
		name   string
		change func(*configv1.Application)
	}{{"compatible", pairwise()}, {"RFC 9068", func(a *configv1.Application) { pairwise()(a); profiled(a) }}} {
		t.Run(form.name, func(t *testing.T) {
			r := newMintRig(t, form.change)
			person := ann()
			person.Subject, person.UserID, person.Username = "public-subject", "directory-id", "user-name"
			response, access, id := r.mint(tokens.Authorization{Person: person, Scopes: []string{"openid"}, Grant: strings.Repeat("g", 22)})
			want := tokens.Subject(r.d, r.c, person)
			if access["sub"] != want || id["sub"] != want || want == person.Subject {
				t.Errorf("subjects %v and %v, want %v", access["sub"], id["sub"], want)
			}
			whole, err := json.Marshal([]any{access, id})
			if err != nil {
				t.Fatal(err)
			}
			for _, leak := range []string{person.Subject, person.UserID, person.Username, person.ExternalID + `"`, `"gis"`} {
				if strings.Contains(string(whole), leak) {
					t.Errorf("the tokens say %q: %s", leak, whole)
				}
			}
			found, err := r.Verifier.Verify(r.d, response.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			if found.Person != person.Subject || found.Claims.Subject != want {
				t.Errorf("the gateway knows the person as %q, the client as %q", found.Person, found.Claims.Subject)
			}
			if strings.Contains(string(found.Payload), "sealed") {
				t.Errorf("others are shown what is sealed: %s", found.Payload)
			}
			again, _, _ := r.mint(tokens.Authorization{Person: person, Scopes: []string{"openid"}, Grant: strings.Repeat("g", 22)})
			if sealedOf(t, again.AccessToken) == sealedOf(t, response.AccessToken) {
				t.Error("two tokens can be compared by what is sealed in them")
			}
		})
	}
}

func sealedOf(t *testing.T, token string) (text string) {
	t.Helper()
	_, claims, err := jose.Unverified(token)
	if err == nil {
		_, err = claims.Decode("sealed", &text)
	}
	if err != nil || text == "" {
		t.Fatalf("sealed %q, error %v", text, err)
	}
	return text
}

// TestASealedClaimOpensInItsOwnTokenAlone moves one to another token, signed by the same key.
func TestASealedClaimOpensInItsOwnTokenAlone(t *testing.T) {
	r := newMintRig(t, pairwise())
	mint := func() (string, *jose.Claims) {
		response, _, _ := r.mint(tokens.Authorization{Person: ann(), Scopes: []string{"openid"}})
		_, claims, err := jose.Unverified(response.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		return response.AccessToken, claims
	}
	forge := func(c *jose.Claims, sealed any) string {
		all := c.Map()
		all["sealed"] = sealed
		body, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		token, err := r.c.AccessKey.Sign(jose.TypeJWT, body)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	one, claims := mint()
	other, _ := mint()
	if _, err := r.Verifier.Verify(r.d, forge(claims, sealedOf(t, one))); err != nil {
		t.Fatalf("the forgery is not what it should be: %v", err)
	}
	for _, sealed := range []any{sealedOf(t, other), "", "!", 7, nil, "AAAA"} {
		if _, err := r.Verifier.Verify(r.d, forge(claims, sealed)); err == nil {
			t.Errorf("a token with %v sealed into it is taken", sealed)
		}
	}
}

// TestRevokingAPersonReachesPairwiseTokens although they do not show who the person is.
func TestRevokingAPersonReachesPairwiseTokens(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", pairwise())
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	client, err := d.Client(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	made, err := h.Minter.Mint(t.Context(), d, tokens.Authorization{Client: client, Person: &state.Person{Subject: "ann"}, Scopes: []string{"openid"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Verifier.Verify(d, made.AccessToken); err != nil {
		t.Fatal(err)
	}
	if err := h.Store.RevokeSubject(t.Context(), d.ID, "ann", h.Clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Verifier.Verify(d, made.AccessToken); err == nil {
		t.Error("the token outlived its person's sign-out")
	}
}
