package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func roleNotFound(id string) error { return fault.NotFoundf("Role [%s] can not be found.", id) }

// Role returns a role, built in or made.
func (s *Service) Role(ctx context.Context, id string) (*Role, error) {
	r, err := s.role(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, roleNotFound(id)
	}
	return r, err
}

// Roles returns a page of the roles that can be had at a level, or at any: first those that are built in.
func (s *Service) Roles(ctx context.Context, level Level, q string, number, size int) ([]*Role, int64, error) {
	all := slices.Clone(builtInRoles)
	made, err := s.Store.OperatorRoles().List(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, r := range made {
		all = append(all, roleOf(r))
	}
	all = slices.DeleteFunc(all, func(r *Role) bool { return level != "" && r.Assignable != level || !matches(q, r.Name) })
	return page(all, number, size), int64(len(all)), nil
}

// CreateRole makes a role. Nobody can make one that permits what they may not do themselves.
func (s *Service) CreateRole(ctx context.Context, organization string, m *managementv1.OrganizationRole) (*Role, error) {
	if err := resource.Enforce(nil, m); err != nil {
		return nil, err
	}
	now := s.now()
	r := &store.OperatorRole{ID: secret.NewID(), Organization: organization, CreatedAt: now, UpdatedAt: now}
	level, ok := levelOf(m.GetAssignableType())
	if !ok {
		return nil, broken("assignableType", "must be one of organization, environment, domain, application")
	}
	r.Assignable = string(level)
	if err := s.fill(ctx, r, m, nil); err != nil {
		return nil, err
	}
	if err := s.Store.OperatorRoles().Insert(ctx, r); err != nil {
		return nil, roleTaken(r, err)
	}
	s.recordRole(ctx, actionCreate, nil, r)
	return roleOf(r), nil
}

// UpdateRole gives a role what edit makes of it. It counts for everybody who has the role from their next request on.
func (s *Service) UpdateRole(ctx context.Context, id string, ifMatch int64,
	edit func(old *managementv1.OrganizationRole) (*managementv1.OrganizationRole, error),
) (*Role, error) {
	for range races {
		role, err := s.Role(ctx, id)
		if err != nil {
			return nil, err
		}
		if role.System {
			return nil, fault.Invalidf("Role [%s] is a system role and can not be changed.", role.Name)
		}
		old := role.stored
		if ifMatch != 0 && ifMatch != old.Revision {
			return nil, fault.Stalef("The role has changed since the revision you named")
		}
		before := roleMessage(role)
		fresh, err := edit(proto.CloneOf(before))
		if err != nil {
			return nil, err
		}
		if err := resource.Enforce(before, fresh); err != nil {
			return nil, err
		}
		if fresh.GetAssignableType() != "" && !strings.EqualFold(fresh.GetAssignableType(), old.Assignable) {
			return nil, broken("assignableType", "can not be changed")
		}
		next := *old
		if err := s.fill(ctx, &next, fresh, role.Permissions); err != nil {
			return nil, err
		}
		next.UpdatedAt = s.now()
		err = s.Store.OperatorRoles().Replace(ctx, &next)
		if errors.Is(err, store.ErrStale) && ifMatch == 0 {
			continue
		}
		if errors.Is(err, store.ErrStale) {
			return nil, fault.Stalef("The role has changed since the revision you named")
		}
		if err != nil {
			return nil, roleTaken(&next, err)
		}
		s.recordRole(ctx, actionUpdate, old, &next)
		return roleOf(&next), nil
	}
	return nil, errContended
}

// fill takes name, description and permissions of a body. What is added to the permissions the caller must have.
func (s *Service) fill(ctx context.Context, r *store.OperatorRole, m *managementv1.OrganizationRole, before Permissions) error {
	r.Name, r.Description = strings.TrimSpace(m.GetName()), m.GetDescription()
	if err := firstOf(required("name", r.Name), bounded("name", r.Name, maxText), bounded("description", r.Description, maxDescription)); err != nil {
		return err
	}
	if builtInRole(strings.ToUpper(r.Name)) != nil {
		return roleTaken(r, store.ErrDuplicate)
	}
	r.Permissions = []string{}
	for i, p := range m.GetPermissions() {
		if _, known := table[p]; !known {
			return broken(fmt.Sprintf("permissions[%d]", i), "is no permission")
		}
		if !slices.Contains(r.Permissions, p) {
			r.Permissions = append(r.Permissions, p)
		}
	}
	slices.Sort(r.Permissions)
	added := Permissions{}
	for _, p := range r.Permissions {
		if !before[p] {
			added[p] = true
		}
	}
	return s.mayGive(ctx, Place{Organization: r.Organization}, added)
}

func roleTaken(r *store.OperatorRole, err error) error {
	if errors.Is(err, store.ErrDuplicate) {
		return fault.Invalidf("A role [%s] already exists.", r.Name).At("name", "already exists")
	}
	return err
}

// DeleteRole removes a role that nobody has.
func (s *Service) DeleteRole(ctx context.Context, id string, ifMatch int64) error {
	role, err := s.Role(ctx, id)
	if err != nil {
		return err
	}
	if role.System {
		return fault.Invalidf("Role [%s] is a system role and can not be deleted.", role.Name)
	}
	if ifMatch != 0 && ifMatch != role.stored.Revision {
		return fault.Stalef("The role has changed since the revision you named")
	}
	used, err := s.Store.OperatorMembers().HasRole(ctx, id)
	if err != nil {
		return err
	}
	if !used {
		all, err := s.Store.Operators().List(ctx)
		if err != nil {
			return err
		}
		used = slices.ContainsFunc(all, func(o *store.Operator) bool { return hasRole(o, id) })
	}
	if used {
		return fault.Invalidf("Role [%s] is given to members and can not be deleted.", role.Name)
	}
	err = s.Store.OperatorRoles().Delete(ctx, role.stored)
	if errors.Is(err, store.ErrStale) {
		return fault.Conflictf("The role is being changed by others. Try again").Because(err)
	}
	if err == nil {
		s.recordRole(ctx, actionDelete, role.stored, nil)
	}
	return err
}

func (s *Service) recordRole(ctx context.Context, action string, before, after *store.OperatorRole) {
	named := after
	if named == nil {
		named = before
	}
	s.record(ctx, Change{
		Action: action, Kind: kindRole, ID: named.ID, Name: named.Name, Revision: named.Revision,
		Before: roleTree(before), After: roleTree(after),
	})
}

// roleMessage is a role as the API shows it.
func roleMessage(r *Role) *managementv1.OrganizationRole {
	m := &managementv1.OrganizationRole{
		Id: r.ID, Name: r.Name, Description: r.Description, AssignableType: string(r.Assignable), System: r.System,
		Permissions: r.Permissions.Texts(),
	}
	if r.stored != nil {
		m.Organization = r.stored.Organization
		m.Revision, m.CreatedAt, m.UpdatedAt = r.stored.Revision, stamp(r.stored.CreatedAt), stamp(r.stored.UpdatedAt)
	}
	return m
}
