package domain_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

func TestScopesFor(t *testing.T) {
	core := &domain.Core{
		Resources: map[string]*configv1.ProtectedResource{
			"urn:all": {}, "urn:read": {Scopes: []string{"read"}}, "urn:files": {Scopes: []string{"files", "write"}},
		},
		Scopes: map[string]*configv1.Scope{"files": {Parameterized: true}, "write": {}},
	}
	granted := []string{"openid", "read", "write", "files:7", "write:7"}
	tests := []struct {
		name            string
		resources, want []string
	}{
		{"without resources", nil, granted},
		{"a resource that lists no scopes", []string{"urn:all"}, granted},
		{"a resource that lists some", []string{"urn:read"}, []string{"read"}},
		{"a parameter of a scope that has them", []string{"urn:files"}, []string{"write", "files:7"}},
		{"two resources", []string{"urn:read", "urn:files"}, []string{"read", "write", "files:7"}},
		{"one that takes all beside another", []string{"urn:read", "urn:all"}, granted},
		{"one that is gone", []string{"urn:gone"}, []string{}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, core.ScopesFor(tt.resources, granted)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
