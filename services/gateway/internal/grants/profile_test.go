package grants_test

import (
	"net/http"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestWhatTheProfileRefuses goes through the differences at the token endpoint between a lax and a strict profile, of the
// domain and of one client.
func TestWhatTheProfileRefuses(t *testing.T) {
	lax := newRigOf(t, func(c *gatewaytest.Config) {
		c.App("web")
		c.App("service", func(a *configv1.Application) { a.Settings.Oauth.GrantTypes = []string{"client_credentials"} })
		c.App("own", func(a *configv1.Application) { a.Settings.Oauth.SecurityProfile = profile.OAuth21 })
	})
	tight := newRigOf(t, func(c *gatewaytest.Config) {
		strict(c, profile.OAuth21)
		c.App("web")
		c.App("service", func(a *configv1.Application) { a.Settings.Oauth.GrantTypes = []string{"client_credentials"} })
	})
	password := []string{"grant_type", "password", "username", "ann", "password", gatewaytest.Password}
	t.Run("the password grant is served to those who registered it, and under a strict profile to nobody", func(t *testing.T) {
		lax.granted(lax.token("web", password...))
		const want = badRequest + "unsupported_grant_type | Unsupported grant type: password"
		lax.refused(lax.token("own", password...), want)
		tight.refused(tight.token("web", password...), want)
		tight.refused(tight.token("service", password...), want)
	})
	t.Run("a grant that the client has not registered", func(t *testing.T) {
		lax.refused(lax.refresh("service", "x"), badRequest+"unsupported_grant_type | Unsupported grant type: refresh_token")
		tight.refused(tight.refresh("service", "x"), badRequest+"unauthorized_client | The client is not registered for the grant type: refresh_token")
		tight.refused(tight.token("service", "grant_type", "magic"), badRequest+"unsupported_grant_type | Unsupported grant type: magic")
	})
	t.Run("parameters in the query", func(t *testing.T) {
		send := func(r *rig, client, query string) gatewaytest.Answer {
			req, err := http.NewRequest(http.MethodPost, r.URL+"/acme/oauth/token?"+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			return r.Do(req, gatewaytest.Basic(client))
		}
		const query = "grant_type=client_credentials"
		const want = badRequest + "invalid_request | The parameters must be in the body of the request, not in its query"
		lax.granted(send(lax, "web", query))
		lax.refused(send(lax, "own", query), want)
		tight.refused(send(tight, "web", query), want)
		tight.refused(tight.Post("/acme/oauth/token?x=1", gatewaytest.Form("grant_type", "client_credentials"), gatewaytest.Basic("web")), want)
	})
	t.Run("discovery follows", func(t *testing.T) {
		for _, tt := range []struct {
			r    *rig
			want bool
		}{{lax, true}, {tight, false}} {
			listed := false
			for _, g := range tt.r.Get("/acme/oidc/.well-known/openid-configuration").JSON(t)["grant_types_supported"].([]any) {
				listed = listed || g == "password"
			}
			if listed != tt.want {
				t.Errorf("the password grant is listed: %t", listed)
			}
		}
	})
}

func TestF6ConfidentialClientsKeepTheirRefreshTokens(t *testing.T) {
	key := gatewaytest.ClientKey(t, "fapi", jose.ES256)
	r := newRigOf(t, func(c *gatewaytest.Config) {
		c.App("fapi", gatewaytest.ByKey(t, key), func(a *configv1.Application) { a.Settings.Oauth.SecurityProfile = profile.FAPI2 })
		c.App("other")
	})
	prover := gatewaytest.NewProver(t)
	ask := func(pairs ...string) map[string]any {
		t.Helper()
		a := r.Post("/acme/oauth/token", r.Asserting(gatewaytest.Form(pairs...), key, "fapi"), r.Proof(prover))
		if a.Status != http.StatusOK {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		return a.JSON(t)
	}
	token := ask("grant_type", "authorization_code", "code", r.Code(r.domain, "fapi", "ann"))["refresh_token"].(string)
	for range 3 {
		if got := ask("grant_type", "refresh_token", "refresh_token", token); got["refresh_token"] != nil {
			t.Errorf("answer %v", got)
		}
	}
	r.refused(r.refresh("other", token), badRequest+"invalid_grant | Refresh token was issued to another client")
	ask("grant_type", "refresh_token", "refresh_token", token)
}
