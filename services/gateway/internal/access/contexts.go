package access

import (
	"slices"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Meets reports whether a sign-in through a provider, by some methods, meets a class: what the domain says of it, or the class that
// came with the way of signing in where the domain says nothing.
func Meets(d *domain.Domain, provider, acr string, amr []string, class string) bool {
	known := d.Settings.GetOidc().GetAuthenticationContexts()
	i := slices.IndexFunc(known, func(one *configv1.AuthenticationContext) bool { return one.GetName() == class })
	if i < 0 {
		return class != "" && class == acr
	}
	through := known[i].GetIdentityProviders()
	return (len(through) == 0 || slices.Contains(through, provider)) &&
		!slices.ContainsFunc(known[i].GetMethods(), func(method string) bool { return !slices.Contains(amr, method) })
}
