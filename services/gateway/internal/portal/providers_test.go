package portal_test

import (
	"net/http"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// ways is a site with the providers staff and weak, and somebody who is signed in by the weak one.
func ways(t *testing.T, settings *configv1.PortalSettings) *site {
	return newSite(t, func(c *gatewaytest.Config) {
		c.Inline("weak", "ann")
		c.Domain.PortalSettings = settings
		c.App("forum", func(a *configv1.Application) {
			a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "weak"}}
		})
		c.App("vault", func(a *configv1.Application) {
			a.Slug, a.LaunchUrl = "vault", "https://vault.example/{{user.username}}"
		})
	})
}

func TestASessionOfAnotherProviderIsANeededSignIn(t *testing.T) {
	s := ways(t, &configv1.PortalSettings{IdentityProviders: []string{"staff"}})
	s.put(s.app("payroll"))
	b := s.Browser("/acme")
	try(b, authorizeAt("forum"), gatewaytest.Password)
	for _, path := range []string{"/application/launch/vault/", "/application/launch/payroll/", "/portal"} {
		if page := b.Get(path); page.StatusCode != http.StatusFound || !strings.Contains(page.Location(), "/login?") {
			t.Errorf("%s: %d %s, want a sign-in", path, page.StatusCode, page.Location())
		}
	}
	if page := b.Get("/application/launch/vault/?prompt=none"); strings.HasPrefix(page.Location(), "https://vault.example/") {
		t.Errorf("without pages: %s", page.Location())
	}
	for _, path := range []string{"/portal/applications", "/portal/applications/payroll/access"} {
		if page := b.Get(path); page.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", path, page.StatusCode, page.Text)
		}
	}
	if page := try(b, "/application/launch/vault/", gatewaytest.Password); page.Location() != "https://vault.example/ann" {
		t.Errorf("after the sign-in: %d %s", page.StatusCode, page.Location())
	}
	if page := b.Get("/portal/applications"); page.StatusCode != http.StatusOK {
		t.Errorf("My applications after the sign-in: %d %s", page.StatusCode, page.Text)
	}
}

func TestMyApplicationsTakesEverySessionWhereNoProviderIsNamed(t *testing.T) {
	s := ways(t, nil)
	b := s.Browser("/acme")
	try(b, authorizeAt("forum"), gatewaytest.Password)
	if page := b.Get("/portal/applications"); page.StatusCode != http.StatusOK {
		t.Errorf("%d %s", page.StatusCode, page.Text)
	}
}

func TestOwnAccessHidesWhatTheLaunchLinkHides(t *testing.T) {
	s := newSite(t)
	s.group("out")
	s.put(s.app("ledger", For("out"), func(a *configv1.Application) { a.LaunchUrl, a.Hidden = "blank://blank", true }))
	b := s.signedIn()
	for _, slug := range []string{"ledger", "nothing"} {
		link, own := b.Get("/application/launch/"+slug+"/"), b.Get("/portal/applications/"+slug+"/access")
		if link.StatusCode != http.StatusNotFound || own.StatusCode != http.StatusNotFound {
			t.Errorf("%s: the link %d, access %d %s", slug, link.StatusCode, own.StatusCode, own.Text)
		}
	}
}
