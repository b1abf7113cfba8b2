package clientauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestAClientWhoseKeysCannotBeReadIsNotLockedOut, however often it tries: it guesses nothing, and goes on when they are there.
func TestAClientWhoseKeysCannotBeReadIsNotLockedOut(t *testing.T) {
	key := gatewaytest.ClientKey(t, "es", jose.ES256)
	var there atomic.Bool
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !there.Load() {
			panic(http.ErrAbortHandler)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{key.PublicJWK()}})
	}))
	defer site.Close()
	c := gatewaytest.NewAcme(t)
	c.App("published", gatewaytest.ByKey(t, key), func(a *configv1.Application) { a.Settings.Oauth.Jwks, a.Settings.Oauth.JwksUri = nil, site.URL })
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	tries := 0
	try := func() gatewaytest.Answer {
		tries++
		jti := map[string]any{"jti": fmt.Sprint(tries)}
		return h.Post("/acme/oauth/token", h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), key, "published", jti))
	}
	for range 30 {
		if got := try(); got.Status != http.StatusServiceUnavailable || got.JSON(t)["error"] != "temporarily_unavailable" {
			t.Fatalf("attempt %d: %d %s", tries, got.Status, got.Body)
		}
	}
	there.Store(true)
	h.Clock.Forward(10 * time.Second)
	if got := try(); got.Status != http.StatusOK {
		t.Errorf("when they are there: %d %s", got.Status, got.Body)
	}
}
