package operator

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Member is a membership with the names of whom and what it speaks of.
type Member struct {
	store.OperatorMembership
	Name, RoleName string
}

// Members returns a page of the memberships at a place, in the order of the members' names where the place is above
// domains, and how many there are.
func (s *Service) Members(ctx context.Context, at Place, number, size int) ([]Member, int64, error) {
	if err := s.exists(ctx, at); err != nil {
		return nil, 0, err
	}
	reference, level := at.reference()
	all, err := s.Store.Operators().List(ctx)
	if err != nil {
		return nil, 0, err
	}
	names := make(map[string]string, len(all))
	var found []store.OperatorMembership
	for _, o := range all {
		names[o.ID] = o.Name
		if i := indexOf(o, reference); i >= 0 {
			found = append(found, o.Memberships[i])
		}
	}
	total := int64(len(found))
	if level == AtDomain || level == AtApplication {
		if found, total, err = s.Store.OperatorMembers().At(ctx, reference, number, size); err != nil {
			return nil, 0, err
		}
	} else {
		slices.SortFunc(found, func(a, b store.OperatorMembership) int { return cmp.Compare(names[a.Operator], names[b.Operator]) })
		found = page(found, number, size)
	}
	members := make([]Member, len(found))
	for i, m := range found {
		if members[i], err = s.named(ctx, m, names[m.Operator]); err != nil {
			return nil, 0, err
		}
	}
	return members, total, nil
}

func (s *Service) named(ctx context.Context, m store.OperatorMembership, name string) (Member, error) {
	role, err := s.role(ctx, m.Role)
	if errors.Is(err, store.ErrNotFound) {
		return Member{OperatorMembership: m, Name: name}, nil
	}
	if err != nil {
		return Member{}, err
	}
	return Member{OperatorMembership: m, Name: name, RoleName: role.Name}, nil
}

// AddMember gives an operator, who is named by identifier or else by name, a role at a place, in the place of the one they
// have there. The caller needs, at that place, every permission of the new role and of the one before.
func (s *Service) AddMember(ctx context.Context, at Place, who, role string) (Member, error) {
	if err := s.exists(ctx, at); err != nil {
		return Member{}, err
	}
	if err := firstOf(required("memberId", who), required("role", role)); err != nil {
		return Member{}, err
	}
	member, err := s.memberNamed(ctx, who)
	if err != nil {
		return Member{}, err
	}
	reference, level := at.reference()
	given, err := s.role(ctx, role)
	if errors.Is(err, store.ErrNotFound) {
		return Member{}, fault.Invalidf("Role [%s] can not be found.", role).At("role", "no such role")
	}
	if err != nil {
		return Member{}, err
	}
	if given.Assignable != level {
		return Member{}, broken("role", "must be a role for members of a place of type "+string(level))
	}
	if err := s.mayGive(ctx, at, given.Permissions); err != nil {
		return Member{}, err
	}
	now := s.now()
	m := store.OperatorMembership{
		Reference: reference, Domain: at.Domain, Operator: member.ID, Role: given.ID, CreatedAt: now, UpdatedAt: now,
	}
	if level == AtDomain || level == AtApplication {
		err = s.enrolBelow(ctx, at, &m, member.Name)
	} else {
		err = s.enrolAbove(ctx, at, &m)
	}
	return Member{OperatorMembership: m, Name: member.Name, RoleName: given.Name}, err
}

// memberNamed returns the operator with an identifier or, failing that, with a name.
func (s *Service) memberNamed(ctx context.Context, who string) (*store.Operator, error) {
	found, err := s.Store.Operators().Find(ctx, who)
	if errors.Is(err, store.ErrNotFound) && CheckName("", who) == nil {
		found, err = s.Store.Operators().Get(ctx, who)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, fault.Invalidf("User [%s] can not be found.", who).At("memberId", "no such user")
	}
	return found, err
}

// enrolAbove stores a membership in the organization or the environment.
func (s *Service) enrolAbove(ctx context.Context, at Place, m *store.OperatorMembership) error {
	return s.keepingOwners(ctx, m.Operator, "given another role", s.mayEnd(at, m.Reference), func(o *store.Operator) error {
		next := *o
		next.Memberships = slices.Clone(o.Memberships)
		var before *store.OperatorMembership
		if i := indexOf(o, m.Reference); i >= 0 {
			before = &o.Memberships[i]
			m.CreatedAt = before.CreatedAt
			next.Memberships[i] = *m
		} else {
			next.Memberships = append(next.Memberships, *m)
		}
		if err := s.Store.Operators().Replace(ctx, &next); err != nil {
			return err
		}
		s.recordMembership(ctx, o.Name, before, m)
		return nil
	}, func(o *store.Operator) bool {
		i := indexOf(o, m.Reference)
		return i >= 0 && o.Memberships[i].Role == RoleOrganizationOwner && m.Role != RoleOrganizationOwner
	})
}

// enrolBelow stores a membership in a domain or an application.
func (s *Service) enrolBelow(ctx context.Context, at Place, m *store.OperatorMembership, name string) error {
	before, err := s.Store.OperatorMembers().Get(ctx, m.Reference, m.Operator)
	switch {
	case err == nil:
		if err := s.mayTake(ctx, at, before.Role); err != nil {
			return err
		}
		m.CreatedAt = before.CreatedAt
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := s.Store.OperatorMembers().Put(ctx, *m); err != nil {
		return err
	}
	// Somebody may have removed the place or the operator meanwhile.
	if gone := s.gone(ctx, at, m.Operator); gone != nil {
		return errors.Join(gone, s.Store.OperatorMembers().Delete(context.WithoutCancel(ctx), m.Reference, m.Operator))
	}
	s.recordMembership(ctx, name, before, m)
	return nil
}

// gone returns why a membership cannot be, or nil.
func (s *Service) gone(ctx context.Context, at Place, operator string) error {
	if _, err := s.operator(ctx, operator); err != nil {
		return err
	}
	return s.exists(ctx, at)
}

// RemoveMember ends the membership of an operator at a place.
func (s *Service) RemoveMember(ctx context.Context, at Place, id string) error {
	if err := s.exists(ctx, at); err != nil {
		return err
	}
	reference, level := at.reference()
	missing := fault.NotFoundf("Membership [%s] can not be found.", id)
	if level == AtDomain || level == AtApplication {
		m, err := s.Store.OperatorMembers().Get(ctx, reference, id)
		if errors.Is(err, store.ErrNotFound) {
			return missing
		}
		if err != nil {
			return err
		}
		if err := s.mayTake(ctx, at, m.Role); err != nil {
			return err
		}
		err = s.Store.OperatorMembers().Delete(ctx, reference, id)
		if errors.Is(err, store.ErrNotFound) {
			return missing
		}
		if err == nil {
			s.recordMembership(ctx, "", m, nil)
		}
		return err
	}
	err := s.keepingOwners(ctx, id, "taken out of the owners", s.mayEnd(at, reference), func(o *store.Operator) error {
		i := indexOf(o, reference)
		if i < 0 {
			return missing
		}
		m := o.Memberships[i]
		next := *o
		next.Memberships = slices.Delete(slices.Clone(o.Memberships), i, i+1)
		if err := s.Store.Operators().Replace(ctx, &next); err != nil {
			return err
		}
		s.recordMembership(ctx, o.Name, &m, nil)
		return nil
	}, func(o *store.Operator) bool {
		i := indexOf(o, reference)
		return i >= 0 && o.Memberships[i].Role == RoleOrganizationOwner
	})
	if fault.Is(err, fault.NotFound) {
		return missing
	}
	return err
}

// Created makes the operator of ctx owner of the domain or the application that they have created. What they may do above
// usually covers it; it stays when that goes. The record of the creation says who it was.
func (s *Service) Created(ctx context.Context, r resource.Resource) {
	caller, ok := From(ctx)
	if !ok {
		return
	}
	now := s.now()
	m := store.OperatorMembership{Domain: r.GetDomain(), Operator: caller.ID, CreatedAt: now, UpdatedAt: now}
	switch r := r.(type) {
	case *configv1.Domain:
		m.Domain, m.Reference, m.Role = r.GetId(), store.PlaceOfDomain(r.GetId()), RoleDomainOwner
	case *configv1.Application:
		m.Reference, m.Role = store.PlaceOfApplication(r.GetId()), RoleApplicationOwner
	default:
		return
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.Store.OperatorMembers().Put(ctx, m); err != nil {
		s.Logger.ErrorContext(ctx, "creator not made owner", "resource", resource.KeyOf(r).String(), "user", caller.Name, "err", err)
	}
}

// mayGive refuses a role with more permissions than the caller has at a place.
func (s *Service) mayGive(ctx context.Context, at Place, asked Permissions) error {
	caller, ok := From(ctx)
	if !ok {
		return nil
	}
	at.User = ""
	own, err := s.At(ctx, caller, at)
	if err != nil {
		return err
	}
	return covered(own, asked, "You can not give permissions that you do not have")
}

// mayTake refuses to end a membership that gives more than the caller has at the place.
func (s *Service) mayTake(ctx context.Context, at Place, role string) error {
	caller, ok := From(ctx)
	if !ok {
		return nil
	}
	theirs, err := s.permissionsOf(ctx, role)
	if err != nil {
		return err
	}
	own, err := s.At(ctx, caller, at)
	if err != nil {
		return err
	}
	return covered(own, theirs, "You can not take away permissions that you do not have")
}

// mayEnd is mayTake for the membership that an operator may have in the organization or the environment.
func (s *Service) mayEnd(at Place, reference string) func(context.Context, *store.Operator) error {
	return func(ctx context.Context, o *store.Operator) error {
		i := indexOf(o, reference)
		if i < 0 {
			return nil
		}
		return s.mayTake(ctx, at, o.Memberships[i].Role)
	}
}

// exists refuses places that are not there.
func (s *Service) exists(ctx context.Context, at Place) error {
	if at.Application == "" {
		return nil // the routes look after domains
	}
	a, err := store.Get(ctx, s.Store, catalog.Applications, at.Application)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return catalog.Applications.NotFound(at.Application)
	case err != nil:
		return err
	case a.GetDomain() != at.Domain:
		return fault.Invalidf("Application does not belong to domain")
	}
	return nil
}

func indexOf(o *store.Operator, reference string) int {
	return slices.IndexFunc(o.Memberships, func(m store.OperatorMembership) bool { return m.Reference == reference })
}

// recordMembership notes a membership that began, changed or ended.
func (s *Service) recordMembership(ctx context.Context, name string, before, after *store.OperatorMembership) {
	c := Change{Action: actionUpdate, Kind: kindMembership, Name: name, Before: membershipTree(before), After: membershipTree(after)}
	named := after
	switch {
	case before == nil:
		c.Action = actionCreate
	case after == nil:
		c.Action, named = actionDelete, before
	}
	c.ID, c.Domain = named.Reference+"/"+named.Operator, named.Domain
	s.record(ctx, c)
}
