package authorization_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientkeys"
)

// away is a Redis that does not answer: what only reads requests needs none.
const away = "redis://127.0.0.1:1/0"

// FuzzRead has the parameters of requests written by anybody. What is read without an error can be answered, an answer goes
// where the client registered and nowhere else, and it holds the state as it was sent.
func FuzzRead(f *testing.F) {
	env := browsertest.NewWithRedis(f, away, browsertest.PublicURL, nil, browsertest.App("web"),
		browsertest.App("native", func(a *configv1.Application) {
			a.Type = configv1.Application_NATIVE
			a.Settings.Oauth.RedirectUris = []string{"http://127.0.0.1/cb", "com.app:/cb"}
		}))
	d := env.Domain()
	for _, seed := range []string{
		"client_id=web&response_type=code&redirect_uri=https%3A%2F%2Fweb.example%2Fcb&state=s&nonce=n&scope=openid+profile",
		"client_id=native&response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fcb&code_challenge_method=S256&code_challenge=x",
		"client_id=web&response_type=code+id_token&response_mode=form_post&prompt=none+login&max_age=-1&claims=%7B%7D",
		"client_id=web&response_type=code&id_token_hint=a.b.c&resource=a&resource=b&dpop_jkt=x&ui_locales=fr-CA+fr&acr_values=1",
		"client_id=web&response_type=code&request=a.b.c&request_uri=urn:x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p, err := oauth2.ParseParams(query, "")
		if err != nil {
			values, _ := url.ParseQuery(query)
			p = authorization.Single(values)
		}
		r, err := authorization.Read(t.Context(), d, p, true)
		if err == nil && (r.Client == nil || r.RedirectURI == "" || r.Type == "" || p.Has("request_uri")) {
			t.Fatalf("nothing is wrong with %q, and it cannot be answered: %+v", query, r)
		}
		if err != nil {
			e := oauth2.AsError(err)
			if e.Code == oauth2.ServerError {
				t.Fatalf("%q is our fault: %v", query, err)
			}
			if !r.Trusted() {
				return
			}
			location := r.Failure(d.Issuer, "", e).Location()
			checkLocation(t, r, location)
			return
		}
		if r.Digest != authorization.Digest(p) {
			t.Error("the digest is another request's")
		}
	})
}

// checkLocation checks where an answer goes.
func checkLocation(t *testing.T, r *authorization.Request, location string) {
	t.Helper()
	registered := r.Client.RedirectURIs
	u, err := url.Parse(location)
	if err != nil || !slices.ContainsFunc(registered, func(uri string) bool {
		want, _ := url.Parse(uri)
		return want.Scheme == u.Scheme && want.Hostname() == u.Hostname() && want.Path == u.Path
	}) {
		t.Fatalf("the answer goes to %q (%v)", location, err)
	}
	sent := u.Query()
	if u.Fragment != "" {
		sent, _ = url.ParseQuery(u.EscapedFragment())
	}
	if sent.Get("state") != r.State || len(sent["state"]) > 1 || strings.ContainsAny(location, "\r\n") {
		t.Fatalf("state %q in %q", r.State, location)
	}
}

// FuzzObject has clients sign what they like. No parameters come of it but texts that stand once, for the client itself.
func FuzzObject(f *testing.F) {
	key, err := jose.GenerateKey(jose.ES256, "k")
	if err != nil {
		f.Fatal(err)
	}
	set, err := jose.NewKeySet(key)
	if err != nil {
		f.Fatal(err)
	}
	jwks := &structpb.Struct{}
	if err := jwks.UnmarshalJSON(set.JWKS()); err != nil {
		f.Fatal(err)
	}
	env := browsertest.NewWithRedis(f, away, browsertest.PublicURL, nil, browsertest.App("web", browsertest.OAuth(func(o *configv1.OAuthSettings) { o.Jwks = jwks })))
	d := env.Domain()
	c, err := d.Client(f.Context(), "web")
	if err != nil {
		f.Fatal(err)
	}
	now := func() time.Time { return time.Unix(1_900_000_000, 0) }
	objects := &authorization.Objects{Keys: clientkeys.New(nil, now), Now: now}
	const head = `{"iss":"web","aud":["` + browsertest.Issuer + `"],"exp":1900000060,`
	for _, seed := range []string{
		head + `"client_id":"web","response_type":"code","scope":"openid","max_age":86400,"claims":{"userinfo":{"email":null}}}`,
		head + `"resource":["urn:a","urn:b"],"state":null,"nonce":"é"}`,
		head + `"request":"a.b.c"}`,
		head + `"scope":["openid"],"x":true,"y":1e400,"client_id":"other"}`,
		`{"iss":"web","aud":"x","exp":-1}`, `[]`, `null`, `{`,
	} {
		f.Add([]byte(seed), "oauth-authz-req+jwt")
	}
	f.Fuzz(func(t *testing.T, payload []byte, typ string) {
		token, err := key.Sign(typ, payload)
		if err != nil {
			return // such a type cannot be signed
		}
		p, err := objects.Verify(t.Context(), d, c, token, oauth2.RequestNotSupported)
		if err != nil {
			if code := oauth2.CodeOf(err); code != oauth2.InvalidRequestObject {
				t.Fatalf("%q: %v", payload, err)
			}
			return
		}
		if p.Get("client_id") != "web" || p.Sent("request") || p.Sent("request_uri") || p.Sent("iss") || p.AnyInQuery() {
			t.Fatalf("%q became %v", payload, p.Values())
		}
		for name, values := range p.Values() {
			if len(values) != 1 && name != "resource" {
				t.Fatalf("%s stands %d times", name, len(values))
			}
		}
		r, err := authorization.Resolved{Params: p, Signed: true}.Read(t.Context(), d, true)
		if err != nil && oauth2.CodeOf(err) == oauth2.ServerError {
			t.Fatalf("%q is our fault: %v", payload, err)
		}
		if err == nil && r.Client != c {
			t.Fatalf("%q is a request of %v", payload, r.Client)
		}
	})
}
