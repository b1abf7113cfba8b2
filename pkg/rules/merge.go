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

// join keeps the first of equal elements. Scalars are found by value, others by their JSON.
func join(a, b []any) []any {
	joined := make([]any, 0, len(a)+len(b))
	seen := make(map[any]bool, len(a)+len(b))
	for _, v := range slices.Concat(a, b) {
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
