package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
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
	Normalize: func(_ context.Context, _ *Scene, _, p *configv1.Policy) error {
		p.Name = tidy(p.GetName())
		return nil
	},
	Validate: func(_ *Scene, _, p *configv1.Policy) error { return named(p.GetName(), p.GetDescription()) },
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
