package editor

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// guardRule asks before an application is opened to everybody, or closed to everybody.
func (e *Editor) guardRule(ctx context.Context, old, fresh *configv1.Application) error {
	opens, closes := catalog.Consequences(old, fresh, e.opts.Now())
	if !opens && !closes {
		return nil
	}
	groups, err := e.groupsOf(ctx, fresh.GetDomain())
	if err != nil {
		return err
	}
	d, err := e.count.Compare(ctx, e.opts.Now(), Ground{Application: old, Groups: groups}, Ground{Application: fresh, Groups: groups})
	if err != nil {
		return err
	}
	if opens {
		return e.Ask(ctx, fault.Consequence{Word: Opens, Before: d.Before, After: d.After},
			fmt.Sprintf("Application [%s] would be open to everybody in the domain: to %d people instead of %d", fresh.GetName(), d.After, d.Before))
	}
	// Where everything ends by itself, nobody is left in the end.
	return e.Ask(ctx, fault.Consequence{Word: Closes, Before: d.Before},
		fmt.Sprintf("Nobody could use application [%s] any more, which %d people may use now", fresh.GetName(), d.Before))
}

// deletion is what the deletion of a group or of somebody makes of the applications of a domain.
type deletion struct {
	domain string
	// about names what is deleted, in texts.
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
	var opens, closes fault.Consequence
	var opened, closed []fault.Detail
	for _, r := range apps {
		app := r.(*configv1.Application)
		if !catalog.Bound(app, d.touched) {
			continue
		}
		fresh := proto.CloneOf(app)
		catalog.Orphan(fresh, d.named)
		diff, err := e.count.Compare(ctx, e.opts.Now(), Ground{Application: app, Groups: d.groups},
			Ground{Application: fresh, Groups: d.left, Without: d.without})
		if err != nil {
			return err
		}
		path := "applications." + app.GetId()
		now := e.opts.Now()
		switch {
		case diff.Gained > 0:
			opens.Before, opens.After = opens.Before+diff.Before, opens.After+diff.After
			opened = append(opened, fault.Detail{Path: path, Detail: fmt.Sprintf("%d people would get into application [%s]", diff.Gained, app.GetName())})
		case app.GetAccess().GetMode() == configv1.ApplicationAccess_ALL && catalog.Closed(fresh, now) && !catalog.Closed(app, now):
			closes.Before += diff.Before
			closed = append(closed, fault.Detail{Path: path, Detail: fmt.Sprintf("nobody could use application [%s] any more", app.GetName())})
		}
	}
	if len(opened) > 0 {
		opens.Word = Opens
		if err := e.Ask(ctx, opens, "The deletion of "+d.about+" would let people in whom a binding keeps out", opened...); err != nil {
			return err
		}
	}
	if len(closed) > 0 {
		closes.Word = Closes
		return e.Ask(ctx, closes, "The deletion of "+d.about+" would let nobody in any more where all bindings have to pass", closed...)
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
		domain: gone.GetDomain(), about: "group [" + gone.GetName() + "]", groups: groups, left: left,
		touched: func(b *configv1.Binding) bool { return b.GetGroup() != "" && above[b.GetGroup()] && !b.GetOrphaned() },
		named:   func(b *configv1.Binding) bool { return b.GetGroup() == gone.GetId() },
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
		domain: domain, about: "user [" + name + "]", groups: groups, left: groups, without: user, touched: theirs, named: theirs,
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
