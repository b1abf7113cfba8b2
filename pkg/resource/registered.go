package resource

import configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"

// Registered reports whether an application registered itself, which is for good: unused ones are disabled and deleted, their number
// is limited, and gateways ask for them when they are used. That it has a registration access token says nothing: an application that an
// operator made gets one when an administrator changes it through the registration endpoint. Clients of before registrations
// were noted have the time alone when their identifier was issued.
func Registered(a *configv1.Application) bool {
	return a.GetRegistration() != nil || a.GetSettings().GetOauth().GetClientIdIssuedAt() != nil
}
