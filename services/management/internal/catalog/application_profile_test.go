package catalog

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func strictScene(name profile.Name) *Scene {
	s := aScene()
	s.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: name}
	return s
}

func TestChangesAreHeldToTheSecurityProfile(t *testing.T) {
	tests := []struct {
		name   string
		domain profile.Name
		old    func(*oauthSettings) // nil: the application is new
		edit   func(*oauthSettings)
		path   string // of the refusal; empty for none
	}{
		{"a new application that fits", profile.OAuth21, nil, func(*oauthSettings) {}, ""},
		{"a new application with the password grant", profile.OAuth21, nil, func(o *oauthSettings) { o.GrantTypes = append(o.GrantTypes, "password") }, "settings.oauth.grantTypes"},
		{"the same in a domain that allows it", profile.None, nil, func(o *oauthSettings) { o.GrantTypes = append(o.GrantTypes, "password") }, ""},
		{
			"an edit of something else, where the domain became stricter since", profile.FAPI2, func(*oauthSettings) {},
			func(o *oauthSettings) { o.ClientUri = "https://app.example" }, "",
		},
		{
			"an edit of a member that breaks it already", profile.OAuth21, func(o *oauthSettings) { o.ResponseTypes = []string{"code", "code token"} },
			func(o *oauthSettings) { o.ResponseTypes = []string{"code", "code token", "code id_token token"} }, "settings.oauth.responseTypes",
		},
		{
			"an edit that cures", profile.OAuth21, func(o *oauthSettings) { o.ResponseTypes = []string{"code", "code token"} },
			func(o *oauthSettings) { o.ResponseTypes = []string{"code"} }, "",
		},
		{
			"an edit that breaks one more member", profile.OAuth21, func(o *oauthSettings) { o.ResponseTypes = []string{"code", "code token"} },
			func(o *oauthSettings) { o.UserinfoSignedResponseAlg = "HS256" }, "settings.oauth.userinfoSignedResponseAlg",
		},
		{"a laxer profile of its own", profile.OAuth21, func(*oauthSettings) {}, func(o *oauthSettings) { o.SecurityProfile = profile.None }, "settings.oauth.securityProfile"},
		{"the domain's profile by name", profile.OAuth21, func(*oauthSettings) {}, func(o *oauthSettings) { o.SecurityProfile = profile.OAuth21 }, ""},
		{
			"a stricter profile of its own, which it does not fit", profile.None, func(*oauthSettings) {},
			func(o *oauthSettings) { o.SecurityProfile = profile.FAPI2 }, "settings.oauth.tokenEndpointAuthMethod",
		},
		{
			"a stricter profile together with what it needs", profile.None, func(*oauthSettings) {},
			func(o *oauthSettings) {
				o.SecurityProfile, o.TokenEndpointAuthMethod = profile.FAPI2, "private_key_jwt"
			}, "",
		},
		{
			"a profile that was stricter and is laxer than the domain's now", profile.FAPI2, func(o *oauthSettings) { o.SecurityProfile = profile.MCP },
			func(o *oauthSettings) { o.ClientUri = "https://app.example" }, "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := strictScene(tt.domain)
			old, fresh := &configv1.Application{}, anApplication()
			if tt.old != nil {
				tt.old(fresh.Settings.Oauth)
				old = proto.CloneOf(fresh)
			}
			tt.edit(fresh.Settings.Oauth)
			err := validateApplication(s, old, fresh)
			if tt.path == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			body := fault.BodyOf(err)
			if !fault.Is(err, fault.Invalid) || len(body.Errors) != 1 || body.Errors[0].Path != tt.path {
				t.Errorf("error %v at %v, want %s", err, body.Errors, tt.path)
			}
		})
	}
}

func TestDefaultsOfATypeFitTheProfile(t *testing.T) {
	for _, p := range profile.All() {
		for kind := range defaultsOfType {
			a := anApplication()
			a.Settings.Oauth.GrantTypes, a.Settings.Oauth.ResponseTypes = nil, nil
			s := strictScene(p.Name)
			SetType(s, a, kind)
			if _, found := Lint(s.Domain, a, 0); len(found) > 0 {
				t.Errorf("%s in a domain with %s breaks %v", kind, p.Name, found)
			}
			if err := validateApplication(s, &configv1.Application{}, a); err != nil && kind != configv1.Application_RESOURCE_SERVER {
				t.Errorf("%s in a domain with %s: %v", kind, p.Name, err)
			}
		}
	}
	a := anApplication()
	SetType(strictScene(profile.OAuth21), a, configv1.Application_WEB)
	o := a.GetSettings().GetOauth()
	if !slices.Equal(o.GetGrantTypes(), []string{"authorization_code"}) || !slices.Equal(o.GetResponseTypes(), []string{"code", "code id_token"}) {
		t.Errorf("a web application has %v and %v", o.GetGrantTypes(), o.GetResponseTypes())
	}
}
