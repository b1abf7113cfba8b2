package scopes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/scopes"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// parameters is a scope with that many parameters.
func parameters(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, " pay:%d", i)
	}
	return all.String()
}

func TestGrant(t *testing.T) {
	own := func(settings ...*configv1.ScopeSetting) func(*configv1.Application) {
		return func(a *configv1.Application) { a.Settings.Oauth.ScopeSettings = settings }
	}
	standard := func(grants ...string) func(*configv1.Application) {
		return func(a *configv1.Application) {
			o := a.Settings.Oauth
			o.ScopeSettings, o.StandardScopes, o.GrantTypes = nil, true, grants
		}
	}
	s := func(name string) *configv1.ScopeSetting { return &configv1.ScopeSetting{Scope: name} }
	byDefault := func(name string) *configv1.ScopeSetting {
		return &configv1.ScopeSetting{Scope: name, DefaultScope: true}
	}
	filter := func(values ...string) func(*configv1.Domain) {
		return func(d *configv1.Domain) {
			d.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{
				AllowedScopesEnabled: true, AllowedScopes: &configv1.Strings{Values: values},
			}
		}
	}
	tests := []struct {
		name   string
		app    func(*configv1.Application)
		domain func(*configv1.Domain)
		ask    string
		want   []string
		error  string
	}{
		{"none asked, no defaults", own(s("read")), nil, "", nil, ""},
		{"none asked, the defaults", own(s("read"), byDefault("write"), byDefault("email")), nil, "", []string{"write", "email"}, ""},
		{"dcr is no default", own(byDefault("dcr"), byDefault("read")), nil, "", []string{"read"}, ""},
		{"what was asked, once and in order", own(s("read"), s("write"), byDefault("email")), nil, "write read write", []string{"write", "read"}, ""},
		{"too many", own(s("pay")), nil, parameters(1001), nil, "More than 1000 scopes"},
		{"something it has not", own(s("read")), nil, "read admin x", nil, "Invalid scope(s): admin x"},
		{"dcr is never granted", own(s("dcr"), s("read")), nil, "read dcr", nil, "Invalid scope(s): dcr"},
		{"dcr_admin is", own(s("dcr_admin")), nil, "dcr_admin", []string{"dcr_admin"}, ""},
		{"a client without scopes can ask for none", own(), nil, "openid", nil, "Invalid scope(s): openid"},
		{"a parameterized scope takes a parameter", own(s("pay")), nil, "pay:12.50", []string{"pay:12.50"}, ""},
		{"and goes without", own(s("pay")), nil, "pay", []string{"pay"}, ""},
		{"an empty parameter is none", own(s("pay")), nil, "pay:", nil, "Invalid scope(s): pay:"},
		{"another scope takes none", own(s("read")), nil, "read:all", nil, "Invalid scope(s): read:all"},
		{"a parameterized scope of others is not to be had", own(s("read")), nil, "pay:1", nil, "Invalid scope(s): pay:1"},
		{"a scope with a colon in its name is itself", own(s("urn:x:y")), nil, "urn:x:y", []string{"urn:x:y"}, ""},
		{"scopes keep their case", own(s("read")), nil, "Read", nil, "Invalid scope(s): Read"},
		{"registered without scope: the standard ones", standard("authorization_code"), nil, "openid profile email address phone", []string{"openid", "profile", "email", "address", "phone"}, ""},
		{"registered without scope: no others", standard("authorization_code"), nil, "openid read groups", nil, "Invalid scope(s): read groups"},
		{"registered without scope: none by default", standard("authorization_code"), nil, "", nil, ""},
		{"registered without scope: offline_access without the refresh grant", standard("authorization_code"), nil, "offline_access", nil, "Invalid scope(s): offline_access"},
		{"registered without scope: offline_access with it", standard("authorization_code", "refresh_token"), nil, "offline_access", []string{"offline_access"}, ""},
		{"registered without scope: within the allowed ones", standard("authorization_code"), filter("openid"), "openid email", nil, "Invalid scope(s): email"},
		{"registered without scope: none are allowed", standard("authorization_code"), filter(), "openid", nil, "Invalid scope(s): openid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			c.Scope("pay", func(s *configv1.Scope) { s.Parameterized = true })
			c.App("web", tt.app)
			if tt.domain != nil {
				tt.domain(c.Domain)
			}
			h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
			d := h.Domains.Domain(c.Domain.GetId())
			client, err := d.Client(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			got, err := scopes.Grant(d, client, oauth2.SplitScope(tt.ask))
			if tt.error != "" {
				if e := oauth2.AsError(err); e == nil || e.Code != oauth2.InvalidScope || e.Description != tt.error {
					t.Errorf("error %v, want %s", err, tt.error)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("error %v, scopes (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestScopesOfRoles(t *testing.T) {
	enhanced := func(a *configv1.Application) {
		a.Settings.Oauth.EnhanceScopesWithUserPermissions = true
		a.Settings.Oauth.ScopeSettings = []*configv1.ScopeSetting{{Scope: "openid"}, {Scope: "read", DefaultScope: true}}
	}
	plain := func(a *configv1.Application) { enhanced(a); a.Settings.Oauth.EnhanceScopesWithUserPermissions = false }
	tests := []struct {
		name string
		app  func(*configv1.Application)
		ask  string
		want []string // nil: refused
	}{
		{"all are added where nothing was asked for", enhanced, "", []string{"read", "admin", "write"}},
		{"and where only openid was", enhanced, "openid", []string{"openid", "admin", "read", "write"}},
		{"not where something else was", enhanced, "openid read", []string{"openid", "read"}},
		{"each can be asked for", enhanced, "write openid", []string{"write", "openid"}},
		{"one of another role cannot", enhanced, "email", nil},
		{"dcr never", enhanced, "dcr", nil},
		{"a client that does not want it gets none", plain, "", []string{"read"}},
		{"nor can it ask", plain, "write", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			c.App("web", tt.app)
			h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
			d := h.Domains.Domain(c.Domain.GetId())
			client, err := d.Client(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			got, err := scopes.GrantTo(d, client, &state.Person{Permissions: []string{"admin", "dcr", "read", "write"}}, oauth2.SplitScope(tt.ask))
			if diff := cmp.Diff(tt.want, got); diff != "" || (err != nil) != (tt.want == nil) {
				t.Errorf("error %v, scopes (-want +got):\n%s", err, diff)
			}
			if err != nil {
				return
			}
			if err := scopes.Possible(d, client, oauth2.SplitScope(tt.ask)); err != nil {
				t.Errorf("what is granted is impossible: %v", err)
			}
		})
	}
}
