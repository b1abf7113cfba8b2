package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// What is done to the members of groups.
const (
	actionAddMembers    = "add_members"
	actionRemoveMembers = "remove_members"
)

// group returns a group of a domain.
func (s *Service) group(ctx context.Context, domain, id string) (*configv1.Group, error) {
	g, err := store.Get(ctx, s.store, catalog.Groups, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && g.GetDomain() != domain {
		return nil, catalog.Groups.NotFound(id)
	}
	return g, err
}

// Members returns one page of those who are directly in a group, in the order of their identifiers, and how many there
// are.
func (s *Service) Members(ctx context.Context, domain, group string, page, size int) ([]*directoryv1.User, int64, error) {
	if _, err := s.group(ctx, domain, group); err != nil {
		return nil, 0, err
	}
	ids, total, err := s.store.Memberships().OfGroup(ctx, domain, group, page, size)
	if err != nil {
		return nil, 0, err
	}
	known, err := s.store.Users().Some(ctx, domain, ids)
	if err != nil {
		return nil, 0, err
	}
	users := make([]*directoryv1.User, 0, len(ids))
	for _, id := range ids {
		if u := known[id]; u != nil { // otherwise just deleted
			users = append(users, u)
		}
	}
	return users, total, nil
}

// AddMember puts somebody into a group. To be in it already is fine.
func (s *Service) AddMember(ctx context.Context, domain, group, user string) error {
	g, err := s.group(ctx, domain, group)
	if err != nil {
		return err
	}
	if _, err := s.Get(ctx, domain, user); err != nil {
		return err
	}
	return s.join(ctx, g, []string{user})
}

// RemoveMember takes somebody out of a group. Not to be in it is fine.
func (s *Service) RemoveMember(ctx context.Context, domain, group, user string) error {
	g, err := s.group(ctx, domain, group)
	if err != nil {
		return err
	}
	if _, err := s.Get(ctx, domain, user); err != nil {
		return err
	}
	return s.leave(ctx, g, []string{user})
}

// CheckMembers implements rest.GroupMembers.
func (s *Service) CheckMembers(ctx context.Context, domain string, users []string) error {
	known, err := s.store.Users().Some(ctx, domain, users)
	if err != nil {
		return err
	}
	for i, id := range users {
		if known[id] == nil {
			text := fmt.Sprintf("User [%s] can not be found.", id)
			return fault.Invalidf("%s", text).At(fmt.Sprintf("members[%d]", i), text)
		}
	}
	return nil
}

// SetMembers implements rest.GroupMembers.
func (s *Service) SetMembers(ctx context.Context, domain, group string, users []string) error {
	g, err := s.group(ctx, domain, group)
	if err != nil {
		return err
	}
	present, _, err := s.store.Memberships().OfGroup(ctx, domain, group, 0, 0)
	if err != nil {
		return err
	}
	if err := s.join(ctx, g, without(users, present)); err != nil {
		return err
	}
	return s.leave(ctx, g, without(present, users))
}

// without returns what is in a list and not in others, once.
func without(list, others []string) []string {
	skip := make(map[string]bool, len(others))
	for _, v := range others {
		skip[v] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool {
		again := skip[v]
		skip[v] = true
		return again
	})
}

// join adds members who were there a moment ago. It looks for group and people again afterwards and so leaves no gap:
// whoever deletes one of them from now on finds the membership.
func (s *Service) join(ctx context.Context, g *configv1.Group, users []string) error {
	memberships := s.store.Memberships()
	added, err := memberships.Add(ctx, g.GetDomain(), g.GetId(), users)
	if len(added) > 0 {
		s.recordMembers(ctx, actionAddMembers, g, added)
	}
	if err != nil {
		return err
	}
	if _, err := s.group(ctx, g.GetDomain(), g.GetId()); fault.Is(err, fault.NotFound) {
		return errors.Join(err, memberships.RemoveGroup(ctx, g.GetDomain(), g.GetId()))
	} else if err != nil {
		return err
	}
	known, err := s.store.Users().Some(ctx, g.GetDomain(), added)
	if err != nil {
		return err
	}
	for _, user := range added {
		if known[user] == nil {
			return errors.Join(userNotFound(user), memberships.RemoveUser(ctx, g.GetDomain(), user))
		}
	}
	return nil
}

func (s *Service) leave(ctx context.Context, g *configv1.Group, users []string) error {
	removed, err := s.store.Memberships().Remove(ctx, g.GetDomain(), g.GetId(), users)
	if removed > 0 {
		s.recordMembers(ctx, actionRemoveMembers, g, users)
	}
	return err
}

// maxRecorded is how many members one audit record names.
const maxRecorded = 1000

// recordMembers notes who came or went.
func (s *Service) recordMembers(ctx context.Context, action string, g *configv1.Group, users []string) {
	if s.recorder == nil {
		return
	}
	for part := range slices.Chunk(users, maxRecorded) {
		named := make([]any, len(part))
		for i, user := range part {
			named[i] = user
		}
		e := audit.Event{Action: action, Key: resource.KeyOf(g), Name: g.GetName(), Revision: g.GetRevision(), At: s.now()}
		if tree := (prototree.Object{"members": named}); action == actionAddMembers {
			e.After = tree
		} else {
			e.Before = tree
		}
		s.recorder.Record(context.WithoutCancel(ctx), e)
	}
}

// groupsWith returns the groups in whose document a member has one of some values.
func (s *Service) groupsWith(ctx context.Context, domain, member string, values []string) ([]*configv1.Group, error) {
	if len(values) == 0 {
		return nil, nil
	}
	wanted := make([]any, len(values))
	for i, v := range values {
		wanted[i] = v
	}
	groups, _, err := store.List(ctx, s.store, catalog.Groups, store.Query{Domain: domain, Where: map[string][]any{member: wanted}})
	return groups, err
}
