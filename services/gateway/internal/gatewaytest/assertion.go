package gatewaytest

import (
	"encoding/json"
	"maps"
	"net/url"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

var clientKeys sync.Map // of clients, by name and algorithm

// ClientKey returns a key of a client. Equal names and algorithms have equal keys in all tests.
func ClientKey(t testing.TB, name string, alg jose.Algorithm) *jose.Key {
	t.Helper()
	made, _ := clientKeys.LoadOrStore(name+" "+string(alg), sync.OnceValues(func() (*jose.Key, error) { return jose.GenerateKey(alg, name) }))
	key, err := made.(func() (*jose.Key, error))()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ByKey makes an application authenticate by private_key_jwt with keys.
func ByKey(t testing.TB, keys ...*jose.Key) func(*configv1.Application) {
	t.Helper()
	set, err := jose.NewKeySet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	jwks := &structpb.Struct{}
	if err := jwks.UnmarshalJSON(set.JWKS()); err != nil {
		t.Fatal(err)
	}
	return func(a *configv1.Application) {
		a.Settings.Oauth.TokenEndpointAuthMethod, a.Settings.Oauth.Jwks = string(oauth2.AuthPrivateKeyJWT), jwks
		a.Secrets = nil
	}
}

// AssertionClaims are those of a good assertion of a client of a domain under a path such as /acme.
func AssertionClaims(clientID, path string, now time.Time) map[string]any {
	return map[string]any{
		"iss": clientID, "sub": clientID, "aud": PublicURL + path + "/oidc", "jti": secret.NewID(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
}

// Asserting adds to a form an assertion by which a client of acme authenticates (RFC 7523 §2.2), with changed claims; a nil
// value takes one away.
func (h *Harness) Asserting(form url.Values, key *jose.Key, clientID string, claims ...map[string]any) url.Values {
	h.t.Helper()
	all := AssertionClaims(clientID, "/acme", h.Clock.Now())
	for _, c := range claims {
		maps.Copy(all, c)
	}
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := key.Sign(jose.TypeJWT, payload)
	if err != nil {
		h.t.Fatal(err)
	}
	form.Set("client_assertion_type", oauth2.ClientAssertionJWT)
	form.Set("client_assertion", token)
	return form
}
