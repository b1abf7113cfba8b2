// Package scopes decides which scopes a request may have.
package scopes

import (
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Grant returns the scopes a request gets: those it asks for, each of which the client must have, or the client's default
// scopes if it asks for none. The scope dcr is never the result of a request. A refusal is invalid_scope with every scope
// that cannot be had.
func Grant(d *domain.Domain, c *domain.Client, requested []string) ([]string, error) {
	if len(requested) == 0 {
		return slices.DeleteFunc(slices.Clone(c.DefaultScopes), never), nil
	}
	var refused, granted []string
	for _, s := range requested {
		switch {
		case slices.Contains(granted, s):
		case never(s) || !c.MayAsk(d.Core, s):
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
