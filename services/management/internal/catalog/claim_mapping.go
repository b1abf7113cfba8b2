package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// ClaimMappings make claims out of what is known of a person.
var ClaimMappings = &Kind[*configv1.ClaimMapping]{
	Arm:    "claim_mapping",
	Title:  "Claim mapping",
	Path:   "claim-mappings",
	Parent: Domains,
	List:   Paged,
	Name:   (*configv1.ClaimMapping).GetName,
	SortKey: func(m *configv1.ClaimMapping) string {
		return fmt.Sprintf("%010d %s", m.GetOrder(), strings.ToLower(m.GetName()))
	},
	Searched: func(m *configv1.ClaimMapping) []string { return []string{m.GetName(), m.GetDescription()} },
	Unique: []Unique[*configv1.ClaimMapping]{{
		Name:  "name",
		Value: func(m *configv1.ClaimMapping) string { return DomainKey(m.GetDomain(), strings.ToLower(m.GetName())) },
		Taken: func(_, m *configv1.ClaimMapping) error {
			return fault.Conflictf("A claim mapping [%s] already exists.", m.GetName()).At("name", "already exists")
		},
	}},
	Normalize: func(_ context.Context, _ *Scene, _, m *configv1.ClaimMapping) error {
		m.Name = tidy(m.GetName())
		return nil
	},
	Validate: func(_ *Scene, _, m *configv1.ClaimMapping) error { return named(m.GetName(), m.GetDescription()) },
	References: []Reference[*configv1.ClaimMapping]{{
		Kind:   "application",
		Field:  "claimMappings",
		Value:  (*configv1.ClaimMapping).GetId,
		Refuse: "The claim mapping is used by applications.",
	}},
}
