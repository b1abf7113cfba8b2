package catalog

import configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"

// entitlementScope is the system scope by which applications are told what people hold. A domain gets it with its first entitlement, so
// that domains which use none show none.
var entitlementScope = systemScope{"entitlements", "Entitlements", "Your rights in this application", true}

// missingEntitlementScope returns the scope where an application has entitlements and its domain not the scope yet; nil otherwise.
func missingEntitlementScope(s *Scene, a *configv1.Application) *configv1.Scope {
	if len(a.GetEntitlements()) == 0 || hasScope(s.Scopes, entitlementScope.key) {
		return nil
	}
	return entitlementScope.in(s, a.GetDomain())
}
