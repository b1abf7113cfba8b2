package builtin_test

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	optionsv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/options/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/builtin"
)

// needed is what the configuration of a type must have.
func needed(arm string) *configv1.IdentityProvider {
	m := &configv1.IdentityProvider{}
	switch arm {
	case "http":
		m.Config = &configv1.IdentityProvider_Http{Http: &configv1.HTTPProvider{AuthenticationResource: &configv1.HTTPResource{BaseUrl: "https://site.example"}}}
	case "ldap":
		m.Config = &configv1.IdentityProvider_Ldap{Ldap: &configv1.LDAPProvider{ContextSourceUrl: "ldaps://ldap.example", ContextSourceBase: "dc=example"}}
	case "oauth2":
		m.Config = &configv1.IdentityProvider_Oauth2{Oauth2: &configv1.OAuth2Provider{WellKnownUri: "https://login.example/.well-known/openid-configuration"}}
	}
	return m
}

// TestEveryTypeCanBeOpened walks the arms of the configuration: a type that has none here is missing in builtin.go, or its
// mark `waiting` is.
func TestEveryTypeCanBeOpened(t *testing.T) {
	fetch, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tools := builtin.Tools{Hasher: secret.NewHasher(), Directory: gatewaytest.NewDirectory(), Fetch: fetch, Now: time.Now}
	arms := (&configv1.IdentityProvider{}).ProtoReflect().Descriptor().Oneofs().ByName("config").Fields()
	for i := range arms.Len() {
		arm := arms.Get(i)
		t.Run(string(arm.Name()), func(t *testing.T) {
			m := needed(string(arm.Name()))
			m.Id, m.Name, m.Domain = "p", "People", "d"
			m.ProtoReflect().Mutable(arm)
			p, err := tools.Open(m)
			if prototree.MarksOf(arm).Waiting {
				if !errors.Is(err, idp.ErrWaiting) {
					t.Errorf("a type that waits is opened with the error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			mark, _ := proto.GetExtension(arm.Options().(*descriptorpb.FieldOptions), optionsv1.E_Variant).(*optionsv1.VariantMarks)
			if p.ID != "p" || p.Name != "People" || p.Type != mark.GetType() || p.Rules == nil || (p.Password == nil) != p.External {
				t.Errorf("provider %+v, its type is %q on the wire", p, mark.GetType())
			}
		})
	}
	if _, err := tools.Open(&configv1.IdentityProvider{}); err == nil || errors.Is(err, idp.ErrWaiting) {
		t.Error("a provider without a type was opened")
	}
}
