package catalog

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
)

// Policies are conditions on people and on the moment.
var Policies = &Kind[*configv1.Policy]{
	Arm:      "policy",
	Title:    "Policy",
	Path:     "policies",
	Parent:   Domains,
	List:     Paged,
	Name:     (*configv1.Policy).GetName,
	Searched: func(p *configv1.Policy) []string { return []string{p.GetName(), p.GetDescription()} },
	Unique: []Unique[*configv1.Policy]{{
		Name:  "name",
		Value: func(p *configv1.Policy) string { return DomainKey(p.GetDomain(), strings.ToLower(p.GetName())) },
		Taken: func(_, p *configv1.Policy) error {
			return fault.Conflictf("A policy [%s] already exists.", p.GetName()).At("name", "already exists")
		},
	}},
	Fixed: func(body prototree.Object, old *configv1.Policy) error {
		was := policyType(old)
		is, given := body["type"].(string)
		if body["type"] == nil || given && is == was {
			return nil
		}
		var f Faults
		f.Refuse("type", typeStays(was, shortened(is)))
		return f.Err()
	},
	Normalize: normalizePolicy,
	Needs:     NeedsApplications | NeedsGroups | NeedsProviders,
	Validate: func(s *Scene, old, p *configv1.Policy) error {
		var f Faults
		CheckPolicy(s, &f, "", old, p)
		return f.Err()
	},
	References: []Reference[*configv1.Policy]{{
		Kind: "application",
		In: func(from resource.Resource, gone *configv1.Policy) bool {
			return Bound(from.(*configv1.Application), func(b *configv1.Binding) bool { return b.GetPolicy() == gone.GetId() })
		},
		Refuse: "The policy is in use.",
		Refused: func(from []resource.Resource, gone *configv1.Policy) error {
			refusal := fault.Conflictf("Policy [%s] is in use.", gone.GetName())
			for _, r := range from {
				for _, b := range r.(*configv1.Application).GetBindings() {
					if b.GetPolicy() == gone.GetId() {
						refusal = refusal.At("applications."+r.GetId()+".bindings."+b.GetId(),
							fmt.Sprintf("application [%s] is bound to it", r.(*configv1.Application).GetName()))
					}
				}
			}
			return refusal
		},
	}},
}

// normalizePolicy says in a policy what it comes to. One that does not compile is left to Validate.
func normalizePolicy(_ context.Context, _ *Scene, _, p *configv1.Policy) error {
	p.Name = tidy(p.GetName())
	p.Expression, p.Inputs, p.Situational = "", nil, false
	if compiled, err := access.CompilePolicy(p); err == nil {
		p.Expression, p.Inputs, p.Situational = compiled.Expression(), compiled.Inputs(), compiled.Situational()
	}
	return nil
}

// CheckPolicy notes everything that is wrong with a policy. Old is what is stored of it, without content where it is new.
// S needs the applications.
func CheckPolicy(s *Scene, f *Faults, path string, old, p *configv1.Policy) {
	under := func(err error) {
		if err := f.Take(path, err); err != nil {
			f.Refuse(path, "can not be checked")
		}
	}
	if err := named(p.GetName(), p.GetDescription()); err != nil {
		under(err)
	}
	at := func(member string) string { return strings.TrimPrefix(path+"."+member, ".") }
	checkTold(f, at("message"), p.GetMessage())
	if was, is := policyType(old), policyType(p); old.GetId() != "" && was != is && is != "" {
		f.Refuse(at("type"), typeStays(was, is))
	}
	compiled, err := access.CompilePolicy(p)
	if err != nil {
		under(err)
		return
	}
	for _, slug := range compiled.Slugs() {
		if !slices.ContainsFunc(s.Applications, func(a *configv1.Application) bool { return a.GetSlug() == slug }) {
			f.Refuse(at("configuration.expression"), fmt.Sprintf("There is no application with the slug [%s].", slug))
		}
	}
}

func typeStays(was, is string) string {
	return strings.TrimSuffix(fmt.Sprintf("can not be changed from %s to %s", was, is), " to ") + "; create another policy"
}

// policyType returns the type of a policy as bodies write it; empty where it has none.
func policyType(p *configv1.Policy) string {
	m := p.ProtoReflect()
	if arm := m.WhichOneof(m.Descriptor().Oneofs().ByName("config")); arm != nil {
		return prototree.MarksOf(arm).Variant
	}
	return ""
}

// namedGroup finds the names that an expression looks for among groups.
var namedGroup = regexp.MustCompile(`("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s+in\s+user\.(groups|directGroups|groupIds)\b`)

// PolicyWarnings says what a policy leads to that may not be meant. S needs groups and providers.
func PolicyWarnings(s *Scene, p *configv1.Policy) []*managementv1.Warning {
	var warnings []*managementv1.Warning
	warn := func(path, format string, args ...any) {
		warnings = append(warnings, &managementv1.Warning{Path: path, Detail: fmt.Sprintf(format, args...)})
	}
	for _, m := range namedGroup.FindAllStringSubmatch(p.GetByExpression().GetExpression(), -1) {
		name := m[1][1 : len(m[1])-1]
		if !slices.ContainsFunc(s.Groups, func(g *configv1.Group) bool {
			return m[2] == "groupIds" && g.GetId() == name || m[2] != "groupIds" && g.GetName() == name
		}) {
			warn("configuration.expression", "there is no group [%s]", name)
		}
	}
	for i, id := range p.GetAuthenticationStrength().GetIdentityProviders() {
		if !slices.ContainsFunc(s.Providers, func(one *configv1.IdentityProvider) bool { return one.GetId() == id }) {
			warn(fmt.Sprintf("configuration.identityProviders[%d]", i), "there is no identity provider [%s]", id)
		}
	}
	if compiled, err := access.CompilePolicy(p); err == nil && compiled.NeedsPlaces() {
		warn("configuration", "needs a database of addresses at every gateway (--geo-database); where there is none the policy fails")
	}
	if windows := p.GetTimeWindow(); windows.GetNotAfter() != nil && !windows.GetNotAfter().AsTime().After(s.Now) {
		warn("configuration.notAfter", "lies in the past: the policy holds for nobody")
	}
	return warnings
}
