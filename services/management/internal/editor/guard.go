package editor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// guardRule asks before an application is opened to everybody, or closed to everybody, or somebody gets in because a deny
// binding does not keep them out any more.
func (e *Editor) guardRule(ctx context.Context, old, fresh *configv1.Application) error {
	now := e.opts.Now()
	opens, closes := catalog.Consequences(old, fresh, now)
	lifted := catalog.Lifted(old, fresh, now)
	if !opens && !closes && len(lifted) == 0 {
		return nil
	}
	groups, err := e.groupsOf(ctx, fresh.GetDomain())
	if err != nil {
		return err
	}
	e.count.Renew(fresh.GetDomain())
	before := Ground{Application: old, Groups: groups}
	if !opens && !closes {
		before.Application = proto.CloneOf(fresh) // whom the change lets in otherwise is not asked for
		before.Application.Bindings = append(before.Application.Bindings, lifted...)
	}
	d, err := e.count.Compare(ctx, now, before, Ground{Application: fresh, Groups: groups})
	if err != nil {
		return err
	}
	switch {
	case opens:
		return e.Ask(ctx, fault.Consequence{Word: Opens, Before: d.Before, After: d.After}, Question{
			Text:  fmt.Sprintf("Application [%s] would be open to everybody in the domain", fresh.GetName()),
			Count: fmt.Sprintf(": to %d people instead of %d", d.After, d.Before),
		})
	case closes: // Where everything ends by itself, nobody is left in the end.
		return e.Ask(ctx, fault.Consequence{Word: Closes, Before: d.Before}, Question{
			Text:  fmt.Sprintf("Nobody could use application [%s] any more", fresh.GetName()),
			Count: fmt.Sprintf(", which %d people may use now", d.Before),
		})
	case d.Gained == 0 && ReadsPeople(ctx):
		return nil
	}
	// Whoever may not read people does not learn from the question whether the binding keeps somebody out.
	return e.Ask(ctx, fault.Consequence{Word: Opens, Before: d.Before, After: d.After}, Question{
		Text:  fmt.Sprintf("Application [%s] would let people in whom a deny binding keeps out", fresh.GetName()),
		Count: fmt.Sprintf(": %d people instead of %d", d.After, d.Before),
	})
}

// deletion is what the deletion of a group or of somebody makes of the applications of a domain, or a change by which a group
// contains less.
type deletion struct {
	domain string
	// about names what is done, in texts: `The deletion of group [Staff]`.
	about string
	// groups are those of the domain, now and then.
	groups, left []*configv1.Group
	// without is who is deleted; empty for nobody.
	without string
	// touched reports whether a binding may mean others afterwards.
	touched func(*configv1.Binding) bool
	// named reports whether a binding names what is deleted.
	named func(*configv1.Binding) bool
}

// guardDeletion asks before a deletion that lets somebody in, or after which nobody is left where all bindings have to pass.
func (e *Editor) guardDeletion(ctx context.Context, d deletion) error {
	find, err := e.finder(ctx)
	if err != nil {
		return err
	}
	apps, err := find.all(ctx, catalog.Applications, d.domain)
	if err != nil {
		return err
	}
	now, counts, renewed := e.opts.Now(), ReadsPeople(ctx), false
	var opens, closes fault.Consequence
	var opened, closed []fault.Detail
	for _, r := range apps {
		app := r.(*configv1.Application)
		if !catalog.Bound(app, d.touched) {
			continue
		}
		if !renewed {
			e.count.Renew(d.domain)
			renewed = true
		}
		fresh := proto.CloneOf(app)
		catalog.Orphan(fresh, d.named)
		diff, err := e.count.Compare(ctx, now, Ground{Application: app, Groups: d.groups},
			Ground{Application: fresh, Groups: d.left, Without: d.without})
		if err != nil {
			return err
		}
		path := "applications." + app.GetId()
		// Whoever may not read people does not learn from the question whether there are any.
		mayOpen := catalog.Bound(app, func(b *configv1.Binding) bool { return d.touched(b) && (b.GetNegate() || catalog.Denies(b, now)) })
		switch {
		case diff.Gained > 0 && counts:
			opens.Before, opens.After = opens.Before+diff.Before, opens.After+diff.After
			opened = append(opened, fault.Detail{Path: path, Detail: fmt.Sprintf("%d people would get into application [%s]", diff.Gained, app.GetName())})
		case !counts && mayOpen:
			opened = append(opened, fault.Detail{Path: path, Detail: fmt.Sprintf("people would get into application [%s]", app.GetName())})
		case app.GetAccess().GetMode() == configv1.ApplicationAccess_ALL && catalog.Closed(fresh, now) && !catalog.Closed(app, now):
			closes.Before += diff.Before
			closed = append(closed, fault.Detail{Path: path, Detail: fmt.Sprintf("nobody could use application [%s] any more", app.GetName())})
		}
	}
	if len(opened) > 0 {
		opens.Word = Opens
		if err := e.Ask(ctx, opens, Question{Text: d.about + " would let people in whom a binding keeps out"}, opened...); err != nil {
			return err
		}
	}
	if len(closed) > 0 {
		closes.Word = Closes
		return e.Ask(ctx, closes, Question{Text: d.about + " would let nobody in any more where all bindings have to pass"}, closed...)
	}
	return nil
}

// guardGroup asks before a group is deleted. Whoever is in the groups that contain it through it is in them no longer.
func (e *Editor) guardGroup(ctx context.Context, gone *configv1.Group) error {
	groups, err := e.groupsOf(ctx, gone.GetDomain())
	if err != nil {
		return err
	}
	above := catalog.Containers(groups, gone.GetId())
	var left []*configv1.Group
	for _, g := range groups {
		if g.GetId() != gone.GetId() {
			left = append(left, g)
		}
	}
	return e.guardDeletion(ctx, deletion{
		domain: gone.GetDomain(), about: "The deletion of group [" + gone.GetName() + "]", groups: groups, left: left,
		touched: func(b *configv1.Binding) bool { return b.GetGroup() != "" && above[b.GetGroup()] && !b.GetOrphaned() },
		named:   func(b *configv1.Binding) bool { return b.GetGroup() == gone.GetId() },
	})
}

// guardNesting asks before groups are taken out of a group, by which somebody gets in whom a binding keeps out. Whom the change
// puts into the group otherwise is not asked for.
func (e *Editor) guardNesting(ctx context.Context, old, fresh *configv1.Group) error {
	all := slices.Clone(old.GetGroups())
	for _, id := range fresh.GetGroups() {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	if len(all) == len(fresh.GetGroups()) {
		return nil
	}
	stored, err := e.groupsOf(ctx, old.GetDomain())
	if err != nil {
		return err
	}
	with := func(inner []string) []*configv1.Group {
		groups := slices.Clone(stored)
		for i, g := range groups {
			if g.GetId() == old.GetId() {
				g = proto.CloneOf(g)
				g.Groups = inner
				groups[i] = g
			}
		}
		return groups
	}
	above := catalog.Containers(stored, old.GetId())
	return e.guardDeletion(ctx, deletion{
		domain: old.GetDomain(), about: "The change of group [" + old.GetName() + "]", groups: with(all), left: with(fresh.GetGroups()),
		touched: func(b *configv1.Binding) bool { return b.GetGroup() != "" && above[b.GetGroup()] && !b.GetOrphaned() },
		named:   func(*configv1.Binding) bool { return false },
	})
}

// GuardUser asks before somebody is deleted and marks those of their bindings whose mark loosens nothing, that is, allow
// bindings: one that is negated matches nobody else once they are gone. A deny binding waits for OrphanUser: if the deletion
// comes to nothing, it goes on keeping them out.
func (e *Editor) GuardUser(ctx context.Context, domain, user, name string) error {
	groups, err := e.groupsOf(ctx, domain)
	if err != nil {
		return err
	}
	theirs := func(b *configv1.Binding) bool { return b.GetUser() == user && !b.GetOrphaned() }
	err = e.guardDeletion(ctx, deletion{
		domain: domain, about: "The deletion of user [" + name + "]", groups: groups, left: groups, without: user, touched: theirs, named: theirs,
	})
	if err != nil {
		return err
	}
	return e.orphanAll(ctx, domain, func(b *configv1.Binding) bool { return theirs(b) && b.GetEffect() != configv1.Binding_DENY })
}

// OrphanUser marks all bindings of somebody who is gone. Nobody can bind them any more.
func (e *Editor) OrphanUser(ctx context.Context, domain, user string) error {
	return e.orphanAll(ctx, domain, func(b *configv1.Binding) bool { return b.GetUser() == user && !b.GetOrphaned() })
}

// orphanAll marks the bindings of a domain whose subject is gone, in changes of a bounded size.
func (e *Editor) orphanAll(ctx context.Context, domain string, gone func(*configv1.Binding) bool) error {
	ctx = context.WithoutCancel(ctx)
	for range maxRounds {
		find, err := e.finder(ctx)
		if err != nil {
			return err
		}
		apps, err := find.all(ctx, catalog.Applications, domain)
		if err != nil {
			return err
		}
		var ops []store.Op
		for _, r := range apps {
			app := r.(*configv1.Application)
			if len(ops) == store.RemovalSize || !catalog.Bound(app, gone) {
				continue
			}
			fresh := proto.CloneOf(app)
			resource.Stamp(fresh, resource.Stamps{UpdatedAt: e.opts.Now()})
			catalog.Orphan(fresh, gone)
			ops = append(ops, store.Op{Old: app, New: fresh})
		}
		if len(ops) == 0 {
			return nil
		}
		if _, err := e.write(ctx, ops[0].New, Updated, ops); err != nil && !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return store.ErrStale
}

// bindAgain gives an application that is put back the bindings and entitlements that it had, so that it is open to nobody
// whom they kept out. Those whose subject is gone match nobody.
func (e *Editor) bindAgain(ctx context.Context, s *catalog.Scene, a, then *configv1.Application) error {
	was := proto.CloneOf(then)
	a.Bindings, a.Entitlements = was.GetBindings(), was.GetEntitlements()
	lists := [][]*configv1.Binding{a.GetBindings()}
	for _, x := range a.GetEntitlements() {
		lists = append(lists, x.GetBindings())
	}
	groups, err := e.groupsOf(ctx, a.GetDomain())
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, g := range groups {
		there[g.GetId()] = true
	}
	for _, list := range lists {
		if err := e.MeetPeople(ctx, s, a.GetDomain(), catalog.Subjects(list)); err != nil {
			return err
		}
	}
	catalog.Orphan(a, func(b *configv1.Binding) bool {
		_, known := s.People[b.GetUser()]
		return b.GetGroup() != "" && !there[b.GetGroup()] || b.GetUser() != "" && !known
	})
	return nil
}
