package accounts_test

import (
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

const base = gatewaytest.PublicURL + "/acme"

// rig is a gateway with the application web, whose people make accounts themselves.
type rig struct {
	*gatewaytest.Harness
	t      *testing.T
	domain string
}

func newRig(t *testing.T, o gatewaytest.Options, change ...func(l *configv1.LoginSettings, a *configv1.AccountSettings)) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.People()
	c.App("web", func(app *configv1.Application) {
		app.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), RegisterEnabled: true, ForgotPasswordEnabled: true}
		app.Settings.Account = &configv1.AccountSettings{Inherited: proto.Bool(false), LoginAttemptsDetectionEnabled: true, MaxLoginAttempts: 3}
		app.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
		app.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: gatewaytest.DirectoryProvider}, {Identity: "staff"}}
		for _, f := range change {
			f(app.Settings.Login, app.Settings.Account)
		}
	})
	c.App("plain")
	c.App("bare", func(app *configv1.Application) {
		app.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), ForgotPasswordEnabled: true}
		app.IdentityProviders = nil
	})
	return &rig{gatewaytest.New(t, o, c), t, c.Domain.GetId()}
}

const query = "client_id=web&response_type=code&scope=openid&state=s&redirect_uri=https%3A%2F%2Fweb.example%2Fcb"

// signIn signs in to the application web.
func (r *rig) signIn(b *browsertest.Browser, name, password string) *browsertest.Response {
	r.t.Helper()
	return b.Follow(b.SignIn(b.Follow(b.Get("/oauth/authorize?"+query+"&prompt=login")), name, password))
}

func (r *rig) signedIn(b *browsertest.Browser) bool {
	r.t.Helper()
	return b.Get("/oauth/authorize?" + query + "&prompt=none").Query().Has("code")
}

// send fills in the form of a page and sends it.
func send(b *browsertest.Browser, page *browsertest.Response, pairs ...string) *browsertest.Response {
	f := b.Form(page)
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Values.Set(pairs[i], pairs[i+1])
	}
	return b.Post(f.Action, f.Values)
}

func wants(t *testing.T, res *browsertest.Response, status int, texts ...string) {
	t.Helper()
	if res.StatusCode != status {
		t.Fatalf("status %d, want %d; location %s\n%s", res.StatusCode, status, res.Location(), res.Text)
	}
	for _, text := range texts {
		if !strings.Contains(res.Text, text) {
			t.Errorf("the page lacks %q:\n%s", text, res.Text)
		}
	}
	if got := res.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy %q", got)
	}
	if p := res.Header.Get("Content-Security-Policy"); status != 302 && (!strings.Contains(p, "default-src 'none'") || strings.Contains(p, "script-src")) {
		t.Errorf("policy %q", p)
	}
}

// one is the only e-mail that was sent.
func (r *rig) one() gatewaytest.Mail {
	r.t.Helper()
	sent := r.Directory.Mails()
	if len(sent) != 1 {
		r.t.Fatalf("%d e-mails were sent", len(sent))
	}
	return sent[0]
}

func link(path, token string) string { return path + "?token=" + url.QueryEscape(token) }
