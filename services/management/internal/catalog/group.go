package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Groups are people of a domain who are treated alike. Who is in one is kept in the directory, not here.
var Groups = &Kind[*configv1.Group]{
	Arm:      "group",
	Title:    "Group",
	Path:     "groups",
	Parent:   Domains,
	List:     Paged,
	Needs:    NeedsRoles | NeedsGroups,
	Name:     (*configv1.Group).GetName,
	Searched: func(g *configv1.Group) []string { return []string{g.GetName(), g.GetDescription()} },
	Unique: []Unique[*configv1.Group]{{
		Name:  "name",
		Value: func(g *configv1.Group) string { return DomainKey(g.GetDomain(), g.GetName()) },
		Taken: func(_, g *configv1.Group) error {
			return exists("group", g.GetName()).At("name", "already exists")
		},
	}},
	Normalize: func(_ context.Context, _ *Scene, _, g *configv1.Group) error {
		g.Name = tidy(g.GetName())
		g.Roles, g.Groups = distinct(g.GetRoles()), distinct(g.GetGroups())
		g.Members = nil
		return nil
	},
	Validate: validateGroup,
	References: []Reference[*configv1.Group]{{
		Kind:  "identity_provider",
		Field: "groupMapper",
		Value: (*configv1.Group).GetId,
		In: func(from resource.Resource, gone *configv1.Group) bool {
			_, named := from.(*configv1.IdentityProvider).GetGroupMapper()[gone.GetId()]
			return named
		},
		Remove: func(from resource.Resource, gone *configv1.Group) {
			delete(from.(*configv1.IdentityProvider).GetGroupMapper(), gone.GetId())
		},
	}, {
		Kind: "application",
		In: func(from resource.Resource, gone *configv1.Group) bool {
			return Bound(from.(*configv1.Application), func(b *configv1.Binding) bool { return b.GetGroup() == gone.GetId() && !b.GetOrphaned() })
		},
		Remove: func(from resource.Resource, gone *configv1.Group) {
			Orphan(from.(*configv1.Application), func(b *configv1.Binding) bool { return b.GetGroup() == gone.GetId() })
		},
	}, {
		Kind:  "group",
		Field: "groups",
		Value: (*configv1.Group).GetId,
		Remove: func(from resource.Resource, gone *configv1.Group) {
			g := from.(*configv1.Group)
			g.Groups = slices.DeleteFunc(g.GetGroups(), func(id string) bool { return id == gone.GetId() })
		},
	}},
}

func validateGroup(s *Scene, old, g *configv1.Group) error {
	if err := named(g.GetName(), g.GetDescription()); err != nil {
		return err
	}
	roles := make(map[string]bool, len(s.Roles))
	for _, r := range s.Roles {
		roles[r.GetId()] = true
	}
	for i, id := range g.GetRoles() {
		if !roles[id] && !slices.Contains(old.GetRoles(), id) {
			return dangling(fmt.Sprintf("roles[%d]", i), "Role", id)
		}
	}
	var f Faults
	CheckAttributes(&f, "attributes", g.GetAttributes())
	if err := f.Err(); err != nil {
		return err
	}
	contains := make(map[string][]string, len(s.Groups))
	for _, other := range s.Groups {
		contains[other.GetId()] = other.GetGroups()
	}
	added := false
	for i, id := range g.GetGroups() {
		if slices.Contains(old.GetGroups(), id) {
			continue // what somebody else made wrong meanwhile keeps nobody from changing the rest
		}
		path := fmt.Sprintf("groups[%d]", i)
		if _, known := contains[id]; !known && id != g.GetId() {
			return dangling(path, "Group", id)
		}
		if chain := reaches(contains, id, g.GetId()); chain != nil {
			return fault.Invalidf("Group [%s] can not contain itself.", g.GetName()).
				At(path, "is the group itself or contains it: "+chainOf(s.Groups, g, append([]string{g.GetId()}, chain...)))
		}
		added = true
	}
	if added {
		return checkDepth(s.Groups, g)
	}
	return nil
}

// maxDepth is how many groups may contain one another in a row.
const maxDepth = 16

// checkDepth refuses a group with which more groups contain one another in a row than anybody can follow.
func checkDepth(groups []*configv1.Group, g *configv1.Group) error {
	inner, outer := map[string][]string{}, map[string][]string{}
	for _, one := range groups {
		list := one.GetGroups()
		if one.GetId() == g.GetId() {
			list = nil
		}
		inner[one.GetId()] = list
		for _, id := range list {
			outer[id] = append(outer[id], one.GetId())
		}
	}
	inner[g.GetId()] = g.GetGroups()
	down, up := longest(inner, g.GetId()), longest(outer, g.GetId())
	if n := len(down) + len(up) - 1; n > maxDepth {
		slices.Reverse(up)
		return fault.Invalidf("Groups can contain one another %d deep, and these would be %d deep.", maxDepth, n).
			At("groups", chainOf(groups, g, append(up, down[1:]...)))
	}
	return nil
}

// longest returns the longest way that leads on from an identifier, itself included.
func longest(next map[string][]string, from string) []string {
	known := map[string][]string{}
	var walk func(id string) []string
	walk = func(id string) []string {
		if way, seen := known[id]; seen {
			return way
		}
		known[id] = nil // a circle ends here
		var best []string
		for _, n := range next[id] {
			if way := walk(n); len(way) > len(best) {
				best = way
			}
		}
		known[id] = append([]string{id}, best...)
		return known[id]
	}
	return walk(from)
}

// chainOf names groups, the outer before the inner.
func chainOf(groups []*configv1.Group, g *configv1.Group, ids []string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id
		if id == g.GetId() && g.GetName() != "" {
			names[i] = g.GetName()
			continue
		}
		for _, one := range groups {
			if one.GetId() == id {
				names[i] = one.GetName()
			}
		}
	}
	return strings.Join(names, " > ")
}

// reaches returns the shortest way by which one group is another or contains it at any depth, both included; nil if there is
// none.
func reaches(contains map[string][]string, from, to string) []string {
	before := map[string]string{from: ""}
	next := []string{from}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if id == to {
			var way []string
			for ; id != ""; id = before[id] {
				way = append(way, id)
			}
			slices.Reverse(way)
			return way
		}
		for _, inner := range contains[id] {
			if _, seen := before[inner]; !seen {
				before[inner] = id
				next = append(next, inner)
			}
		}
	}
	return nil
}

// Limits of names, and of descriptions of groups and roles, in bytes.
const (
	maxName             = 255
	maxGroupDescription = 2048
)

// named refuses names and descriptions that nobody could use.
func named(name, description string) error {
	if err := required("name", name); err != nil {
		return err
	}
	for _, m := range []struct {
		path, value string
		most        int
	}{{"name", name, maxName}, {"description", description, maxGroupDescription}} {
		if len(m.value) > m.most {
			return broken(m.path, "", fmt.Sprintf("size must be at most %d", m.most))
		}
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return broken("name", "", "must not contain control characters")
	}
	return nil
}

// renamed refuses a name that nobody could use. One that was there before may stay.
func renamed(old, name string) error {
	if name == old {
		return required("name", name)
	}
	return named(name, "")
}

// tidy takes the space around a name off.
func tidy(name string) string { return strings.TrimSpace(name) }

// distinct returns a list without what stood in it before; nil for an empty one.
func distinct(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
}
