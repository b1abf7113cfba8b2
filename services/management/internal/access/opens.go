package access

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// opens answers what a person can open.
func (x *routes) opens(w http.ResponseWriter, r *http.Request) error {
	page, size, q, err := x.mux.Page(r, maxPage)
	if err != nil {
		return err
	}
	want, err := wanted(r)
	if err != nil {
		return err
	}
	world, err := x.look(r.Context(), r.PathValue("domain"))
	if err != nil {
		return err
	}
	unknown := fault.NotFoundf("User [%s] can not be found.", r.PathValue("user"))
	m := world.crowd.find(r.PathValue("user"))
	if m == nil {
		return unknown
	}
	p, err := world.whole(r.Context(), m)
	if errors.Is(err, store.ErrNotFound) {
		return unknown
	} else if err != nil {
		return err
	}
	type hit struct {
		app *configv1.Application
		is  access.Standing
	}
	var hits []hit
	for _, app := range world.applications(q) {
		is := access.No
		if m.enabled {
			is = world.rule(app).Standing(r.Context(), p, world.now)
		}
		if want(is) {
			hits = append(hits, hit{app, is})
		}
	}
	world.dates(w, world.apps...)
	entry := func(i int) *managementv1.AccessApplication {
		h := hits[i]
		t := world.rule(h.app).Trace(r.Context(), p, &access.Situation{Time: world.now})
		e := world.described(h.app)
		e.Verdict, e.Depends, e.Open, e.Entitlements, e.Because = string(h.is), t.Depends, t.Open, t.Entitlements, world.reasons(t, h.is)
		if h.is == access.No {
			e.ShownBecause = append(e.ShownBecause, access.Denied.String())
		}
		e.Shown = len(e.ShownBecause) == 0
		return e
	}
	return x.openings(w, r, page, size, len(hits), entry)
}

// openings answers one page of applications that somebody can open, or all of them as CSV.
func (x *routes) openings(w http.ResponseWriter, r *http.Request, page, size, count int, entry func(i int) *managementv1.AccessApplication) error {
	if wantsCSV(r) {
		return openings(w, count, entry)
	}
	var data []prototree.Object
	from := min(int64(page)*int64(size), int64(count))
	for i := from; i < min(from+int64(size), int64(count)); i++ {
		tree, err := prototree.Management.Encode(entry(int(i)))
		if err != nil {
			return err
		}
		data = append(data, tree)
	}
	return x.mux.List(w, page, int64(count), data)
}

// applications are those of the domain that people can use, by name, as far as a search finds them.
func (w *world) applications(q string) []*configv1.Application {
	search := words(q)
	var list []*configv1.Application
	for _, app := range w.apps {
		one := member{username: app.GetSlug(), name: app.GetName(), id: app.GetId()}
		if usable(app) && one.finds(search) {
			list = append(list, app)
		}
	}
	return list
}

// usable reports whether people can use an application, as far as that does not depend on them.
func usable(app *configv1.Application) bool {
	return !catalog.IsProvider(app) && !app.GetTemplate() && (app.Enabled == nil || app.GetEnabled())
}

func (w *world) described(app *configv1.Application) *managementv1.AccessApplication {
	return &managementv1.AccessApplication{
		Id: app.GetId(), Name: app.GetName(), Slug: app.GetSlug(), Revision: app.GetRevision(),
		ShownBecause: slices.Clone(catalog.VisibilityOf(app).GetBecause()),
	}
}

// grants answers what membership of a group opens.
func (x *routes) grants(w http.ResponseWriter, r *http.Request) error {
	page, size, q, err := x.mux.Page(r, maxPage)
	if err != nil {
		return err
	}
	world, err := x.look(r.Context(), r.PathValue("domain"))
	if err != nil {
		return err
	}
	group := r.PathValue("group")
	if world.tree.byID[group] == nil {
		return catalog.Groups.NotFound(group)
	}
	above := world.tree.above([]string{group})
	var found []*managementv1.AccessApplication
	for _, app := range world.applications(q) {
		e := world.described(app)
		for _, b := range app.GetBindings() {
			if world.opensBy(b, above) {
				way := world.tree.way([]string{group}, b.GetGroup())
				e.Because = append(e.Because, &managementv1.AccessReason{
					Binding: b.GetId(), Name: b.GetName(), Group: b.GetGroup(), Via: way, ViaNames: world.named(way),
				})
			}
		}
		for _, one := range app.GetEntitlements() {
			if slices.ContainsFunc(one.GetBindings(), func(b *configv1.Binding) bool { return world.opensBy(b, above) }) {
				e.Entitlements = append(e.Entitlements, one.GetName())
			}
		}
		if len(e.Because)+len(e.Entitlements) == 0 {
			continue
		}
		slices.SortFunc(e.Entitlements, strings.Compare)
		rule := world.rule(app)
		in := &membership{groups: []string{group}}
		p := world.person(&member{id: "\x00", in: in}) // somebody who is in this group and nothing else
		e.Open, e.Verdict = rule.Open(), string(rule.Standing(r.Context(), p, world.now))
		e.Shown = len(e.ShownBecause) == 0
		found = append(found, e)
	}
	world.dates(w, world.apps...)
	return x.openings(w, r, page, size, len(found), func(i int) *managementv1.AccessApplication { return found[i] })
}

// opensBy reports whether a binding lets in whoever is in one of some groups.
func (w *world) opensBy(b *configv1.Binding, groups map[string]bool) bool {
	return groups[b.GetGroup()] && b.GetEffect() != configv1.Binding_DENY && !b.GetNegate() && !b.GetReportOnly() && !b.GetOrphaned() &&
		(b.Enabled == nil || b.GetEnabled()) && (b.GetExpiresAt() == nil || b.GetExpiresAt().AsTime().After(w.now))
}

// test answers what a policy comes to for a person and a moment.
func (x *routes) test(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.Allowed(r, readsPeople); err != nil {
		return err
	}
	var c managementv1.PolicyTest
	body, err := x.read(r, &c)
	if err != nil {
		return err
	}
	world, err := x.look(r.Context(), r.PathValue("domain"))
	if err != nil {
		return err
	}
	var f catalog.Faults
	policy := world.policies[c.GetPolicy()]
	switch {
	case c.GetPolicy() != "" && policy == nil:
		f.Refuse("policy", "Policy ["+c.GetPolicy()+"] can not be found, or can not be used.")
	case c.GetPolicy() == "":
		var pb configv1.Policy
		own := prototree.Object{}
		for _, name := range []string{"type", "configuration"} {
			if v, ok := body[name]; ok {
				own[name] = v
			}
		}
		err := prototree.Management.Decode(own, &pb)
		if err == nil {
			policy, err = access.CompilePolicy(&pb)
		}
		if err != nil {
			if err := f.Take("", err); err != nil {
				return err
			}
		}
	}
	s := world.situation(&f, "context", c.GetContext(), body["context"])
	p, _, err := world.somebody(r.Context(), &f, c.GetUser(), c.GetGroups())
	if err != nil {
		return err
	}
	app := &configv1.Application{Domain: r.PathValue("domain")}
	if id := c.GetApplication(); id != "" {
		i := slices.IndexFunc(world.apps, func(a *configv1.Application) bool { return a.GetId() == id })
		if i < 0 {
			f.Refuse("application", "Application ["+id+"] can not be found.")
		} else {
			app = &configv1.Application{
				Id: id, Domain: app.GetDomain(), Name: world.apps[i].GetName(), Slug: world.apps[i].GetSlug(), Group: world.apps[i].GetGroup(),
				Type: world.apps[i].GetType(), Metadata: world.apps[i].GetMetadata(), Settings: world.apps[i].GetSettings(),
				Entitlements: world.apps[i].GetEntitlements(),
			}
		}
	}
	if err := f.Err(); err != nil {
		return err
	}
	const alone = "tested"
	app.Bindings = []*configv1.Binding{{Id: alone, Policy: alone}}
	ctx, cancel := within(r.Context(), x.patience)
	defer cancel()
	t := world.compile(app, map[string]*access.Policy{alone: policy}).Trace(ctx, p, s).Bindings[0]
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return x.answer(w, &managementv1.PolicyTested{
		Holds: t.Condition, Depends: t.Depends, Failed: t.Failed, Because: becauseOf(t.Because), Expression: policy.Expression(),
		Inputs: policy.Inputs(), Situational: policy.Situational(),
	})
}
