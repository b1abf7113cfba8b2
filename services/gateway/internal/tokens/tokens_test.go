package tokens_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

func mustStruct(t testing.TB, members map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(members)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWhatTheDirectoryKnows: it goes before what a provider once said.
func TestWhatTheDirectoryKnows(t *testing.T) {
	p := tokens.PersonOf(&directoryv1.User{
		NickName: "annie", MiddleName: "B.", Birthdate: "1990-12-31", Gender: "female", ZoneInfo: "Europe/Zurich", PreferredLanguage: "de-CH",
		Profile: "https://ann.example/me", Picture: "https://ann.example/me.png", Website: "https://ann.example",
		PhoneNumbers: []*directoryv1.PhoneNumber{{Value: "+1"}, {Value: "+2", Primary: true}},
		Addresses:    []*directoryv1.Address{{Locality: "Zürich", Country: "CH"}, {Locality: "Bern"}},
		Standing: &directoryv1.Standing{
			Groups: []*directoryv1.Standing_Group{{Id: "1", Name: "north"}}, Roles: []*directoryv1.Standing_Role{{Id: "2", Name: "boss"}},
		},
		AdditionalInformation: mustStruct(t, map[string]any{
			"nickname": "x", "phone_number": "+3", "phone_number_verified": true, "groups": []any{"south"}, "locale": "en",
		}),
	})
	delete(p.Profile, state.AdditionalInformation)
	want := map[string]any{
		"nickname": "annie", "middle_name": "B.", "birthdate": "1990-12-31", "gender": "female", "zoneinfo": "Europe/Zurich", "locale": "de-CH",
		"profile": "https://ann.example/me", "picture": "https://ann.example/me.png", "website": "https://ann.example",
		"phone_number": "+2", "address": map[string]any{"locality": "Zürich", "country": "CH"}, "groups": []any{"north"}, "roles": []any{"boss"},
	}
	if diff := cmp.Diff(want, p.Profile); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
}

func TestPersonOf(t *testing.T) {
	u := &directoryv1.User{
		Id: "u1", Subject: "s1", Source: "staff", ExternalId: "x1", Username: "ann", Email: "ann@acme.example", FirstName: "Ann", LastName: "Doe",
		UpdatedAt: timestamppb.New(time.Unix(1_900_000_000, 5e8)),
		AdditionalInformation: mustStruct(t, map[string]any{
			"nickname": "annie", "website": "", "gender": 7.0, "picture": nil, "email": "forged@evil.example", "email_verified": true,
			"phone_number": "+1", "phone_number_verified": "true", "address": map[string]any{"street_address": "1 Main", "region": ""},
			"groups": []any{"north", "", 5.0}, "roles": []any{}, "updated_at": 1.0, "dept": "sales", "zoneinfo": "Europe/Rome",
		}),
	}
	p := tokens.PersonOf(u)
	want := map[string]any{
		"name": "Ann Doe", "given_name": "Ann", "family_name": "Doe", "preferred_username": "ann", "nickname": "annie", "zoneinfo": "Europe/Rome",
		"email": "ann@acme.example", "email_verified": false, "phone_number": "+1", "phone_number_verified": true,
		"address": map[string]any{"street_address": "1 Main"}, "groups": []any{"north"}, "updated_at": int64(1_900_000_000),
	}
	additional, _ := p.Profile[state.AdditionalInformation].(map[string]any)
	if additional["dept"] != "sales" {
		t.Errorf("additional information %v", additional)
	}
	delete(p.Profile, state.AdditionalInformation)
	if diff := cmp.Diff(want, p.Profile); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
	if p.UserID != "u1" || p.Subject != "s1" || p.Source != "staff" || p.ExternalID != "x1" || p.Username != "ann" {
		t.Errorf("person %+v", p)
	}
	bare := tokens.PersonOf(&directoryv1.User{DisplayName: "The Ann", LastName: "Doe", AdditionalInformation: mustStruct(t, map[string]any{
		"email_verified": true, "phone_number_verified": true, "address": "1 Main Street",
	})})
	delete(bare.Profile, state.AdditionalInformation)
	if diff := cmp.Diff(map[string]any{"name": "The Ann", "family_name": "Doe", "address": map[string]any{"formatted": "1 Main Street"}}, bare.Profile); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
	if empty := tokens.PersonOf(&directoryv1.User{}); len(empty.Profile) != 0 {
		t.Errorf("nobody has the claims %v", empty.Profile)
	}
}

func ann() *state.Person {
	return &state.Person{
		UserID: "u1", Subject: "s1", Source: "staff", ExternalID: "x1", Username: "ann",
		Profile: map[string]any{
			"name": "Ann Doe", "given_name": "Ann", "updated_at": int64(1), "email": "ann@acme.example", "email_verified": true,
			"address": map[string]any{"region": "x"}, "phone_number": "+1", "phone_number_verified": true, "groups": []any{"north"}, "roles": []any{"boss"},
			state.AdditionalInformation: map[string]any{
				"dept": "sales", "iss": "forged", "aud": "forged", "client_id": "forged", "jti": "forged", "email": "forged", "nickname": 5.0, "empty": "", "nothing": nil,
			},
		},
	}
}

func TestProfileClaims(t *testing.T) {
	tests := []struct {
		name   string
		scopes string
		want   string
	}{
		{"openid alone stands for nothing", "openid", "{}"},
		{"unknown scopes too", "read write", "{}"},
		{"profile", "openid profile", `{"given_name":"Ann","name":"Ann Doe","updated_at":1}`},
		{"email", "email", `{"email":"ann@acme.example","email_verified":true}`},
		{"address", "address", `{"address":{"region":"x"}}`},
		{"phone", "phone", `{"phone_number":"+1","phone_number_verified":true}`},
		{"groups and roles", "groups roles", `{"groups":["north"],"roles":["boss"]}`},
		{"full_profile is everything, and nothing that the protocols check", "full_profile",
			`{"address":{"region":"x"},"dept":"sales","email":"ann@acme.example","email_verified":true,"given_name":"Ann","groups":["north"],"name":"Ann Doe","phone_number":"+1","phone_number_verified":true,"roles":["boss"],"updated_at":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tokens.ProfileClaims(ann(), strings.Fields(tt.scopes)))
			if err != nil || string(got) != tt.want {
				t.Errorf("claims %s, error %v; want %s", got, err, tt.want)
			}
		})
	}
}

// mintRig mints for one client.
type mintRig struct {
	*gatewaytest.Harness
	t      *testing.T
	d      *domain.Domain
	c      *domain.Client
	failed *int
	minter *tokens.Minter
}

func newMintRig(t *testing.T, change func(*configv1.Application)) *mintRig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.App("web", change)
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	client, err := d.Client(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	failed := new(int)
	minter := tokens.NewMinter(nil, h.Clock.Now, ruleerrors.New(slog.New(slog.DiscardHandler), h.Clock.Now, func(place string) {
		if place != ruleerrors.Claim {
			t.Errorf("a failure at the place %q", place)
		}
		*failed++
	}))
	return &mintRig{h, t, d, client, failed, minter}
}

func (r *mintRig) mint(a tokens.Authorization) (response tokens.Response, access, id map[string]any) {
	r.t.Helper()
	a.Client = r.c
	response, err := r.minter.Mint(r.t.Context(), r.d, a)
	if err != nil {
		r.t.Fatal(err)
	}
	read := func(token string) (claims map[string]any) {
		if token == "" {
			return nil
		}
		checked, err := r.d.Keys.Verify(token, jose.Check{Types: []string{jose.TypeJWT, jose.TypeAccessToken}})
		if err != nil {
			r.t.Fatal(err)
		}
		if err := json.Unmarshal(checked.Payload, &claims); err != nil {
			r.t.Fatalf("%s: %v", checked.Payload, err)
		}
		return claims
	}
	return response, read(response.AccessToken), read(response.IDToken)
}

func claims(kind configv1.CustomClaim_TokenType, pairs ...string) func(*configv1.Application) {
	return func(a *configv1.Application) {
		for i := 0; i+1 < len(pairs); i += 2 {
			a.Settings.Oauth.TokenCustomClaims = append(a.Settings.Oauth.TokenCustomClaims, &configv1.CustomClaim{TokenType: kind, ClaimName: pairs[i], ClaimValue: pairs[i+1]})
		}
	}
}

const (
	inAccess = configv1.CustomClaim_ACCESS_TOKEN
	inID     = configv1.CustomClaim_ID_TOKEN
)

func TestCustomClaims(t *testing.T) {
	person := tokens.Authorization{Person: ann(), Scopes: []string{"openid", "email"}, Grant: strings.Repeat("g", 22)}
	client := tokens.Authorization{}
	tests := []struct {
		name   string
		change func(*configv1.Application)
		a      tokens.Authorization
		token  string
		claim  string
		want   any
		failed int
	}{
		{"literal text", claims(inAccess, "dept", "north"), client, "access", "dept", "north", 0},
		{"an expression about the person", claims(inAccess, "mail", "{#context.attributes['user']['email']}"), person, "access", "mail", "ann@acme.example", 0},
		{"an expression about the client", claims(inAccess, "c", "{#client.clientId}-{#context.attributes['client']['name']}"), client, "access", "c", "web-web", 0},
		{"an expression about additional information", claims(inID, "dept", "{#user.additionalInformation['dept']}"), person, "id", "dept", "sales", 0},
		{"lists and numbers keep their type", claims(inAccess, "list", "{#[1, 'two', true]}"), client, "access", "list", []any{1.0, "two", true}, 0},
		{"a person's groups", claims(inAccess, "g", "{#user.groups}"), person, "access", "g", []any{"north"}, 0},
		{"null is left out", claims(inAccess, "n", "{#null}"), client, "access", "n", nil, 0},
		{"a failure is left out and reported", claims(inAccess, "mail", "{#user.email}"), client, "access", "mail", nil, 1},
		{"what JSON cannot say is left out and reported", claims(inAccess, "nan", "{#0.0 / 0.0}"), client, "access", "nan", nil, 1},
		{"in an ID token too", claims(inID, "nan", "{#0.0 / 0.0}"), person, "id", "nan", nil, 1},
		{"a claim of the other token stays there", claims(inID, "x", "y"), person, "access", "x", nil, 0},
		{"an ID token's claim may replace one of the profile", claims(inID, "email", "other@acme.example"), person, "id", "email", "other@acme.example", 0},
		{"the last of two counts", claims(inAccess, "x", "1", "y", "2", "x", "3"), client, "access", "x", "3", 0},
		{"names and values are escaped", claims(inAccess, `a"b\`, "é\"\n"), client, "access", `a"b\`, "é\"\n", 0},
		{"aud is extended by a text", claims(inAccess, "aud", "api"), client, "access", "aud", []any{"web", "api"}, 0},
		{"aud is extended by a list, without repetition", claims(inAccess, "aud", "{#['api', 'web', 'api', 'b']}"), client, "access", "aud", []any{"web", "api", "b"}, 0},
		{"aud of an ID token is extended too", claims(inID, "aud", "{#['api']}"), person, "id", "aud", []any{"web", "api"}, 0},
		{"aud that is no list of texts changes nothing", claims(inAccess, "aud", "{#[1]}"), client, "access", "aud", "web", 1},
		{"aud without a value changes nothing", claims(inAccess, "aud", "{#null}"), client, "access", "aud", "web", 0},
	}
	for _, reserved := range []string{"iss", "sub", "exp", "iat", "nbf", "jti", "scope", "client_id", "domain", "gis", "cnf", "act", "active", "token_type", "username"} {
		r := newMintRig(t, claims(inAccess, reserved, "forged"))
		if _, access, _ := r.mint(person); access[reserved] == "forged" {
			t.Errorf("the claim %s can be forged", reserved)
		}
	}
	for _, reserved := range []string{"iss", "sub", "exp", "iat", "jti", "client_id", "nonce", "auth_time", "acr", "amr", "at_hash", "c_hash", "sid", "azp", "domain", "events"} {
		r := newMintRig(t, claims(inID, reserved, "forged"))
		if _, _, id := r.mint(person); id[reserved] == "forged" {
			t.Errorf("the claim %s can be forged", reserved)
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newMintRig(t, tt.change)
			response, access, id := r.mint(tt.a)
			got := access[tt.claim]
			if tt.token == "id" {
				got = id[tt.claim]
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
			if *r.failed != tt.failed {
				t.Errorf("%d failures were reported, want %d", *r.failed, tt.failed)
			}
			if _, err := r.Verifier.Verify(r.d, response.AccessToken); err != nil {
				t.Errorf("the token is not accepted: %v", err)
			}
		})
	}
	t.Run("custom claims come last", func(t *testing.T) {
		r := newMintRig(t, claims(inAccess, "a", "1", "b", "2"))
		response, _, _ := r.mint(person)
		found, err := r.Verifier.Verify(r.d, response.AccessToken)
		if err != nil || !strings.HasSuffix(string(found.Payload), `"client_id":"web","gis":"staff:x1","a":"1","b":"2"}`) {
			t.Errorf("payload %s, error %v", found.Payload, err)
		}
	})
}

func TestIDToken(t *testing.T) {
	r := newMintRig(t, func(a *configv1.Application) { a.Settings.Oauth.IdTokenSignedResponseAlg = "RS256" })
	full := tokens.Authorization{
		Person: ann(), Scopes: []string{"openid", "email"}, Grant: strings.Repeat("g", 22), AuthTime: 17, Nonce: "n", SessionID: "sid", ACR: "acr",
		AMR: []string{"pwd"}, Code: "the code",
	}
	response, _, id := r.mint(full)
	now := float64(r.Clock.Now().Unix())
	want := map[string]any{
		"iss": "https://gw.example/acme/oidc", "sub": "s1", "aud": "web", "iat": now, "exp": now + 14400, "auth_time": 17.0, "nonce": "n", "acr": "acr",
		"sid": tokens.SessionID(r.d, r.c, "sid"),
		"amr": []any{"pwd"}, "at_hash": jose.RS256.HalfHash(response.AccessToken), "c_hash": jose.RS256.HalfHash("the code"),
		"email": "ann@acme.example", "email_verified": true,
	}
	if diff := cmp.Diff(want, id); diff != "" {
		t.Errorf("ID token (-want +got):\n%s", diff)
	}
	if _, err := r.Verifier.Verify(r.d, response.IDToken); err == nil {
		t.Error("an ID token counts as an access token")
	}
	bare := full
	bare.AuthTime, bare.Nonce, bare.SessionID, bare.ACR, bare.AMR, bare.Code, bare.Scopes = 0, "", "", "", nil, "", []string{"openid"}
	_, _, id = r.mint(bare)
	for _, name := range []string{"auth_time", "nonce", "sid", "acr", "amr", "c_hash", "email"} {
		if _, there := id[name]; there {
			t.Errorf("an ID token has the empty claim %s", name)
		}
	}
	if r, _, _ := r.mint(tokens.Authorization{Person: ann(), Scopes: []string{"email"}}); r.IDToken != "" {
		t.Error("an ID token without openid")
	}
	if r, _, _ := r.mint(tokens.Authorization{Scopes: []string{"openid"}}); r.IDToken != "" {
		t.Error("an ID token without a person")
	}
}

func TestARevocationIsExactWithinASecond(t *testing.T) {
	r := newMintRig(t, nil)
	at := r.Clock.Now().UnixMilli() + 250
	verifier := tokens.NewVerifier(r.Clock.Now, cutoff(at))
	before, _, _ := r.mint(tokens.Authorization{Person: ann()})
	r.Clock.Forward(251 * time.Millisecond)
	after, _, _ := r.mint(tokens.Authorization{Person: ann(), Grant: strings.Repeat("g", 22)})
	if _, err := verifier.Verify(r.d, before.AccessToken); err == nil {
		t.Error("a token from before the revocation is alive")
	}
	if _, err := verifier.Verify(r.d, after.AccessToken); err != nil {
		t.Error("a token from after it, in the same second, is dead")
	}
	key := r.c.AccessKey
	foreign, err := key.Sign(jose.TypeJWT, []byte(`{"iss":"https://gw.example/acme/oidc","sub":"s1","client_id":"web","jti":"another-form","domain":"`+r.d.ID+`","iat":`+
		jsonInt(r.Clock.Now().Unix())+`,"exp":9999999999}`))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := r.Verifier.Verify(r.d, foreign); err != nil || found.IssuedAt != r.Clock.Now().Unix()*1000+999 {
		t.Errorf("a token whose identifier tells no time: %+v, %v", found, err)
	}
}

// cutoff revokes what was issued up to a moment.
type cutoff int64

func (c cutoff) Revoked(t state.Token) bool { return t.IssuedAt <= int64(c) }

func jsonInt(n int64) string { b, _ := json.Marshal(n); return string(b) }

func TestAnswerIsJSON(t *testing.T) {
	r := tokens.Response{AccessToken: "a\"b", ExpiresIn: 90 * time.Second, Scopes: []string{"é", "x"}, RefreshToken: "r", IDToken: "i"}
	var got map[string]any
	if err := json.Unmarshal(r.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"access_token": "a\"b", "token_type": "bearer", "expires_in": 90.0, "scope": "é x", "refresh_token": "r", "id_token": "i"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}
