package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// redemption is the token request for the code of an answer.
func redemption(answer url.Values) url.Values {
	return gatewaytest.Form("grant_type", "authorization_code", "code", answer.Get("code"), "redirect_uri", "https://web.example/cb", "code_verifier", verifier)
}

func TestT6ACodeLivesForAMinute(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(everything))
	server := gatewaytest.StartRedis(t)
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: server.URL}, c)
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	db := redis.NewClient(options)
	defer db.Close()
	b := h.Browser("/acme")
	enter(t, b, "web", "")
	for _, kind := range []string{"code", "code id_token"} {
		if err := db.Del(t.Context(), append(db.Keys(t.Context(), "code:*").Val(), "none")...).Err(); err != nil {
			t.Fatal(err)
		}
		answer := b.Get("/oauth/authorize?" + of("web", "response_type", kind).Encode()).Query()
		kept := db.Keys(t.Context(), "code:*").Val()
		if len(kept) != 1 {
			t.Fatalf("%s: codes %v", kind, kept)
		}
		if left := db.PTTL(t.Context(), kept[0]).Val(); left > time.Minute || left < 50*time.Second {
			t.Errorf("%s: a code that was just made lives for %v more", kind, left)
		}
		if err := db.PExpireAt(t.Context(), kept[0], time.Now().Add(-time.Second)).Err(); err != nil { // the minute is over
			t.Fatal(err)
		}
		got := h.Post("/acme/oauth/token", redemption(answer), gatewaytest.Basic("web"))
		if got.Status != http.StatusBadRequest || got.JSON(t)["error"] != "invalid_grant" {
			t.Errorf("%s: after its life: %d %s", kind, got.Status, got.Body)
		}
	}
}

func TestT4ASecondUseOfTheCodeOfAHybridAnswerEndsWhatCameAlong(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(everything))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	enter(t, b, "web", "")
	for _, kind := range []string{"code token", "code id_token token"} {
		answer := b.Get("/oauth/authorize?" + of("web", "response_type", kind).Encode()).Query()
		other := b.Get("/oauth/authorize?" + of("web", "response_type", kind).Encode()).Query()
		alive := func(token string) bool {
			active := h.Post("/acme/oauth/introspect", gatewaytest.Form("token", token), gatewaytest.Basic("web")).JSON(t)["active"] == true
			status := h.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+token)).Status
			if active != (status == http.StatusOK) {
				t.Errorf("%s: introspection says %t, UserInfo %d", kind, active, status)
			}
			return active
		}
		first := h.Post("/acme/oauth/token", redemption(answer), gatewaytest.Basic("web"))
		made, _ := first.JSON(t)["access_token"].(string)
		if first.Status != http.StatusOK || !alive(answer.Get("access_token")) || !alive(made) {
			t.Fatalf("%s: first use: %d %s", kind, first.Status, first.Body)
		}
		if second := h.Post("/acme/oauth/token", redemption(answer), gatewaytest.Basic("web")); second.Status != http.StatusBadRequest || second.JSON(t)["error"] != "invalid_grant" {
			t.Errorf("%s: second use: %d %s", kind, second.Status, second.Body)
		}
		if alive(answer.Get("access_token")) || alive(made) {
			t.Errorf("%s: tokens of a code that was used twice are alive", kind)
		}
		if !alive(other.Get("access_token")) {
			t.Errorf("%s: another answer's token died as well", kind)
		}
	}
}

// verified are the claims of an answer by JARM, whose signature is that of a published key.
func verified(t *testing.T, h *gatewaytest.Harness, token string) (jose.Algorithm, map[string]any) {
	t.Helper()
	set, err := jose.ParseJWKS([]byte(h.Get("/acme/oidc/.well-known/jwks.json").Body))
	if err != nil {
		t.Fatal(err)
	}
	made, err := set.Verify(token, jose.Check{})
	if err != nil {
		t.Fatalf("response %q: %v", token, err)
	}
	var claims map[string]any
	if err := json.Unmarshal(made.Payload, &claims); err != nil {
		t.Fatal(err)
	}
	return made.Header.Algorithm, claims
}

func TestA26AnswersAreEncryptedWhereTheClientRegisteredThat(t *testing.T) {
	key, err := jose.GenerateKey(jose.ES256, "enc")
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.MarshalPKCS8()
	if err != nil {
		t.Fatal(err)
	}
	private, err := jose.ParseDecryptionKey(der, "enc")
	if err != nil {
		t.Fatal(err)
	}
	jwk := key.PublicJWK()
	delete(jwk, "alg")
	jwk["use"] = "enc"
	text, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	jwks := &structpb.Struct{}
	if err := jwks.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(everything, func(o *configv1.OAuthSettings) {
		o.Jwks, o.AuthorizationSignedResponseAlg = jwks, "ES256"
		o.AuthorizationEncryptedResponseAlg, o.AuthorizationEncryptedResponseEnc = "ECDH-ES+A256KW", "A256GCM"
	}))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	enter(t, b, "web", "")
	for _, tt := range []struct{ kind, mode, where, prompt, has string }{
		{"code", "jwt", "query", "", "code"},
		{"code", "form_post.jwt", "form", "", "code"},
		{"code", "jwt", "query", "none login", "error"},
		{"code id_token token", "jwt", "fragment", "", "access_token"},
		{"token", "query.jwt", "query", "", "access_token"}, // encrypted answers may carry tokens in a query (JARM §2.3.1)
	} {
		r := b.Get("/oauth/authorize?" + of("web", "response_type", tt.kind, "response_mode", tt.mode, "prompt", tt.prompt).Encode())
		where, target, values := fields(t, b, r)
		if where != tt.where || target != "https://web.example/cb" || len(values) != 1 {
			t.Fatalf("%s by %s: %d %s", tt.kind, tt.mode, r.StatusCode, r.Location())
		}
		sealed, err := jose.NewDecrypter(private).Decrypt(values.Get("response"), jose.Decryption{})
		if err != nil {
			t.Fatalf("%s by %s: %v", tt.kind, tt.mode, err)
		}
		alg, claims := verified(t, h, string(sealed.Payload))
		if sealed.Algorithm != "ECDH-ES+A256KW" || sealed.Encoding != jose.A256GCM || sealed.ContentType != "JWT" || alg != jose.ES256 {
			t.Errorf("%s by %s: %+v, signed by %s", tt.kind, tt.mode, sealed, alg)
		}
		if claims["iss"] != issuer || claims["aud"] != "web" || claims["state"] != "s t&a=t+e" || claims[tt.has] == nil || tt.has == "error" && claims["code"] != nil {
			t.Errorf("%s by %s: %v", tt.kind, tt.mode, claims)
		}
	}
}

func TestA26AnswersAndErrorsAreSignedWhereTheProfileWantsIt(t *testing.T) {
	s := newSigning(t, profile.FAPI2MessageSigning, nil, nil)
	for name, tt := range map[string]struct {
		changes []any
		where   string
		has     string
	}{
		"an answer":         {nil, "query", "code"},
		"an answer by form": {[]any{"response_mode", "form_post.jwt"}, "form", "code"},
		"an answer by jwt":  {[]any{"response_mode", "jwt"}, "query", "code"},
		"an error":          {[]any{"prompt", "none"}, "query", "error"},
		"an error by form":  {[]any{"prompt", "none", "response_mode", "form_post.jwt"}, "form", "error"},
	} {
		b := s.Browser("/acme")
		r := b.Follow(b.Get("/oauth/authorize?" + s.pushed(gatewaytest.Form("client_id", "web", "request", s.object(tt.changes...))).Encode()))
		if tt.has == "code" {
			r = b.Follow(b.SignIn(r, "ann", gatewaytest.Password))
		}
		where, target, values := fields(t, b, r)
		if where != tt.where || target != "https://web.example/cb" || len(values) != 1 {
			t.Fatalf("%s: %d %s", name, r.StatusCode, r.Location())
		}
		alg, claims := verified(t, s.Harness, values.Get("response"))
		exp, _ := claims["exp"].(float64)
		if life := time.Unix(int64(exp), 0).Sub(s.Clock.Now()); life <= 0 || life > 10*time.Minute {
			t.Errorf("%s: good for %v", name, life)
		}
		if alg == jose.RS256 || claims["iss"] != issuer || claims["aud"] != "web" || claims["state"] != "inside" || claims[tt.has] == nil || (claims["code"] != nil) != (tt.has == "code") {
			t.Errorf("%s: by %s %v", name, alg, claims)
		}
	}
	for _, mode := range []string{"query", "fragment", "form_post"} {
		a := s.par(gatewaytest.Form("client_id", "web", "request", s.object("response_mode", mode)))
		if a.Status != http.StatusBadRequest || a.JSON(t)["error"] != "unsupported_response_mode" {
			t.Errorf("response_mode %s, which is not signed: %d %s", mode, a.Status, a.Body)
		}
	}
}
