package selection

import (
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Settings are what of a login's settings counts for the choice of providers.
type Settings struct {
	// IdentifierFirst asks for the name on a page of its own, before the choice.
	IdentifierFirst bool
	// RulesOnLoginPage has the rules of external providers looked at on the login page too.
	RulesOnLoginPage bool
	// HideForm leaves the login page where exactly one external provider can be used.
	HideForm bool
}

// SettingsOf returns the settings of an application: its own if they are not inherited, else those of its domain.
func SettingsOf(d *configv1.Domain, a *configv1.Application) Settings {
	l := LoginOf(d, a)
	return Settings{
		IdentifierFirst: l.GetIdentifierFirstEnabled(), RulesOnLoginPage: l.GetSelectionRulesOnLoginPage(), HideForm: l.GetHideForm(),
	}
}

// LoginOf returns what the sign-in pages of an application offer: its own settings if they are not inherited, else those of
// its domain; nil if there are none.
func LoginOf(d *configv1.Domain, a *configv1.Application) *configv1.LoginSettings {
	if own := a.GetSettings().GetLogin(); own != nil && own.Inherited != nil && !own.GetInherited() {
		return own
	}
	return d.GetLoginSettings()
}

// AccountOf is LoginOf for how accounts are protected.
func AccountOf(d *configv1.Domain, a *configv1.Application) *configv1.AccountSettings {
	if own := a.GetSettings().GetAccount(); own != nil && own.Inherited != nil && !own.GetInherited() {
		return own
	}
	return d.GetAccountSettings()
}

// ClientOf returns an application as rules see it.
func ClientOf(a *configv1.Application) *rules.Client {
	o := a.GetSettings().GetOauth()
	scopes := make([]string, len(o.GetScopeSettings()))
	for i, s := range o.GetScopeSettings() {
		scopes[i] = s.GetScope()
	}
	metadata := make(map[string]any, len(a.GetMetadata()))
	for k, v := range a.GetMetadata() {
		metadata[k] = v
	}
	return rules.NewClient(rules.ClientFields{
		ID: a.GetId(), ClientID: o.GetClientId(), Name: a.GetName(), Type: strings.ToLower(a.GetType().String()),
		GrantTypes: o.GetGrantTypes(), Scopes: scopes, Metadata: metadata,
	})
}

// ProviderOf returns a provider as rules see it.
func ProviderOf(p *configv1.IdentityProvider) *rules.IdentityProvider {
	return rules.NewIdentityProvider(rules.IdentityProviderFields{
		ID: p.GetId(), Name: p.GetName(), Type: TypeOf(p), External: p.GetExternal(), DomainWhitelist: p.GetDomainWhitelist(),
	})
}

// TypeOf returns the word of a provider's type, such as inline-am-idp, or nothing.
func TypeOf(p *configv1.IdentityProvider) string {
	m := p.ProtoReflect()
	if arm := m.WhichOneof(m.Descriptor().Oneofs().ByName("config")); arm != nil {
		return prototree.MarksOf(arm).Variant
	}
	return ""
}

// Waits reports whether nothing runs providers of this type yet.
func Waits(p *configv1.IdentityProvider) bool {
	m := p.ProtoReflect()
	arm := m.WhichOneof(m.Descriptor().Oneofs().ByName("config"))
	return arm != nil && prototree.MarksOf(arm).Waiting
}
