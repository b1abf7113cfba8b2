package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// signing is a gateway whose application web, and what else is added, has keys by which it signs request objects.
type signing struct {
	*gatewaytest.Harness
	t    *testing.T
	keys map[jose.Algorithm]*jose.Key
}

// newSigning returns a domain of a profile. The changes adjust the domain and the application web, which authenticates by its
// secret, or by private_key_jwt where the profile wants that.
func newSigning(t *testing.T, name profile.Name, domain func(*configv1.Domain), web func(*configv1.OAuthSettings)) *signing {
	t.Helper()
	s := &signing{t: t, keys: map[jose.Algorithm]*jose.Key{}}
	var public []*jose.Key
	for _, alg := range []jose.Algorithm{jose.ES256, jose.PS256, jose.RS256} {
		key, err := jose.GenerateKey(alg, "client-"+string(alg))
		if err != nil {
			t.Fatal(err)
		}
		s.keys[alg] = key
		public = append(public, key)
	}
	set, err := jose.NewKeySet(public...)
	if err != nil {
		t.Fatal(err)
	}
	jwks := &structpb.Struct{}
	if err := jwks.UnmarshalJSON(set.JWKS()); err != nil {
		t.Fatal(err)
	}
	c := gatewaytest.NewAcme(t)
	c.Certificate("ps", jose.PS256)
	c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: name}
	if domain != nil {
		domain(c.Domain)
	}
	for _, id := range []string{"web", "other"} {
		c.App(id, func(a *configv1.Application) {
			a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
			o := a.Settings.Oauth
			o.Jwks = jwks
			long := strings.Repeat(gatewaytest.Secret, 4)
			a.Secrets = append(a.Secrets, &configv1.ClientSecret{Id: "s2", Hash: secret.Generated(long), Key: []byte(long)})
			if profile.Of(name).RequiresPushed {
				o.TokenEndpointAuthMethod = "private_key_jwt"
			}
			if web != nil && id == "web" {
				web(o)
			}
		})
	}
	s.Harness = gatewaytest.New(t, gatewaytest.Options{}, c)
	return s
}

const issuer = gatewaytest.PublicURL + "/acme/oidc"

// claims are those of a good request object; changes stand in turn, and nil takes one away.
func (s *signing) claims(changes ...any) map[string]any {
	now := s.Clock.Now()
	claims := map[string]any{
		"iss": "web", "aud": issuer, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": secret.NewID(),
		"client_id": "web", "response_type": "code", "redirect_uri": "https://web.example/cb", "scope": "openid profile",
		"state": "inside", "nonce": "n", "code_challenge": challenge, "code_challenge_method": "S256",
	}
	for i := 0; i+1 < len(changes); i += 2 {
		name := changes[i].(string)
		if delete(claims, name); changes[i+1] != nil {
			claims[name] = changes[i+1]
		}
	}
	return claims
}

func (s *signing) sign(alg jose.Algorithm, typ string, claims map[string]any) string {
	s.t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := s.keys[alg].Sign(typ, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// object is a good request object with changes.
func (s *signing) object(changes ...any) string {
	return s.sign(jose.ES256, "oauth-authz-req+jwt", s.claims(changes...))
}

// plain are the parameters beside an object as OpenID Connect Core §6.1 wants them.
func plain(changes ...string) url.Values {
	form := gatewaytest.Form("client_id", "web", "response_type", "code", "scope", "openid", "redirect_uri", "https://web.example/cb", "state", "outside")
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

// finish opens a request and signs ann in on the way.
func (s *signing) finish(query url.Values) *browsertest.Response {
	s.t.Helper()
	b := s.Browser("/acme")
	r := b.Follow(b.Get("/oauth/authorize?" + query.Encode()))
	if r.StatusCode != http.StatusOK || !strings.Contains(r.Text, "password") {
		return r
	}
	return b.Follow(b.SignIn(r, "ann", gatewaytest.Password))
}

func (s *signing) wantError(name string, query url.Values, want string) {
	s.t.Helper()
	r := s.Browser("/acme").Get("/oauth/authorize?" + query.Encode())
	if got := answerOf(r); got != want {
		s.t.Errorf("%s: %s, want %s (%d %s)", name, got, want, r.StatusCode, r.Location())
	}
}

func TestR1RequestObjectsAreNeverIgnored(t *testing.T) {
	s := newSigning(t, profile.None, nil, nil)
	if r := s.finish(plain("request", s.object())); r.Query().Get("code") == "" || r.Query().Get("state") != "inside" {
		t.Errorf("a good one: %d %s", r.StatusCode, r.Location())
	}
	body, _ := json.Marshal(s.claims())
	foreign, err := jose.GenerateKey(jose.ES256, "client-ES256")
	if err != nil {
		t.Fatal(err)
	}
	forged, _ := foreign.Sign("oauth-authz-req+jwt", body)
	hmac, err := jose.NewHMACKey("", jose.HS256, []byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	guessed, _ := hmac.Sign("oauth-authz-req+jwt", body)
	for name, bad := range map[string]struct{ object, want string }{
		"an unsigned one":                  {unsigned("none", "JWT", body), "client request_not_supported"},
		"an unsigned one in capitals":      {unsigned("NONE", "JWT", body), "client request_not_supported"},
		"one of a foreign key":             {forged, "client invalid_request_object"},
		"one of a foreign secret":          {guessed, "client invalid_request_object"},
		"one that is no JWT":               {"no JWT", "client invalid_request_object"},
		"one that is signed and no object": {s.sign(jose.ES256, "JWT", nil), "client invalid_request_object"},
		"one that is changed":              {s.object() + "A", "client invalid_request_object"},
		"one too large":                    {s.object("state", strings.Repeat("s", 70<<10)), "client invalid_request_object"},
	} {
		s.wantError(name, plain("request", bad.object), bad.want)
	}
	s.wantError("a request_uri that is no URL", plain("request_uri", "object"), "client invalid_request_uri")
	s.wantError("a request_uri of an unknown scheme", plain("request_uri", "urn:example:object"), "client invalid_request_uri")
	s.wantError("one that was never pushed", plain("request_uri", "urn:ietf:params:oauth:request_uri:x"), "page invalid_request_uri")
	s.wantError("a bad one of a client that is unknown", plain("client_id", "nobody", "request", "x"), "page invalid_request")
	s.wantError("a bad one beside a foreign redirect URI", plain("redirect_uri", "https://evil.example/", "request", "x"), "page invalid_request_object")
}

func TestR2ValuesInsideWin(t *testing.T) {
	s := newSigning(t, profile.None, nil, func(o *configv1.OAuthSettings) {
		o.RedirectUris = []string{"https://web.example/cb", "https://web.example/inside"}
	})
	r := s.finish(plain("request", s.object("redirect_uri", "https://web.example/inside", "scope", "openid email", "max_age", 3600, "nonce", nil), "nonce", "outside"))
	if !strings.HasPrefix(r.Location(), "https://web.example/inside?code=") || r.Query().Get("state") != "inside" {
		t.Fatalf("answer %d %s", r.StatusCode, r.Location())
	}
	tokens := s.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", r.Query().Get("code"),
		"redirect_uri", "https://web.example/inside", "code_verifier", verifier), gatewaytest.Basic("web")).JSON(t)
	id, _ := tokens["id_token"].(string)
	if tokens["scope"] != "openid email" || claim(t, id, "nonce") != "outside" {
		t.Errorf("tokens %v", tokens)
	}
	s.wantError("a foreign redirect URI inside", plain("request", s.object("redirect_uri", "https://evil.example/cb")), "page redirect_uri_mismatch")
	s.wantError("another client inside", plain("request", s.object("client_id", "other")), "client invalid_request_object")
	s.wantError("another response type inside", plain("request", s.object("response_type", "id_token")), "client invalid_request_object")
	s.wantError("a parameter of the wrong type", plain("request", s.object("scope", []string{"openid"})), "client invalid_request_object")
	s.wantError("another fault inside", plain("request", s.object("max_age", "soon")), "client invalid_request")
	t.Run("a response type may stand inside alone", func(t *testing.T) {
		if r := s.finish(gatewaytest.Form("client_id", "web", "request", s.object())); r.Query().Get("code") == "" {
			t.Errorf("answer %d %s", r.StatusCode, r.Location())
		}
	})
	t.Run("claims is a JSON object", func(t *testing.T) {
		if r := s.finish(plain("request", s.object("claims", map[string]any{"userinfo": map[string]any{"email": nil}}))); r.Query().Get("code") == "" {
			t.Errorf("answer %d %s", r.StatusCode, r.Location())
		}
	})
}

func TestR2AnObjectOutlivesItself(t *testing.T) {
	s := newSigning(t, profile.None, nil, nil)
	b := s.Browser("/acme")
	first := b.Get("/oauth/authorize?" + plain("request", s.object("exp", s.Clock.Now().Add(10*time.Second).Unix()), "login_hint", "ann").Encode())
	if q := first.Query(); len(q) != 2 || !strings.HasPrefix(q.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") || q.Get("client_id") != "web" {
		t.Fatalf("the page gets %s", first.Location())
	}
	page := b.Follow(first)
	if !strings.Contains(page.Text, `value="ann"`) {
		t.Errorf("the page has no login_hint: %s", page.Text)
	}
	s.Clock.Forward(2 * time.Minute)
	if r := b.Follow(b.SignIn(page, "ann", gatewaytest.Password)); r.Query().Get("code") == "" || r.Query().Get("state") != "inside" {
		t.Errorf("answer %d %s", r.StatusCode, r.Location())
	}
}

func TestR3RequestObjectsAreVerified(t *testing.T) {
	s := newSigning(t, profile.None, nil, nil)
	now := s.Clock.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, object := range map[string]string{
		"with everything":                    s.object(),
		"typ JWT":                            s.sign(jose.ES256, "JWT", s.claims()),
		"another algorithm of the client's":  s.sign(jose.RS256, "oauth-authz-req+jwt", s.claims()),
		"the issuer among several audiences": s.object("aud", []string{"https://else.example", issuer}),
		"clocks that differ":                 s.object("iat", at(20*time.Second), "nbf", at(20*time.Second), "exp", at(-20*time.Second)),
		"neither exp nor nbf":                s.object("exp", nil, "nbf", nil, "iat", nil),
		"no client_id inside":                s.object("client_id", nil),
	} {
		if r := s.Browser("/acme").Get("/oauth/authorize?" + plain("request", object).Encode()); answerOf(r) != "sign-in" {
			t.Errorf("%s: %s", name, r.Location())
		}
	}
	for name, object := range map[string]string{
		"no iss":                        s.object("iss", nil),
		"the iss of another client":     s.object("iss", "other"),
		"no aud":                        s.object("aud", nil),
		"another aud":                   s.object("aud", "https://else.example"),
		"the endpoint as aud":           s.object("aud", gatewaytest.PublicURL+"/acme/oauth/authorize"),
		"expired":                       s.object("exp", at(-time.Minute)),
		"an exp that is no time":        s.object("exp", "soon"),
		"not valid yet":                 s.object("nbf", at(time.Minute)),
		"made in the future":            s.object("iat", at(time.Minute)),
		"the client as sub":             s.object("sub", "web"),
		"another typ":                   s.sign(jose.ES256, "at+jwt", s.claims()),
		"typ of a proof":                s.sign(jose.ES256, "dpop+jwt", s.claims()),
		"the client assertion's claims": s.sign(jose.ES256, "JWT", map[string]any{"iss": "web", "sub": "web", "aud": issuer, "exp": at(time.Minute), "jti": "1"}),
	} {
		s.wantError(name, plain("request", object), "client invalid_request_object")
	}
	t.Run("the registered algorithm alone", func(t *testing.T) {
		s := newSigning(t, profile.None, nil, func(o *configv1.OAuthSettings) { o.RequestObjectSigningAlg = "PS256" })
		s.wantError("ES256", plain("request", s.object()), "client invalid_request_object")
		s.wantError("PS256", plain("request", s.sign(jose.PS256, "", s.claims())), "sign-in")
	})
	t.Run("an algorithm that the profile has not", func(t *testing.T) {
		s := newSigning(t, profile.OAuth21, nil, func(o *configv1.OAuthSettings) { o.RequestObjectSigningAlg = "HS256" })
		s.wantError("ES256", plain("request", s.object()), "client invalid_request_object")
	})
}

func TestR4ObjectsDoNotNestAndComeOneWay(t *testing.T) {
	s := newSigning(t, profile.None, nil, nil)
	s.wantError("request inside", plain("request", s.object("request", s.object())), "client invalid_request_object")
	s.wantError("request_uri inside", plain("request", s.object("request_uri", "https://web.example/object")), "client invalid_request_object")
	s.wantError("both at once", plain("request", s.object(), "request_uri", "https://web.example/object"), "client invalid_request")
	s.wantError("an object beside a pushed request", plain("request", s.object(), "request_uri", "urn:ietf:params:oauth:request_uri:x"), "client invalid_request")
}

// shelf serves one request object over http, which gateways of tests may fetch.
type shelf struct {
	*httptest.Server
	object  atomic.Value
	fetched atomic.Int32
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{}
	s.object.Store("")
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetched.Add(1)
		switch r.URL.Path {
		case "/gone":
			http.NotFound(w, r)
		case "/moved":
			http.Redirect(w, r, "/object", http.StatusFound)
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("a", 65<<10))
		default:
			_, _ = io.WriteString(w, s.object.Load().(string))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestR5ObjectsAreFetchedFromWhereTheyMayBe(t *testing.T) {
	outside := newShelf(t)
	byURI := func(uri string) url.Values { return plain("request_uri", uri) }
	t.Run("under none from everywhere that the guarded client reaches", func(t *testing.T) {
		s := newSigning(t, profile.None, nil, nil)
		outside.object.Store(s.object() + "\n")
		if r := s.finish(byURI(outside.URL + "/object")); r.Query().Get("code") == "" || r.Query().Get("state") != "inside" {
			t.Errorf("answer %d %s", r.StatusCode, r.Location())
		}
		for _, path := range []string{"/gone", "/moved", "/large"} {
			s.wantError(path, byURI(outside.URL+path), "client invalid_request_uri")
		}
		s.wantError("a closed port", byURI("http://127.0.0.1:1/"), "client invalid_request_uri")
		s.wantError("a private address", byURI("https://10.0.0.1/"), "client invalid_request_uri")
		s.wantError("another scheme", byURI("ftp://127.0.0.1/object"), "client invalid_request_uri")
		s.wantError("user information", byURI("http://u:p@127.0.0.1/object"), "client invalid_request_uri")
		body, _ := json.Marshal(s.claims())
		outside.object.Store(unsigned("none", "JWT", body))
		s.wantError("an unsigned object", byURI(outside.URL+"/object"), "client request_uri_not_supported")
		outside.object.Store("<html>")
		s.wantError("no object", byURI(outside.URL+"/object"), "client invalid_request_object")
	})
	t.Run("what the client registered is all, fragment aside", func(t *testing.T) {
		s := newSigning(t, profile.None, func(d *configv1.Domain) { d.Oidc.RequestUris = []string{outside.URL + "/domain"} },
			func(o *configv1.OAuthSettings) { o.RequestUris = []string{outside.URL + "/registered#old"} })
		outside.object.Store(s.object())
		s.wantError("registered", byURI(outside.URL+"/registered"), "sign-in")
		s.wantError("another fragment", byURI(outside.URL+"/registered#new"), "sign-in")
		before := outside.fetched.Load()
		for _, other := range []string{"/other", "/registered?x", "/registered/", "/REGISTERED", "/domain"} {
			s.wantError(other, byURI(outside.URL+other), "client invalid_request_uri")
		}
		if outside.fetched.Load() != before {
			t.Error("what is not registered was fetched")
		}
	})
	t.Run("what the domain names is all for clients that registered nothing", func(t *testing.T) {
		s := newSigning(t, profile.None, func(d *configv1.Domain) { d.Oidc.RequestUris = []string{outside.URL + "/domain"} }, nil)
		outside.object.Store(s.object())
		s.wantError("named", byURI(outside.URL+"/domain"), "sign-in")
		s.wantError("another", byURI(outside.URL+"/other"), "client invalid_request_uri")
	})
	t.Run("beyond none they must be registered", func(t *testing.T) {
		s := newSigning(t, profile.OAuth21, nil, nil)
		outside.object.Store(s.object())
		s.wantError("not registered", byURI(outside.URL+"/object"), "client invalid_request_uri")
		s = newSigning(t, profile.OAuth21, nil, func(o *configv1.OAuthSettings) { o.RequestUris = []string{outside.URL + "/object"} })
		outside.object.Store(s.object())
		s.wantError("registered", byURI(outside.URL+"/object"), "sign-in")
	})
}

func TestR5AFragmentThatHashesTheContentSavesTheNextFetch(t *testing.T) {
	outside := newShelf(t)
	s := newSigning(t, profile.None, nil, nil)
	object := s.object()
	outside.object.Store(object)
	sum := sha256.Sum256([]byte(object))
	hashed := outside.URL + "/object#" + base64.RawURLEncoding.EncodeToString(sum[:])
	for range 3 {
		s.wantError("hashed", plain("request_uri", hashed), "sign-in")
	}
	if n := outside.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	for range 3 {
		s.wantError("another fragment", plain("request_uri", outside.URL+"/object#1"), "sign-in")
	}
	if n := outside.fetched.Load(); n != 4 {
		t.Errorf("fetched %d times", n)
	}
}

func TestROSStoresObjectsOfClientsThatAuthenticate(t *testing.T) {
	s := newSigning(t, profile.None, nil, nil)
	post := func(kind, body string, changes ...gatewaytest.Change) gatewaytest.Answer {
		r, err := http.NewRequest(http.MethodPost, s.URL+"/acme/oidc/ros", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		return s.Do(r, changes...)
	}
	basic := gatewaytest.Basic("web")
	for name, a := range map[string]gatewaytest.Answer{
		"as the body": post("application/jwt", s.object(), basic),
		"as a form":   post("application/x-www-form-urlencoded", gatewaytest.Form("request", s.object()).Encode(), basic),
	} {
		m := a.JSON(t)
		if a.Status != http.StatusCreated || len(m) != 4 || m["iss"] != issuer || m["aud"] != "web" || m["exp"] != float64(s.Clock.Now().Add(10*time.Minute).Unix()) {
			t.Fatalf("%s: %d %s", name, a.Status, a.Body)
		}
		query := plain("request_uri", m["request_uri"].(string))
		if r := s.finish(query); r.Query().Get("code") == "" || r.Query().Get("state") != "inside" {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.Location())
		}
		s.wantError(name+", again", query, "page invalid_request_uri")
	}
	for name, tt := range map[string]struct {
		answer gatewaytest.Answer
		want   string
	}{
		"nobody":           {post("application/jwt", s.object()), "invalid_client"},
		"another client":   {post("application/jwt", s.object(), gatewaytest.Basic("other")), "invalid_request_object"},
		"another type":     {post("application/json", "{}", basic), "invalid_request"},
		"nothing":          {post("application/jwt", "", basic), "invalid_request"},
		"no object":        {post("application/jwt", "x", basic), "invalid_request_object"},
		"too large":        {post("application/jwt", strings.Repeat("a", 65<<10), basic), "invalid_request_object"},
		"a fault of it":    {post("application/jwt", s.object("redirect_uri", "https://evil.example/"), basic), "redirect_uri_mismatch"},
		"one that expired": {post("application/jwt", s.object("exp", 1), basic), "invalid_request_object"},
	} {
		if got := tt.answer.JSON(t)["error"]; got != tt.want {
			t.Errorf("%s: %d %s", name, tt.answer.Status, tt.answer.Body)
		}
	}
}

func TestR2WhereSignedObjectsAreRequiredNothingBesideThemCounts(t *testing.T) {
	s := newSigning(t, profile.None, nil, func(o *configv1.OAuthSettings) { o.RequireSignedRequestObject = true })
	r := s.finish(plain("request", s.object("state", nil, "nonce", nil, "scope", "openid"), "nonce", "outside", "scope", "openid email", "response_type", "token", "prompt", "none"))
	if !strings.HasPrefix(r.Location(), "https://web.example/cb?code=") || r.Query().Has("state") {
		t.Errorf("answer %d %s", r.StatusCode, r.Location())
	}
	s.wantError("no object", plain(), "client invalid_request")
	s.wantError("a redirect URI outside alone", plain("request", s.object("redirect_uri", nil, "response_type", "cod")), "page unsupported_response_type")
	s.wantError("a bad object: where its answer would go is not known", plain("request", "x"), "page invalid_request_object")
	if a := s.Post("/acme/oauth/par", plain(), gatewaytest.Basic("web")); a.Status != http.StatusBadRequest || a.JSON(t)["error"] != "invalid_request" {
		t.Errorf("pushed without an object: %d %s", a.Status, a.Body)
	}
	if a := s.Post("/acme/oauth/par", gatewaytest.Form("request", s.object(), "state", "outside"), gatewaytest.Basic("web")); a.Status != http.StatusCreated {
		t.Errorf("pushed with an object: %d %s", a.Status, a.Body)
	}
}

func TestR4EncryptedObjectsAreDecryptedWithTheKeysOfTheDomain(t *testing.T) {
	s := newSigning(t, profile.None, nil, nil)
	published := s.Get("/acme/oidc/.well-known/jwks.json")
	set, err := jose.ParseJWKS([]byte(published.Body))
	if err != nil {
		t.Fatal(err)
	}
	document := s.Get("/acme/oidc/.well-known/openid-configuration").JSON(t)
	algs, _ := document["request_object_encryption_alg_values_supported"].([]any)
	encs, _ := document["request_object_encryption_enc_values_supported"].([]any)
	tried := 0
	for i, name := range algs {
		alg, _ := jose.ParseKeyManagement(name.(string))
		if alg.Symmetric() {
			continue
		}
		tried++
		enc, _ := jose.ParseContentEncryption(encs[i%len(encs)].(string))
		to, err := set.Encrypter(alg, enc)
		if err != nil {
			t.Fatalf("%s is advertised: %v", alg, err)
		}
		sealed := func(inner string) string {
			token, err := to.Encrypt([]byte(inner), "JWT")
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		s.wantError(string(alg), plain("request", sealed(s.object())), "sign-in")
		body, _ := json.Marshal(s.claims())
		s.wantError(string(alg)+" around what is not signed", plain("request", sealed(unsigned("none", "", body))), "client request_not_supported")
		s.wantError(string(alg)+" around a bare object", plain("request", sealed(string(body))), "client invalid_request_object")
		s.wantError(string(alg)+" around another", plain("request", sealed(sealed(s.object()))), "client invalid_request_object")
	}
	if tried == 0 || len(encs) == 0 {
		t.Errorf("advertised: %v with %v", algs, encs)
	}
	foreign, err := jose.GenerateKey(jose.ES256, "")
	if err != nil {
		t.Fatal(err)
	}
	other, _ := jose.NewKeySet(foreign)
	if to, err := other.Encrypter(jose.ECDHES, jose.A256GCM); err == nil {
		token, _ := to.Encrypt([]byte(s.object()), "JWT")
		s.wantError("for another key", plain("request", token), "client invalid_request_object")
	}
}

func TestR4ObjectsAreDecryptedWithTheSecretWhereThatIsRegistered(t *testing.T) {
	long := strings.Repeat(gatewaytest.Secret, 4)
	s := newSigning(t, profile.None, nil, func(o *configv1.OAuthSettings) { o.RequestObjectEncryptionAlg = "A256KW" })
	for _, tt := range []struct {
		alg, secret, want string
	}{
		{"A256KW", long, "sign-in"},
		{"A256KW", long + "x", "client invalid_request_object"},
		{"A128KW", long, "client invalid_request_object"},
		{"PBES2-HS256+A128KW", long, "client invalid_request_object"},
	} {
		alg, _ := jose.ParseKeyManagement(tt.alg)
		to, err := jose.NewSecretEncrypter(tt.secret, alg, jose.A128CBCHS256)
		if err != nil {
			t.Fatal(err)
		}
		token, err := to.Encrypt([]byte(s.object()), "JWT")
		if err != nil {
			t.Fatal(err)
		}
		s.wantError(tt.alg, plain("request", token), tt.want)
	}
}
