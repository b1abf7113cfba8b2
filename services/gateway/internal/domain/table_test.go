package domain

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// TestTable compares tables with maps, and looks at every version once all of them have been made: a later edit changes no earlier one.
func TestTable(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	type version struct {
		table table[int]
		model map[string]int
	}
	now, versions := version{model: map[string]int{}}, []version(nil)
	for range 80 {
		edit, model := now.table.edit(), maps.Clone(now.model)
		for range random.IntN(40) {
			key := fmt.Sprint("key-", random.IntN(300))
			if random.IntN(3) == 0 {
				edit.remove(key)
				delete(model, key)
				continue
			}
			v := random.IntN(1000)
			edit.put(key, v)
			model[key] = v
		}
		now = version{edit.next, model}
		versions = append(versions, now)
	}
	for i, v := range versions {
		sum, want := 0, 0
		for one := range v.table.all() {
			sum += one
		}
		for key, value := range v.model {
			want += value
			if got, ok := v.table.get(key); !ok || got != value {
				t.Fatalf("version %d: %s is %d, %v, want %d", i, key, got, ok, value)
			}
		}
		if v.table.size != len(v.model) || sum != want {
			t.Fatalf("version %d: %d entries with the sum %d, want %d with %d", i, v.table.size, sum, len(v.model), want)
		}
		if _, ok := v.table.get("key-300"); ok {
			t.Fatalf("version %d has what was never put", i)
		}
	}
}
