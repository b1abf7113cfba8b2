package rest

import (
	"net/http"
	"strings"
	"testing"
)

func TestAClaimMappingInUseNamesItsApplications(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Acme")
	base := long + "/domains/" + domain
	mapping := h.send("POST", base+"/claim-mappings", `{"name":"Tier","expression":"{\"tier\": \"x\"}"}`).status(http.StatusCreated).tree()["id"].(string)
	app := h.application(domain, `{"name":"Payroll","type":"web","redirectUris":["https://pay.example/cb"]}`)["id"].(string)
	h.send("PATCH", base+"/applications/"+app, `{"claimMappings":["`+mapping+`"]}`).status(http.StatusOK)
	got := h.send("DELETE", base+"/claim-mappings/"+mapping, "")
	got.refused(409, "Claim mapping [Tier] is in use.", "applications."+app)
	if !strings.Contains(string(got.body), "Payroll") {
		t.Errorf("the refusal: %s", got.body)
	}
	h.send("PATCH", base+"/applications/"+app, `{"claimMappings":[]}`).status(http.StatusOK)
	h.send("DELETE", base+"/claim-mappings/"+mapping, "").status(http.StatusNoContent)
}
