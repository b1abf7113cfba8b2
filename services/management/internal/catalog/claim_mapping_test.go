package catalog

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestAcceptance41AClaimMappingIsCheckedWhenItIsSaved(t *testing.T) {
	scene := &Scene{
		Scopes:   []*configv1.Scope{{Key: "email"}},
		Mappings: []*configv1.ClaimMapping{{Id: "m1", Order: new(int32)}, {Id: "m2", Order: new(int32(30))}},
	}
	tests := []struct {
		name string
		in   *configv1.ClaimMapping
		want string
	}{
		{"a map of claims", &configv1.ClaimMapping{Name: "a", Expression: `{"tier": "gold"}`, Scope: "email"}, ""},
		{"the scope of entitlements, which may not be there yet", &configv1.ClaimMapping{Name: "a", Expression: `{"e": entitlements}`, Scope: "entitlements"}, ""},
		{"no expression", &configv1.ClaimMapping{Name: "a"}, "[expression: must not be blank]"},
		{"one that is no map", &configv1.ClaimMapping{Name: "a", Expression: `"gold"`}, "must give a map"},
		{"one that is none", &configv1.ClaimMapping{Name: "a", Expression: `{"tier": }`}, "expression:"},
		{"a variable that does not exist", &configv1.ClaimMapping{Name: "a", Expression: `{"tier": password}`}, "password"},
		{"the claim sub", &configv1.ClaimMapping{Name: "a", Expression: `{"sub": "root"}`}, `the claim "sub" is reserved`},
		{"in a branch", &configv1.ClaimMapping{Name: "a", Expression: `"x" in user.groups ? {"a": 1} : {"acr": 2}`}, `the claim "acr" is reserved`},
		{"in what is merged", &configv1.ClaimMapping{Name: "a", Expression: `deepMerge({"a": 1}, {"iss": "me"})`}, `the claim "iss" is reserved`},
		{"a name that introspection takes, in access tokens", &configv1.ClaimMapping{
			Name: "a", Expression: `{"active": true}`, Targets: []configv1.ClaimMapping_Target{configv1.ClaimMapping_ACCESSTOKEN},
		}, `the claim "active" is reserved`},
		{"but nowhere else", &configv1.ClaimMapping{Name: "a", Expression: `{"active": true}`}, ""},
		{"within a claim every name is free", &configv1.ClaimMapping{Name: "a", Expression: `{"acme": {"sub": "x"}}`}, ""},
		{"an unknown scope", &configv1.ClaimMapping{Name: "a", Expression: `{"a": 1}`, Scope: "nope"}, "the domain has no scope [nope]"},
		{"a place that is none", &configv1.ClaimMapping{Name: "a", Expression: `{"a": 1}`, Order: new(int32(-1))}, "must be between 0"},
		{"all faults at once", &configv1.ClaimMapping{Name: "a", Expression: `{"sub": 1}`, Scope: "nope", Order: new(int32(-1))}, "scope: the domain has no scope [nope], order:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := normalizeClaimMapping(context.Background(), scene, &configv1.ClaimMapping{}, tt.in)
			if err == nil {
				err = validateClaimMapping(scene, &configv1.ClaimMapping{}, tt.in)
			}
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	made := &configv1.ClaimMapping{Name: " a ", Expression: `{"a": 1}`}
	if err := normalizeClaimMapping(context.Background(), scene, &configv1.ClaimMapping{}, made); err != nil {
		t.Fatal(err)
	}
	want := &configv1.ClaimMapping{
		Name: "a", Expression: `{"a": 1}`, Order: new(int32(40)), OnError: configv1.ClaimMapping_OMIT,
		Targets: []configv1.ClaimMapping_Target{configv1.ClaimMapping_USERINFO},
	}
	if diff := cmp.Diff(want, made, protocmp.Transform()); diff != "" {
		t.Errorf("what is filled in (-want +got):\n%s", diff)
	}
}

func TestADomainGetsTheScopeOfEntitlementsWithItsFirst(t *testing.T) {
	a := &configv1.Application{Domain: "d"}
	if got := missingEntitlementScope(&Scene{}, a); got != nil {
		t.Errorf("without entitlements: %v", got)
	}
	a.Entitlements = []*configv1.Entitlement{{Name: "admin"}}
	got := missingEntitlementScope(&Scene{}, a)
	if got.GetKey() != "entitlements" || !got.GetSystem() || !got.GetDiscovery() || got.GetDomain() != "d" {
		t.Errorf("scope %v", got)
	}
	if again := missingEntitlementScope(&Scene{Scopes: []*configv1.Scope{got}}, a); again != nil {
		t.Errorf("once more: %v", again)
	}
}

func TestApplicationsListClaimMappingsThatThereAre(t *testing.T) {
	scene := &Scene{Mappings: []*configv1.ClaimMapping{{Id: "m1"}}}
	for name, tt := range map[string]struct {
		old, list []string
		want      string
	}{
		"one that exists":           {nil, []string{"m1"}, ""},
		"one that was there before": {[]string{"gone"}, []string{"m1", "gone"}, ""},
		"one that never was":        {nil, []string{"m1", "m2"}, "Claim mapping [m2] can not be found."},
		"one twice":                 {nil, []string{"m1", "m1"}, "stands there twice"},
	} {
		if err := scene.checkMappings(tt.old, tt.list); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
