package domain

import (
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// policyPart is a policy with what it was compiled to; nil where it cannot be used. A binding of such a policy fails.
type policyPart struct {
	message *configv1.Policy
	policy  *access.Policy
	err     error
}

// mappingPart is a claim mapping with what it was compiled to; nil where it is not to be used. One that cannot be used fails.
type mappingPart struct {
	message *configv1.ClaimMapping
	mapping *claims.Mapping
	err     error
}

func (src *source) upsertPolicy(p *configv1.Policy) error {
	part := src.policies[p.GetId()]
	if part == nil || !proto.Equal(part.message, p) {
		part = &policyPart{message: p}
		part.policy, part.err = access.CompilePolicy(p)
		if part.err != nil {
			part.policy = nil
		}
		src.policies[p.GetId()], src.changed = part, true
	}
	return part.err
}

func (src *source) upsertMapping(m *configv1.ClaimMapping) error {
	part := src.mappings[m.GetId()]
	if part == nil || !proto.Equal(part.message, m) {
		part = &mappingPart{message: m}
		if claims.Enabled(m) {
			part.mapping, part.err = claims.Compile(m)
		}
		src.mappings[m.GetId()], src.changed = part, true
	}
	return part.err
}

// standardGrace is the grace of memberships where the domain does not say.
const standardGrace = time.Hour

// compileRules collects what the rules of applications are made with.
func (core *Core) compileRules(src *source) {
	core.policies = make(map[string]*access.Policy, len(src.policies))
	for id, part := range src.policies {
		if part.policy != nil {
			core.policies[id] = part.policy
		}
	}
	core.mappings = make(map[string]*claims.Mapping, len(src.mappings))
	for id, part := range src.mappings {
		if part.mapping != nil {
			core.mappings[id] = part.mapping
		}
	}
	core.groups, core.present = src.groups, src.slot.current.Load
	core.MembershipGrace = standardGrace
	if given := core.Settings.GetAccessSettings(); given != nil && given.MembershipGraceSeconds != nil {
		core.MembershipGrace = time.Duration(given.GetMembershipGraceSeconds()) * time.Second
	}
}

// compileRule compiles who may use an application.
func (core *Core) compileRule(c *Client, app *configv1.Application) {
	c.Access = access.Compile(app, func(id string) *access.Policy { return core.policies[id] },
		access.WithSubjects(core.groups.has, nil), access.WithNeighbours(core.neighbour),
	)
	c.Restricted = !c.Access.Trivial()
}

// neighbour is the rule of another application of the domain, as it is now; nil if no application has the slug.
func (core *Core) neighbour(slug string) *access.Rule {
	d := core.present()
	if d == nil {
		return nil
	}
	held, _ := d.seen.bySlug.get(slug)
	for _, l := range held {
		if l.slug != slug {
			continue
		}
		if app, err := d.listed(l); err == nil {
			return app.Client.Access
		}
	}
	return nil
}

// mappingsOf are the claim mappings that an application lists, and those that apply to all.
func (core *Core) mappingsOf(app *configv1.Application) *claims.Set {
	if len(core.mappings) == 0 {
		return nil
	}
	var list []*claims.Mapping
	for _, id := range app.GetClaimMappings() {
		if m := core.mappings[id]; m != nil {
			list = append(list, m)
		}
	}
	for _, m := range core.mappings {
		if m.Default {
			list = append(list, m)
		}
	}
	return claims.NewSet(list)
}

// groups are the identifiers of a domain's groups of people. Rules that are being compiled look at those that are there now; one
// whose group comes later is compiled again.
type groups struct {
	mu     sync.Mutex
	there  map[string]struct{}
	missed map[string]struct{}
}

func (g *groups) has(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, there := g.there[id]; there {
		return true
	}
	if g.missed == nil {
		g.missed = map[string]struct{}{}
	}
	g.missed[id] = struct{}{}
	return false
}

// add reports whether a rule has missed the group.
func (g *groups) add(id string) (missed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.there == nil {
		g.there = map[string]struct{}{}
	}
	g.there[id] = struct{}{}
	_, missed = g.missed[id]
	delete(g.missed, id)
	return missed
}

// remove reports whether the group was there.
func (g *groups) remove(id string) (there bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, there = g.there[id]
	delete(g.there, id)
	return there
}

func (g *groups) list() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.there))
}
