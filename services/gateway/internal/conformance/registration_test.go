package conformance

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestG7AKeyThatAppearsLaterIsAccepted: a client publishes another key after it registered its jwks_uri, and authenticates with it.
func TestG7AKeyThatAppearsLaterIsAccepted(t *testing.T) {
	key := func(kid string) *jose.Key {
		t.Helper()
		k, err := jose.GenerateKey(jose.ES256, kid)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first, later := key("first"), key("later")
	var published atomic.Pointer[[]any]
	published.Store(&[]any{first.PublicJWK()})
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": *published.Load()})
	}))
	defer client.Close()

	c := gatewaytest.NewAcme(t)
	c.App("keyed", func(a *configv1.Application) {
		o := a.GetSettings().GetOauth()
		o.TokenEndpointAuthMethod, o.JwksUri = "private_key_jwt", client.URL
	})
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	asks := func(k *jose.Key, jti string) int {
		t.Helper()
		claims, err := json.Marshal(map[string]any{
			"iss": "keyed", "sub": "keyed", "aud": h.Domains.Domain(c.Domain.GetId()).Issuer, "jti": jti,
			"iat": h.Clock.Now().Unix(), "exp": h.Clock.Now().Add(time.Minute).Unix(),
		})
		if err != nil {
			t.Fatal(err)
		}
		assertion, err := k.Sign(jose.TypeJWT, claims)
		if err != nil {
			t.Fatal(err)
		}
		return h.Post("/acme/oauth/token", url.Values{
			"grant_type": {"client_credentials"}, "scope": {"read"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}).Status
	}
	if got := asks(first, "a"); got != http.StatusOK {
		t.Fatalf("by the first key: %d", got)
	}
	if got := asks(later, "b"); got != http.StatusUnauthorized {
		t.Errorf("by a key that is not published: %d", got)
	}
	published.Store(&[]any{first.PublicJWK(), later.PublicJWK()})
	h.Clock.Forward(11 * time.Second) // an unknown key is looked for once in ten seconds
	if got := asks(later, "c"); got != http.StatusOK {
		t.Errorf("by the later key: %d", got)
	}
	if got := asks(first, "d"); got != http.StatusOK {
		t.Errorf("by the first key after that: %d", got)
	}
}
