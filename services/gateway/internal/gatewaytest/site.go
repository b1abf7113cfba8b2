package gatewaytest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Site is an OpenID Provider on a loopback address that does what the standards say, until a test has it do otherwise. Its
// client is SiteClient with Secret.
type Site struct {
	// URL is the issuer.
	URL string
	// Key signs ID tokens; its public part is published.
	Key *jose.Key
	// Claims are those of the person who signs in there.
	Claims map[string]any
	// ID changes the claims of an ID token, a nil value takes one away. Sign makes the token of them; nil signs with Key.
	ID   map[string]any
	Sign func(claims []byte) string
	// UserInfo are claims that UserInfo says otherwise.
	UserInfo map[string]any
	// Handle answers in the place of an endpoint, by its path, where it returns true.
	Handle func(w http.ResponseWriter, r *http.Request) bool
	// Metadata changes the metadata document.
	Metadata map[string]any
	// Published are the keys that are published; nil = Key.
	Published []*jose.Key
	// Now is its clock.
	Now func() time.Time
	// Issuer is what ID tokens and metadata say; NewSite sets it to URL. NoIss leaves iss out of answers.
	Issuer string
	NoIss  bool

	t     testing.TB
	mu    sync.Mutex
	codes map[string]url.Values // authorization requests by code
	calls map[string]int        // by path
}

// SiteClient is the client_id at every Site.
const SiteClient = "gatehouse"

// NewSite starts a site whose person is eve.
func NewSite(t testing.TB) *Site {
	t.Helper()
	s := &Site{
		t: t, Key: ClientKey(t, "site", jose.RS256), Now: time.Now, codes: map[string]url.Values{}, calls: map[string]int{},
		Claims: map[string]any{
			"sub": "eve-1", "preferred_username": "eve", "name": "Eve Doe", "given_name": "Eve", "family_name": "Doe",
			"email": "eve@partner.example", "email_verified": true,
		},
	}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.URL, s.Issuer = server.URL, server.URL
	return s
}

// Break makes every endpoint answer that the site has trouble.
func (s *Site) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Handle = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
}

// Calls is how often a path was asked.
func (s *Site) Calls(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[path]
}

func (s *Site) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls[r.URL.Path]++
	handle := s.Handle
	s.mu.Unlock()
	if handle != nil && handle(w, r) {
		return
	}
	path := r.URL.Path
	if strings.HasSuffix(path, "/.well-known/openid-configuration") { // tenants have one each
		path = "/.well-known/openid-configuration"
	}
	switch path {
	case "/.well-known/openid-configuration":
		document := map[string]any{
			"issuer": s.Issuer, "authorization_endpoint": s.URL + "/authorize?tenant=1", "token_endpoint": s.URL + "/token",
			"userinfo_endpoint": s.URL + "/userinfo", "jwks_uri": s.URL + "/keys", "authorization_response_iss_parameter_supported": !s.NoIss,
		}
		change(document, s.Metadata)
		s.json(w, document)
	case "/keys":
		keys := s.Published
		if keys == nil {
			keys = []*jose.Key{s.Key}
		}
		set, err := jose.NewKeySet(keys...)
		if err != nil {
			s.t.Error(err)
			return
		}
		_, _ = w.Write(set.JWKS())
	case "/token":
		s.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer at-eve" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		claims := maps.Clone(s.Claims)
		change(claims, s.UserInfo)
		s.json(w, claims)
	default:
		http.NotFound(w, r)
	}
}

func (s *Site) token(w http.ResponseWriter, r *http.Request) {
	id, password, _ := r.BasicAuth()
	if id == "" {
		id, password = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	s.mu.Lock()
	asked := s.codes[r.PostFormValue("code")]
	delete(s.codes, r.PostFormValue("code"))
	s.mu.Unlock()
	verifier := r.PostFormValue("code_verifier")
	if asked.Get("code_challenge_method") == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	refuse := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		s.json(w, map[string]any{"error": code})
	}
	switch {
	case id != SiteClient || password != Secret:
		refuse("invalid_client")
		return
	case asked == nil || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri"),
		asked.Get("code_challenge") == "" || verifier != asked.Get("code_challenge"):
		refuse("invalid_grant")
		return
	}
	answer := map[string]any{"access_token": "at-eve", "token_type": "Bearer", "expires_in": 60}
	for scope := range strings.FieldsSeq(asked.Get("scope")) {
		if scope == "openid" {
			answer["id_token"] = s.IDToken(asked.Get("nonce"))
		}
	}
	s.json(w, answer)
}

// IDToken makes an ID token as the site is set up now.
func (s *Site) IDToken(nonce string) string {
	now := s.Now()
	claims := maps.Clone(s.Claims)
	change(claims, map[string]any{
		"iss": s.Issuer, "aud": SiteClient, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": nonce,
		"at_hash": s.Key.Algorithm().HalfHash("at-eve"),
	})
	change(claims, s.ID)
	payload, err := json.Marshal(claims)
	if err != nil {
		s.t.Error(err)
	}
	if s.Sign != nil {
		return s.Sign(payload)
	}
	token, err := s.Key.Sign(jose.TypeJWT, payload)
	if err != nil {
		s.t.Error(err)
	}
	return token
}

// Authorize has the person sign in at the site: it takes the authorization URL to which the gateway sent the browser, and
// returns the URL by which the site sends it back.
func (s *Site) Authorize(location string) string {
	s.t.Helper()
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, s.URL+"/authorize?") {
		s.t.Fatalf("the browser was sent to %s", location)
	}
	q := u.Query()
	code := secret.NewToken()
	s.mu.Lock()
	s.codes[code] = q
	s.mu.Unlock()
	answer := url.Values{"code": {code}, "state": {q.Get("state")}}
	if !s.NoIss {
		answer.Set("iss", s.Issuer)
	}
	return q.Get("redirect_uri") + "&" + answer.Encode()
}

func (s *Site) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func change(claims, by map[string]any) {
	for name, v := range by {
		if v == nil {
			delete(claims, name)
		} else {
			claims[name] = v
		}
	}
}

// Elsewhere adds a generic OpenID provider that sends people to a site.
func (c *Config) Elsewhere(id string, s *Site, adjust ...func(*configv1.OAuth2Provider)) *configv1.IdentityProvider {
	o := s.Provider()
	apply(o, adjust)
	p := &configv1.IdentityProvider{
		Id: id, Domain: c.Domain.GetId(), Name: id, External: true, Config: &configv1.IdentityProvider_Oauth2{Oauth2: o},
	}
	c.parts = append(c.parts, p)
	return p
}

// Provider is the configuration that leads to the site.
func (s *Site) Provider() *configv1.OAuth2Provider {
	return &configv1.OAuth2Provider{
		ClientId: SiteClient, ClientSecret: Secret, WellKnownUri: s.URL + "/.well-known/openid-configuration",
		Scopes: []string{"openid", "profile", "email"},
	}
}
