package grants_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestOrderOfChecks(t *testing.T) {
	r := newRig(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"})
	t.Run("a repeated parameter comes before client authentication", func(t *testing.T) {
		r.refused(r.token("", "grant_type", "client_credentials", "grant_type", "client_credentials"), badRequest+"invalid_request | Parameter [grant_type] is included more than once")
		r.refused(r.token("", "x", "1", "x", "2"), badRequest+"invalid_request | Parameter [x] is included more than once")
	})
	t.Run("a missing grant_type comes before client authentication", func(t *testing.T) {
		r.refused(r.token(""), badRequest+"invalid_request | Missing parameter: grant_type")
		r.refused(r.token("nobody", "grant_type", ""), badRequest+"invalid_request | Missing parameter: grant_type")
	})
	t.Run("client authentication comes before the grant", func(t *testing.T) {
		r.refused(r.token("", "grant_type", "magic"), missing)
		a := r.token("nobody", "grant_type", "magic")
		r.refused(a, failed)
		if got := a.Header.Get("WWW-Authenticate"); got != `Basic realm="gatehouse"` {
			t.Errorf("challenge %q", got)
		}
		a = r.token("", "grant_type", "magic", "client_id", "web", "client_secret", "wrong")
		r.refused(a, failed)
		if got := a.Header.Get("WWW-Authenticate"); got != "" {
			t.Errorf("post is challenged by %q", got)
		}
	})
	t.Run("a grant that is unknown or not the client's", func(t *testing.T) {
		r.refused(r.token("web", "grant_type", "magic"), badRequest+"unsupported_grant_type | Unsupported grant type: magic")
		r.refused(r.token("service", "grant_type", "password"), badRequest+"unsupported_grant_type | Unsupported grant type: password")
		r.refused(r.token("web", "grant_type", "urn:é\"\\\nx"), badRequest+"unsupported_grant_type | Unsupported grant type: urn:?'/ x")
	})
	t.Run("other methods are refused", func(t *testing.T) {
		a := r.Get("/acme/oauth/token?grant_type=client_credentials", gatewaytest.Basic("web"))
		r.refused(a, "Method Not Allowed | method_not_allowed | The endpoint answers POST, OPTIONS")
	})
	t.Run("a body that is too large is refused as JSON", func(t *testing.T) {
		r.refused(r.token("web", "grant_type", "client_credentials", "x", strings.Repeat("x", 300<<10)), badRequest+"invalid_request | The request body is larger than 262144 bytes")
	})
	t.Run("so is a huge one, of known and of unknown length, without being read", func(t *testing.T) {
		huge := "grant_type=client_credentials&x=" + strings.Repeat("x", 20<<20)
		for _, body := range []io.Reader{strings.NewReader(huge), io.MultiReader(strings.NewReader(huge))} {
			req, err := http.NewRequest(http.MethodPost, r.URL+"/acme/oauth/token", body)
			if err != nil {
				t.Fatal(err)
			}
			r.refused(r.Do(req, gatewaytest.Basic("web"), gatewaytest.Header("Content-Type", "application/x-www-form-urlencoded")),
				badRequest+"invalid_request | The request body is larger than 262144 bytes")
		}
	})
	t.Run("a body that is no form is refused", func(t *testing.T) {
		a := r.Post("/acme/oauth/token", gatewaytest.Form("a", "b"), gatewaytest.Basic("web"), gatewaytest.Header("Content-Type", "application/json"))
		r.refused(a, badRequest+"invalid_request | Unsupported Content-Type")
	})
}

func TestRedisIsAway(t *testing.T) {
	r := newRig(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"})
	for name, pairs := range map[string][]string{
		"code":     {"grant_type", "authorization_code", "code", "x"},
		"refresh":  {"grant_type", "refresh_token", "refresh_token", strings.Repeat("a", 22) + "." + strings.Repeat("b", 22) + "." + strings.Repeat("c", 43)},
		"password": {"grant_type", "password", "username", "ann", "password", gatewaytest.Password},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			a := r.token("web", pairs...)
			if got := a.JSON(t)["error"]; a.Status != 503 || got != string(oauth2.TemporarilyUnavailable) {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
			if took := time.Since(began); name != "password" && took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestEveryGrantIsServedUnderItsName(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("every", func(a *configv1.Application) {
		a.Settings.Oauth.GrantTypes = nil
		for _, g := range oauth2.GrantTypes() {
			a.Settings.Oauth.GrantTypes = append(a.Settings.Oauth.GrantTypes, string(g))
		}
	})
	r := &rig{gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c), t, c.Domain.GetId()}
	a := r.Get("/acme/oidc/.well-known/openid-configuration")
	for _, name := range a.JSON(t)["grant_types_supported"].([]any) {
		if name == string(oauth2.GrantImplicit) {
			continue // its tokens come from the authorization endpoint
		}
		answer := r.token("every", "grant_type", name.(string))
		if e := answer.JSON(t)["error"]; e == "unsupported_grant_type" || e == "server_error" {
			t.Errorf("%s is listed and answers %v", name, e)
		}
	}
	if _, err := url.Parse(a.JSON(t)["token_endpoint"].(string)); err != nil {
		t.Error(err)
	}
}

// TestADomainWithoutAKeyThatSigns has retired keys alone: it says that it cannot answer now, and does not sign with them.
func TestADomainWithoutAKeyThatSigns(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("service", func(a *configv1.Application) { a.Settings.Oauth.GrantTypes = []string{"client_credentials"} })
	r := &rig{gatewaytest.New(t, gatewaytest.Options{}, c), t, c.Domain.GetId()}
	retired := func(c *configv1.Certificate) { c.Status = configv1.Certificate_RETIRED }
	if rejected := r.Domains.Apply(t.Context(), gatewaytest.Upserts(1000,
		c.Certificate("es", jose.ES256, retired), c.Certificate("rs", jose.RS256, retired))); len(rejected) != 1 {
		t.Errorf("rejected: %v", rejected)
	}
	a := r.token("service", "grant_type", "client_credentials")
	if body := a.JSON(t); a.Status != 503 || body["error"] != "temporarily_unavailable" || body["access_token"] != nil {
		t.Errorf("%d %v", a.Status, body)
	}
}
