package access

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// mountImpacts adds what a change of a group or of a policy makes of who can open which applications.
func (x *routes) mountImpacts() {
	const details = "Nothing is stored, and what would be refused is refused here, with paths below `proposed`. Needs user:read as well."
	x.mux.Handle("POST /domains/{domain}/groups/{group}/_impact", "group:read", x.impactOfGroup, operation.Operation{
		Summary: "Count whom a change of a group lets in and keeps out, application by application.", Details: details,
		Body: &managementv1.GroupImpactQuestion{}, Answer: &managementv1.AccessImpacts{},
	})
	x.mux.Handle("POST /domains/{domain}/policies/{policy}/_impact", "policy:read", x.impactOfPolicy, operation.Operation{
		Summary: "Count whom a change of a policy lets in and keeps out, application by application.", Details: details,
		Body: &managementv1.PolicyImpactQuestion{}, Answer: &managementv1.AccessImpacts{},
	})
}

func (x *routes) impactOfGroup(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.Allowed(r, readsPeople); err != nil {
		return err
	}
	var q managementv1.GroupImpactQuestion
	body, err := x.read(r, &q)
	if err != nil {
		return err
	}
	given, changes := body["proposed"].(prototree.Object)
	if changes == q.GetDeleted() {
		return fault.Invalidf("[proposed: either it or deleted must be given]").At("proposed", "either it or deleted must be given")
	}
	id := r.PathValue("group")
	if _, err := editor.Read(r.Context(), x.editor, catalog.Groups, x.place(r), id); err != nil {
		return err
	}
	now, err := x.look(r.Context(), r.PathValue("domain"))
	if err != nil {
		return err
	}
	var fresh *configv1.Group
	people := now.crowd
	if changes {
		if given["parents"] != nil {
			return fault.Invalidf("[parents: follows from other groups]").At("proposed.parents", "follows from other groups; ask about those that are to contain it")
		}
		if fresh, err = editor.Try(r.Context(), x.editor, catalog.Groups, x.place(r), id, given, "proposed"); err != nil {
			return err
		}
		if members, replaced := given["members"]; replaced {
			var said configv1.Group
			if err := prototree.Management.Decode(prototree.Object{"members": members}, &said); err != nil {
				return err // it has been read before
			}
			if people, err = now.with(r.Context(), id, said.GetMembers(), "proposed.members"); err != nil {
				return err
			}
		}
	}
	groups := slices.DeleteFunc(slices.Collect(maps.Values(now.tree.byID)), func(g *configv1.Group) bool { return g.GetId() == id })
	if fresh != nil {
		groups = append(groups, fresh)
	}
	then := now.as(newTree(groups), people)
	above := now.tree.above([]string{id})
	return x.impacts(w, r, now, then, func(a *configv1.Application) bool {
		return catalog.Bound(a, func(b *configv1.Binding) bool { return above[b.GetGroup()] })
	}, looksAtGroups)
}

func (x *routes) impactOfPolicy(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.Allowed(r, readsPeople); err != nil {
		return err
	}
	body, err := x.read(r, &managementv1.PolicyImpactQuestion{})
	if err != nil {
		return err
	}
	given, ok := body["proposed"].(prototree.Object)
	if !ok {
		return fault.Invalidf("[proposed: must not be null]").At("proposed", "must not be null")
	}
	id := r.PathValue("policy")
	fresh, err := editor.Try(r.Context(), x.editor, catalog.Policies, x.place(r), id, given, "proposed")
	if err != nil {
		return err
	}
	compiled, err := access.CompilePolicy(fresh)
	if err != nil {
		return err
	}
	now, err := x.look(r.Context(), r.PathValue("domain"))
	if err != nil {
		return err
	}
	then := now.as(now.tree, now.crowd)
	then.policies = maps.Clone(now.policies)
	then.policies[id] = compiled
	uses := func(a *configv1.Application) bool {
		return catalog.Bound(a, func(b *configv1.Binding) bool { return b.GetPolicy() == id })
	}
	return x.impacts(w, r, now, then, uses, nil)
}

// looksAtGroups reports whether a policy of a rule reads groups or what comes of them.
func looksAtGroups(rule *access.Rule) bool {
	for _, p := range rule.Policies() {
		for _, input := range p.Inputs() {
			switch input {
			case "user", "user.groups", "user.directGroups", "user.groupIds", "user.mergedAttributes":
				return true
			}
			if strings.HasPrefix(input, "entitlement") || strings.HasPrefix(input, "user.mergedAttributes.") {
				return true
			}
		}
	}
	return false
}

// impacts answers what becomes of who can open the applications that use something, or that may depend on it otherwise.
func (x *routes) impacts(w http.ResponseWriter, r *http.Request, now, then *world, uses func(*configv1.Application) bool, may func(*access.Rule) bool) error {
	ctx, cancel := within(r.Context(), 6*x.patience)
	defer cancel()
	out := &managementv1.AccessImpacts{}
	gained, lost := map[string]bool{}, map[string]bool{}
	for _, app := range now.applications("") {
		used := uses(app)
		rule := now.rule(app)
		if !used && (may == nil || !may(rule)) {
			continue
		}
		d, err := now.against(ctx, then, rule, then.rule(app), "", func(m *member, gains bool) {
			switch {
			case gains:
				gained[m.id] = true
			default:
				lost[m.id] = true
			}
		})
		if err != nil {
			return err
		}
		if !used && d.gained+d.lost == 0 {
			continue
		}
		out.Applications = append(out.Applications, &managementv1.ApplicationImpact{
			Id: app.GetId(), Name: app.GetName(), Before: d.before, After: d.after, Gained: d.gained, Lost: d.lost, Depends: d.depends,
			LostActive7D: d.lostActive, SampleGained: peopleOf(d.sampleGained), SampleLost: peopleOf(d.sampleLost),
		})
	}
	out.Gained, out.Lost = int64(len(gained)), int64(len(lost))
	if len(lost) > 0 {
		signedIn, err := now.signedIn(ctx)
		if err != nil {
			return err
		}
		for id := range lost {
			if m := now.crowd.find(id); m != nil && now.now.Sub(signedIn(m)) < activeWithin {
				out.LostActive7D++
			}
		}
	}
	slices.SortStableFunc(out.Applications, func(a, b *managementv1.ApplicationImpact) int {
		return strings.Compare(strings.ToLower(a.GetName()), strings.ToLower(b.GetName()))
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return x.answer(w, out)
}

// with returns the picture as it would be if these people, and nobody else, were members of a group. Somebody unknown is refused,
// by their place below a path. Who is in the group because a provider says so stays.
func (w *world) with(ctx context.Context, group string, ids []string, path string) (*crowd, error) {
	wanted := make(map[string]bool, len(ids))
	var f catalog.Faults
	for i, id := range ids {
		if w.crowd.find(id) == nil {
			f.Refuse(prototree.Index(path, i), "User ["+id+"] can not be found.")
		}
		wanted[id] = true
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	var leaving []string
	for _, m := range w.crowd.people {
		if slices.Contains(m.in.groups, group) && !wanted[m.id] {
			leaving = append(leaving, m.id)
		}
	}
	for part := range slices.Chunk(leaving, surveyed) {
		err := w.service.store.Users().Sketches(ctx, w.domain, part, func(s *store.Sketch) {
			if slices.Contains(asserted(s, w.crowd.providers), group) {
				wanted[s.ID] = true
			}
		})
		if err != nil {
			return nil, err
		}
	}
	then := *w.crowd
	then.people, then.known, then.since = make([]*member, len(w.crowd.people)), make(map[string]*member, len(w.crowd.people)), nil
	shared := map[string]*membership{}
	for i, m := range w.crowd.people {
		if slices.Contains(m.in.groups, group) != wanted[m.id] {
			moved := *m
			groups := slices.DeleteFunc(slices.Clone(m.in.groups), func(g string) bool { return g == group })
			if wanted[m.id] {
				groups = append(groups, group)
			}
			moved.in = share(shared, groups)
			m = &moved
		}
		then.people[i] = m
		then.known[m.id] = m
	}
	return &then, nil
}
