package azuread_test

import (
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/azuread"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

const (
	ours   = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	theirs = "11111111-2222-3333-4444-555555555555"
)

func issuer(directory string) string {
	return "https://login.microsoftonline.com/" + directory + "/v2.0"
}

func provider(t *testing.T, s *gatewaytest.Site, tenant string) *oidc.Provider {
	t.Helper()
	fetch, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := azuread.Open("e", &configv1.AzureADProvider{TenantId: tenant, ClientId: gatewaytest.SiteClient, ClientSecret: gatewaytest.Secret},
		oidc.Tools{Fetch: fetch, Now: time.Now}, s.URL+"/")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSuite(t *testing.T) {
	idptest.Federation(t, func(t *testing.T) *idptest.Journeys {
		s := gatewaytest.NewSite(t)
		s.NoIss = true
		s.Issuer = issuer(azuread.Placeholder)
		s.ID = map[string]any{"iss": issuer(ours), "tid": ours}
		return &idptest.Journeys{Federator: provider(t, s, "common"), Source: "e", ExternalID: "eve-1", Authorize: s.Authorize, Break: s.Break}
	})
}

func TestWhoseDirectory(t *testing.T) {
	for _, tt := range []struct {
		name, tenant, metadata, iss string
		tid                         any
		want                        bool
	}{
		{"one directory", ours, issuer(ours), issuer(ours), ours, true},
		{"one directory by its domain", "contoso.example", issuer(ours), issuer(ours), ours, true},
		{"another directory", ours, issuer(ours), issuer(theirs), theirs, false},
		{"common: any directory", "common", issuer(azuread.Placeholder), issuer(theirs), theirs, true},
		{"common: a personal account", "common", issuer(azuread.Placeholder), issuer(azuread.Consumers), azuread.Consumers, true},
		{"common: an issuer of another directory than tid says", "common", issuer(azuread.Placeholder), issuer(ours), theirs, false},
		{"common: no tid", "common", issuer(azuread.Placeholder), issuer(ours), nil, false},
		{"common: a tid that is no directory", "common", issuer(azuread.Placeholder), issuer("x/y"), "x/y", false},
		{"common: the placeholder itself", "common", issuer(azuread.Placeholder), issuer(azuread.Placeholder), "{tenantid}", false},
		{"common: a tid that is no text", "common", issuer(azuread.Placeholder), issuer(ours), 7, false},
		{"organizations: any directory", "organizations", issuer(azuread.Placeholder), issuer(theirs), theirs, true},
		{"organizations: a personal account", "organizations", issuer(azuread.Placeholder), issuer(azuread.Consumers), azuread.Consumers, false},
		{"consumers: a personal account", "consumers", issuer(azuread.Consumers), issuer(azuread.Consumers), azuread.Consumers, true},
		{"consumers: a directory", "consumers", issuer(azuread.Consumers), issuer(ours), ours, false},
		{"consumers, of metadata with a placeholder: a directory", "consumers", issuer(azuread.Placeholder), issuer(ours), ours, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := gatewaytest.NewSite(t)
			s.NoIss, s.Issuer = true, tt.metadata
			s.ID = map[string]any{"iss": tt.iss, "tid": tt.tid}
			p := provider(t, s, tt.tenant)
			l := idp.Leg{Callback: "https://gw.example/cb?provider=e", State: "s"}
			location, memo, err := p.Begin(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Finish(t.Context(), l, idptest.Answer(t, location, s.Authorize), memo); (err == nil) != tt.want {
				t.Errorf("error %v", err)
			}
			if s.Calls("/"+tt.tenant+"/v2.0/.well-known/openid-configuration") != 1 {
				t.Error("the tenant's metadata was not asked for")
			}
		})
	}
}
