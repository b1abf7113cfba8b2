package catalog

import (
	"errors"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestMappersAreCompiled(t *testing.T) {
	conditions := func(texts ...string) map[string]*configv1.Strings {
		return map[string]*configv1.Strings{"r1": {Values: texts}}
	}
	for _, tt := range []struct {
		name     string
		provider *configv1.IdentityProvider
		path     string
		line     int
	}{
		{"nothing", &configv1.IdentityProvider{}, "", 0},
		{"members and expressions", &configv1.IdentityProvider{
			Mappers:    map[string]string{"email": "mail", "name": "{#profile.given + profile.family}"},
			RoleMapper: conditions("group=admins", "{#'admins' in profile.groups}"), GroupMapper: conditions("a=b"),
		}, "", 0},
		{"a value that does not compile", &configv1.IdentityProvider{Mappers: map[string]string{"name": "{#profile.}"}}, "mappers.name", 1},
		{"a value that reads what is not there", &configv1.IdentityProvider{Mappers: map[string]string{"a b": "{#login}"}}, `mappers["a b"]`, 1},
		{"a condition that gives text", &configv1.IdentityProvider{RoleMapper: conditions("a=b", "{#'x'}")}, "roleMapper.r1[1]", 1},
		{"a condition on a second line", &configv1.IdentityProvider{GroupMapper: conditions("{#true &&\n nobody}")}, "groupMapper.r1[0]", 2},
		{"a condition that compares nothing", &configv1.IdentityProvider{GroupMapper: conditions("admins")}, "groupMapper.r1[0]", 0},
	} {
		err := checkMappers(tt.provider)
		var f *fault.Error
		switch {
		case tt.path == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.path == "":
		case !errors.As(err, &f) || f.Kind != fault.Invalid || f.Details[0].Path != tt.path || f.Details[0].Line != tt.line:
			t.Errorf("%s: %#v", tt.name, err)
		}
	}
}
