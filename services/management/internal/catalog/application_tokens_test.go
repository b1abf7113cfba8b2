package catalog

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestG10NoClientIsCalledAsAPersonIs(t *testing.T) {
	for clientID, refused := range map[string]bool{
		"6fa459ea-ee8a-3ca4-894e-db77e160355e": true,  // version 3
		"886313E1-3B8A-5372-9B90-0C9AEE199E5D": true,  // version 5
		"320c3d4d-cc00-875b-8ec9-32d5f69181c0": true,  // version 8, as pairwise subjects are
		"9b2f6f2e-7f5b-4b0f-8a52-0d9d8f0f7c11": false, // version 4, as our own are
		"my-client":                            false,
	} {
		_, _, err := buildApplication(t.Context(), aScene(), &configv1.NewApplication{Name: "x", Type: configv1.Application_SERVICE, ClientId: clientID})
		if got := err != nil && strings.Contains(err.Error(), "subjects of people"); got != refused || err != nil && !refused {
			t.Errorf("%s: %v", clientID, err)
		}
	}
}

func TestPairwiseSubjectsOfBeforeTheRuleStay(t *testing.T) {
	a, s := anApplication(), aScene()
	o := a.Settings.Oauth
	o.SubjectType, o.RedirectUris = "pairwise", []string{"https://a.example/cb", "https://b.example/cb"}
	if err := validateApplication(s, proto.CloneOf(a), a); err != nil {
		t.Errorf("a change of something else: %v", err)
	}
}
