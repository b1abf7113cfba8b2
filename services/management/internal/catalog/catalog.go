package catalog

// All lists every kind, in the order of configv1.Resource. A kind comes after its parent.
var All = []Any{
	Domains, Applications, IdentityProviders, Scopes, Certificates, Roles, Groups, Forms, Emails, Flows,
	ApplicationGroups, Policies, ClaimMappings,
}

// ByArm returns the kind with this arm of configv1.Resource.
func ByArm(arm string) (Any, bool) {
	for _, k := range All {
		if k.Descriptor().Arm == arm {
			return k, true
		}
	}
	return nil, false
}

// Children returns the kinds that lie directly under a kind.
func Children(of Any) []Any {
	var children []Any
	for _, k := range All {
		if parent := k.Descriptor().Parent; parent != nil && parent.Descriptor().Arm == of.Descriptor().Arm {
			children = append(children, k)
		}
	}
	return children
}
