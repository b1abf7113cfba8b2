package tokens_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// personal are the names of an ID token's claims that say something about a person.
func personal(id map[string]any) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(id)) {
		if !slices.Contains([]string{"iss", "sub", "aud", "iat", "exp", "at_hash", "c_hash", "nonce"}, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func TestK2WhichClaimsAnIDTokenHas(t *testing.T) {
	strict := configv1.SecurityProfileSettings_OAUTH21
	alone := func(a *tokens.Authorization) { a.Without = tokens.WithoutAccessToken }
	asked := func(claims string) func(*tokens.Authorization) {
		return func(a *tokens.Authorization) { a.Claims = json.RawMessage(claims) }
	}
	tests := []struct {
		name    string
		profile configv1.SecurityProfileSettings_Profile
		change  func(*tokens.Authorization)
		want    string
	}{
		{"those of scopes, under the compatible profile", 0, nil, "email email_verified"},
		{"none under the others, because UserInfo has them", strict, nil, ""},
		{"those of scopes where no access token is issued", strict, alone, "email email_verified"},
		{"none in front where the code brings an access token", strict, func(a *tokens.Authorization) { alone(a); a.Code = "c" }, ""},
		{"one that is asked for", strict, asked(`{"id_token":{"given_name":{"essential":true},"shoe_size":null}}`), "given_name"},
		{"one with a wrong value is left out", strict, asked(`{"id_token":{"given_name":{"value":"Bob"},"name":{"values":["x","Ann Doe"]}}}`), "name"},
		{"what is asked of UserInfo is there", strict, asked(`{"userinfo":{"given_name":null}}`), ""},
		{"unless there is no way to it", strict, func(a *tokens.Authorization) {
			alone(a)
			a.Scopes = []string{"openid"}
			asked(`{"userinfo":{"given_name":null}}`)(a)
		}, "given_name"},
		{"a claim whose scope the client may not have", strict, asked(`{"id_token":{"phone_number":null,"groups":null}}`), ""},
		{"the protocol's own cannot be asked for", strict, asked(`{"id_token":{"iss":{"value":"x"},"nonce":{"value":"x"},"client_id":null,"jti":null,"acr":null,"auth_time":null}}`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newMintRig(t, func(a *configv1.Application) { a.Settings.Oauth.SecurityProfile = tt.profile })
			a := tokens.Authorization{Person: ann(), Scopes: []string{"openid", "email"}}
			if tt.change != nil {
				tt.change(&a)
			}
			_, _, id := r.mint(a)
			if got := personal(id); got != tt.want {
				t.Errorf("claims %q, want %q", got, tt.want)
			}
		})
	}
}

func TestK3ClaimsHaveTheirTypes(t *testing.T) {
	r := newMintRig(t, func(a *configv1.Application) {
		for _, s := range []string{"address", "phone", "groups", "roles"} {
			a.Settings.Oauth.ScopeSettings = append(a.Settings.Oauth.ScopeSettings, &configv1.ScopeSetting{Scope: s})
		}
	})
	person := ann()
	_, _, id := r.mint(tokens.Authorization{Person: person, Scopes: []string{"openid", "profile", "email", "address", "phone", "groups", "roles"}})
	want := map[string]any{
		"email_verified": true, "phone_number_verified": true, "updated_at": 1.0, "address": map[string]any{"region": "x"},
		"groups": []any{"north"}, "roles": []any{"boss"}, "email": "ann@acme.example", "phone_number": "+1",
	}
	for name, v := range want {
		if diff := cmp.Diff(v, id[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, v := range id {
		if v == nil || v == "" {
			t.Errorf("%s is empty", name)
		}
	}
}

func TestHashesInTheIDToken(t *testing.T) {
	r := newMintRig(t, nil)
	response, _, id := r.mint(tokens.Authorization{Person: ann(), Scopes: []string{"openid"}, Code: "the code", State: "the state"})
	alg := r.c.IDKey.Algorithm()
	for name, of := range map[string]string{"at_hash": response.AccessToken, "c_hash": "the code", "s_hash": "the state"} {
		if id[name] != alg.HalfHash(of) {
			t.Errorf("%s is %v", name, id[name])
		}
	}
	_, _, bare := r.mint(tokens.Authorization{Person: ann(), Scopes: []string{"openid"}, Without: tokens.WithoutAccessToken})
	for _, name := range []string{"at_hash", "c_hash", "s_hash"} {
		if bare[name] != nil {
			t.Errorf("%s is %v without what it hashes", name, bare[name])
		}
	}
}

func TestIDTokensSignedWithTheClientsSecret(t *testing.T) {
	const secret = "a-secret-that-is-long-enough-to-be-a-key-of-HS256"
	r := newMintRig(t, func(a *configv1.Application) {
		a.Secrets[0].Key = []byte(secret)
		a.Settings.Oauth.IdTokenSignedResponseAlg = "HS256"
	})
	made, err := r.minter.Mint(t.Context(), r.d, tokens.Authorization{Client: r.c, Person: ann(), Scopes: []string{"openid"}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewHMACKey("", jose.HS256, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Verify(made.IDToken, jose.Check{Algorithms: []jose.Algorithm{jose.HS256}}); err != nil {
		t.Errorf("the client cannot verify it: %v", err)
	}
	hint, err := tokens.ReadHint(t.Context(), r.d, made.IDToken)
	if err != nil || !hint.Names(ann()) || !hint.For("web") || hint.ClientID != "web" {
		t.Errorf("read back: %+v, error %v", hint, err)
	}
	if h, _, err := jose.Unverified(made.AccessToken); err != nil || h.Algorithm != jose.ES256 {
		t.Errorf("the access token is signed with %s (%v): whoever has the secret could make one", h.Algorithm, err)
	}
	other, err := jose.NewHMACKey("", jose.HS256, []byte(strings.Repeat("x", 32)))
	if err != nil {
		t.Fatal(err)
	}
	_, claims, err := jose.Unverified(made.IDToken)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims.Map())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := other.Sign(jose.TypeJWT, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.ReadHint(t.Context(), r.d, forged); err == nil {
		t.Error("an ID token that is signed with another secret is read back")
	}
}

func TestReadingPairwiseIDTokensBack(t *testing.T) {
	r := newMintRig(t, pairwise())
	made, err := r.minter.Mint(t.Context(), r.d, tokens.Authorization{Client: r.c, Person: ann(), Scopes: []string{"openid"}, SessionID: "s"})
	if err != nil {
		t.Fatal(err)
	}
	hint, err := tokens.ReadHint(t.Context(), r.d, made.IDToken)
	if err != nil {
		t.Fatal(err)
	}
	if !hint.Names(ann()) || hint.Names(&state.Person{Subject: "bob"}) || hint.SessionID != tokens.SessionID(r.d, r.c, "s") {
		t.Errorf("read back: %+v", hint)
	}
}
