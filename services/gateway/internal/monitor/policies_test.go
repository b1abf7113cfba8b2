package monitor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/monitor"
)

func TestAcceptance17TheStatusOfTheDomainSaysWhyAGeoPolicyFails(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.Add(&configv1.Policy{
		Id: "france", Domain: c.Domain.GetId(), Name: "France",
		Config: &configv1.Policy_Geo{Geo: &configv1.GeoPolicy{Countries: []string{"FR"}}},
	})
	c.App("pay", func(a *configv1.Application) {
		a.Access = &configv1.ApplicationAccess{}
		a.Bindings = []*configv1.Binding{{Id: "office", Policy: "france"}}
	})
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	status := monitor.New(monitor.Options{
		Domains: h.Domains, Readiness: serve.NewReadiness(), Metrics: http.NotFoundHandler(), Connected: func() bool { return true }, User: "admin", Password: "secret",
	})
	for range 2 {
		a := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", "ann", "password", gatewaytest.Password, "scope", "openid"),
			gatewaytest.Basic("pay"))
		if a.Status != http.StatusBadRequest {
			t.Fatalf("without a database: %d %s", a.Status, a.Body)
		}
	}
	req := httptest.NewRequest(http.MethodGet, "/_node/domains?output=json&domainId="+c.Domain.GetId(), nil)
	req.SetBasicAuth("admin", "secret")
	w := httptest.NewRecorder()
	status.ServeHTTP(w, req)
	var body struct {
		RuleFailures []map[string]any `json:"ruleFailures"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err, w.Body)
	}
	now := h.Clock.Now().UTC().Format(time.RFC3339Nano)
	if diff := cmp.Diff([]map[string]any{{
		"id": "app-pay", "type": "application", "place": "access", "name": "office", "revision": 1.0, "count": 2.0, "first": now, "last": now,
		"message": "line 1, column 8: request.country is not known here: it takes an address, and a database that says where that is",
	}}, body.RuleFailures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}
