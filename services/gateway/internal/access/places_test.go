package access_test

import (
	"fmt"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/geo"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/geo/geotest"
)

// placed is a rig whose gateway knows that the tests' browsers are in France.
func placed(t *testing.T, change func(*gatewaytest.Config, *configv1.Application)) *rig {
	t.Helper()
	france := map[string]any{
		"country": map[string]any{"iso_code": "FR"}, "continent": map[string]any{"code": "EU"}, "autonomous_system_number": uint32(64500),
	}
	places, err := geo.Open(geotest.Write(t, map[string]map[string]any{"192.0.2.0/24": france, "127.0.0.0/8": france}))
	if err != nil {
		t.Fatal(err)
	}
	return rigWith(t, gatewaytest.Options{Places: places}, change)
}

// cameFrom maps what is known of the sign-in's address.
func cameFrom(c *gatewaytest.Config, _ *configv1.Application) {
	c.Domain.TokenExchangeSettings = nil // tokens carry it for UserInfo alone
	c.Add(&configv1.ClaimMapping{
		Id: "from", Domain: c.Domain.GetId(), Name: "from", Default: true,
		Expression: `{"from": [request.ip, request.country, request.continent, string(request.asn), request.protocol]}`,
		Targets:    []configv1.ClaimMapping_Target{configv1.ClaimMapping_USERINFO, configv1.ClaimMapping_IDTOKEN, configv1.ClaimMapping_ACCESSTOKEN},
	})
}

func TestMappingsReadFromWhereThePersonCame(t *testing.T) {
	said := func(r *rig) []string {
		b := r.Browser("/acme")
		b.Address = "192.0.2.1:4321"
		tokens := r.tokens(b, "ann", "pay")
		renewed := r.refresh("pay", tokens).JSON(t)
		var all []string
		for _, claims := range []map[string]any{
			payload(t, tokens["access_token"]), payload(t, tokens["id_token"]), r.userinfo(tokens), payload(t, renewed["access_token"]), r.userinfo(renewed),
		} {
			all = append(all, fmt.Sprint(claims["from"]))
		}
		return all
	}
	for i, got := range said(placed(t, cameFrom)) {
		want(t, fmt.Sprintf("with a database, token %d", i), got, "[192.0.2.1 FR EU 64500 oauth2]")
	}
	for i, got := range said(newRig(t, cameFrom)) {
		want(t, fmt.Sprintf("without one the mapping fails, token %d", i), got, "<nil>")
	}
}

func TestAcceptance17AGeoPolicyDecidesByTheDatabaseOfTheGateway(t *testing.T) {
	inFrance := func(c *gatewaytest.Config, a *configv1.Application) {
		c.Add(&configv1.Policy{Id: "france", Domain: c.Domain.GetId(), Name: "France", Config: &configv1.Policy_Geo{Geo: &configv1.GeoPolicy{Countries: []string{"FR"}}}})
		a.Bindings = []*configv1.Binding{{Id: "b1", Policy: "france"}}
	}
	opens := func(r *rig) bool {
		b := r.Browser("/acme")
		b.Address = "192.0.2.1:4321"
		return r.enter(b, "ann", authorize("pay")).Query().Get("code") != ""
	}
	if !opens(placed(t, inFrance)) {
		t.Error("somebody in France is kept out")
	}
	if opens(newRig(t, inFrance)) {
		t.Error("without a database people get in")
	}
}
