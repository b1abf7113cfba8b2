package configsync

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrieIsAMapWhoseOldVersionsStay(t *testing.T) {
	hashes := []struct {
		name string
		hash func(int) uint64
	}{
		{"with well spread hashes", hashOf[int]},
		{"with hashes that differ only in the last bits", func(k int) uint64 { return uint64(k%64) << 58 }},
		{"with few different hashes", func(k int) uint64 { return uint64(k % 5) }},
		{"with one hash for all", func(int) uint64 { return 7 }},
	}
	for _, tt := range hashes {
		t.Run(tt.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			tr, want := newTrie[int, int](tt.hash), map[int]int{}
			type version struct {
				trie trie[int, int]
				want map[int]int
			}
			var versions []version
			for range 40 {
				var e *edit
				if rng.IntN(2) == 0 {
					e = new(edit)
				}
				for range 20 {
					k, v := rng.IntN(150), rng.Int()
					if rng.IntN(5) < 2 {
						tr = tr.without(k)
						delete(want, k)
					} else {
						tr = tr.with(e, k, v)
						want[k] = v
					}
				}
				versions = append(versions, version{tr, maps.Clone(want)})
			}
			for i, v := range versions {
				if diff := cmp.Diff(v.want, maps.Collect(v.trie.all())); diff != "" {
					t.Fatalf("version %d (-want +got):\n%s", i, diff)
				}
				if v.trie.size != len(v.want) {
					t.Errorf("version %d has size %d, want %d", i, v.trie.size, len(v.want))
				}
				for k := range 150 {
					got, ok := v.trie.get(k)
					if want, held := v.want[k]; got != want || ok != held {
						t.Errorf("version %d holds %d, %t under %d; want %d, %t", i, got, ok, k, want, held)
					}
				}
			}
		})
	}
}

func TestTrieLeavesNoBranchesBehind(t *testing.T) {
	tr := newTrie[int, int](hashOf[int])
	for k := range 1000 {
		tr = tr.with(nil, k, k)
	}
	for k := range 1000 {
		tr = tr.without(k)
	}
	if len(tr.root.slots) != 0 || tr.size != 0 {
		t.Errorf("an emptied trie has %d slots and size %d", len(tr.root.slots), tr.size)
	}
}

func TestTrieWalkStopsWhenAsked(t *testing.T) {
	tr := newTrie[int, int](func(k int) uint64 { return uint64(k % 3) })
	for k := range 30 {
		tr = tr.with(nil, k, k)
	}
	seen := 0
	for range tr.all() {
		if seen++; seen == 4 {
			break
		}
	}
	if seen != 4 {
		t.Errorf("%d entries seen, want 4", seen)
	}
}
