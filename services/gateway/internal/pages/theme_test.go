package pages_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/builtin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
)

func TestPagesLookAsTheirApplicationSaysOrElseTheirDomain(t *testing.T) {
	config := gatewaytest.NewAcme(t)
	config.Domain.Branding = &configv1.Branding{
		DisplayName: "Acme & Sons", PrimaryColor: "#ffd400", LogoUri: "https://cdn.example/logo.png", LogoDarkUri: "https://cdn.example/dark.png",
		FaviconUri: "https://cdn.example/i.ico", SupportEmail: "help@acme.example", Links: []*configv1.BrandingLink{{Label: "Imprint", Uri: "https://acme.example/i"}},
	}
	config.App("plain")
	config.App("own", func(a *configv1.Application) {
		a.Settings.Branding = &configv1.Branding{DisplayName: "Own", CornerRadius: proto.Int32(2)}
	})
	set := domain.NewSet(domain.Options{PublicURL: gatewaytest.PublicURL, Open: builtin.Tools{}.Open})
	if rejected := set.Apply(t.Context(), config.Batch(1)); len(rejected) > 0 {
		t.Fatalf("rejected: %v", rejected)
	}
	s := &studio{t: t, set: set, id: config.Domain.GetId(), pages: pages.New()}
	login := func(client string) string {
		w := s.login(client)
		sheets := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(w.Body.String(), -1)
		for _, sheet := range sheets {
			sum := sha256.Sum256([]byte(sheet[1]))
			if hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(w.Header().Get("Content-Security-Policy"), hash) {
				t.Errorf("%s: the policy forbids %s", client, sheet[1])
			}
		}
		if len(sheets) != 2 || !strings.Contains(w.Header().Get("Content-Security-Policy"), "; img-src 'self'") {
			t.Errorf("%s: %d style sheets, policy %s", client, len(sheets), w.Header().Get("Content-Security-Policy"))
		}
		return w.Body.String()
	}
	for client, want := range map[string][]string{
		"plain": {
			"<title>Sign in · Acme &amp; Sons</title>", `src="https://gw.example/acme/oauth/brand/logo/plain" alt="Acme &amp; Sons"`,
			`<source media="(prefers-color-scheme: dark)" srcset="https://gw.example/acme/oauth/brand/logo-dark/plain">`,
			`<link rel="icon" href="https://gw.example/acme/oauth/brand/favicon/plain">`, `<a href="mailto:help@acme.example">help@acme.example</a>`, ">Imprint</a>", "--accent:",
		},
		"own": {"<title>Sign in · Own</title>", `alt="Own"`, "--radius:2px;", "--accent:", ">Imprint</a>"},
	} {
		page := login(client)
		for _, one := range want {
			if !strings.Contains(page, one) {
				t.Errorf("%s: no %s in\n%s", client, one, page)
			}
		}
	}
	d, _ := s.client("plain")
	page := s.show(func(w http.ResponseWriter, r *http.Request) error {
		return s.pages.Applications(w, r, d, pages.Applications{})
	}).Body.String()
	if !strings.Contains(page, `src="https://gw.example/acme/oauth/brand/logo" alt="Acme &amp; Sons"`) {
		t.Errorf("a page without an application:\n%s", page)
	}
}

func TestPagesAreSmall(t *testing.T) {
	s := newStudio(t)
	d, c := s.client("web")
	scopes := make([]pages.Scope, 14)
	for i := range scopes {
		scopes[i] = pages.Scope{Key: strings.Repeat("k", 10), Name: strings.Repeat("n", 20), Description: strings.Repeat("d", 50)}
	}
	const most = 20_000
	for name, write := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"login": func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Login(w, r, d, pages.Login{Client: c, Current: "ann", Back: "https://gw.example/x", Message: "no"})
		},
		"consent": func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Consent(w, r, d, pages.Consent{Client: c, Scopes: scopes, Choice: true})
		},
	} {
		if size := s.show(write).Body.Len(); size > most {
			t.Errorf("%s has %d bytes, want at most %d", name, size, most)
		}
	}
}
