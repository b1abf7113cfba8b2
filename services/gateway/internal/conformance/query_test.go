package conformance

import (
	"net/http"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestParametersInAQueryAreRefusedWhereverClientsAuthenticate: profiles beyond `none` have no secret or token in a URL.
func TestParametersInAQueryAreRefusedWhereverClientsAuthenticate(t *testing.T) {
	for profile, refused := range map[configv1.SecurityProfileSettings_Profile]bool{
		configv1.SecurityProfileSettings_NONE: false, configv1.SecurityProfileSettings_OAUTH21: true,
	} {
		c := gatewaytest.NewAcme(t)
		c.App("web")
		c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: profile}
		h := gatewaytest.New(t, gatewaytest.Options{}, c)
		for _, endpoint := range []string{"token?grant_type=client_credentials", "introspect?token=x", "revoke?token=x", "par?response_type=code"} {
			r, err := http.NewRequest(http.MethodPost, h.URL+"/acme/oauth/"+endpoint, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer := h.Do(r, gatewaytest.Basic("web"), gatewaytest.Header("Content-Type", "application/x-www-form-urlencoded"))
			if got := strings.Contains(answer.Body, "not in its query"); got != refused {
				t.Errorf("%s: %s: %d %s", profile, endpoint, answer.Status, answer.Body)
			}
		}
	}
}
