package google_test

import (
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/google"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

func provider(t *testing.T, s *gatewaytest.Site) *oidc.Provider {
	t.Helper()
	fetch, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := google.Open("g", &configv1.SocialProvider{ClientId: gatewaytest.SiteClient, ClientSecret: gatewaytest.Secret},
		oidc.Tools{Fetch: fetch, Now: time.Now}, s.URL+"/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// site says what Google's says: the issuer with or without its scheme.
func site(t *testing.T) *gatewaytest.Site {
	s := gatewaytest.NewSite(t)
	s.Issuer = "https://accounts.google.com"
	return s
}

func TestSuite(t *testing.T) {
	idptest.Federation(t, func(t *testing.T) *idptest.Journeys {
		s := site(t)
		return &idptest.Journeys{Federator: provider(t, s), Source: "g", ExternalID: "eve-1", Authorize: s.Authorize, Break: s.Break}
	})
}

func TestBothIssuersAreGoogle(t *testing.T) {
	for iss, want := range map[string]bool{"accounts.google.com": true, "https://accounts.google.com": true, "https://evil.example": false, "evil.example": false, "": false} {
		s := site(t)
		s.ID = map[string]any{"iss": iss}
		p := provider(t, s)
		l := idp.Leg{Callback: "https://gw.example/cb?provider=g", State: "s", Again: true}
		location, memo, err := p.Begin(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		answer := idptest.Answer(t, location, s.Authorize)
		if _, err := p.Finish(t.Context(), l, answer, memo); (err == nil) != want {
			t.Errorf("%q: %v", iss, err)
		}
		if q := idptest.Query(t, location); q.Get("prompt") != "select_account" || q.Has("max_age") || q.Get("scope") != "openid profile email" {
			t.Errorf("sent to %s", location)
		}
	}
}
