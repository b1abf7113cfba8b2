package portal_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// federated is a site whose people come from an OpenID provider elsewhere as well, where eve has an account.
func federated(t *testing.T) (*site, *gatewaytest.Site) {
	elsewhere := gatewaytest.NewSite(t)
	s := newSite(t, func(c *gatewaytest.Config) {
		c.Elsewhere("partner", elsewhere)
		c.Domain.PortalSettings = &configv1.PortalSettings{IdentityProviders: []string{"staff", "partner"}}
		c.Add(&configv1.Group{Id: "finance", Domain: c.Domain.GetId(), Name: "Finance"})
	})
	elsewhere.Now = s.Clock.Now
	only := func(a *configv1.Application) {
		a.Bindings = []*configv1.Binding{{Id: "b-" + a.GetSlug(), Group: "finance"}}
	}
	s.put(
		s.app("wiki", func(a *configv1.Application) {
			a.LaunchUrl = "https://wiki.example/of/{{user.username}}?mail={{user.email}}"
		}),
		s.app("payroll", only), s.app("crm"),
	)
	return s, elsewhere
}

// through signs somebody in at the partner from a page of ours, and returns where that ends.
func through(t *testing.T, b *browsertest.Browser, elsewhere *gatewaytest.Site, page *browsertest.Response) *browsertest.Response {
	t.Helper()
	_, rest, ok := strings.Cut(page.Text, `href="`+b.Base+`/login/provider/partner?`)
	if !ok {
		t.Fatalf("no way to the partner: %d\n%s", page.StatusCode, page.Text)
	}
	query, _, _ := strings.Cut(rest, `"`)
	leaving := b.Get("/login/provider/partner?" + strings.ReplaceAll(query, "&amp;", "&"))
	if strings.HasPrefix(leaving.Location(), b.Base) || leaving.Location() == "" {
		t.Fatalf("not sent to the partner: %d %s", leaving.StatusCode, leaving.Location())
	}
	return b.Follow(b.Get(elsewhere.Authorize(leaving.Location())))
}

func TestASignedOutLaunchThroughAnotherProviderEndsAtTheTarget(t *testing.T) {
	s, elsewhere := federated(t)
	b := s.Browser("/acme")
	page := b.Follow(b.Get("/application/launch/wiki/"))
	if !strings.Contains(page.Text, "Continue to <strong>Wiki</strong>") {
		t.Fatalf("%d %s", page.StatusCode, page.Text)
	}
	away := through(t, b, elsewhere, page)
	target := away.Location()
	if target == "" { // a page leads on where a form could not
		_, rest, _ := strings.Cut(away.Text, `href="https://wiki.example/`)
		target = "https://wiki.example/" + strings.ReplaceAll(rest[:max(0, strings.IndexByte(rest, '"'))], "&amp;", "&")
	}
	if target != "https://wiki.example/of/eve?mail=eve%40partner.example" {
		t.Errorf("ends at %q: %d\n%s", target, away.StatusCode, away.Text)
	}

	t.Run("who is signed in goes on", func(t *testing.T) {
		if again := b.Get("/application/launch/wiki/"); again.StatusCode != http.StatusFound || again.Location() != target {
			t.Errorf("%d %s", again.StatusCode, again.Location())
		}
	})
	t.Run("the rule holds for them too", func(t *testing.T) {
		stranger := s.Browser("/acme")
		denied := through(t, stranger, elsewhere, stranger.Follow(stranger.Get("/application/launch/payroll/")))
		if denied.StatusCode != http.StatusForbidden || strings.Contains(denied.Text, "Finance") {
			t.Errorf("%d %s\n%s", denied.StatusCode, denied.Location(), denied.Text)
		}
	})
}

func TestMyApplicationsOfSomebodyFromAnotherProvider(t *testing.T) {
	s, elsewhere := federated(t)
	b := s.Browser("/acme")
	home := through(t, b, elsewhere, b.Follow(b.Get("/portal?search=")))
	if home.StatusCode != http.StatusOK || !strings.Contains(home.Text, "eve") {
		t.Fatalf("%d %s\n%s", home.StatusCode, home.Location(), home.Text)
	}
	if got := read(t, b.Get("/portal/applications")); got.slugs() != "crm wiki" || got.TotalCount != 2 {
		t.Errorf("%d: %s", got.TotalCount, got.slugs())
	}

	t.Run("the partner's answer signs nobody in elsewhere", func(t *testing.T) {
		begun, victim := s.Browser("/acme"), s.Browser("/acme")
		page := begun.Follow(begun.Get("/portal"))
		_, rest, _ := strings.Cut(page.Text, `/login/provider/partner?`)
		query, _, _ := strings.Cut(rest, `"`)
		back := elsewhere.Authorize(begun.Get("/login/provider/partner?" + strings.ReplaceAll(query, "&amp;", "&")).Location())
		victim.Follow(victim.Get(back))
		if got := victim.Get("/portal/applications"); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%d %s", got.StatusCode, got.Text)
		}
	})
	t.Run("a portal that does not name the provider does not take its session", func(t *testing.T) {
		s.revision++
		d := proto.CloneOf(s.config.Domain)
		d.PortalSettings.IdentityProviders = []string{"staff"}
		s.Apply(gatewaytest.Upserts(s.revision, d))
		if got := b.Get("/portal/applications"); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%d %s", got.StatusCode, got.Text)
		}
		fresh := s.Browser("/acme")
		if page := fresh.Follow(fresh.Get("/portal")); strings.Contains(page.Text, "provider/partner") {
			t.Error("the page still leads to the partner")
		}
	})
}
