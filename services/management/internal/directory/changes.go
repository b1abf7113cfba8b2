package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Patch merges a body in the management dialect into a person (RFC 7396). IfMatch is the revision the caller has seen; 0
// means any.
func (s *Service) Patch(ctx context.Context, domain, id string, body prototree.Object, ifMatch int64) (*directoryv1.User, error) {
	// A null for an unknown member would vanish in the merge.
	if err := prototree.Management.Decode(body, &directoryv1.User{}); isUnknown(err) {
		return nil, catalog.TreeError(err)
	}
	return s.change(ctx, domain, id, ifMatch, actionUpdate, func(old *directoryv1.User) (*directoryv1.User, error) {
		tree, err := prototree.Management.Encode(old)
		if err != nil {
			return nil, err
		}
		fresh := new(directoryv1.User)
		if err := prototree.Management.Decode(mergepatch.Merge(tree, body), fresh); err != nil {
			return nil, catalog.TreeError(err)
		}
		return updated(old, fresh)
	})
}

func isUnknown(err error) bool {
	var e *prototree.Error
	return errors.As(err, &e) && e.Reason == prototree.Unknown
}

// SetEnabled lets somebody sign in, or keeps them from it.
func (s *Service) SetEnabled(ctx context.Context, domain, id string, on bool, ifMatch int64) (*directoryv1.User, error) {
	return s.change(ctx, domain, id, ifMatch, actionUpdate, func(old *directoryv1.User) (*directoryv1.User, error) {
		next := proto.CloneOf(old)
		next.Enabled = proto.Bool(on)
		return next, nil
	})
}

// Rename gives somebody another user name.
func (s *Service) Rename(ctx context.Context, domain, id, name string, ifMatch int64) (*directoryv1.User, error) {
	name = strings.TrimSpace(name)
	if err := required("username", name); err != nil {
		return nil, err
	}
	return s.change(ctx, domain, id, ifMatch, actionRename, func(old *directoryv1.User) (*directoryv1.User, error) {
		next := proto.CloneOf(old)
		next.Username = name
		return next, checkUser(old, next)
	})
}

// Lock keeps somebody from signing in until they are unlocked. Who is signed in is so no longer than until their tokens are
// looked at again. It may be repeated.
func (s *Service) Lock(ctx context.Context, domain, id string, ifMatch int64) error {
	return s.toggle(ctx, domain, id, ifMatch, actionLock, func(u *directoryv1.User) bool {
		if locked(u, s.now()) && u.GetAccountLockedUntil() == nil {
			return false
		}
		u.AccountLockedAt, u.AccountLockedUntil = s.stamp(), nil
		return true
	})
}

// Unlock lets somebody sign in again who was locked out. It may be repeated.
func (s *Service) Unlock(ctx context.Context, domain, id string, ifMatch int64) error {
	return s.toggle(ctx, domain, id, ifMatch, actionUnlock, func(u *directoryv1.User) bool {
		if u.GetAccountLockedAt() == nil {
			return false
		}
		u.AccountLockedAt, u.AccountLockedUntil = nil, nil
		return true
	})
}

// errNothingToDo ends a change that would change nothing.
var errNothingToDo = errors.New("nothing to do")

// toggle changes somebody unless edit reports that there is nothing to change.
func (s *Service) toggle(ctx context.Context, domain, id string, ifMatch int64, action string, edit func(*directoryv1.User) bool) error {
	_, err := s.change(ctx, domain, id, ifMatch, action, func(old *directoryv1.User) (*directoryv1.User, error) {
		next := proto.CloneOf(old)
		if !edit(next) {
			return nil, errNothingToDo
		}
		return next, nil
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

// maxRoles bounds the roles that one person is given.
const maxRoles = 1000

// Roles returns the roles that somebody was given, by name. Those of their groups are not among them.
func (s *Service) Roles(ctx context.Context, domain, id string) ([]*configv1.Role, error) {
	user, err := s.Get(ctx, domain, id)
	if err != nil {
		return nil, err
	}
	return s.roles(ctx, domain, user.GetRoles())
}

// roles returns the roles of a domain that have one of some identifiers, by name.
func (s *Service) roles(ctx context.Context, domain string, ids []string) ([]*configv1.Role, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	wanted := make([]any, len(ids))
	for i, id := range ids {
		wanted[i] = id
	}
	roles, _, err := store.List(ctx, s.store, catalog.Roles, store.Query{Domain: domain, Where: map[string][]any{"_id": wanted}})
	slices.SortFunc(roles, func(a, b *configv1.Role) int { return strings.Compare(a.GetName(), b.GetName()) })
	return roles, err
}

// GiveRoles adds roles to those that somebody has.
func (s *Service) GiveRoles(ctx context.Context, domain, id string, roles []string, ifMatch int64) (*directoryv1.User, error) {
	if _, err := s.Get(ctx, domain, id); err != nil {
		return nil, err
	}
	if len(roles) > maxRoles {
		return nil, fault.Invalidf("[roles: size must be at most %d]", maxRoles).At("roles", "too many")
	}
	known := map[string]bool{}
	found, err := s.roles(ctx, domain, roles)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		known[r.GetId()] = true
	}
	for i, role := range roles {
		if !known[role] {
			text := fmt.Sprintf("Role [%s] can not be found.", role)
			return nil, fault.Invalidf("%s", text).At(fmt.Sprintf("[%d]", i), text)
		}
	}
	user, err := s.change(ctx, domain, id, ifMatch, actionGiveRoles, func(old *directoryv1.User) (*directoryv1.User, error) {
		next := proto.CloneOf(old)
		next.Roles = append(next.GetRoles(), without(roles, old.GetRoles())...)
		if len(next.GetRoles()) > maxRoles {
			return nil, fault.Invalidf("[roles: size must be at most %d]", maxRoles).At("roles", "too many")
		}
		return next, nil
	})
	if err != nil {
		return nil, err
	}
	// Whoever deletes a role from now on finds it here; one that was deleted in between is taken away again.
	left, err := s.roles(ctx, domain, roles)
	if err != nil || len(left) == len(known) {
		return user, err
	}
	for _, r := range left {
		delete(known, r.GetId())
	}
	for role := range known {
		if err := s.store.Users().RemoveRole(ctx, domain, role); err != nil {
			return nil, err
		}
	}
	return s.Get(ctx, domain, id)
}

// TakeRole takes a role from somebody. A role that they do not have is fault.NotFound.
func (s *Service) TakeRole(ctx context.Context, domain, id, role string, ifMatch int64) error {
	_, err := s.change(ctx, domain, id, ifMatch, actionTakeRole, func(old *directoryv1.User) (*directoryv1.User, error) {
		if !slices.Contains(old.GetRoles(), role) {
			return nil, catalog.Roles.NotFound(role)
		}
		next := proto.CloneOf(old)
		next.Roles = without(old.GetRoles(), []string{role})
		return next, nil
	})
	return err
}
