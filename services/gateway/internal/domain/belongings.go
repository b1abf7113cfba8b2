package domain

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
)

// An application can have forms and flows of its own, and every copy of a template that has some does. They are no part of the
// domain's core: a change of them makes one client anew, not all of the domain, and they are compiled when that client is.

// belongings are the forms and flows of one application. They do not change; who changes them makes others. Nil is none.
type belongings struct {
	forms []*configv1.Form
	flows []*configv1.Flow
}

// rework gives an application other belongings, which count when the change is published.
func (src *source) rework(application string, edit func(*belongings)) {
	fresh := &belongings{}
	if old := src.belongings[application]; old != nil {
		fresh.forms, fresh.flows = slices.Clone(old.forms), slices.Clone(old.flows)
	}
	edit(fresh)
	if src.belongings[application] = fresh; len(fresh.forms)+len(fresh.flows) == 0 {
		delete(src.belongings, application)
	}
	src.reworked[application] = struct{}{}
}

// handOut gives the applications that are held what has changed of their belongings. What was compiled without it is made anew.
func (src *source) handOut() {
	for id := range src.reworked {
		if e := src.apps[id]; e != nil {
			e.belongings.Store(src.belongings[id])
			if chained := src.clients.get(e.clientID); chained != nil && chained.id == id {
				chained.belongings.Store(src.belongings[id])
			}
		}
	}
	clear(src.reworked)
}

func (src *source) upsertForm(m *configv1.Form) error {
	part := src.forms[m.GetId()]
	if part != nil && proto.Equal(part.message, m) {
		return part.err
	}
	src.removeForm(m.GetId())
	part = newFormPart(m)
	src.forms[m.GetId()] = part
	if part.key.application == "" {
		src.changed = true
		return part.err
	}
	part.form = nil // whether it can be used is known now; it is compiled with its client
	src.rework(part.key.application, func(b *belongings) { b.forms = append(b.forms, m) })
	return part.err
}

func (src *source) removeForm(id string) {
	part := src.forms[id]
	if part == nil {
		return
	}
	delete(src.forms, id)
	if part.key.application == "" {
		src.changed = true
		return
	}
	src.rework(part.key.application, func(b *belongings) {
		b.forms = slices.DeleteFunc(b.forms, func(f *configv1.Form) bool { return f.GetId() == id })
	})
}

func (src *source) upsertFlow(m *configv1.Flow) error {
	part := src.flows[m.GetId()]
	if part != nil && proto.Equal(part.message, m) {
		return part.err
	}
	src.removeFlow(m.GetId())
	part = &flowPart{message: m}
	part.flow, part.err = flows.Compile(m)
	src.flows[m.GetId()] = part
	owner := src.ownerOf(m)
	if owner == "" {
		src.changed = true
		return part.err
	}
	part.flow = nil // as with forms
	src.rework(owner, func(b *belongings) { b.flows = append(b.flows, m) })
	return part.err
}

func (src *source) removeFlow(id string) {
	part := src.flows[id]
	if part == nil {
		return
	}
	delete(src.flows, id)
	owner := src.ownerOf(part.message)
	if owner == "" {
		src.changed = true
		return
	}
	src.rework(owner, func(b *belongings) {
		b.flows = slices.DeleteFunc(b.flows, func(f *configv1.Flow) bool { return f.GetId() == id })
	})
}

// belongsTo is the application that a resource belongs to; empty for none.
func (src *source) belongsTo(r resource.Resource) string {
	switch r := r.(type) {
	case *configv1.Form:
		return r.GetApplication()
	case *configv1.Flow:
		return src.ownerOf(r)
	}
	return ""
}

// ownerOf is the application that a flow belongs to; empty for the domain.
func (src *source) ownerOf(m *configv1.Flow) string {
	if m.GetLevel() == src.id {
		return ""
	}
	return m.GetLevel()
}

// compileFlows returns them ready to run. One that cannot be used stays among them: it makes its point fail.
func (b *belongings) compileFlows() []*flows.Flow {
	if b == nil {
		return nil
	}
	var all []*flows.Flow
	for _, m := range b.flows {
		if flow, _ := flows.Compile(m); flow != nil { // what is wrong with it was said when it came
			all = append(all, flow)
		}
	}
	return all
}

// compileForms returns those that can be used, by the name of their page; nil for none.
func (b *belongings) compileForms() map[string]*Form {
	if b == nil {
		return nil
	}
	var all map[string]*Form
	for _, m := range b.forms {
		if part := newFormPart(m); part.form != nil {
			if all == nil {
				all = map[string]*Form{}
			}
			all[part.key.template] = part.form
		}
	}
	return all
}

// mayLack reports whether an application that the stream has not brought may have belongings that it has not brought either: it is a copy
// of a template, and they were made before it; or it is the first of its domain to choose an algorithm, and the key was made with it; or
// the stream leaves out what belongs to clients that it leaves out. Set.mu is held.
func (s *Set) mayLack(app *configv1.Application) bool {
	src := s.sources[app.GetDomain()]
	if src != nil && src.parted && !src.has(app) && (app.GetRevision() <= s.revision || configsync.OnDemand(app)) {
		return true
	}
	if app.GetRevision() <= s.revision {
		return false
	}
	return app.GetRegistration().GetTemplate() != "" && (src == nil || src.apps[app.GetId()] == nil) || src != nil && src.lacksKey(app)
}

// has reports whether an application is held as what it is, and so with what belongs to it. One that has been a template is not: what
// belongs to it may have been left out when it was a registered client before.
func (src *source) has(app *configv1.Application) bool {
	held := src.apps[app.GetId()]
	return held != nil && (held.use.Load() != notRegistered || !configsync.OnDemand(app))
}

// lacksKey reports whether there is an algorithm that an application has chosen and no key of the domain that signs by it.
func (src *source) lacksKey(app *configv1.Application) bool {
	return slices.ContainsFunc(clientmeta.DomainKeys(app.GetSettings().GetOauth()), func(alg string) bool {
		for _, part := range src.certificates {
			if part.message.GetAlgorithm() == alg && isActive(part.message) {
				return false
			}
		}
		return true
	})
}

// fetch asks management for the belongings of an application where the stream may not have brought them and nobody has told them; nil
// where it has. While they are not known the application is not served: a flow of it may be what refuses somebody, and what another key
// signed is not what the client registered for.
func (s *Set) fetch(ctx context.Context, app *configv1.Application, told *registrationv1.Belongings) (*registrationv1.Belongings, error) {
	if told != nil {
		return told, nil
	}
	s.mu.Lock()
	lacking, fresh := s.mayLack(app), app.GetRevision() > s.revision
	s.mu.Unlock()
	if !lacking {
		return nil, nil
	}
	unknown := oauth2.TemporarilyUnavailable.Errorf("The client cannot be looked up, try again shortly")
	if fresh {
		unknown = oauth2.TemporarilyUnavailable.Errorf("The client was registered a moment ago, try again shortly")
	}
	if s.options.Belongings == nil {
		return nil, unknown
	}
	b, err := s.options.Belongings(ctx, app.GetDomain(), app.GetId())
	switch {
	case err != nil:
		return nil, unknown.WithCause(err)
	case b == nil:
		return nil, unknown
	}
	return b, nil
}

// bring puts belongings in effect, together with their application: what the stream has not brought yet; and all of them where the stream
// leaves them out, in the place of whatever else there is.
func (c *change) bring(app *configv1.Application, b *registrationv1.Belongings) {
	if b == nil {
		return
	}
	src := c.source(app.GetDomain())
	whole := src.parted && !src.has(app)
	if whole {
		c.discard(src, app.GetId())
	}
	for _, w := range b.GetResources() {
		r := resource.Unwrap(w)
		wanted := false
		switch r.(type) {
		case *configv1.Form, *configv1.Flow:
			wanted = whole || r.GetRevision() > c.revision
		case *configv1.Certificate:
			wanted = r.GetRevision() > c.revision
		}
		if !wanted {
			continue
		}
		key := resource.KeyOf(r)
		if key.Domain == app.GetDomain() && r.GetRevision() >= c.ahead[key] {
			if r.GetRevision() > c.revision {
				c.ahead[key] = r.GetRevision()
			}
			c.upsert(prepare(r, nil))
		}
	}
}
