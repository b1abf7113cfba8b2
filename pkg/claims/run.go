package claims

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
)

// Effect is what a mapping did to a claim.
type Effect string

// The effects.
const (
	// Made is that there was no such claim before.
	Made Effect = "made"
	// Merged added to what an earlier mapping had made: members to an object, elements to a list.
	Merged Effect = "merged"
	// Overrode put a value in the place of an earlier one.
	Overrode Effect = "overrode"
)

// Source is one mapping's part in a claim.
type Source struct {
	Mapping *Mapping
	Effect  Effect
}

// Failure is a mapping whose expression could not be evaluated.
type Failure struct {
	Mapping *Mapping
	Err     error
}

// Dropped is a reserved claim that a mapping computed.
type Dropped struct {
	Mapping *Mapping
	Name    string
}

// Result is what mappings made.
type Result struct {
	// Claims are by name; never nil. What a mapping gave as null is not among them.
	Claims map[string]any
	// Sources are by claim the mappings that had a part in it, in the order in which they ran.
	Sources map[string][]Source
	// Failed and Dropped are in the order of the mappings, the names of dropped claims in alphabetical order.
	Failed  []Failure
	Dropped []Dropped
}

// ErrDenied means that a mapping failed which may not: the token is not to be made.
var ErrDenied = errors.New("a claim mapping that is required could not be evaluated")

// Run evaluates the mappings for one target, those alone whose scope is granted. The error is [ErrDenied]; the result then says
// which mapping it was, and there are no claims.
func (s *Set) Run(ctx context.Context, t Target, scopes []string, about *rules.Access) (Result, error) {
	r := Result{Claims: map[string]any{}, Sources: map[string][]Source{}}
	if !s.For(t) {
		return r, nil
	}
	in := rules.Input{Access: about}
	for _, m := range s.list {
		if m.Targets&t == 0 || m.Scope != "" && !slices.Contains(scopes, m.Scope) {
			continue
		}
		made, err := m.run(ctx, &in)
		if err != nil {
			r.Failed = append(r.Failed, Failure{m, err})
			if m.Deny {
				r.Claims, r.Sources = map[string]any{}, map[string][]Source{}
				return r, ErrDenied
			}
			continue
		}
		r.add(m, t, made)
	}
	return r, nil
}

func (m *Mapping) run(ctx context.Context, in *rules.Input) (map[string]any, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	v, err := m.value.Value(ctx, in)
	if err != nil {
		return nil, err
	}
	made, ok := v.(map[string]any)
	if !ok {
		return nil, errNoMap
	}
	return made, nil
}

var errNoMap = errors.New("the expression gave no map")

// add merges what a mapping made over what there is.
func (r *Result) add(m *Mapping, t Target, made map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(made)) {
		v := made[name]
		switch {
		case Reserved(name, t):
			r.Dropped = append(r.Dropped, Dropped{m, name})
			continue
		case v == nil:
			continue
		}
		before, there := r.Claims[name]
		effect := Made
		if there {
			v = access.Merge(map[string]any{name: before}, map[string]any{name: v})[name]
			effect = effectOf(before, made[name])
		}
		r.Claims[name] = v
		r.Sources[name] = append(r.Sources[name], Source{m, effect})
	}
}

// effectOf is what putting a value over another one comes to: objects and lists merge with their like.
func effectOf(before, after any) Effect {
	_, wasObject := before.(map[string]any)
	_, isObject := after.(map[string]any)
	_, wasList := before.([]any)
	_, isList := after.([]any)
	if wasObject && isObject || wasList && isList {
		return Merged
	}
	return Overrode
}
