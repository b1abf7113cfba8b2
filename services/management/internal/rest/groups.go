package rest

import (
	"context"
	"net/http"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
)

// GroupMembers keeps who is in groups; *directory.Service does.
type GroupMembers interface {
	// CheckMembers refuses a list in which somebody stands who is not in the domain, by path.
	CheckMembers(ctx context.Context, domain string, users []string) error
	// SetMembers makes these people, and nobody else, members of a group.
	SetMembers(ctx context.Context, domain, group string, users []string) error
}

// mountGroups adds groups. `members` in a body replaces who is in the group.
func mountGroups(m *Mux) {
	Mount(m, catalog.Groups, Special{Beside: m.besideGroup, Named: only("id", "name", "description"), Derived: parents})
}

// parents adds to groups which others contain them.
func parents(m *Mux, r *http.Request) (func(resource.Resource, prototree.Object) error, error) {
	outer, err := m.containers(r)
	if err != nil {
		return nil, err
	}
	return func(one resource.Resource, whole prototree.Object) error {
		whole[memberParents] = outer(one.GetId())
		return nil
	}, nil
}

const memberParents = "parents"

// containers returns what finds the groups that contain a group directly, by their names.
func (m *Mux) containers(r *http.Request) (func(id string) []string, error) {
	groups, _, err := editor.ReadAll(r.Context(), m.api.Editor, catalog.Groups, placeOf(r), image.Query{})
	if err != nil {
		return nil, err
	}
	outer := map[string][]string{}
	for _, g := range groups {
		for _, inner := range g.GetGroups() {
			outer[inner] = append(outer[inner], g.GetId())
		}
	}
	return func(id string) []string { return append([]string{}, outer[id]...) }, nil
}

// besideGroup looks at what a body says of a group and the group does not hold: its members, and where it is contained.
func (m *Mux) besideGroup(r *http.Request, body prototree.Object) (func(context.Context, string) error, error) {
	if err := m.sameParents(r, body); err != nil {
		return nil, err
	}
	return m.groupMembers(r, body)
}

// sameParents refuses a body that wants the group to be contained elsewhere than it is: a body that was read may come back.
func (m *Mux) sameParents(r *http.Request, body prototree.Object) error {
	given, ok := body[memberParents]
	if !ok || given == nil {
		return nil
	}
	var asked configv1.Group
	if err := prototree.Management.Decode(prototree.Object{memberParents: given}, &asked); err != nil {
		return catalog.TreeError(err)
	}
	outer, err := m.containers(r)
	if err != nil {
		return err
	}
	now, then := outer(r.PathValue(catalog.Groups.Arm)), slices.Clone(asked.GetParents())
	slices.Sort(now)
	slices.Sort(then)
	if slices.Equal(now, slices.Compact(then)) {
		return nil
	}
	return constraint(memberParents, "", "follows from other groups: add this group to `groups` of those that are to contain it")
}

func (m *Mux) groupMembers(r *http.Request, body prototree.Object) (func(context.Context, string) error, error) {
	given, ok := body["members"]
	if !ok {
		return nil, nil
	}
	var group configv1.Group
	if err := prototree.Management.Decode(prototree.Object{"members": given}, &group); err != nil {
		return nil, catalog.TreeError(err)
	}
	members, users, domain := m.api.Members, group.GetMembers(), r.PathValue("domain")
	if members == nil {
		return nil, fault.Unavailablef("Members of groups are not kept here")
	}
	if err := members.CheckMembers(r.Context(), domain, users); err != nil {
		return nil, err
	}
	return func(ctx context.Context, id string) error {
		// The group is written already: what belongs to it follows, whether or not the caller still waits.
		return members.SetMembers(context.WithoutCancel(ctx), domain, id, users)
	}, nil
}
