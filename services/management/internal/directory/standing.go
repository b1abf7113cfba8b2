package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Standing is what somebody's groups and roles come to: a group that contains one of theirs, at any depth, is theirs too,
// and so are the roles of all of these. Direct and own are the identifiers of the groups they are in and of the roles they
// were given; groups and roles are those of the domain, or at least those that matter. A group that contains itself, as
// two changes at once may leave it, does no harm.
func Standing(direct, own []string, groups []*configv1.Group, roles []*configv1.Role) *directoryv1.Standing {
	byID := make(map[string]*configv1.Group, len(groups))
	containers := map[string][]string{}
	for _, g := range groups {
		byID[g.GetId()] = g
		for _, inner := range g.GetGroups() {
			containers[inner] = append(containers[inner], g.GetId())
		}
	}
	mine := map[string]bool{}
	in := map[string]bool{}
	for _, id := range direct {
		in[id] = true
	}
	has := map[string]bool{}
	for _, id := range own {
		has[id] = true
	}
	standing := &directoryv1.Standing{}
	next := slices.Clone(direct)
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		g := byID[id]
		if mine[id] || g == nil {
			continue
		}
		mine[id] = true
		next = append(next, containers[id]...)
		standing.Groups = append(standing.Groups, &directoryv1.Standing_Group{Id: id, Name: g.GetName(), Direct: in[id]})
		for _, role := range g.GetRoles() {
			has[role] = true
		}
	}
	for _, r := range roles {
		if has[r.GetId()] {
			standing.Roles = append(standing.Roles, &directoryv1.Standing_Role{Id: r.GetId(), Name: r.GetName()})
			standing.Scopes = append(standing.Scopes, r.GetOauthScopes()...)
		}
	}
	slices.SortFunc(standing.Groups, func(a, b *directoryv1.Standing_Group) int { return strings.Compare(a.GetName(), b.GetName()) })
	standing.Attributes = attributesOf(standing.GetGroups(), byID)
	slices.SortFunc(standing.Roles, func(a, b *directoryv1.Standing_Role) int { return strings.Compare(a.GetName(), b.GetName()) })
	slices.Sort(standing.Scopes)
	standing.Scopes = slices.Compact(standing.Scopes)
	return standing
}

// attributesOf merges the attributes of groups in the order of their names; nil where there are none.
func attributesOf(groups []*directoryv1.Standing_Group, byID map[string]*configv1.Group) *structpb.Struct {
	var merged map[string]any
	for _, g := range groups {
		if own := byID[g.GetId()].GetAttributes(); len(own.GetFields()) > 0 {
			merged = access.Merge(merged, own.AsMap())
		}
	}
	if merged == nil {
		return nil
	}
	s, err := structpb.NewStruct(merged)
	if err != nil {
		return nil // what was JSON stays JSON
	}
	return s
}

// standing returns what somebody's groups and roles come to. Most people have neither, which costs one question.
func (s *Service) standing(ctx context.Context, u *directoryv1.User) (*directoryv1.Standing, error) {
	direct, err := s.store.Memberships().OfUsers(ctx, u.GetDomain(), []string{u.GetId()})
	if err != nil {
		return nil, err
	}
	given, joined, err := s.asserted(ctx, u)
	if err != nil {
		return nil, err
	}
	mine := slices.Concat(direct[u.GetId()], joined)
	own := slices.Concat(u.GetRoles(), given)
	if len(mine) == 0 && len(own) == 0 {
		return &directoryv1.Standing{}, nil
	}
	if groups, roles, ok := s.pictured(u.GetDomain(), mine); ok {
		return withOwn(u, Standing(mine, own, groups, roles)), nil
	}
	groups, err := s.around(ctx, u.GetDomain(), mine)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, id := range own {
		wanted[id] = true
	}
	for _, g := range groups {
		for _, id := range g.GetRoles() {
			wanted[id] = true
		}
	}
	var roles []*configv1.Role
	if len(wanted) > 0 {
		ids := make([]any, 0, len(wanted))
		for id := range wanted {
			ids = append(ids, id)
		}
		q := store.Query{Domain: u.GetDomain(), Where: map[string][]any{"_id": ids}}
		if roles, _, err = store.List(ctx, s.store, catalog.Roles, q); err != nil {
			return nil, err
		}
	}
	return withOwn(u, Standing(mine, own, groups, roles)), nil
}

// imageAge is how long the image may have made no progress to be good enough for memberships: what somebody was put into, or
// taken out of, counts within a second.
const imageAge = time.Second

// pictured returns the groups and roles of a domain from memory. It has none while the image is behind, or does not know one
// of the groups that somebody is in: that one was made a moment ago, and what contains it is not known either.
func (s *Service) pictured(domain string, direct []string) ([]*configv1.Group, []*configv1.Role, bool) {
	if s.image == nil || !s.image.Current(imageAge) {
		return nil, nil, false
	}
	v, loaded := s.image.View()
	if !loaded {
		return nil, nil, false
	}
	q := image.Query{Domain: domain}
	groups, _ := image.List(v, catalog.Groups, q)
	known := make(map[string]bool, len(groups))
	for _, g := range groups {
		known[g.GetId()] = true
	}
	for _, id := range direct {
		if !known[id] {
			return nil, nil, false
		}
	}
	roles, _ := image.List(v, catalog.Roles, q)
	return groups, roles, true
}

// withOwn puts somebody's own attributes over those of their groups.
func withOwn(u *directoryv1.User, standing *directoryv1.Standing) *directoryv1.Standing {
	if standing.GetAttributes() == nil || len(u.GetAdditionalInformation().GetFields()) == 0 {
		return standing
	}
	merged := access.Merge(standing.GetAttributes().AsMap(), u.GetAdditionalInformation().AsMap())
	if s, err := structpb.NewStruct(merged); err == nil {
		standing.Attributes = s
	}
	return standing
}

// around returns groups and those that contain them at any depth, one question for each level.
func (s *Service) around(ctx context.Context, domain string, ids []string) ([]*configv1.Group, error) {
	all, err := s.groupsWith(ctx, domain, "_id", ids)
	seen := map[string]bool{}
	level := all
	for err == nil && len(level) > 0 {
		var names []string
		for _, g := range level {
			seen[g.GetId()] = true
			names = append(names, g.GetId())
		}
		if level, err = s.groupsWith(ctx, domain, "groups", names); err != nil {
			break
		}
		level = slices.DeleteFunc(level, func(g *configv1.Group) bool { return seen[g.GetId()] })
		all = append(all, level...)
	}
	return all, err
}
