// Package selection decides which identity providers take part in a login.
//
// The decision depends on the client's providers in priority order and on their selection rules, and on nothing else. It
// performs no I/O. A rule that fails to evaluate counts as false.
package selection

import (
	"context"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Failed is told of a rule that could not be evaluated.
type Failed func(provider *idp.Provider, err error)

// Internal returns the internal providers that are asked for a password, in order: those whose rule is blank or holds.
// They are all tried until one accepts.
func Internal(ctx context.Context, providers []domain.ClientProvider, in rules.Input, failed Failed) []*idp.Provider {
	var chosen []*idp.Provider
	for i := range providers {
		p := &providers[i]
		if !p.External && (p.Rule == nil || holds(ctx, p, &in, failed)) {
			chosen = append(chosen, p.Provider)
		}
	}
	return chosen
}

// External returns the external provider that rules choose: the first whose rule is not blank and holds, nil if there is
// none. It is asked in identifier-first login, and on the login page where the domain says so.
func External(ctx context.Context, providers []domain.ClientProvider, in rules.Input, failed Failed) *idp.Provider {
	for i := range providers {
		p := &providers[i]
		if p.External && p.Rule != nil && holds(ctx, p, &in, failed) {
			return p.Provider
		}
	}
	return nil
}

// Buttons returns the external providers that the login page offers: all of them, in order, whatever their rules.
func Buttons(providers []domain.ClientProvider) []*idp.Provider {
	var buttons []*idp.Provider
	for i := range providers {
		if providers[i].External {
			buttons = append(buttons, providers[i].Provider)
		}
	}
	return buttons
}

// HasInternal reports whether any provider checks passwords itself.
func HasInternal(providers []domain.ClientProvider) bool {
	for i := range providers {
		if !providers[i].External {
			return true
		}
	}
	return false
}

func holds(ctx context.Context, p *domain.ClientProvider, in *rules.Input, failed Failed) bool {
	in.IdentityProvider = p.Rules
	ok, err := p.Rule.Holds(ctx, in)
	if err != nil {
		failed(p.Provider, err)
		return false
	}
	return ok
}
