package operator

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// The built-in roles. Their identifiers are their names.
const (
	RoleOrganizationOwner = "ORGANIZATION_OWNER"
	RoleOrganizationUser  = "ORGANIZATION_USER"
	RoleAuditor           = "AUDITOR"
	RoleEnvironmentOwner  = "ENVIRONMENT_OWNER"
	RoleEnvironmentUser   = "ENVIRONMENT_USER"
	RoleDomainOwner       = "DOMAIN_OWNER"
	RoleDomainUser        = "DOMAIN_USER"
	RoleApplicationOwner  = "APPLICATION_OWNER"
	RoleApplicationUser   = "APPLICATION_USER"
)

// Level is a kind of place.
type Level string

// The levels, from the outside to the inside.
const (
	AtOrganization Level = "organization"
	AtEnvironment  Level = "environment"
	AtDomain       Level = "domain"
	AtApplication  Level = "application"
)

var levels = []Level{AtOrganization, AtEnvironment, AtDomain, AtApplication}

// Role is a set of permissions that memberships at places of one level may give.
type Role struct {
	ID, Name, Description string
	Assignable            Level
	System                bool
	Permissions           Permissions
	stored                *store.OperatorRole // of one that is not built in
}

func builtIn(name string, level Level, h holders, description string) *Role {
	return &Role{
		ID: name, Name: name, Description: description, Assignable: level, System: true, Permissions: held(h | everyone),
	}
}

var builtInRoles = []*Role{
	builtIn(RoleOrganizationOwner, AtOrganization, organizationOwner, "May do everything."),
	builtIn(RoleOrganizationUser, AtOrganization, everyone, "May find what they are a member of, as every operator may."),
	builtIn(RoleAuditor, AtOrganization, auditor, "May read everything, people, operators and audit records included, and change nothing."),
	builtIn(RoleEnvironmentOwner, AtEnvironment, environmentOwner, "May do everything in the environment."),
	builtIn(RoleEnvironmentUser, AtEnvironment, environmentUser, "May read the configuration of all domains of the environment."),
	builtIn(RoleDomainOwner, AtDomain, domainOwner, "May do everything in the domain."),
	builtIn(RoleDomainUser, AtDomain, domainUser, "May read the configuration of the domain."),
	builtIn(RoleApplicationOwner, AtApplication, applicationOwner, "May do everything with the application."),
	builtIn(RoleApplicationUser, AtApplication, applicationUser, "May read the application."),
}

// What is held without a role.
var (
	permissionsOfEveryone = held(everyone)
	permissionsOfGuests   = held(guest)
	permissionsOfOneself  = held(self)
)

func builtInRole(id string) *Role {
	i := slices.IndexFunc(builtInRoles, func(r *Role) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return builtInRoles[i]
}

func roleOf(r *store.OperatorRole) *Role {
	role := &Role{
		ID: r.ID, Name: r.Name, Description: r.Description, Assignable: Level(r.Assignable), Permissions: Permissions{}, stored: r,
	}
	for _, p := range r.Permissions {
		// One that a former version knew means nothing now.
		if _, known := table[p]; known {
			role.Permissions[p] = true
		}
	}
	return role
}

// role returns a role, or store.ErrNotFound.
func (s *Service) role(ctx context.Context, id string) (*Role, error) {
	if r := builtInRole(id); r != nil {
		return r, nil
	}
	found, err := s.Store.OperatorRoles().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return roleOf(found), nil
}

// permissionsOf returns what a role permits; one that is gone permits nothing.
func (s *Service) permissionsOf(ctx context.Context, id string) (Permissions, error) {
	r, err := s.role(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.Permissions, nil
}

// levelOf returns the level that a text names, in any case.
func levelOf(text string) (Level, bool) {
	l := Level(strings.ToLower(text))
	return l, slices.Contains(levels, l)
}
