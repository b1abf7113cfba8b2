package grants_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

const jwtBearer = string(oauth2.GrantJWTBearer)

func TestT15AssertionsOfTrustedIssuers(t *testing.T) {
	staff, guests, other := newPartner(t, "https://staff.example"), newPartner(t, "https://guests.example"), newPartner(t, "https://other.example")
	grants := func(a *configv1.Application) {
		a.Settings.Oauth.GrantTypes = []string{jwtBearer + "~partner", "refresh_token"}
	}
	r := newRigOf(t, func(c *gatewaytest.Config) {
		c.Domain.Oidc.TrustedIssuers = []*configv1.TrustedIssuer{
			staff.trusted(func(m *configv1.TrustedIssuer) { m.IdentityProvider = "staff" }),
			guests.trusted(func(m *configv1.TrustedIssuer) { m.GrantTypes = []string{jwtBearer} }),
			other.trusted(func(m *configv1.TrustedIssuer) { m.GrantTypes = []string{string(oauth2.GrantTokenExchange)} }),
			newPartner(t, "https://ps.example").trusted(func(m *configv1.TrustedIssuer) { m.Algorithms = []string{"PS256"} }),
		}
		c.App("web", grants)
		c.App("strict", grants, func(a *configv1.Application) { a.Settings.Oauth.SecurityProfile = profile.OAuth21 })
	})
	r.meets("ann", "bob")
	ask := func(client, assertion string, more ...string) gatewaytest.Answer {
		return r.token(client, append([]string{"grant_type", jwtBearer, "assertion", assertion}, more...)...)
	}
	now := r.Clock.Now()
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	const (
		invalid  = "The assertion is invalid"
		distrust = "The issuer of the assertion is not trusted here"
		aud      = "The assertion is not meant for this server"
	)
	tests := []struct {
		name      string
		client    string
		assertion string
		want      string
	}{
		{"one of the issuer", "web", staff.sign(now, nil), ""},
		{"addressed to the token endpoint", "web", staff.sign(now, map[string]any{"aud": []string{"x", "https://gw.example/acme/oauth/token"}}), ""},
		{"which a strict profile does not take", "strict", staff.sign(now, map[string]any{"aud": "https://gw.example/acme/oauth/token"}), aud},
		{"addressed to the issuer under a strict profile", "strict", staff.sign(now, nil), ""},
		{"without an identifier", "web", staff.sign(now, map[string]any{"jti": nil}), ""},
		{"typed as a grant", "web", staff.signAs("authorization-grant+jwt", now, nil), ""},
		{"typed as an access token", "web", staff.signAs("at+jwt", now, nil), invalid},
		{"of somebody who is not trusted", "web", newPartner(t, "https://evil.example").sign(now, nil), distrust},
		{"of somebody who is trusted for another grant", "web", other.sign(now, nil), distrust},
		{"in the name of the issuer, by another key", "web", newPartner(t, staff.name).sign(now, nil), invalid},
		{"by an algorithm that the issuer does not use", "web", newPartner(t, "https://ps.example").sign(now, nil), invalid},
		{"addressed to somebody else", "web", staff.sign(now, map[string]any{"aud": "https://elsewhere.example"}), aud},
		{"addressed to nobody", "web", staff.sign(now, map[string]any{"aud": nil}), aud},
		{"without an end", "web", staff.sign(now, map[string]any{"exp": nil}), invalid},
		{"without a subject", "web", staff.sign(now, map[string]any{"sub": nil}), invalid},
		{"that has ended", "web", staff.sign(now, map[string]any{"exp": in(-31 * time.Second)}), "The assertion is expired"},
		{"that ended within the tolerance of clocks", "web", staff.sign(now, map[string]any{"exp": in(-29 * time.Second)}), ""},
		{"that has not begun", "web", staff.sign(now, map[string]any{"nbf": in(31 * time.Second)}), invalid},
		{"that is made later", "web", staff.sign(now, map[string]any{"iat": in(31 * time.Second)}), invalid},
		{"that lasts for too long", "web", staff.sign(now, map[string]any{"exp": in(2 * time.Hour)}), "The assertion ends more than an hour from now"},
		{"about nobody", "web", staff.sign(now, map[string]any{"sub": "eve"}), invalid},
		{"that is no JWT", "web", "garbage", invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(tt.client, tt.assertion)
			if tt.want != "" {
				r.refused(a, badRequest+"invalid_grant | "+tt.want)
			} else if a.Status != http.StatusOK {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
	t.Run("the tokens are the person's, without a refresh token or an ID token", func(t *testing.T) {
		got := r.granted(ask("web", staff.sign(now, nil), "scope", "openid read"))
		claims := r.claims(got.AccessToken)
		if got.Scope != "openid read" || got.RefreshToken != "" || got.IDToken != "" || claims["sub"] != gatewaytest.Subject("staff", "ann") || claims["gis"] != "staff:ann" {
			t.Errorf("answer %+v, claims %v", got, claims)
		}
		if a := r.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+got.AccessToken)); a.Status != 200 {
			t.Errorf("userinfo: %d %s", a.Status, a.Body)
		}
	})
	t.Run("a subject without a provider has no account, and nobody else's name", func(t *testing.T) {
		ann := gatewaytest.Subject("staff", "ann")
		got := r.granted(ask("web", guests.sign(now, map[string]any{"sub": ann}), "scope", "openid"))
		claims := r.claims(got.AccessToken)
		if claims["sub"] == ann || claims["gis"] != "https://guests.example:"+ann {
			t.Errorf("claims %v", claims)
		}
		if a := r.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+got.AccessToken)); a.Status == 200 {
			t.Errorf("userinfo: %s", a.Body)
		}
		again := r.granted(ask("web", guests.sign(now, map[string]any{"sub": ann})))
		if r.claims(again.AccessToken)["sub"] != claims["sub"] {
			t.Error("the subject has another name each time")
		}
	})
	t.Run("an assertion is used once, and only when it was good for something", func(t *testing.T) {
		for _, change := range []map[string]any{nil, {"jti": nil}} {
			assertion := staff.sign(now, change)
			r.refused(ask("web", assertion, "scope", "nope"), badRequest+"invalid_scope | Invalid scope(s): nope")
			r.granted(ask("web", assertion))
			r.refused(ask("web", assertion), badRequest+"invalid_grant | The assertion was used before")
		}
	})
	t.Run("of many at once one is accepted", func(t *testing.T) {
		form := url.Values{"grant_type": {jwtBearer}, "assertion": {staff.sign(now, nil)}}
		results := make(chan int)
		for range 32 {
			go func() { results <- r.Post("/acme/oauth/token", form, gatewaytest.Basic("web")).Status }()
		}
		count := map[int]int{}
		for range 32 {
			count[<-results]++
		}
		if count[200] != 1 || count[400] != 31 {
			t.Errorf("statuses %v", count)
		}
	})
	t.Run("somebody who is disabled", func(t *testing.T) {
		bob, err := r.Directory.User(t.Context(), r.domain, gatewaytest.Subject("staff", "bob"))
		if err != nil {
			t.Fatal(err)
		}
		bob.Enabled = proto.Bool(false)
		r.Directory.Put(r.domain, bob)
		r.refused(ask("web", staff.sign(now, map[string]any{"sub": "bob"})), badRequest+"invalid_grant | "+invalid)
	})
	t.Run("no assertion", func(t *testing.T) {
		r.refused(ask("web", ""), badRequest+"invalid_request | Missing parameter: assertion")
	})
	t.Run("nobody is trusted", func(t *testing.T) {
		none := newRigOf(t, func(c *gatewaytest.Config) { c.App("web", grants) })
		none.refused(none.token("web", "grant_type", jwtBearer, "assertion", "x"), badRequest+"unsupported_grant_type | Unsupported grant type: "+jwtBearer)
	})
}
