package mapping_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/selection"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/mapping"
)

func strings(values ...string) *configv1.Strings { return &configv1.Strings{Values: values} }

func TestApply(t *testing.T) {
	said := map[string]any{
		"mail": "Ann@acme.example", "other": "eve@acme.example", "cn": []any{"Ann", "Annie"}, "level": json.Number("7"), "active": true, "empty": "",
		"memberOf": []any{"cn=staff", "cn=admins"}, "address": map[string]any{"country": "CH"}, "dept": "R&D", "a.b": "dotted",
	}
	base := &idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "ann@acme.example", EmailVerified: true, FirstName: "A"}
	information := func(members map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(members)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		name     string
		provider *configv1.IdentityProvider
		profile  map[string]any
		want     *idp.Identity
		failures []string
	}{
		{
			"an attribute by its name", &configv1.IdentityProvider{Mappers: map[string]string{"firstName": "cn", "nickName": "a.b"}}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "ann@acme.example", EmailVerified: true, FirstName: "Ann", NickName: "dotted"}, nil,
		},
		{
			"an expression", &configv1.IdentityProvider{Mappers: map[string]string{"given_name": "{#profile.cn[0] + '!'}", "displayName": "{#identityProvider.name}"}, Name: "Corp"}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "ann@acme.example", EmailVerified: true, FirstName: "Ann!", DisplayName: "Corp"}, nil,
		},
		{
			"another name is additional information, whatever it is", &configv1.IdentityProvider{Mappers: map[string]string{
				"level": "level", "active": "active", "country": "address.country", "sub": "dept", "list": "{#profile.memberOf.map(x, x.substring(3))}"}}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "ann@acme.example", EmailVerified: true, FirstName: "A",
				AdditionalInformation: information(map[string]any{"level": 7, "active": true, "country": "CH", "sub": "R&D", "list": []any{"staff", "admins"}})}, nil,
		},
		{
			"the address that the provider verified stays verified, in any case", &configv1.IdentityProvider{Mappers: map[string]string{"email": "mail"}}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "Ann@acme.example", EmailVerified: true, FirstName: "A"}, nil,
		},
		{
			"another address is not", &configv1.IdentityProvider{Mappers: map[string]string{"email": "other"}}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "eve@acme.example", FirstName: "A"}, nil,
		},
		{
			"unless a mapper says so", &configv1.IdentityProvider{Mappers: map[string]string{"email": "other", "emailVerified": "active"}}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "eve@acme.example", EmailVerified: true, FirstName: "A"}, nil,
		},
		{
			"what is not said is left out, and nobody needs to know", &configv1.IdentityProvider{Mappers: map[string]string{"firstName": "nobody", "email": "nobody", "username": "empty", "x": "nobody"}}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann"}, nil,
		},
		{
			"what fails is left out, and the rest stays", &configv1.IdentityProvider{Mappers: map[string]string{"firstName": "{#profile.nobody}", "lastName": "dept", "locale": "address"}}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "ann@acme.example", EmailVerified: true, LastName: "R&D"},
			[]string{"mappers.firstName", "mappers.locale", "mappers.firstName", "mappers.locale"},
		},
		{
			"roles and groups whose condition holds", &configv1.IdentityProvider{
				RoleMapper: map[string]*configv1.Strings{
					"one": strings("dept=IT", "memberOf=cn=admins"), "two": strings("dept=IT"), "three": strings("{#profile.level > 5}"), "four": strings("level=7"),
					"five": strings("{#profile.nobody == 1}", "active = true"), "none": strings(),
				},
				GroupMapper: map[string]*configv1.Strings{"g": strings("{#'cn=staff' in profile.memberOf}"), "h": strings("memberOf=cn=staf")},
			}, said,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "ann@acme.example", EmailVerified: true, FirstName: "A",
				Roles: []string{"five", "four", "one", "three"}, Groups: []string{"g"}},
			[]string{"roleMapper.five[0]", "roleMapper.five[0]"},
		},
		{
			"of a provider that says no more than the identity", &configv1.IdentityProvider{
				Mappers: map[string]string{"nickName": "given_name"}, RoleMapper: map[string]*configv1.Strings{"r": strings("username=ann")}}, nil,
			&idp.Identity{Source: "corp", ExternalId: "7", Username: "ann", Email: "ann@acme.example", EmailVerified: true, FirstName: "A", NickName: "A", Roles: []string{"r"}}, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var failures []string
			m, err := mapping.New(tt.provider, selection.ProviderOf(tt.provider), func(_ context.Context, place string, _ error) {
				failures = append(failures, place)
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if diff := cmp.Diff(tt.want, m.Apply(t.Context(), &idp.Assertion{Identity: base, Profile: tt.profile}), protocmp.Transform()); diff != "" {
					t.Errorf("identity (-want +got):\n%s", diff)
				}
			}
			if !slices.Equal(failures, tt.failures) {
				t.Errorf("failures %q", failures)
			}
		})
	}
	if m, err := mapping.New(&configv1.IdentityProvider{}, nil, nil); m != nil || err != nil || m.Apply(t.Context(), &idp.Assertion{Identity: base}) != base {
		t.Errorf("a provider without mappers: %v, %v", m, err)
	}
	for name, p := range map[string]*configv1.IdentityProvider{
		"an expression that does not compile": {Mappers: map[string]string{"x": "{#nobody}"}},
		"a condition that does not compile":   {RoleMapper: map[string]*configv1.Strings{"x": strings("{#nobody}")}},
		"a condition that is none":            {GroupMapper: map[string]*configv1.Strings{"x": strings("nothing")}},
	} {
		if _, err := mapping.New(p, nil, nil); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
