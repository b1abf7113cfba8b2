package authorization

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
)

// Curing are those of a client's providers by which a sign-in could be as strong as an application wants it. Which methods an external
// provider uses is not known before it says so. It is empty where nobody can sign in so: then the person is refused.
func Curing(d *domain.Domain, c *domain.Client, step *access.Strength) []domain.ClientProvider {
	if step == nil {
		return nil
	}
	var list []domain.ClientProvider
	for _, p := range c.Providers {
		leads := func(class string) bool { return leadsTo(d, p, class) }
		switch {
		case len(step.IdentityProviders) > 0 && !slices.Contains(step.IdentityProviders, p.ID),
			len(step.ACRValues) > 0 && !slices.ContainsFunc(step.ACRValues, leads),
			!p.External && !subset(step.AMR, []string{signin.AMRPassword}):
		default:
			list = append(list, p)
		}
	}
	return list
}
