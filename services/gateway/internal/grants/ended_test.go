package grants_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestT21AnEndedGrantStaysEndedForAsLongAsAnythingOfItLives holds every way to end a grant to the lifetime of its refresh tokens, for
// which what they were exchanged for may live as well.
func TestT21AnEndedGrantStaysEndedForAsLongAsAnythingOfItLives(t *testing.T) {
	const life = 72 * time.Hour
	r := exchangeRig(t, nil, func(c *gatewaytest.Config) {
		c.App("long", func(a *configv1.Application) {
			a.Settings.Oauth.GrantTypes = append(a.Settings.Oauth.GrantTypes, exchangeGrant)
			a.Settings.Oauth.RefreshTokenValiditySeconds = int32(life / time.Second)
		})
	})
	options, err := redis.ParseURL(gatewaytest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	db := redis.NewClient(options)
	defer func() { _ = db.Close() }()
	for way, end := range map[string]func(code string, first answer) gatewaytest.Answer{
		"a revoked refresh token": func(_ string, first answer) gatewaytest.Answer {
			return r.Post("/acme/oauth/revoke", gatewaytest.Form("token", first.RefreshToken), gatewaytest.Basic("long"))
		},
		"a second use of the code": func(code string, _ answer) gatewaytest.Answer {
			return r.token("long", "grant_type", "authorization_code", "code", code)
		},
		"a second use of a refresh token": func(_ string, first answer) gatewaytest.Answer {
			r.granted(r.refresh("long", r.granted(r.refresh("long", first.RefreshToken)).RefreshToken))
			return r.refresh("long", first.RefreshToken)
		},
	} {
		t.Run(way, func(t *testing.T) {
			code := r.Code(r.domain, "long", "ann")
			first := r.granted(r.token("long", "grant_type", "authorization_code", "code", code))
			other := r.made(r.exchange("long", first.RefreshToken, refreshType, "requested_token_type", refreshType)).Token
			end(code, first)
			r.refused(r.refresh("long", other), badRequest+"invalid_grant | Refresh token is invalid")
			grant, _, _ := strings.Cut(r.claims(first.AccessToken)["jti"].(string), ".")
			until, err := db.ZScore(t.Context(), "revoked", r.domain+"|g|"+grant).Result()
			if err != nil || time.UnixMilli(int64(until)).Before(r.Clock.Now().Add(life)) {
				t.Errorf("revoked until %v, error %v", time.UnixMilli(int64(until)), err)
			}
		})
	}
}
