package editor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// maxProposed is how many bindings a proposed rule may have.
const maxProposed = 100

// Proposal is an application as it would be with a rule that is not stored, and the policies that stand in the rule itself, by
// the identifiers that its bindings have for them.
type Proposal struct {
	Application *configv1.Application
	Policies    map[string]*access.Policy
}

// Propose returns an application with a body in the place of its rule, as [Editor.ReplaceAccess] would store it, and writes
// nothing. What would be refused there is refused here, with paths below path. A binding may have a policy of its own in
// the place of an identifier: {"type", "configuration"}.
func (e *Editor) Propose(ctx context.Context, at Place, id string, body prototree.Object, path string) (*Proposal, error) {
	parent, err := e.parent(ctx, bound, at)
	if err != nil {
		return nil, err
	}
	old, err := read(ctx, e, bound, at, parent, id)
	if err != nil {
		return nil, err
	}
	var made *Proposal
	err = e.onScene(ctx, at, parent, bound.Needs, false, func(s *catalog.Scene) error {
		s.Unjudged = true
		s.Policies = slices.Clone(s.Policies)
		made = &Proposal{Application: proto.CloneOf(old), Policies: map[string]*access.Policy{}}
		var under, f catalog.Faults
		rule, err := made.inline(s, &f, body)
		if err == nil && !f.Any() {
			err = e.replaceRule(ctx, s, &f, made.Application, rule)
		}
		if err == nil {
			err = f.Err()
		}
		if err != nil {
			if err = under.Take(path, err); err != nil {
				return err
			}
		}
		return under.Err()
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// inline returns a rule with identifiers in the place of policies, which the scene knows from then on.
func (p *Proposal) inline(s *catalog.Scene, f *catalog.Faults, body prototree.Object) (prototree.Object, error) {
	list, ok := body["bindings"].([]any)
	if !ok {
		return body, nil
	}
	if len(list) > maxProposed {
		f.Refuse("bindings", fmt.Sprintf("must have at most %d entries", maxProposed))
		return body, nil
	}
	list = slices.Clone(list)
	for i, entry := range list {
		binding, ok := entry.(prototree.Object)
		if !ok {
			continue
		}
		own, ok := binding["policy"].(prototree.Object)
		if !ok {
			continue
		}
		at := fmt.Sprintf("bindings[%d].policy", i)
		var pb configv1.Policy
		err := prototree.Management.Decode(own, &pb)
		if err == nil {
			pb.Id = fmt.Sprintf("proposed-%d", i)
			var compiled *access.Policy
			if compiled, err = access.CompilePolicy(&pb); err == nil {
				p.Policies[pb.GetId()] = compiled
				s.Policies = append(s.Policies, &pb)
			}
		}
		if err != nil {
			if err := f.Take(at, err); err != nil {
				return nil, err
			}
			continue
		}
		binding = maps.Clone(binding)
		binding["policy"] = pb.GetId()
		list[i] = binding
	}
	body = maps.Clone(body)
	body["bindings"] = list
	return body, nil
}
