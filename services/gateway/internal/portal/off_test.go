package portal_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestMyApplicationsCanBeSwitchedOff(t *testing.T) {
	s := newSite(t, func(c *gatewaytest.Config) {
		c.Domain.PortalSettings = &configv1.PortalSettings{Enabled: proto.Bool(false)}
	})
	s.group("out")
	s.put(s.app("payroll"), s.app("ledger", For("out")))
	b := s.Browser("/acme")
	nothing := b.Get("/nothing")
	for _, path := range []string{"/portal", "/portal?search=pay", "/portal/applications", "/portal/applications/payroll/access"} {
		if page := b.Get(path); page.StatusCode != http.StatusNotFound || page.Text != nothing.Text {
			t.Errorf("%s: %d %s, want %s", path, page.StatusCode, page.Text, nothing.Text)
		}
	}
	if page := b.Get("/login?portal=1"); strings.Contains(page.Text, `id="password"`) {
		t.Errorf("there is a sign-in for it: %d", page.StatusCode)
	}
	if page := try(b, "/application/launch/payroll/", gatewaytest.Password); page.Location() != "https://payroll.example/" {
		t.Errorf("the launch link: %d %s", page.StatusCode, page.Location())
	}
	if page := b.Get("/application/launch/ledger/"); page.StatusCode != http.StatusForbidden || strings.Contains(page.Text, "/acme/portal") {
		t.Errorf("the page of a refusal leads there: %d\n%s", page.StatusCode, page.Text)
	}
}
