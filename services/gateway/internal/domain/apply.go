package domain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// change is one series of changes to a set. The set is locked while it is under way.
type change struct {
	*Set
	// dirty are the domains that are to be made anew.
	dirty map[string]*source
	// wanted means that somebody asks for what is put in effect.
	wanted bool
}

// Apply takes a complete batch from the stream and returns what of the present state cannot be used. It implements
// configsync.Sink.
func (s *Set) Apply(ctx context.Context, b configsync.Batch) []*configsyncv1.Rejection {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := change{Set: s, dirty: map[string]*source{}}
	if b.Installation != s.installation {
		clear(s.ahead) // revisions of another database mean nothing here
		s.installation = b.Installation
	}
	if b.Reset {
		c.reset(b)
	}
	s.told = b.BelongingsOnDemand
	for _, w := range b.Withheld {
		c.withhold(w)
	}
	for _, r := range b.Registered {
		c.hear(r)
	}
	// Deletions come first: a client identifier may have moved from a deleted application to a new one.
	for _, k := range b.Deletes {
		if key := resource.KeyFromProto(k); b.Revision >= s.ahead[key] {
			c.remove(key)
		}
	}
	for p := range prepareAll(slices.Collect(b.Arrived())) {
		if p.unreadable != nil {
			s.options.Logger.ErrorContext(ctx, "configuration has a resource that is no message", "revision", b.Revision, "err", p.unreadable)
			continue
		}
		if p.resource == nil {
			continue // of a kind that only later gateways know
		}
		revision := p.resource.GetRevision()
		if revision >= s.ahead[p.key] {
			c.upsert(p)
		}
		c.touched(p.key, p.resource, revision)
	}
	s.revision = b.Revision
	for _, k := range b.Deletes {
		c.touched(resource.KeyFromProto(k), nil, b.Revision)
	}
	maps.DeleteFunc(s.ahead, func(_ resource.Key, revision int64) bool { return revision <= b.Revision })
	c.publish()
	s.status.reached(b.Revision)
	return s.rejected.list()
}

// Learn takes an application that management has just written or found, before the stream brings it, with what belongs to it; nil means
// that this is not known, and then management is asked where it matters. What the stream has passed already is left alone: the stream
// knows better. What cannot be known now is asked for when the client is used.
func (s *Set) Learn(ctx context.Context, app *configv1.Application, own *registrationv1.Belongings) {
	if own == nil {
		var err error
		if own, err = s.fetch(ctx, app, nil); err != nil {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learn(app, own)
}

func (s *Set) learn(app *configv1.Application, own *registrationv1.Belongings) {
	key := resource.KeyOf(app)
	if s.sources[key.Domain] == nil || app.GetRevision() <= s.revision || app.GetRevision() < s.ahead[key] {
		return
	}
	if own == nil && s.mayLack(app) {
		return
	}
	s.ahead[key] = app.GetRevision()
	s.hold(key, app, own)
}

// hold puts an application in effect that the stream did not bring.
func (s *Set) hold(key resource.Key, app *configv1.Application, own *registrationv1.Belongings) {
	c := change{Set: s, dirty: map[string]*source{}, wanted: true}
	c.bring(app, own)
	c.upsert(prepare(app, nil))
	if src := c.sources[key.Domain]; src.apps[key.ID] == nil { // its client_id is another one's
		c.leave(src, key.ID)
	}
	c.publish()
}

// Forget takes away an application that management has just deleted, before the stream says so.
func (s *Set) Forget(domain, id string, revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := resource.Key{Kind: "application", Domain: domain, ID: id}
	if s.sources[domain] == nil || revision <= s.revision || revision < s.ahead[key] {
		return
	}
	s.ahead[key] = revision
	c := change{Set: s, dirty: map[string]*source{}}
	c.remove(key)
	c.publish()
}

// reset forgets everything that the batch does not bring, except what this gateway learned at a later revision.
func (c *change) reset(b configsync.Batch) {
	for _, src := range c.sources {
		src.voidQuestions()
		src.parted = false // what is not withheld is brought
		if src.beyond != nil {
			src.beyond, c.dirty[src.id] = nil, src
		}
	}
	if len(c.sources) == 0 {
		return // it is the first
	}
	keep := map[resource.Key]struct{}{}
	for w, err := range b.All() {
		if r := resource.Unwrap(w); err == nil && r != nil {
			keep[resource.KeyOf(r)] = struct{}{}
		}
	}
	gone := func(kind, domain, id string) bool {
		key := resource.Key{Kind: kind, Domain: domain, ID: id}
		_, kept := keep[key]
		return !kept && c.ahead[key] <= b.Revision
	}
	for id, src := range c.sources {
		if gone("domain", id, id) {
			c.remove(resource.Key{Kind: "domain", Domain: id, ID: id})
			continue
		}
		for _, key := range src.keys() {
			if gone(key.Kind, id, key.ID) {
				c.remove(key)
			}
		}
	}
}

// keys names everything that belongs to a domain.
func (src *source) keys() []resource.Key {
	keys := make([]resource.Key, 0, len(src.scopes)+len(src.certificates)+len(src.providers)+len(src.flows)+len(src.apps))
	add := func(kind, id string) { keys = append(keys, resource.Key{Kind: kind, Domain: src.id, ID: id}) }
	for id := range src.scopes {
		add("scope", id)
	}
	for id := range src.certificates {
		add("certificate", id)
	}
	for id := range src.providers {
		add("identity_provider", id)
	}
	for id := range src.forms {
		add("form", id)
	}
	for id := range src.flows {
		add("flow", id)
	}
	for id := range src.policies {
		add("policy", id)
	}
	for id := range src.mappings {
		add("claim_mapping", id)
	}
	for id := range src.headings {
		add("application_group", id)
	}
	for _, id := range src.groups.list() {
		add("group", id)
	}
	for id := range src.apps {
		add("application", id)
	}
	return keys
}

// source returns that of a domain, which is made anew when the change is published.
func (c *change) source(domain string) *source {
	src := c.sources[domain]
	if src == nil {
		src = newSource(domain)
		c.sources[domain] = src
	}
	c.dirty[domain] = src
	return src
}

func (c *change) upsert(p prepared) {
	key := p.key
	src := c.source(key.Domain)
	var err error
	switch r := p.resource.(type) {
	case *configv1.Domain:
		if !proto.Equal(src.domain, r) {
			src.domain, src.changed = r, true
		}
		return // judged when it is compiled
	case *configv1.Scope:
		if !proto.Equal(src.scopes[key.ID], r) {
			src.scopes[key.ID], src.changed = r, true
		}
	case *configv1.Certificate:
		part := src.certificates[key.ID]
		if part == nil || !proto.Equal(part.message, r) {
			part = &certificatePart{message: r}
			part.key, part.err = jose.ParsePrivateKey(r.GetPrivateKey(), r.GetKid(), jose.Algorithm(r.GetAlgorithm()))
			src.certificates[key.ID], src.changed = part, true
		}
		err = part.err
	case *configv1.IdentityProvider:
		part := src.providers[key.ID]
		if part == nil || !proto.Equal(part.message, r) {
			part = &providerPart{message: r}
			part.provider, part.err = c.options.Open(r)
			if errors.Is(part.err, idp.ErrWaiting) {
				part.err = nil // nothing is wrong with it; it takes part in no login
			}
			src.providers[key.ID], src.changed = part, true
		}
		err = part.err
	case *configv1.Application:
		if err = p.err; err == nil {
			err = c.upsertApplication(src, p.entry)
		}
	case *configv1.Form:
		err = src.upsertForm(r)
	case *configv1.Flow:
		err = src.upsertFlow(r)
	case *configv1.Policy:
		err = src.upsertPolicy(r)
	case *configv1.ClaimMapping:
		err = src.upsertMapping(r)
	case *configv1.Group:
		src.changed = src.groups.add(key.ID) || src.changed // nothing else of it matters here: management knows who is in it
	case *configv1.ApplicationGroup:
		if !proto.Equal(src.headings[key.ID], r) {
			src.headings[key.ID], src.changed = r, true
		}
	case *configv1.Role, *configv1.Email:
		return // nothing that is served depends on them yet
	default:
		err = errors.New("this gateway does not know what to do with a resource of this kind")
	}
	c.rejected.set(key, err)
}

func (c *change) upsertApplication(src *source, fresh *entry) error {
	fresh.belongings.Store(src.belongings[fresh.id])
	old := src.apps[fresh.id]
	if old != nil && c.strange(src, old, fresh) {
		c.letGo(src, old)
		old = nil
	}
	if old == nil && c.leavesOut(src, fresh) {
		return nil // it is asked for when it is used
	}
	edit := src.edit()
	if old != nil && old.same(fresh) {
		return nil // what was compiled from it stays
	}
	if held := edit.next.get(fresh.clientID); held != nil && held.id != fresh.id {
		return fmt.Errorf("the client_id belongs to application %q", held.id)
	}
	if old != nil && old.clientID != fresh.clientID {
		edit.remove(old.clientID, old.id)
	}
	src.apps[fresh.id] = fresh
	src.relist(old, fresh)
	c.keep(src, old, fresh)
	if fresh.clientID != "" {
		edit.put(fresh)
	}
	return nil
}

func (c *change) remove(key resource.Key) {
	src := c.sources[key.Domain]
	if src == nil {
		return
	}
	c.rejected.set(key, nil)
	c.dirty[key.Domain] = src
	switch key.Kind {
	case "domain":
		delete(c.sources, key.Domain)
		c.rejected.drop(key.Domain)
		c.status.forget(key.Domain)
		c.asked.forget(key.Domain)
		c.options.Failures.Forget(key.Domain)
	case "scope":
		src.changed = src.changed || src.scopes[key.ID] != nil
		delete(src.scopes, key.ID)
	case "certificate":
		src.changed = src.changed || src.certificates[key.ID] != nil
		delete(src.certificates, key.ID)
	case "identity_provider":
		src.changed = src.changed || src.providers[key.ID] != nil
		delete(src.providers, key.ID)
	case "form":
		src.removeForm(key.ID)
	case "flow":
		src.removeFlow(key.ID)
	case "policy":
		src.changed = src.changed || src.policies[key.ID] != nil
		delete(src.policies, key.ID)
	case "claim_mapping":
		src.changed = src.changed || src.mappings[key.ID] != nil
		delete(src.mappings, key.ID)
	case "application_group":
		src.changed = src.changed || src.headings[key.ID] != nil
		delete(src.headings, key.ID)
	case "group":
		src.changed = src.groups.remove(key.ID) || src.changed // its bindings are orphans from now on
	case "application":
		if old := src.apps[key.ID]; old != nil {
			src.edit().remove(old.clientID, old.id)
			src.relist(old, nil)
			delete(src.apps, key.ID)
			src.registered.drop(old)
			src.beyond.remove(old.clientID)
		}
	}
}

// publish makes the domains that were touched, and the index if one appeared, disappeared or moved.
func (c *change) publish() {
	reindex := false
	for id, src := range c.dirty {
		if c.sources[id] != src {
			reindex = true
			continue
		}
		if src.editing != nil {
			src.clients, src.editing = src.editing.next, nil
		}
		c.release(src)
		src.handOut()
		if src.listing != nil {
			src.seen, src.listing = src.listing.apps(), nil
		}
		if src.domain == nil {
			continue // its domain has not come yet; nothing can be served
		}
		old := src.slot.current.Load()
		next := &Domain{Revision: c.revision, clients: src.clients, beyond: src.beyond, seen: src.seen, set: c.Set}
		if old != nil {
			next.Core = old.Core
		}
		if src.changed || old == nil {
			var core *Core
			if core, src.err = c.compileCore(src, next.Core); src.err == nil {
				next.Core, src.changed, reindex = core, false, true
			}
		}
		// A domain that cannot be used as configured stays as it was; its clients follow all the same.
		if next.Core != nil {
			next.Portal = next.portalWith(src.lockouts.strictest(), old)
			src.slot.current.Store(next)
		}
		c.rejected.set(src.key(), src.problem())
		reindex = reindex || src.enabled != src.domain.GetEnabled()
		src.enabled = src.domain.GetEnabled()
		c.status.applied(id)
	}
	if reindex {
		c.reindex()
	}
}

// reindex makes the index of the present domains. Of two domains with one path the older one is served.
func (c *change) reindex() {
	old := c.index.Load()
	next := &index{byPath: make(map[string]*slotOf, len(c.sources)), byID: make(map[string]*slotOf, len(c.sources))}
	served := make([]*source, 0, len(c.sources))
	for id, src := range c.sources {
		if src.slot.current.Load() == nil {
			continue
		}
		next.byID[id] = src.slot
		served = append(served, src)
	}
	slices.SortFunc(served, func(a, b *source) int {
		if n := a.domain.GetCreatedAt().AsTime().Compare(b.domain.GetCreatedAt().AsTime()); n != 0 {
			return n
		}
		return strings.Compare(a.id, b.id)
	})
	owners := make(map[string]string, len(served))
	for _, src := range served {
		path, clash := src.slot.current.Load().Path, error(nil)
		if owner, taken := owners[path]; taken && src.enabled {
			clash = fmt.Errorf("the path %q is served by domain %q", path, owner)
		} else if src.enabled {
			owners[path] = src.id
			next.byPath[path] = src.slot
			next.segments = max(next.segments, strings.Count(path, "/"))
		}
		if clash != nil || src.clash != nil {
			src.clash = clash
			c.rejected.set(src.key(), src.problem())
		}
	}
	if !maps.Equal(old.byPath, next.byPath) || !maps.Equal(old.byID, next.byID) {
		c.index.Store(next)
	}
}
