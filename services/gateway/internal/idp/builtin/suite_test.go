package builtin_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// suites names the test file in which a type passes the suite of package idptest.
var suites = map[string]string{
	"inline":    "../inline/suite_test.go",
	"directory": "../directory/suite_test.go",
	"http":      "../http/http_test.go",
	"ldap":      "../ldap/ldap_test.go",
	"oauth2":    "../oidc/oidc_test.go",
	"google":    "../google/google_test.go",
	"github":    "../github/github_test.go",
	"azure_ad":  "../azuread/azuread_test.go",
	"facebook":  "../facebook/facebook_test.go",
}

// TestEveryTypePassesTheSuite walks the arms of the configuration: a type that runs passes the suite.
func TestEveryTypePassesTheSuite(t *testing.T) {
	call := regexp.MustCompile(`\bidptest\.(Password|Federation)\(t, `)
	arms := (&configv1.IdentityProvider{}).ProtoReflect().Descriptor().Oneofs().ByName("config").Fields()
	for i := range arms.Len() {
		arm := arms.Get(i)
		if prototree.MarksOf(arm).Waiting {
			continue
		}
		file := suites[string(arm.Name())]
		text, err := os.ReadFile(file)
		if err != nil || !call.Match(text) {
			t.Errorf("the type %s runs, and its test %q does not run the suite of idptest", arm.Name(), file)
		}
	}
}
