package access_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// rig is a gateway whose application `pay` only the members of the group `finance` may use.
type rig struct {
	*gatewaytest.Harness
	t      *testing.T
	domain string
	config *gatewaytest.Config
	app    *configv1.Application
	log    *records
}

// records are what the gateway logs.
type records struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *records) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *records) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

const (
	exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	device   = "urn:ietf:params:oauth:grant-type:device_code"

	accessType  = "urn:ietf:params:oauth:token-type:access_token"
	refreshType = "urn:ietf:params:oauth:token-type:refresh_token"
)

// restricted are the settings of `pay`.
func restricted(a *configv1.Application) {
	a.Name = "Payroll"
	a.Settings.Oauth.GrantTypes = append(a.Settings.Oauth.GrantTypes, exchange, device, "urn:ietf:params:oauth:grant-type:jwt-bearer")
	a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
	a.Access = &configv1.ApplicationAccess{}
	a.Bindings = []*configv1.Binding{{Id: "binding-1", Group: "finance", Message: map[string]string{"default": "Ask finance", "de": "Fragen Sie die Buchhaltung"}}}
}

func newRig(t *testing.T, change ...func(*gatewaytest.Config, *configv1.Application)) *rig {
	t.Helper()
	return rigWith(t, gatewaytest.Options{}, change...)
}

func rigWith(t *testing.T, o gatewaytest.Options, change ...func(*gatewaytest.Config, *configv1.Application)) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.Domain.TokenExchangeSettings = &configv1.TokenExchangeSettings{
		Enabled: true, AllowImpersonation: true, AllowedSubjectTokenTypes: []string{accessType, refreshType}, AllowedRequestedTokenTypes: []string{accessType},
	}
	for _, g := range []string{"finance", "banned"} {
		c.Add(&configv1.Group{Id: g, Domain: c.Domain.GetId(), Name: g})
	}
	c.App("open", restricted, func(a *configv1.Application) {
		a.Bindings = nil
		a.Settings.Oauth.TokenCustomClaims = []*configv1.CustomClaim{{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "aud", ClaimValue: "pay"}}
	})
	app := c.App("pay", restricted)
	for _, f := range change {
		f(c, app)
	}
	log := &records{}
	o.Log = observe.NewLogger(log, slog.LevelInfo, observe.JSON)
	h := gatewaytest.New(t, o, c)
	h.Directory.Join(c.Domain.GetId(), "ann", "finance")
	h.Directory.Join(c.Domain.GetId(), "bob")
	return &rig{h, t, c.Domain.GetId(), c, app, log}
}

// authorize is the path of an authorization request of a client.
func authorize(client string, pairs ...string) string {
	q := url.Values{
		"client_id": {client}, "redirect_uri": {"https://" + client + ".example/cb"}, "response_type": {"code"}, "scope": {"openid profile read"},
		"state": {"s-1"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "/oauth/authorize?" + q.Encode()
}

// enter opens an authorization request as somebody, signing in where that is asked for.
func (r *rig) enter(b *browsertest.Browser, name, target string) *browsertest.Response {
	r.t.Helper()
	page := b.Follow(b.Get(target))
	if strings.Contains(page.Text, `id="password"`) {
		page = b.Follow(b.SignIn(page, name, gatewaytest.Password))
	}
	return page
}

// tokens are what a client gets for somebody by a code.
func (r *rig) tokens(b *browsertest.Browser, name, client string, pairs ...string) map[string]any {
	r.t.Helper()
	page := r.enter(b, name, authorize(client, pairs...))
	code := page.Query().Get("code")
	if code == "" {
		r.t.Fatalf("%s gets no code: status %d, location %q\n%s", name, page.StatusCode, page.Location(), page.Text)
	}
	a := r.redeem(client, code)
	if a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return a.JSON(r.t)
}

func (r *rig) redeem(client, code string) gatewaytest.Answer {
	r.t.Helper()
	return r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", code, "redirect_uri", "https://"+client+".example/cb"),
		gatewaytest.Basic(client))
}

func (r *rig) refresh(client string, tokens map[string]any, pairs ...string) gatewaytest.Answer {
	r.t.Helper()
	token, _ := tokens["refresh_token"].(string)
	return r.Post("/acme/oauth/token", gatewaytest.Form(append([]string{"grant_type", "refresh_token", "refresh_token", token}, pairs...)...), gatewaytest.Basic(client))
}

// password asks for tokens by the password grant.
func (r *rig) password(client, name string) gatewaytest.Answer {
	r.t.Helper()
	return r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", name, "password", gatewaytest.Password, "scope", "openid"),
		gatewaytest.Basic(client))
}

// put brings the application as a test changes it, and the policies that it needs.
func (r *rig) put(revision int64, change func(*configv1.Application), policies ...*configv1.Policy) {
	r.t.Helper()
	b := gatewaytest.Upserts(revision)
	for _, p := range policies {
		p.Domain = r.domain
		b.Upserts = append(b.Upserts, gatewaytest.Upserts(revision, p).Upserts...)
	}
	app := gatewaytest.NewApp(r.domain, "pay", restricted, change)
	b.Upserts = append(b.Upserts, gatewaytest.Upserts(revision, app).Upserts...)
	r.Apply(b)
}

func want(t *testing.T, what, got, wanted string) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s: %q, want %q", what, got, wanted)
	}
}

// decided returns the record of the last decision about access.
func (r *rig) decided() map[string]any {
	r.t.Helper()
	var last map[string]any
	for line := range strings.Lines(r.log.String()) {
		var facts map[string]any
		if json.Unmarshal([]byte(line), &facts) == nil && facts["msg"] == "access was decided" {
			last = facts
		}
	}
	return last
}
