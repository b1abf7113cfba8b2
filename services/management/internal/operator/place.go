package operator

import (
	"context"
	"errors"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Place is what the path of a request is about. Members are identifiers; those of inner places are empty.
type Place struct {
	Organization, Environment, Domain, Application string
	// User is the operator that a path of the organization names.
	User string
}

// reference is how memberships refer to a place, and its level.
func (p Place) reference() (string, Level) {
	switch {
	case p.Application != "":
		return store.PlaceOfApplication(p.Application), AtApplication
	case p.Domain != "":
		return store.PlaceOfDomain(p.Domain), AtDomain
	case p.Environment != "":
		return store.PlaceOfEnvironment(p.Environment), AtEnvironment
	}
	return store.PlaceOfOrganization(p.Organization), AtOrganization
}

// At returns what an operator may do at a place: the permissions of their roles there and at all places around it. An
// operator that an Authenticate has returned is asked for as they were stored then.
func (s *Service) At(ctx context.Context, o Operator, at Place) (Permissions, error) {
	held := permissionsOfEveryone
	if o.Organization != at.Organization {
		return held, nil
	}
	for _, m := range o.memberships {
		if m.Reference != store.PlaceOfOrganization(at.Organization) &&
			(at.Environment == "" || m.Reference != store.PlaceOfEnvironment(at.Environment)) {
			continue
		}
		more, err := s.permissionsOf(ctx, m.Role)
		if err != nil {
			return nil, err
		}
		held = held.with(more)
	}
	if at.User != "" && at.User == o.ID {
		held = held.with(permissionsOfOneself)
	}
	if at.Domain == "" || held[everything] {
		return held, nil
	}
	return s.inDomain(ctx, o, at, held)
}

// inDomain adds what an operator may do in a domain and an application to what they may do above.
func (s *Service) inDomain(ctx context.Context, o Operator, at Place, held Permissions) (Permissions, error) {
	references := []string{store.PlaceOfDomain(at.Domain)}
	if at.Application != "" {
		references = append(references, store.PlaceOfApplication(at.Application))
	}
	member := false
	for _, reference := range references {
		m, err := s.Store.OperatorMembers().Get(ctx, reference, o.ID)
		if errors.Is(err, store.ErrNotFound) || err == nil && m.Domain != at.Domain {
			continue // an application may be named under a domain that is not its own
		}
		if err != nil {
			return nil, err
		}
		more, err := s.permissionsOf(ctx, m.Role)
		if err != nil {
			return nil, err
		}
		held, member = held.with(more), true
	}
	if !member && len(permissionsOfGuests.beyond(held)) > 0 {
		var err error
		if member, err = s.Store.OperatorMembers().Any(ctx, o.ID, at.Domain); err != nil {
			return nil, err
		}
	}
	if member {
		held = held.with(permissionsOfGuests)
	}
	return held, nil
}

// Applications returns the applications of a domain that an operator is member of.
func (s *Service) Applications(ctx context.Context, o Operator, domain string) ([]string, error) {
	all, err := s.Store.OperatorMembers().Of(ctx, o.ID, domain)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, m := range all {
		if id, ok := applicationOf(m.Reference); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Domains returns the domains that an operator is member of, or of an application in them.
func (s *Service) Domains(ctx context.Context, o Operator) ([]string, error) {
	return s.Store.OperatorMembers().DomainsOf(ctx, o.ID)
}

// applicationOf returns the application that a membership refers to.
func applicationOf(reference string) (string, bool) {
	return strings.CutPrefix(reference, store.PlaceOfApplication(""))
}
