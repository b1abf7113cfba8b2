package rules

import (
	"fmt"
	"sync"

	"github.com/google/cel-go/common/types"
	"google.golang.org/protobuf/types/known/structpb"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Holding is the entitlements that somebody holds in one application, in the order of their names, each once. Where an
// expression reads the attributes of all, later ones are merged over earlier ones.
type Holding []Entitlement

// Entitlement is one of them. Attributes is nil where it has none.
type Entitlement struct {
	Name       string
	Attributes *structpb.Struct
}

// entitlementType is what expressions see of an entitlement.
var entitlementType = &objectType{
	name:  "Entitlement",
	empty: (*Entitlement)(nil),
	fields: []field{
		{"name", types.StringType, "The name of the entitlement.",
			func(v any) (any, error) { return v.(*Entitlement).Name, nil }},
		{"attributes", openMap, "Its attributes.",
			func(v any) (any, error) { return attributes(v.(*Entitlement).Attributes), nil }},
	},
}

// holdings is the type of a Holding.
var holdings = types.NewListType(entitlementType.celType())

// Limits of the attributes of entitlements that expressions read: of one application, and of all that one person's decision reads.
const (
	maxHeld     = maxPieces
	maxHeldEver = 4 * maxPieces

	// What finding out who holds what costs at most, and merging the attributes; see cost.go.
	holdingCost = 2000
	mergingCost = 4 * maxHeld
)

// memory is what expressions have read, so that a loop that reads it again does not find it out again.
type memory struct {
	mu     sync.Mutex
	here   *held
	there  map[string]*held
	lists  [3][]string
	merged int // lists, maps and elements of attributes that were merged
}

// held is a holding as expressions see it: its entitlements one by one, and their merged attributes once they have been read.
type held struct {
	holding Holding
	known   bool
	list    []*Entitlement
	merged  any
}

func newHeld(h Holding, known bool) *held {
	seen := &held{holding: h, known: known, list: make([]*Entitlement, len(h))}
	for i := range h {
		seen.list[i] = &h[i]
	}
	return seen
}

func (a *Access) own() *held {
	a.read.mu.Lock()
	defer a.read.mu.Unlock()
	if a.read.here == nil {
		a.read.here = newHeld(a.Held(), true)
	}
	return a.read.here
}

// elsewhere returns what the person holds in another application.
func (a *Access) elsewhere(slug string) *held {
	a.read.mu.Lock()
	defer a.read.mu.Unlock()
	h := a.read.there[slug]
	if h == nil {
		h = newHeld(a.Elsewhere(slug))
		if a.read.there == nil {
			a.read.there = map[string]*held{}
		}
		a.read.there[slug] = h
	}
	return h
}

// merged returns the attributes of a holding: a map, or the error that they are too many.
func (a *Access) merged(h *held) any {
	a.read.mu.Lock()
	defer a.read.mu.Unlock()
	if h.merged != nil {
		return h.merged
	}
	left := min(maxHeld, maxHeldEver-a.read.merged)
	before := left
	for _, e := range h.holding {
		if left -= fieldsOf(e.Attributes, left); left < 0 {
			h.merged = types.WrapErr(&limitError{fmt.Sprintf("the attributes of the entitlements have more than %d entries", before)})
			return h.merged
		}
	}
	a.read.merged += before - left
	list := make([]map[string]any, len(h.holding))
	for i, e := range h.holding {
		list[i] = e.Attributes.AsMap()
	}
	h.merged = MergeAll(list)
	return h.merged
}

// fieldsOf counts lists, maps and their elements, up to a little more than most.
func fieldsOf(s *structpb.Struct, most int) int {
	n := 1
	for _, v := range s.GetFields() {
		if n > most {
			break
		}
		n += valuesOf(v, most-n)
	}
	return n
}

func valuesOf(v *structpb.Value, most int) int {
	switch v := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		return fieldsOf(v.StructValue, most)
	case *structpb.Value_ListValue:
		n := 1
		for _, one := range v.ListValue.GetValues() {
			if n > most {
				break
			}
			n += valuesOf(one, most-n)
		}
		return n
	}
	return 1
}

// The lists of a person's groups.
const (
	groupNames = iota
	directNames
	groupIDs
)

func (a *Access) groups(which int) []string {
	a.read.mu.Lock()
	defer a.read.mu.Unlock()
	if a.read.lists[which] == nil {
		what := (*directoryv1.Standing_Group).GetName
		if which == groupIDs {
			what = (*directoryv1.Standing_Group).GetId
		}
		a.read.lists[which] = groupsOf(a.User, which == directNames, what)
	}
	return a.read.lists[which]
}

// reading is what it costs at most to find out what an expression reads of entitlements.
func reading(inputs, slugs []string) uint64 {
	cost := uint64(len(slugs)) * (holdingCost + mergingCost)
	for _, name := range inputs {
		switch name {
		case "entitlements":
			cost += holdingCost
		case "entitlementAttributes":
			cost += holdingCost + mergingCost
		}
	}
	return cost
}
