package grants_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// rig is a gateway with the domain acme and a few clients.
type rig struct {
	*gatewaytest.Harness
	t      *testing.T
	domain string
}

func newRig(t *testing.T, o gatewaytest.Options) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.App("web")
	c.App("other")
	c.App("other2")
	c.App("service", func(a *configv1.Application) { a.Settings.Oauth.GrantTypes = []string{"client_credentials"} })
	c.App("public", func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "none" })
	c.App("fixed", func(a *configv1.Application) { a.Settings.Oauth.DisableRefreshTokenRotation = true })
	c.App("norefresh", func(a *configv1.Application) {
		a.Settings.Oauth.GrantTypes = []string{"authorization_code", "password"}
	})
	c.App("closed", func(a *configv1.Application) { a.IdentityProviders = nil })
	c.Waiting("corporate")
	c.App("waiting", func(a *configv1.Application) {
		a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "corporate"}}
	})
	c.App("ruled", func(a *configv1.Application) {
		a.IdentityProviders[0].SelectionRule = `login == "ann" && request.params["username"][0] == "ann" && !("password" in request.params) && request.method == "POST" && !("x" in context.attributes)`
	})
	c.App("defaults", func(a *configv1.Application) { a.Settings.Oauth.ScopeSettings[4].DefaultScope = true })
	c.App("openid", func(a *configv1.Application) { a.Settings.Oauth.ScopeSettings[0].DefaultScope = true })
	h := gatewaytest.New(t, o, c)
	return &rig{h, t, c.Domain.GetId()}
}

// newRigOf is a gateway with acme as a test changes it.
func newRigOf(t *testing.T, change func(c *gatewaytest.Config)) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	change(c)
	return &rig{gatewaytest.New(t, gatewaytest.Options{}, c), t, c.Domain.GetId()}
}

// strict gives a domain a profile.
func strict(c *gatewaytest.Config, name profile.Name) {
	c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: name}
}

// redeemed is what a code of ann is worth to a client.
func (r *rig) redeemed(client string, change ...func(*state.Authorization)) answer {
	r.t.Helper()
	return r.granted(r.token(client, "grant_type", "authorization_code", "code", r.Code(r.domain, client, "ann", change...)))
}

// refresh presents a refresh token.
func (r *rig) refresh(client, token string, more ...string) gatewaytest.Answer {
	r.t.Helper()
	return r.token(client, append([]string{"grant_type", "refresh_token", "refresh_token", token}, more...)...)
}

// token posts a token request of a client that authenticates by Basic; "" leaves authentication out.
func (r *rig) token(client string, pairs ...string) gatewaytest.Answer {
	r.t.Helper()
	var changes []gatewaytest.Change
	if client != "" {
		changes = append(changes, gatewaytest.Basic(client))
	}
	return r.Post("/acme/oauth/token", gatewaytest.Form(pairs...), changes...)
}

// answer is a successful answer of the token endpoint.
type answer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

func (r *rig) granted(a gatewaytest.Answer) answer {
	r.t.Helper()
	if a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	var got answer
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
		r.t.Fatal(err)
	}
	if got.TokenType != "bearer" || got.ExpiresIn != 7200 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" || a.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("answer %s with header %v", a.Body, a.Header)
	}
	return got
}

func (r *rig) refused(a gatewaytest.Answer, want string) {
	r.t.Helper()
	if got := a.Error(r.t); got != want {
		r.t.Errorf("refused with %q, want %q", got, want)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("header %v", a.Header)
	}
}

// claims reads a token that the domain signed.
func (r *rig) claims(token string) map[string]any {
	r.t.Helper()
	checked, err := r.Domains.Domain(r.domain).Keys.Verify(token, jose.Check{Types: []string{"JWT", "at+jwt"}})
	if err != nil {
		r.t.Fatalf("token %q: %v", token, err)
	}
	var claims map[string]any
	if err := json.Unmarshal(checked.Payload, &claims); err != nil {
		r.t.Fatal(err)
	}
	return claims
}

// sid is what a client calls a session.
func (r *rig) sid(clientID, session string) string {
	r.t.Helper()
	d := r.Domains.Domain(r.domain)
	c, err := d.Client(r.t.Context(), clientID)
	if err != nil {
		r.t.Fatal(err)
	}
	return tokens.SessionID(d, c, session)
}

// alive reports whether an access token is in force.
func (r *rig) alive(token string) bool {
	r.t.Helper()
	_, err := r.Verifier.Verify(r.Domains.Domain(r.domain), token)
	return err == nil
}

const (
	badRequest   = "Bad Request | "
	unauthorized = "Unauthorized | invalid_client | "
	failed       = unauthorized + "Client authentication failed due to unknown clientId, expired or invalid client secret"
	missing      = unauthorized + "Invalid client: missing or unsupported authentication method"
)
