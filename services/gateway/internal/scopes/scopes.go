// Package scopes decides which scopes a request may have.
package scopes

import (
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Grant returns the scopes a request gets that concerns no person, or of whom nothing is known: those it asks for, each of which
// the client must have, or the client's default scopes if it asks for none. The scope dcr is never the result of a request. A
// refusal is invalid_scope with every scope that cannot be had.
func Grant(d *domain.Domain, c *domain.Client, requested []string) ([]string, error) {
	return grant(c, requested, func(s string) bool { return c.MayAsk(d.Core, s) })
}

// GrantTo is Grant for a request that concerns a person. At clients that want it so, the scopes of the person's roles can be asked
// for as well, and all of them are added where nothing, or only openid, was asked for.
func GrantTo(d *domain.Domain, c *domain.Client, p *state.Person, requested []string) ([]string, error) {
	if !c.EnhancesScopes {
		return Grant(d, c, requested)
	}
	granted, err := grant(c, requested, func(s string) bool { return c.MayAsk(d.Core, s) || slices.Contains(p.Permissions, s) })
	if err != nil || len(requested) > 1 || len(requested) == 1 && requested[0] != oauth2.ScopeOpenID {
		return granted, err
	}
	for _, s := range p.Permissions {
		if !never(s) && !slices.Contains(granted, s) {
			granted = append(granted, s)
		}
	}
	return granted, nil
}

// Possible refuses what no person could be granted, before it is known who they are.
func Possible(d *domain.Domain, c *domain.Client, requested []string) error {
	_, err := grant(c, requested, func(s string) bool { return c.MayAsk(d.Core, s) || c.EnhancesScopes && d.Scopes[s] != nil })
	return err
}

func grant(c *domain.Client, requested []string, may func(string) bool) ([]string, error) {
	switch {
	case len(requested) == 0:
		return slices.DeleteFunc(slices.Clone(c.DefaultScopes), never), nil
	case len(requested) > oauth2.MaxScopes:
		return nil, oauth2.InvalidScope.Errorf("More than %d scopes", oauth2.MaxScopes)
	}
	var refused, granted []string
	for _, s := range requested {
		switch {
		case slices.Contains(granted, s):
		case never(s) || !may(s):
			refused = append(refused, s)
		default:
			granted = append(granted, s)
		}
	}
	if len(refused) > 0 {
		return nil, oauth2.InvalidScope.Errorf("Invalid scope(s): %s", strings.Join(refused, " "))
	}
	return granted, nil
}

func never(scope string) bool { return scope == oauth2.ScopeDCR }
