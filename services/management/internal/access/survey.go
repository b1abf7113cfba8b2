package access

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// need is what a rule looks at besides identifiers and groups.
type need uint8

const (
	groupsAlone need = iota // people in the same groups share an answer, but for those whom a binding names
	eachAlone               // entitlements elsewhere, which may name anybody
	everything              // what the directory knows of the person
)

func needOf(r *access.Rule) need {
	most := groupsAlone
	for _, p := range r.Policies() {
		for _, input := range p.Inputs() {
			switch root, _, _ := strings.Cut(input, "."); {
			case root == "user" && input != "user.groups" && input != "user.groupIds" && input != "user.directGroups":
				return everything
			case strings.HasPrefix(input, "entitlementsOf("):
				most = eachAlone
			}
		}
	}
	return most
}

// surveyed is how many people are read at once where a rule looks at everything.
const surveyed = 500

// survey calls each with everybody who can sign in and their standing by a rule, in the order of their names. One rule costs one
// evaluation for every set of groups there is, unless it looks at more.
func (w *world) survey(ctx context.Context, r *access.Rule, each func(m *member, s access.Standing)) error {
	return w.surveyOf(ctx, r, w.crowd.people, each)
}

func (w *world) surveyOf(ctx context.Context, r *access.Rule, people []*member, each func(m *member, s access.Standing)) error {
	what, named := needOf(r), r.People()
	if what == everything {
		for part := range slices.Chunk(people, surveyed) {
			ids := make([]string, len(part))
			for i, m := range part {
				ids[i] = m.id
			}
			known, err := w.service.store.Users().Some(ctx, w.domain, ids)
			if err != nil {
				return err
			}
			for _, m := range part {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if !m.enabled {
					continue
				}
				p := w.person(m)
				if u := known[m.id]; u != nil {
					w.complete(p, u, m.in)
				}
				each(m, r.Standing(ctx, p, w.now))
			}
		}
		return context.Cause(ctx)
	}
	shared := map[*membership]access.Standing{}
	for i, m := range people {
		if i%64 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !m.enabled {
			continue
		}
		alone := what == eachAlone || named[m.id]
		s, known := shared[m.in]
		if alone || !known {
			p := w.person(m)
			if len(r.Policies()) > 0 {
				w.complete(p, &directoryv1.User{Id: m.id}, m.in)
			}
			s = r.Standing(ctx, p, w.now)
			if !alone {
				shared[m.in] = s
			}
		}
		each(m, s)
	}
	return context.Cause(ctx) // policies fail once the time is up
}

// whole returns somebody with everything that policies may read.
func (w *world) whole(ctx context.Context, m *member) (*access.Person, error) {
	u, err := w.service.store.Users().Get(ctx, w.domain, m.id)
	if err != nil {
		return nil, err
	}
	p := w.person(m)
	w.complete(p, u, m.in)
	return p, nil
}

// difference is what a change makes of those who can open an application; those of whom it depends on the moment can.
type difference struct {
	before, after, gained, lost, depends, lostActive int64
	sampleGained, sampleLost                         []*member
}

// sampled is how many people a difference names.
const sampled = 10

// activeWithin is what it means to be active.
const activeWithin = 7 * 24 * time.Hour

// compare counts whom two rules let in.
func (w *world) compare(ctx context.Context, before, after *access.Rule, without string) (difference, error) {
	return w.against(ctx, w, before, after, without, nil)
}

// against counts whom a rule of a domain lets in and whom another lets in as the domain would be then. Each hears of everybody
// who gains or loses access; nil hears nothing.
func (w *world) against(ctx context.Context, then *world, before, after *access.Rule, without string, each func(m *member, gained bool)) (difference, error) {
	var d difference
	was := make(map[string]bool)
	if each == nil {
		each = func(*member, bool) {}
	}
	err := w.survey(ctx, before, func(m *member, s access.Standing) {
		if s != access.No {
			d.before++
			was[m.id] = true
		}
	})
	if err != nil {
		return d, err
	}
	var lost []*member
	err = then.survey(ctx, after, func(m *member, s access.Standing) {
		is := s != access.No && m.id != without
		if is {
			d.after++
			if s == access.Depends {
				d.depends++
			}
		}
		switch {
		case is && !was[m.id]:
			d.gained++
			each(m, true)
			if len(d.sampleGained) < sampled {
				d.sampleGained = append(d.sampleGained, m)
			}
		case !is && was[m.id]:
			d.lost++
			lost = append(lost, m)
			each(m, false)
			if len(d.sampleLost) < sampled {
				d.sampleLost = append(d.sampleLost, m)
			}
		}
	})
	if err != nil || len(lost) == 0 {
		return d, err
	}
	signedIn, err := w.signedIn(ctx)
	if err != nil {
		return d, err
	}
	for _, m := range lost {
		if w.now.Sub(signedIn(m)) < activeWithin {
			d.lostActive++
		}
	}
	return d, nil
}

// signedIn returns when people signed in last, which pictures do not follow.
func (w *world) signedIn(ctx context.Context) (func(m *member) time.Time, error) {
	if w.signed != nil {
		return w.signed, nil
	}
	since := map[string]time.Time{}
	// Clocks differ.
	err := w.service.store.Users().SignedInSince(ctx, w.domain, w.crowd.at.Add(-store.Settling), func(id string, at time.Time) { since[id] = at })
	if err != nil {
		return nil, err
	}
	w.signed = func(m *member) time.Time {
		if at, known := since[m.id]; known {
			return at
		}
		return m.loggedAt
	}
	return w.signed, nil
}

// Renew implements editor.Counter. A picture knows everything that any process has changed before a question.
func (s *Service) Renew(string) {}

// Compare implements editor.Counter: it counts people who can sign in, as reports do.
func (s *Service) Compare(ctx context.Context, at time.Time, before, after editor.Ground) (editor.Difference, error) {
	w, err := s.look(ctx, before.Application.GetDomain())
	if err != nil {
		return editor.Difference{}, err
	}
	w.now = at
	rule := func(g editor.Ground) *access.Rule {
		then := *w
		then.tree = newTree(g.Groups)
		return then.compile(g.Application, nil)
	}
	if sameGroups(before.Groups, after.Groups) {
		w.tree = newTree(before.Groups)
		d, err := w.compare(ctx, rule(before), rule(after), after.Without)
		return editor.Difference{Before: d.before, After: d.after, Gained: d.gained, Lost: d.lost}, err
	}
	// A group is not there any more: who was in it by another is not, either.
	w.tree = newTree(before.Groups)
	then := w.as(newTree(after.Groups), w.crowd)
	d, err := w.against(ctx, then, rule(before), rule(after), after.Without, nil)
	return editor.Difference{Before: d.before, After: d.after, Gained: d.gained, Lost: d.lost}, err
}

func sameGroups(a, b []*configv1.Group) bool {
	return slices.EqualFunc(a, b, func(a, b *configv1.Group) bool {
		return a.GetId() == b.GetId() && slices.Equal(a.GetGroups(), b.GetGroups())
	})
}

func sortByName(groups []*configv1.Group) {
	slices.SortFunc(groups, func(a, b *configv1.Group) int { return strings.Compare(a.GetName(), b.GetName()) })
}

func structOf(m map[string]any) *structpb.Struct {
	if len(m) == 0 {
		return nil
	}
	s, err := structpb.NewStruct(m)
	if err != nil {
		return nil // JSON values can be written
	}
	return s
}
