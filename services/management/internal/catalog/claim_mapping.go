package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
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
	Needs:     NeedsScopes | NeedsMappings,
	Normalize: normalizeClaimMapping,
	Validate:  validateClaimMapping,
	References: []Reference[*configv1.ClaimMapping]{{
		Kind:   "application",
		Field:  "claimMappings",
		Value:  (*configv1.ClaimMapping).GetId,
		Refuse: "The claim mapping is used by applications.",
		Refused: func(from []resource.Resource, gone *configv1.ClaimMapping) error {
			refusal := fault.Conflictf("Claim mapping [%s] is in use.", gone.GetName())
			for _, r := range from {
				refusal = refusal.At("applications."+r.GetId(), fmt.Sprintf("application [%s] lists it", r.(*configv1.Application).GetName()))
			}
			return refusal
		},
	}},
}

// normalizeClaimMapping fills in what the body leaves out: the claims go to UserInfo, after those of all others.
func normalizeClaimMapping(_ context.Context, s *Scene, _, m *configv1.ClaimMapping) error {
	m.Name, m.Scope = tidy(m.GetName()), strings.TrimSpace(m.GetScope())
	if m.OnError == configv1.ClaimMapping_ON_ERROR_UNSPECIFIED {
		m.OnError = configv1.ClaimMapping_OMIT
	}
	targets := slices.Compact(slices.Sorted(slices.Values(m.GetTargets())))
	if m.Targets = targets; len(targets) == 0 {
		m.Targets = []configv1.ClaimMapping_Target{configv1.ClaimMapping_USERINFO}
	}
	if m.Order == nil {
		last := int32(0)
		for _, other := range s.Mappings {
			if other.GetId() != m.GetId() {
				last = max(last, other.GetOrder())
			}
		}
		m.Order = new(int32)
		*m.Order = min(last, maxMappingOrder-mappingStep) + mappingStep
	}
	return nil
}

// mappingStep is how far apart mappings stand that were given no place; maxMappingOrder is the last place.
const (
	mappingStep     = 10
	maxMappingOrder = 1_000_000
)

func validateClaimMapping(s *Scene, _, m *configv1.ClaimMapping) error {
	if err := named(m.GetName(), m.GetDescription()); err != nil {
		return err
	}
	var f Faults
	switch err := claims.Check(m); {
	case strings.TrimSpace(m.GetExpression()) == "":
		f.Refuse("expression", notBlank)
	case err != nil:
		if err := f.Take("", badExpression("expression", err)); err != nil {
			return err
		}
	}
	if scope := m.GetScope(); scope != "" && !hasScope(s.Scopes, scope) && scope != entitlementScope.key {
		f.Refuse("scope", fmt.Sprintf("the domain has no scope [%s]", scope))
	}
	if n := m.GetOrder(); n < 0 || n > maxMappingOrder {
		f.Refuse("order", fmt.Sprintf("must be between 0 and %d", maxMappingOrder))
	}
	if slices.Contains(m.GetTargets(), configv1.ClaimMapping_TARGET_UNSPECIFIED) {
		f.Refuse("targets", "must be of userinfo, idtoken and accesstoken")
	}
	return f.Err()
}

// checkMappings refuses mappings that an application did not list before and that do not exist, and those that it lists twice.
func (s *Scene) checkMappings(old, list []string) error {
	var f Faults
	for i, id := range list {
		known := slices.Contains(old, id) || slices.ContainsFunc(s.Mappings, func(m *configv1.ClaimMapping) bool { return m.GetId() == id })
		switch {
		case !known:
			f.Refuse(index("claimMappings", i), fmt.Sprintf("Claim mapping [%s] can not be found.", id))
		case slices.Contains(list[:i], id):
			f.Refuse(index("claimMappings", i), "stands there twice")
		}
	}
	return f.Err()
}
