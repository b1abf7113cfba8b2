package rules

import (
	"encoding/json"
	"maps"
	"slices"
)

// Merge returns a with b over it: objects key by key at any depth, lists joined without duplicates, otherwise b wins. The
// values are those of JSON. It changes neither, and the result shares what needed no merging with both.
func Merge(a, b map[string]any) map[string]any {
	merged := make(map[string]any, len(a)+len(b))
	maps.Copy(merged, a)
	for k, v := range b {
		if old, ok := merged[k]; ok {
			v = mergeValue(old, v)
		}
		merged[k] = v
	}
	return merged
}

func mergeValue(a, b any) any {
	switch b := b.(type) {
	case map[string]any:
		if a, ok := a.(map[string]any); ok {
			return Merge(a, b)
		}
	case []any:
		if a, ok := a.([]any); ok {
			return join(a, b)
		}
	}
	return b
}

// MergeAll merges maps one over the other, the last one on top, as repeated calls of [Merge] would, in time that grows with what there
// is and not with its square. It is never nil.
func MergeAll(list []map[string]any) map[string]any {
	if len(list) == 1 {
		return list[0]
	}
	values := map[string][]any{}
	for _, m := range list {
		for k, v := range m {
			values[k] = append(values[k], v)
		}
	}
	merged := make(map[string]any, len(values))
	for k, v := range values {
		merged[k] = mergeValues(v)
	}
	return merged
}

// mergeValues merges values of one key: those maps, or lists, that nothing else came after.
func mergeValues(list []any) any {
	last := list[len(list)-1]
	switch last.(type) {
	case map[string]any:
		run := runOf[map[string]any](list)
		if len(run) > 1 {
			return MergeAll(run)
		}
	case []any:
		run := runOf[[]any](list)
		if len(run) > 1 {
			return join(run...)
		}
	}
	return last
}

// runOf returns the longest end of a list that is of one type.
func runOf[T any](list []any) []T {
	from := len(list)
	for from > 0 {
		if _, ok := list[from-1].(T); !ok {
			break
		}
		from--
	}
	run := make([]T, 0, len(list)-from)
	for _, v := range list[from:] {
		run = append(run, v.(T))
	}
	return run
}

// join keeps the first of equal elements. Scalars are found by value, others by their JSON.
func join(lists ...[]any) []any {
	all := slices.Concat(lists...)
	joined := make([]any, 0, len(all))
	seen := make(map[any]bool, len(all))
	for _, v := range all {
		if key := identity(v); !seen[key] {
			seen[key] = true
			joined = append(joined, v)
		}
	}
	return joined
}

// composite keeps the JSON of an object from being taken for a string.
type composite string

func identity(v any) any {
	switch n := v.(type) {
	case nil, bool, string, float64:
		return v
	case int64:
		return float64(n)
	}
	text, _ := json.Marshal(v) // JSON values can be written
	return composite(text)
}
