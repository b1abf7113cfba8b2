package editor

import (
	"context"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Ground is an application and what its rule stands on.
type Ground struct {
	Application *configv1.Application
	// Groups are those of the domain.
	Groups []*configv1.Group
	// Without is somebody who is not there any more; empty for nobody.
	Without string
}

// Difference is what a change makes of those who may use an application.
type Difference struct{ Before, After, Gained, Lost int64 }

// Counter counts people.
type Counter interface {
	// Compare counts whom an application lets in before and after a change, at a moment. Those of whom it depends on the
	// moment are counted as let in.
	Compare(ctx context.Context, at time.Time, before, after Ground) (Difference, error)
	// Renew makes what is compared next rest on what is stored by then, whoever wrote it. Otherwise people may be counted as
	// they were a while ago, as far as another process has changed them since.
	Renew(domain string)
}

// CountPeople returns how many people of its domain may use an application, those included of whom it depends on the
// moment.
func (e *Editor) CountPeople(ctx context.Context, a *configv1.Application) (int64, error) {
	groups, err := e.groupsOf(ctx, a.GetDomain())
	if err != nil {
		return 0, err
	}
	ground := Ground{Application: a, Groups: groups}
	d, err := e.count.Compare(ctx, e.opts.Now(), ground, ground)
	return d.After, err
}

// groupsOf returns the groups of a domain.
func (e *Editor) groupsOf(ctx context.Context, domain string) ([]*configv1.Group, error) {
	from := source{store: e.store}
	if e.opts.Image != nil && e.opts.Image.Current(sceneAge) {
		if v, loaded := e.opts.Image.View(); loaded {
			from.view = &v
		}
	}
	d := &configv1.Domain{Id: domain}
	return allOf(ctx, &from, catalog.Groups, d)
}

// counting counts people by sets of them: exactly where only groups and users are bound, and as if every policy held where
// that lets more people in.
type counting struct{ store *store.Store }

// Renew implements Counter: nothing is kept.
func (counting) Renew(string) {}

// Compare implements Counter.
func (c counting) Compare(ctx context.Context, at time.Time, before, after Ground) (Difference, error) {
	domain := before.Application.GetDomain()
	_, everybody, err := c.store.Users().List(ctx, store.UserQuery{Domain: domain, Size: 1})
	if err != nil {
		return Difference{}, err
	}
	members := map[string][]string{}
	was, err := c.admitted(ctx, at, before, members)
	if err != nil {
		return Difference{}, err
	}
	is, err := c.admitted(ctx, at, after, members)
	if err != nil {
		return Difference{}, err
	}
	is = is.without(nobody.and(after.Without))
	return Difference{
		Before: was.size(everybody), After: is.size(everybody),
		Gained: is.without(was).size(everybody), Lost: was.without(is).size(everybody),
	}, nil
}

// admitted returns whom a rule may let in. Members keeps the direct members of groups.
func (c counting) admitted(ctx context.Context, at time.Time, g Ground, members map[string][]string) (crowd, error) {
	inner := map[string][]string{}
	for _, one := range g.Groups {
		inner[one.GetId()] = one.GetGroups()
	}
	passing := func(b *configv1.Binding) (crowd, error) {
		switch {
		case b.GetOrphaned() || b.GetExpiresAt() != nil && !b.GetExpiresAt().AsTime().After(at):
			return nobody, nil
		case b.GetPolicy() != "":
			if b.GetEffect() == configv1.Binding_DENY {
				return nobody, nil
			}
			return all, nil
		}
		found := nobody.and(b.GetUser())
		if b.GetGroup() != "" {
			var err error
			if found, err = c.inside(ctx, g.Application.GetDomain(), b.GetGroup(), inner, members); err != nil {
				return nobody, err
			}
		}
		if b.GetNegate() {
			return all.without(found), nil
		}
		return found, nil
	}
	app := g.Application
	admitted, denied, first := nobody, nobody, true
	for _, b := range app.GetBindings() {
		if !b.GetEnabled() || b.GetReportOnly() {
			continue
		}
		one, err := passing(b)
		switch {
		case err != nil:
			return nobody, err
		case b.GetEffect() == configv1.Binding_DENY:
			denied = denied.or(one)
		case first || app.GetAccess().GetMode() != configv1.ApplicationAccess_ALL:
			admitted, first = admitted.or(one), false
		default:
			admitted = admitted.without(all.without(one))
		}
	}
	if catalog.Open(app) {
		admitted = all
	}
	if app.GetAccess().GetEntitlementsGrant() {
		for _, e := range app.GetEntitlements() {
			for _, b := range e.GetBindings() {
				if !b.GetEnabled() {
					continue
				}
				one, err := passing(b)
				if err != nil {
					return nobody, err
				}
				admitted = admitted.or(one)
			}
		}
	}
	return admitted.without(denied), nil
}

// inside returns who is in a group or in one that it contains.
func (c counting) inside(ctx context.Context, domain, group string, inner, members map[string][]string) (crowd, error) {
	found := crowd{ids: map[string]bool{}}
	seen := map[string]bool{}
	next := []string{group}
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		contained, there := inner[id]
		if seen[id] || !there {
			continue
		}
		seen[id] = true
		next = append(next, contained...)
		if _, read := members[id]; !read {
			users, _, err := c.store.Memberships().OfGroup(ctx, domain, id, 0, 0)
			if err != nil {
				return nobody, err
			}
			members[id] = users
		}
		for _, user := range members[id] {
			found.ids[user] = true
		}
	}
	return found, nil
}

// crowd is a set of people: those with some identifiers, or everybody but them. It is not changed.
type crowd struct {
	but bool
	ids map[string]bool
}

var (
	nobody = crowd{}
	all    = crowd{but: true}
)

// and returns the crowd with one more person; an empty identifier is nobody's.
func (c crowd) and(id string) crowd {
	if id == "" {
		return c
	}
	return c.or(crowd{ids: map[string]bool{id: true}})
}

// or returns who is in one of two crowds.
func (c crowd) or(other crowd) crowd {
	switch {
	case c.but && other.but:
		return crowd{but: true, ids: pick(c.ids, other.ids, true)}
	case c.but:
		return crowd{but: true, ids: pick(c.ids, other.ids, false)}
	case other.but:
		return other.or(c)
	}
	both := make(map[string]bool, len(c.ids)+len(other.ids))
	for id := range c.ids {
		both[id] = true
	}
	for id := range other.ids {
		both[id] = true
	}
	return crowd{ids: both}
}

// without returns who is in a crowd and not in another.
func (c crowd) without(other crowd) crowd {
	switch {
	case c.but && other.but: // neither in c.ids, and in other.ids
		return crowd{ids: pick(other.ids, c.ids, false)}
	case c.but:
		return crowd{but: true, ids: crowd{ids: c.ids}.or(other).ids}
	case other.but:
		return crowd{ids: pick(c.ids, other.ids, true)}
	}
	return crowd{ids: pick(c.ids, other.ids, false)}
}

// size is how many there are of so many people.
func (c crowd) size(everybody int64) int64 {
	if c.but {
		return max(everybody-int64(len(c.ids)), 0)
	}
	return int64(len(c.ids))
}

// pick returns those of some identifiers that are, or are not, among others.
func pick(ids, others map[string]bool, among bool) map[string]bool {
	picked := map[string]bool{}
	for id := range ids {
		if others[id] == among {
			picked[id] = true
		}
	}
	return picked
}
