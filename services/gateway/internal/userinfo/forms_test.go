package userinfo_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// recipient is a client's key for what only it may read, and the JWK set that it registered.
func recipient(t *testing.T) (*jose.Decrypter, *structpb.Struct) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewDecryptionKey(private, "enc")
	if err != nil {
		t.Fatal(err)
	}
	public, err := private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set, err := structpb.NewStruct(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "use": "enc", "kid": "enc", "x": b64(public[1:33]), "y": b64(public[33:]),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return jose.NewDecrypter(key), set
}

const clientSecret = "a-secret-that-is-long-enough-to-be-a-key-of-HS512-0123456789-0123456789"

// rigOf has the client `web` as a test wants it.
func rigOf(t *testing.T, change func(*configv1.OAuthSettings), domain ...func(*configv1.Domain)) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	for _, f := range domain {
		f(c.Domain)
	}
	c.App("web", func(a *configv1.Application) {
		a.Secrets[0].Key = []byte(clientSecret)
		if change != nil {
			change(a.Settings.Oauth)
		}
	})
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	return &rig{h, t, c.Domain.GetId(), gatewaytest.Subject("staff", "ann")}
}

// minted makes the tokens of ann.
func (r *rig) minted(change func(*tokens.Authorization)) tokens.Response {
	r.t.Helper()
	d := r.Domains.Domain(r.domain)
	c, err := d.Client(r.t.Context(), "web")
	if err != nil {
		r.t.Fatal(err)
	}
	user, err := r.Directory.SignIn(r.t.Context(), r.domain, "", gatewaytest.Identity("ann"))
	if err != nil {
		r.t.Fatal(err)
	}
	who := tokens.PersonOf(user)
	a := tokens.Authorization{Client: c, Scopes: []string{"openid", "email"}, Person: &who, Nonce: "a-nonce"}
	if change != nil {
		change(&a)
	}
	made, err := r.Minter.Mint(r.t.Context(), d, a)
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

// signedBy are the keys that verify an algorithm: the domain's, or the client's secret.
func (r *rig) signedBy(alg jose.Algorithm) *jose.KeySet {
	r.t.Helper()
	if !alg.Symmetric() {
		return r.Domains.Domain(r.domain).Keys
	}
	key, err := jose.NewHMACKey("", alg, []byte(clientSecret))
	if err != nil {
		r.t.Fatal(err)
	}
	set, err := jose.NewKeySet(key)
	if err != nil {
		r.t.Fatal(err)
	}
	return set
}

func TestU4UserInfoIsAJWTWhereOneIsRegistered(t *testing.T) {
	r := rigOf(t, nil)
	if a := r.Get(path, bearer(r.minted(nil).AccessToken)); a.Header.Get("Content-Type") != "application/json" || a.JSON(t)["iss"] != nil {
		t.Errorf("nothing is registered, and the answer is %s: %s", a.Header.Get("Content-Type"), a.Body)
	}
	for _, alg := range []jose.Algorithm{jose.RS256, jose.ES256, jose.HS256, jose.HS512} {
		t.Run(string(alg), func(t *testing.T) {
			r := rigOf(t, func(o *configv1.OAuthSettings) { o.UserinfoSignedResponseAlg = string(alg) })
			a := r.Get(path, bearer(r.minted(nil).AccessToken))
			if a.Status != 200 || a.Header.Get("Content-Type") != "application/jwt" || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("status %d, header %v: %s", a.Status, a.Header, a.Body)
			}
			checked, err := r.signedBy(alg).Verify(a.Body, jose.Check{Algorithms: []jose.Algorithm{alg}, Types: []string{jose.TypeNone}})
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(checked.Payload, &got); err != nil {
				t.Fatal(err)
			}
			now := float64(r.Clock.Now().Unix())
			want := map[string]any{
				"iss": "https://gw.example/acme/oidc", "aud": "web", "iat": now, "exp": now + 7200,
				"sub": r.subject, "email": "ann@acme.example", "email_verified": false,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claims, of which none is a nonce (-want +got):\n%s", diff)
			}
		})
	}
}

func TestK8IDTokensAndUserInfoAreSignedAndThenEncrypted(t *testing.T) {
	key, set := recipient(t)
	bySecret := jose.NewDecrypter().WithSecrets(clientSecret)
	tests := []struct {
		name     string
		alg, enc string
		key      *jose.Decrypter
	}{
		{"with a key of the client", "ECDH-ES+A256KW", "A256GCM", key},
		{"without an enc it is A128CBC-HS256", "ECDH-ES", "", key},
		{"with the client's secret", "A128KW", "A128GCM", bySecret},
		{"directly with the client's secret", "dir", "A256GCM", bySecret},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rigOf(t, func(o *configv1.OAuthSettings) {
				o.Jwks, o.IdTokenSignedResponseAlg, o.UserinfoSignedResponseAlg = set, "RS256", "ES256"
				o.IdTokenEncryptedResponseAlg, o.IdTokenEncryptedResponseEnc = tt.alg, tt.enc
				o.UserinfoEncryptedResponseAlg, o.UserinfoEncryptedResponseEnc = tt.alg, tt.enc
			})
			made := r.minted(nil)
			a := r.Get(path, bearer(made.AccessToken))
			if a.Header.Get("Content-Type") != "application/jwt" {
				t.Errorf("UserInfo is %s", a.Header.Get("Content-Type"))
			}
			for what, x := range map[string]struct {
				token, typ string
				alg        jose.Algorithm
			}{"the ID token": {made.IDToken, jose.TypeJWT, jose.RS256}, "UserInfo": {a.Body, jose.TypeNone, jose.ES256}} {
				open, err := tt.key.Decrypt(x.token, jose.Decryption{Algorithms: []jose.KeyManagement{jose.KeyManagement(tt.alg)}})
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if open.ContentType != "JWT" || tt.enc != "" && string(open.Encoding) != tt.enc || tt.enc == "" && open.Encoding != "A128CBC-HS256" {
					t.Errorf("%s: cty %q, enc %q", what, open.ContentType, open.Encoding)
				}
				if _, err := r.signedBy(x.alg).Verify(string(open.Payload), jose.Check{Algorithms: []jose.Algorithm{x.alg}, Types: []string{x.typ}}); err != nil {
					t.Errorf("%s: what is inside: %v", what, err)
				}
			}
		})
	}
	t.Run("UserInfo that is encrypted alone", func(t *testing.T) {
		r := rigOf(t, func(o *configv1.OAuthSettings) { o.Jwks, o.UserinfoEncryptedResponseAlg = set, "ECDH-ES" })
		a := r.Get(path, bearer(r.minted(nil).AccessToken))
		open, err := key.Decrypt(a.Body, jose.Decryption{})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(open.Payload, &got); err != nil || got["aud"] != "web" || got["iss"] == nil || open.ContentType != "" {
			t.Errorf("cty %q, error %v, claims %v", open.ContentType, err, got)
		}
	})
	t.Run("without a key for it", func(t *testing.T) {
		r := rigOf(t, func(o *configv1.OAuthSettings) { o.UserinfoEncryptedResponseAlg = "ECDH-ES" })
		a := r.Get(path, bearer(r.minted(nil).AccessToken))
		if got := a.Error(t); got != "Bad Request | invalid_client_metadata | no matching key found to encrypt" {
			t.Errorf("answered %q", got)
		}
	})
}

func TestU2UserInfoNamesThePersonAsTheIDTokenDoes(t *testing.T) {
	for _, subjects := range []string{"public", "pairwise"} {
		for _, form := range []string{"", "at+jwt"} {
			r := rigOf(t, func(o *configv1.OAuthSettings) { o.SubjectType, o.AccessTokenProfile = subjects, form })
			made := r.minted(nil)
			_, id, err := jose.Unverified(made.IDToken)
			if err != nil {
				t.Fatal(err)
			}
			_, access, err := jose.Unverified(made.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			said := r.Get(path, bearer(made.AccessToken)).JSON(t)
			if said["sub"] != id.Subject || access.Subject != id.Subject || (id.Subject == r.subject) != (subjects == "public") {
				t.Errorf("%s %s: %v in UserInfo, %q in the ID token, %q in the access token", subjects, form, said["sub"], id.Subject, access.Subject)
			}
			if said["email"] != "ann@acme.example" {
				t.Errorf("%s %s: the person was not found: %v", subjects, form, said)
			}
		}
	}
}

func TestU6ATokenInTheQuery(t *testing.T) {
	strict := func(d *configv1.Domain) {
		d.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: configv1.SecurityProfileSettings_OAUTH21}
	}
	t.Run("is accepted under the compatible profile, for private caches alone", func(t *testing.T) {
		r := rigOf(t, nil)
		a := r.Get(path + "?access_token=" + r.minted(nil).AccessToken)
		if a.Status != 200 || a.Header.Get("Cache-Control") != "no-store, private" {
			t.Errorf("status %d, header %v", a.Status, a.Header)
		}
	})
	const refusal = "Bad Request | invalid_request | The access token must not be sent in the query"
	t.Run("is refused under the others", func(t *testing.T) {
		r := rigOf(t, nil, strict)
		token := r.minted(nil).AccessToken
		for _, a := range []gatewaytest.Answer{
			r.Get(path + "?access_token=" + token), r.Get(path+"?access_token="+token, bearer(token)), r.Post(path+"?access_token="+token, nil),
			r.Get(path + "?access_token=x"), r.Get(path + "?access_token="),
		} {
			if got := a.Error(t); got != refusal {
				t.Errorf("answered %q", got)
			}
		}
		for _, a := range []gatewaytest.Answer{r.Get(path, bearer(token)), r.Post(path, gatewaytest.Form("access_token", token))} {
			if a.Status != 200 {
				t.Errorf("the token in its place: status %d: %s", a.Status, a.Body)
			}
		}
	})
	t.Run("and for an application that is stricter than its domain", func(t *testing.T) {
		r := rigOf(t, func(o *configv1.OAuthSettings) { o.SecurityProfile = configv1.SecurityProfileSettings_OAUTH21 })
		if got := r.Get(path + "?access_token=" + r.minted(nil).AccessToken).Error(t); got != refusal {
			t.Errorf("answered %q", got)
		}
	})
}

func TestE6SchemeNamesHaveNoCase(t *testing.T) {
	r := rigOf(t, nil)
	token := r.minted(nil).AccessToken
	for _, scheme := range []string{"Bearer", "bearer", "BEARER", "bEaReR"} {
		if a := r.Get(path, gatewaytest.Header("Authorization", scheme+" "+token)); a.Status != 200 {
			t.Errorf("%s: status %d: %s", scheme, a.Status, a.Body)
		}
	}
	form := gatewaytest.Form("grant_type", "client_credentials")
	for _, scheme := range []string{"Basic", "basic", "BASIC"} {
		a := r.Post("/acme/oauth/token", form, gatewaytest.Basic("web"))
		credentials := base64.StdEncoding.EncodeToString([]byte("web:" + gatewaytest.Secret))
		if b := r.Post("/acme/oauth/token", form, gatewaytest.Header("Authorization", scheme+" "+credentials)); a.Status != b.Status {
			t.Errorf("%s: status %d, not %d: %s", scheme, b.Status, a.Status, b.Body)
		}
	}
	if a := r.Get(path, gatewaytest.Header("Authorization", "dPoP "+token)); !strings.Contains(a.Body, "is not bound to a key") {
		t.Errorf("dPoP is not taken for DPoP: %s", a.Body)
	}
}

// known gives ann what the directory knows beside her name.
func (r *rig) known(additional map[string]any) {
	r.t.Helper()
	info, err := structpb.NewStruct(additional)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Directory.Put(r.domain, &directoryv1.User{
		Id: "user-ann", Subject: r.subject, Source: "staff", ExternalId: "ann", Username: "ann", FirstName: "Ann", LastName: "Doe",
		Email: "ann@acme.example", PhoneNumbers: []*directoryv1.PhoneNumber{{Value: "+1"}}, AdditionalInformation: info,
	})
	r.Clock.Forward(2 * time.Second)
}

func TestU3UserInfoHonoursTheClaimsParameter(t *testing.T) {
	tests := []struct {
		name, claims, scopes string
		change               func(*configv1.OAuthSettings)
		want                 map[string]any
	}{
		{"a claim that no scope stands for in the request", `{"userinfo":{"given_name":null}}`, "openid", nil, map[string]any{"given_name": "Ann"}},
		{"beside those of scopes", `{"userinfo":{"family_name":{"essential":true}}}`, "openid email", nil,
			map[string]any{"family_name": "Doe", "email": "ann@acme.example", "email_verified": false}},
		{"what nobody knows is ignored, what the person does not have is left out", `{"userinfo":{"shoe_size":null,"gender":{"essential":true},"email":null}}`, "openid", nil,
			map[string]any{"email": "ann@acme.example"}},
		{"a value that is the person's", `{"userinfo":{"given_name":{"value":"Ann"},"email_verified":{"values":[true,false]}}}`, "openid", nil,
			map[string]any{"given_name": "Ann", "email_verified": false}},
		{"a value that is not", `{"userinfo":{"given_name":{"value":"Bob"}}}`, "openid", nil, map[string]any{}},
		{"what is asked of the ID token", `{"id_token":{"given_name":null}}`, "openid", nil, map[string]any{}},
		{"a claim whose scope the client may not have", `{"userinfo":{"phone_number":null}}`, "openid", nil, map[string]any{}},
		{"with it", `{"userinfo":{"phone_number":null}}`, "openid", func(o *configv1.OAuthSettings) {
			o.ScopeSettings = append(o.ScopeSettings, &configv1.ScopeSetting{Scope: "phone"})
		}, map[string]any{"phone_number": "+1"}},
		{"additional information needs full_profile", `{"userinfo":{"dept":null}}`, "openid", nil, map[string]any{}},
		{"with it too", `{"userinfo":{"dept":null,"phone_number":null}}`, "openid", func(o *configv1.OAuthSettings) {
			o.ScopeSettings = append(o.ScopeSettings, &configv1.ScopeSetting{Scope: "full_profile"})
		}, map[string]any{"dept": "sales", "phone_number": "+1"}},
		{"claims of the protocol cannot be asked for", `{"userinfo":{"iss":null,"aud":null,"exp":null,"sub":null,"sealed":null,"acr":null}}`, "openid", nil, map[string]any{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rigOf(t, tt.change)
			r.known(map[string]any{"dept": "sales", "iss": "forged", "sealed": "forged"})
			made := r.minted(func(a *tokens.Authorization) {
				a.Claims, a.Scopes = json.RawMessage(tt.claims), strings.Fields(tt.scopes)
			})
			tt.want["sub"] = r.subject
			if diff := cmp.Diff(tt.want, r.Get(path, bearer(made.AccessToken)).JSON(t)); diff != "" {
				t.Errorf("UserInfo (-want +got):\n%s", diff)
			}
		})
	}
}

func TestU7ClaimsInTheLanguagesThatWereAskedFor(t *testing.T) {
	tests := []struct {
		name    string
		locales []string
		claims  string
		want    []string
	}{
		{"none", nil, "", nil},
		{"one that the directory has", []string{"ja"}, "", []string{"family_name#ja"}},
		{"several", []string{"de", "ja"}, "", []string{"family_name#de-CH", "family_name#ja", "given_name#de"}},
		{"one that is more precise than the directory", []string{"de-AT", "fr"}, "", []string{"given_name#de"}},
		{"whatever its case", []string{"JA"}, "", []string{"family_name#ja"}},
		{"one that nobody has", []string{"it", "d", ""}, "", nil},
		{"one claim in a language", nil, `{"userinfo":{"family_name#ja":null,"family_name#xx":null,"phone_number#ja":null}}`, []string{"family_name#ja"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rigOf(t, nil)
			r.known(map[string]any{
				"family_name#ja": "ドウ", "family_name#de-CH": "Muster", "given_name#de": "Anna", "email#de": "", "phone_number#ja": "+81", "shoe#de": "x", "iss#de": "x",
			})
			made := r.minted(func(a *tokens.Authorization) {
				a.ClaimsLocales, a.Claims, a.Scopes = tt.locales, json.RawMessage(tt.claims), []string{"openid", "profile"}
			})
			var got []string
			said := r.Get(path, bearer(made.AccessToken)).JSON(t)
			for name := range said {
				if strings.Contains(name, "#") {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" || said["family_name"] != "Doe" {
				t.Errorf("claims with a language (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCustomClaimsOfUserInfo(t *testing.T) {
	r := rigOf(t, func(o *configv1.OAuthSettings) {
		o.UserinfoCustomClaims = []*configv1.CustomClaim{
			{ClaimName: "dept", ClaimValue: "{#user.additionalInformation['dept']}"}, {ClaimName: "plan", ClaimValue: "gold"},
			{ClaimName: "missing", ClaimValue: "{#user.additionalInformation['nothing']}"}, {ClaimName: "sub", ClaimValue: "forged"},
			{ClaimName: "iss", ClaimValue: "forged"}, {ClaimName: "aud", ClaimValue: "forged"}, {ClaimName: "email", ClaimValue: "mine@acme.example"},
		}
	})
	r.known(map[string]any{"dept": "sales"})
	want := map[string]any{"sub": r.subject, "email": "mine@acme.example", "email_verified": false, "dept": "sales", "plan": "gold"}
	if diff := cmp.Diff(want, r.Get(path, bearer(r.minted(nil).AccessToken)).JSON(t)); diff != "" {
		t.Errorf("UserInfo (-want +got):\n%s", diff)
	}
}
