package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// ApplicationGroups are the headings of My applications.
var ApplicationGroups = &Kind[*configv1.ApplicationGroup]{
	Arm:    "application_group",
	Title:  "Application group",
	Path:   "application-groups",
	Parent: Domains,
	List:   Paged,
	Name:   (*configv1.ApplicationGroup).GetName,
	SortKey: func(g *configv1.ApplicationGroup) string {
		return fmt.Sprintf("%010d %s", g.GetOrder(), strings.ToLower(g.GetName()))
	},
	Searched: func(g *configv1.ApplicationGroup) []string { return []string{g.GetName(), g.GetDescription()} },
	Unique: []Unique[*configv1.ApplicationGroup]{{
		Name: "name",
		Value: func(g *configv1.ApplicationGroup) string {
			return DomainKey(g.GetDomain(), strings.ToLower(g.GetName()))
		},
		Taken: func(_, g *configv1.ApplicationGroup) error {
			return fault.Conflictf("An application group [%s] already exists.", g.GetName()).At("name", "already exists")
		},
	}},
	Normalize: func(_ context.Context, _ *Scene, _, g *configv1.ApplicationGroup) error {
		g.Name = tidy(g.GetName())
		return nil
	},
	Validate: func(_ *Scene, _, g *configv1.ApplicationGroup) error { return named(g.GetName(), g.GetDescription()) },
	References: []Reference[*configv1.ApplicationGroup]{{
		Kind:   "application",
		Field:  "group",
		Value:  (*configv1.ApplicationGroup).GetId,
		Remove: func(from resource.Resource, _ *configv1.ApplicationGroup) { from.(*configv1.Application).Group = "" },
	}},
}
