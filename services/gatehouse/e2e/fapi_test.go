package e2e

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestFAPIClient lets npm's oauth4webapi be a client of the strictest profile; clients/fapi.mjs is its part.
func TestFAPIClient(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "fapi")
	s.bob()
	s.registration(true, true)
	s.patch("", proc.Object{"oidc": proc.Object{"securityProfileSettings": proc.Object{"profile": "fapi2_message_signing"}}})
	s.settle()
	said := s.walk(t, "fapi.mjs", nil)
	want := []string{
		"discovery", "registration", "pushed, signed request and signed answer", "bound tokens", "userinfo", "refresh without rotation",
		"introspection and revocation", "refusals",
	}
	if diff := cmp.Diff(want, said.passed); diff != "" {
		t.Errorf("steps that passed (-want +got):\n%s", diff)
	}
}
