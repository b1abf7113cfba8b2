package operator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// ownersLease is held by who takes away an owner, so that two cannot take away the last two.
const ownersLease = "organization owners"

// owns reports whether an operator owns the organization and can sign in and use it. A service account does not count:
// once its tokens have ended, nobody could make another.
func owns(o *store.Operator) bool {
	return !o.Disabled && !o.Locked && !o.ServiceAccount && hasRole(o, RoleOrganizationOwner)
}

func hasRole(o *store.Operator, role string) bool {
	return slices.ContainsFunc(o.Memberships, func(m store.OperatorMembership) bool { return m.Role == role })
}

// keepingOwners reads an operator and changes them with do, which begins again after a lost race. Where reduces says that
// the change takes away an owner, it is refused for the last one; but before that, whoever must not do it is refused by may.
func (s *Service) keepingOwners(ctx context.Context, id, done string, may func(context.Context, *store.Operator) error,
	do func(*store.Operator) error, reduces func(*store.Operator) bool,
) error {
	for range races {
		o, err := s.operator(ctx, id)
		if err != nil {
			return err
		}
		if may != nil {
			if err := may(ctx, o); err != nil {
				return err
			}
		}
		if owns(o) && reduces(o) {
			err = s.asOnlyOne(ctx, func(ctx context.Context) error {
				if err := s.another(ctx, o, done); err != nil {
					return err
				}
				return do(o)
			})
		} else {
			err = do(o)
		}
		if !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return errContended
}

// another refuses if there is no owner but o.
func (s *Service) another(ctx context.Context, o *store.Operator, done string) error {
	all, err := s.Store.Operators().List(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(other *store.Operator) bool { return other.ID != o.ID && owns(other) }) {
		return fault.Invalidf("User [%s] is the last owner of the organization and can not be %s.", o.Name, done)
	}
	return nil
}

// asOnlyOne runs something while nobody else on any replica takes away owners.
func (s *Service) asOnlyOne(ctx context.Context, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leases, holder := s.Store.Leases(), secret.NewID()
	for {
		// Twice the time that the work may take: whoever holds the lease has ended before it does.
		lease, won, err := leases.Acquire(limited, ownersLease, holder, 2*patience)
		if err != nil {
			return err
		}
		if won {
			defer func() { _ = leases.Release(context.WithoutCancel(ctx), lease) }() // it ends by itself
			return do(limited)
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-timer.C:
		case <-limited.Done():
			timer.Stop()
			return errContended
		}
	}
}

// mayManage refuses to act on an operator who has more rights anywhere than the caller has in the organization: whoever
// could set their password or make them a token would have those rights too. Everybody may act on themselves.
func (s *Service) mayManage(ctx context.Context, target *store.Operator) error {
	caller, ok := From(ctx)
	if !ok || caller.ID == target.ID {
		return nil
	}
	own, err := s.At(ctx, caller, Place{Organization: target.Organization})
	if err != nil || own[everything] {
		return err
	}
	roles, err := s.Store.OperatorMembers().RolesOf(ctx, target.ID)
	if err != nil {
		return err
	}
	for _, m := range target.Memberships {
		roles = append(roles, m.Role)
	}
	for _, id := range roles {
		theirs, err := s.permissionsOf(ctx, id)
		if err != nil {
			return err
		}
		if err := covered(own, theirs, "User ["+target.Name+"] has permissions that you do not have"); err != nil {
			return err
		}
	}
	return nil
}

// covered refuses permissions beyond one's own.
func covered(own, asked Permissions, why string) error {
	more := asked.beyond(own)
	if len(more) == 0 {
		return nil
	}
	const most = 5
	if len(more) > most {
		more = append(more[:most:most], "…")
	}
	return fault.Deniedf("%s: %s", why, strings.Join(more, ", "))
}
