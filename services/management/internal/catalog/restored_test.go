package catalog

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// naming is a resource of each kind that names something of everything it can name, and where.
var naming = map[string]struct {
	r     resource.Resource
	named []Named
}{
	"domain": {&configv1.Domain{CertificateSettings: &configv1.CertificateSettings{FallbackCertificate: "c"}},
		[]Named{{"certificate", "c", "certificateSettings.fallbackCertificate"}}},
	"application": {&configv1.Application{
		Group: "h", Certificate: "c", ClaimMappings: []string{"m"}, IdentityProviders: []*configv1.ApplicationIdentityProvider{{Identity: "i"}},
		Bindings: []*configv1.Binding{
			{Group: "g"}, {Policy: "p"},
			{Group: "gone", Orphaned: true},
		},
		Entitlements: []*configv1.Entitlement{{Bindings: []*configv1.Binding{{Group: "g2"}}}},
	}, []Named{
		{"application_group", "h", "group"},
		{"certificate", "c", "certificate"},
		{"claim_mapping", "m", "claimMappings[0]"},
		{"identity_provider", "i", "identityProviders[0].identity"},
		{"group", "g", "bindings[0].group"},
		{"policy", "p", "bindings[1].policy"},
		{"group", "g2", "entitlements[0].bindings[0].group"},
	}},
	"identity_provider": {&configv1.IdentityProvider{
		RoleMapper: map[string]*configv1.Strings{"r": {}}, GroupMapper: map[string]*configv1.Strings{"g": {}},
	}, []Named{{"role", "r", "roleMapper.r"}, {"group", "g", "groupMapper.g"}}},
	"group": {&configv1.Group{Roles: []string{"r"}, Groups: []string{"g"}}, []Named{{"role", "r", "roles[0]"}, {"group", "g", "groups[0]"}}},
	"form":  {&configv1.Form{Application: "a"}, []Named{{"application", "a", "application"}}},
}

func TestNamedBy(t *testing.T) {
	for kind, tt := range naming {
		t.Run(kind, func(t *testing.T) {
			if got := NamedBy(tt.r); !slices.Equal(got, tt.named) {
				t.Errorf("named %v, want %v", got, tt.named)
			}
		})
	}
}

// TestNamedByKnowsEveryReference holds NamedBy against the references by which deletions are guarded. Scopes are named by their
// keys, and a name that means nothing does no harm.
func TestNamedByKnowsEveryReference(t *testing.T) {
	known := func(from, to string) bool {
		return slices.ContainsFunc(naming[from].named, func(n Named) bool { return n.Kind == to })
	}
	for _, pair := range referencePairs() {
		if pair[1] != Scopes.Arm && !known(pair[0], pair[1]) {
			t.Errorf("a %s may name a %s: NamedBy and its table do not know it", pair[0], pair[1])
		}
	}
}

// referencePairs are who may name whom.
func referencePairs() [][2]string {
	var pairs [][2]string
	pairs = append(pairs, pairsOf(Certificates)...)
	pairs = append(pairs, pairsOf(IdentityProviders)...)
	pairs = append(pairs, pairsOf(Scopes)...)
	pairs = append(pairs, pairsOf(Roles)...)
	pairs = append(pairs, pairsOf(Groups)...)
	pairs = append(pairs, pairsOf(ApplicationGroups)...)
	pairs = append(pairs, pairsOf(Policies)...)
	return append(pairs, pairsOf(ClaimMappings)...)
}

func pairsOf[R resource.Resource](k *Kind[R]) [][2]string {
	var pairs [][2]string
	for _, ref := range k.References {
		pairs = append(pairs, [2]string{ref.Kind, k.Arm})
	}
	return pairs
}

func TestPeopleBoundLeavesOutWhoIsGone(t *testing.T) {
	a := &configv1.Application{Bindings: []*configv1.Binding{
		{User: "ann"}, {User: "bob", Orphaned: true},
	}}
	if got := PeopleBound(proto.CloneOf(a)); !slices.Equal(got, []string{"ann"}) {
		t.Errorf("bound %v", got)
	}
}
