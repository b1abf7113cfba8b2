package resource_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// TestSecretsStayWhereTheyWereSent: who may change a resource but was never told its secrets must not have them sent elsewhere.
func TestSecretsStayWhereTheyWereSent(t *testing.T) {
	ldap := func(change func(*configv1.LDAPProvider)) proto.Message {
		c := &configv1.LDAPProvider{ContextSourceUrl: "ldaps://a.example", ContextSourceBase: "dc=a", ContextSourcePassword: mask}
		change(c)
		return &configv1.IdentityProvider{Config: &configv1.IdentityProvider_Ldap{Ldap: c}}
	}
	http := func(change func(*configv1.HTTPProvider)) proto.Message {
		c := &configv1.HTTPProvider{
			AuthenticationResource: &configv1.HTTPResource{BaseUrl: "https://a.example", HttpHeaders: []*configv1.HTTPHeader{{Name: "X-Key", Value: mask}}},
			UserResource: &configv1.HTTPProvider_UserResource{BaseUrl: "https://b.example", Paths: &configv1.HTTPProvider_UserResource_Paths{
				ReadResource: &configv1.HTTPResource{BaseUrl: "/x", HttpHeaders: []*configv1.HTTPHeader{{Name: "X-Key", Value: mask}}},
			}},
		}
		change(c)
		return &configv1.IdentityProvider{Config: &configv1.IdentityProvider_Http{Http: c}}
	}
	oauth2 := func(change func(*configv1.OAuth2Provider)) proto.Message {
		c := &configv1.OAuth2Provider{ClientId: "c", ClientSecret: mask, WellKnownUri: "https://a.example/x"}
		change(c)
		return &configv1.IdentityProvider{Config: &configv1.IdentityProvider_Oauth2{Oauth2: c}}
	}
	flow := func(change func(*configv1.HTTPCalloutStep)) proto.Message {
		c := &configv1.HTTPCalloutStep{Url: "https://a.example", Headers: []*configv1.FlowHeader{{Name: "X-Key", Value: mask}}}
		change(c)
		return c
	}
	for _, tt := range []struct {
		name  string
		fresh proto.Message
		same  proto.Message
		place string // "" = the stored secret is kept
	}{
		{"LDAP: nothing changes", ldap(func(*configv1.LDAPProvider) {}), ldap(func(*configv1.LDAPProvider) {}), ""},
		{"LDAP: another base", ldap(func(c *configv1.LDAPProvider) { c.ContextSourceBase = "dc=b" }), ldap(func(*configv1.LDAPProvider) {}), ""},
		{"LDAP: another server", ldap(func(c *configv1.LDAPProvider) { c.ContextSourceUrl = "ldaps://evil.example" }), ldap(func(*configv1.LDAPProvider) {}), "configuration.contextSourcePassword"},
		{"LDAP: other authorities", ldap(func(c *configv1.LDAPProvider) { c.TrustedCertificates = "x" }), ldap(func(*configv1.LDAPProvider) {}), "configuration.contextSourcePassword"},
		{"LDAP: without a server", ldap(func(c *configv1.LDAPProvider) { c.ContextSourceUrl = "" }), ldap(func(*configv1.LDAPProvider) {}), "configuration.contextSourcePassword"},
		{"LDAP: another server and another password", ldap(func(c *configv1.LDAPProvider) {
			c.ContextSourceUrl, c.ContextSourcePassword = "ldaps://b.example", "new"
		}), ldap(func(*configv1.LDAPProvider) {}), ""},
		{"HTTP: nothing changes", http(func(*configv1.HTTPProvider) {}), http(func(*configv1.HTTPProvider) {}), ""},
		{"HTTP: another site", http(func(c *configv1.HTTPProvider) { c.AuthenticationResource.BaseUrl = "https://evil.example" }), http(func(*configv1.HTTPProvider) {}),
			"configuration.authenticationResource.httpHeaders[0].value"},
		{"HTTP: another site for what lies below it", http(func(c *configv1.HTTPProvider) { c.UserResource.BaseUrl = "https://evil.example" }), http(func(*configv1.HTTPProvider) {}),
			"configuration.userResource.paths.readResource.httpHeaders[0].value"},
		{"OAuth 2.0: another address beside the metadata", oauth2(func(c *configv1.OAuth2Provider) { c.AccessTokenUri = "https://evil.example" }), oauth2(func(*configv1.OAuth2Provider) {}), "configuration.clientSecret"},
		{"OAuth 2.0: other metadata", oauth2(func(c *configv1.OAuth2Provider) { c.WellKnownUri = "https://evil.example" }), oauth2(func(*configv1.OAuth2Provider) {}), "configuration.clientSecret"},
		{"OAuth 2.0: other scopes", oauth2(func(c *configv1.OAuth2Provider) { c.Scopes = []string{"x"} }), oauth2(func(*configv1.OAuth2Provider) {}), ""},
		{"a callout of a flow to another site", flow(func(c *configv1.HTTPCalloutStep) { c.Url = "https://evil.example" }), flow(func(*configv1.HTTPCalloutStep) {}), "headers[0].value"},
		{"a callout of a flow", flow(func(c *configv1.HTTPCalloutStep) { c.Method = "GET" }), flow(func(*configv1.HTTPCalloutStep) {}), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stored := unmasked(tt.same)
			err := resource.Enforce(stored, tt.fresh)
			var refusal *fault.Error
			switch {
			case tt.place == "":
				if err != nil {
					t.Errorf("%v", err)
				}
			case !errors.As(err, &refusal) || len(refusal.Details) != 1 || refusal.Details[0].Path != tt.place ||
				!strings.Contains(refusal.Details[0].Detail, "must be given again, because ") || strings.Contains(err.Error(), "rosebud"):
				t.Errorf("%v", err)
			}
		})
	}
}

// unmasked returns a message with a secret in the place of every mask.
func unmasked(m proto.Message) proto.Message {
	text, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	fresh := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal([]byte(strings.ReplaceAll(string(text), mask, "rosebud!")), fresh); err != nil {
		panic(err)
	}
	return fresh
}
