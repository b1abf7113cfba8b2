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
		return fmt.Sprintf("%010d %s", max(g.GetOrder(), 0), strings.ToLower(g.GetName()))
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
	Needs:     NeedsHeadings,
	Normalize: normalizeHeading,
	Validate: func(_ *Scene, _, g *configv1.ApplicationGroup) error {
		return Together(named(g.GetName(), g.GetDescription()), between("order", int64(g.GetOrder()), 0, maxHeadingOrder))
	},
	References: []Reference[*configv1.ApplicationGroup]{{
		Kind:   "application",
		Field:  "group",
		Value:  (*configv1.ApplicationGroup).GetId,
		Remove: func(from resource.Resource, _ *configv1.ApplicationGroup) { from.(*configv1.Application).Group = "" },
	}},
}

// maxHeadingOrder bounds the place of a heading; the step is what lies between one and the next where nothing is said.
const (
	maxHeadingOrder = 1_000_000_000
	headingStep     = 10
)

// normalizeHeading puts a heading last whose place nobody chose.
func normalizeHeading(_ context.Context, s *Scene, _, g *configv1.ApplicationGroup) error {
	g.Name = tidy(g.GetName())
	if g.Order == nil {
		last := int32(0)
		for _, other := range s.Headings {
			if other.GetId() != g.GetId() {
				last = max(last, other.GetOrder())
			}
		}
		order := min(last, maxHeadingOrder-headingStep) + headingStep
		g.Order = &order
	}
	return nil
}

// Reordered returns copies of the headings whose place changes so that they stand in the order of ids, which are all of them.
func Reordered(all []*configv1.ApplicationGroup, ids []string) ([]*configv1.ApplicationGroup, error) {
	there := make(map[string]*configv1.ApplicationGroup, len(all))
	for _, g := range all {
		there[g.GetId()] = g
	}
	var faults []error
	var changed []*configv1.ApplicationGroup
	given := make(map[string]bool, len(ids))
	for i, id := range ids {
		path := index("ids", i)
		g := there[id]
		switch {
		case g == nil:
			faults = append(faults, dangling(path, "Application group", id))
		case given[id]:
			faults = append(faults, broken(path, id, givenOnce))
		case g.GetOrder() != int32(headingStep*(i+1)):
			c, order := copyOf(g), int32(headingStep*(i+1))
			c.Order = &order
			changed = append(changed, c)
		}
		given[id] = true
	}
	for _, g := range all {
		if !given[g.GetId()] {
			faults = append(faults, fault.Invalidf("Application group [%s] is missing. Name all of them.", g.GetName()).
				At("ids", g.GetId()+" is missing"))
		}
	}
	return changed, Together(faults...)
}
