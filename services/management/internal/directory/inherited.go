package directory

import (
	"context"
	"slices"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Member is somebody in a group. Via are the identifiers of the groups through which they are: from the one in which they are
// directly to one that the group contains; empty for who is in the group itself.
type Member struct {
	User *directoryv1.User
	Via  []string
}

// AllMembers returns one page of those who are in a group or in one that it contains, in the order of their identifiers, and
// how many there are. Who is there in several ways is there once, in the shortest.
func (s *Service) AllMembers(ctx context.Context, domain, group string, page, size int) ([]Member, int64, error) {
	if _, err := s.group(ctx, domain, group); err != nil {
		return nil, 0, err
	}
	groups, err := s.allGroups(ctx, domain)
	if err != nil {
		return nil, 0, err
	}
	contains := map[string][]string{}
	for _, g := range groups {
		contains[g.GetId()] = g.GetGroups()
	}
	ways := waysFrom(contains, []string{group})
	through := map[string]string{} // the group of everybody that is nearest
	for _, id := range ways.order {
		users, _, err := s.store.Memberships().OfGroup(ctx, domain, id, 0, 0)
		if err != nil {
			return nil, 0, err
		}
		for _, user := range users {
			if _, there := through[user]; !there {
				through[user] = id
			}
		}
	}
	ids := make([]string, 0, len(through))
	for id := range through {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	total := int64(len(ids))
	from := min(int64(page)*int64(size), total)
	ids = ids[from:min(from+int64(size), total)]
	known, err := s.store.Users().Some(ctx, domain, ids)
	if err != nil {
		return nil, 0, err
	}
	members := make([]Member, 0, len(ids))
	for _, id := range ids {
		if u := known[id]; u != nil { // otherwise just deleted
			members = append(members, Member{User: u, Via: ways.back(through[id])})
		}
	}
	return members, total, nil
}

// Belonging is a group in which somebody is. Via are the identifiers of the groups through which they are, as with Member.
type Belonging struct {
	Group *configv1.Group
	Via   []string
}

// AllGroups returns the groups in which somebody is, directly or through others, by name.
func (s *Service) AllGroups(ctx context.Context, domain, user string) ([]Belonging, error) {
	u, err := s.Get(ctx, domain, user)
	if err != nil {
		return nil, err
	}
	direct, err := s.store.Memberships().OfUsers(ctx, domain, []string{user})
	if err != nil {
		return nil, err
	}
	_, joined, err := s.asserted(ctx, u)
	if err != nil {
		return nil, err
	}
	groups, err := s.allGroups(ctx, domain)
	if err != nil {
		return nil, err
	}
	byID, within := map[string]*configv1.Group{}, map[string][]string{}
	for _, g := range groups {
		byID[g.GetId()] = g
		for _, inner := range g.GetGroups() {
			within[inner] = append(within[inner], g.GetId())
		}
	}
	ways := waysFrom(within, slices.Concat(direct[user], joined))
	var found []Belonging
	for _, id := range ways.order {
		if g := byID[id]; g != nil {
			found = append(found, Belonging{Group: g, Via: ways.towards(id)})
		}
	}
	slices.SortStableFunc(found, func(a, b Belonging) int { return strings.Compare(a.Group.GetName(), b.Group.GetName()) })
	return found, nil
}

// ways are the shortest ways from some groups to all that they lead to, the nearest first.
type ways struct {
	order  []string
	before map[string]string
}

func waysFrom(next map[string][]string, from []string) ways {
	w := ways{before: map[string]string{}}
	for _, id := range from {
		if _, seen := w.before[id]; !seen {
			w.before[id] = ""
			w.order = append(w.order, id)
		}
	}
	for i := 0; i < len(w.order); i++ {
		for _, id := range next[w.order[i]] {
			if _, seen := w.before[id]; !seen {
				w.before[id] = w.order[i]
				w.order = append(w.order, id)
			}
		}
	}
	return w
}

// back returns the way back from a group to where the ways begin: the group itself where it is not the beginning, and
// without the beginning.
func (w ways) back(id string) []string {
	var way []string
	for ; w.before[id] != ""; id = w.before[id] {
		way = append(way, id)
	}
	return way
}

// towards returns the way from where the ways begin to a group, without the group.
func (w ways) towards(id string) []string {
	var way []string
	for id = w.before[id]; id != ""; id = w.before[id] {
		way = append(way, id)
	}
	slices.Reverse(way)
	return way
}

// allGroups returns the groups of a domain as they are stored. They must not be changed.
func (s *Service) allGroups(ctx context.Context, domain string) ([]*configv1.Group, error) {
	groups, _, err := store.List(ctx, s.store, catalog.Groups, store.Query{Domain: domain})
	return groups, err
}
