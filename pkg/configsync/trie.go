package configsync

import (
	"iter"
	"math/bits"
)

// trie is an immutable map: a change makes a new trie that shares all but a few branches with the old one, so that a
// change costs the same at a hundred entries and at a million, and a reader may keep and walk an old trie for as long as
// it likes while newer ones are made. It is a hash array mapped trie with 32 ways.
//
// The zero trie is not usable; begin with newTrie.
type trie[K comparable, V any] struct {
	root *branch[K, V]
	size int
	hash func(K) uint64
}

const (
	trieBits = 5
	trieMask = 1<<trieBits - 1
)

// branch has a slot for every bit of its bitmap, in the order of the bits.
type branch[K comparable, V any] struct {
	bitmap uint32
	slots  []slot[K, V]
	// edit marks the branches that one edit has made and may therefore change in place.
	edit *edit
}

// slot holds either a branch or a leaf.
type slot[K comparable, V any] struct {
	branch *branch[K, V]
	leaf   *leaf[K, V]
}

// leaf is one entry. Entries whose whole hash is the same are chained.
type leaf[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
	next  *leaf[K, V]
}

// edit is the identity of a series of changes whose intermediate tries nobody keeps. It must not be empty: pointers to
// distinct zero-size variables may be equal.
type edit struct{ _ byte }

func newTrie[K comparable, V any](hash func(K) uint64) trie[K, V] {
	return trie[K, V]{root: &branch[K, V]{}, hash: hash}
}

func (t trie[K, V]) get(k K) (V, bool) {
	h := t.hash(k)
	n := t.root
	for shift := 0; ; shift += trieBits {
		i, found := n.index(h, shift)
		if !found {
			break
		}
		if n.slots[i].branch != nil {
			n = n.slots[i].branch
			continue
		}
		for l := n.slots[i].leaf; l != nil; l = l.next {
			if l.hash == h && l.key == k {
				return l.value, true
			}
		}
		break
	}
	var none V
	return none, false
}

// with returns the trie with k set to v. The trie it is called on must not be used again if it was made by an earlier
// call with the same edit; a nil edit is never the same.
func (t trie[K, V]) with(e *edit, k K, v V) trie[K, V] {
	l := &leaf[K, V]{hash: t.hash(k), key: k, value: v}
	root, added := t.root.with(e, 0, l)
	t.root = root
	if added {
		t.size++
	}
	return t
}

// without returns the trie without k.
func (t trie[K, V]) without(k K) trie[K, V] {
	root, removed := t.root.without(0, t.hash(k), k)
	if removed {
		t.root = root
		t.size--
	}
	return t
}

// all yields every entry once, in no particular order.
func (t trie[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		t.root.walk(yield)
	}
}

func (n *branch[K, V]) walk(yield func(K, V) bool) bool {
	for _, s := range n.slots {
		if s.branch != nil {
			if !s.branch.walk(yield) {
				return false
			}
			continue
		}
		for l := s.leaf; l != nil; l = l.next {
			if !yield(l.key, l.value) {
				return false
			}
		}
	}
	return true
}

// index returns where the slot for h is, or would be.
func (n *branch[K, V]) index(h uint64, shift int) (i int, found bool) {
	bit := uint32(1) << (h >> shift & trieMask)
	return bits.OnesCount32(n.bitmap & (bit - 1)), n.bitmap&bit != 0
}

func (n *branch[K, V]) with(e *edit, shift int, l *leaf[K, V]) (_ *branch[K, V], added bool) {
	i, found := n.index(l.hash, shift)
	if !found {
		return n.insert(e, i, uint32(1)<<(l.hash>>shift&trieMask), slot[K, V]{leaf: l}), true
	}
	s := n.slots[i]
	switch {
	case s.branch != nil:
		s.branch, added = s.branch.with(e, shift+trieBits, l)
	case s.leaf.hash == l.hash:
		s.leaf, added = s.leaf.with(l)
	default:
		s, added = slot[K, V]{branch: fork(e, shift+trieBits, s.leaf, l)}, true
	}
	return n.replace(e, i, s), added
}

// fork returns the smallest tree with the leaves a and b, whose hashes differ.
func fork[K comparable, V any](e *edit, shift int, a, b *leaf[K, V]) *branch[K, V] {
	x, y := a.hash>>shift&trieMask, b.hash>>shift&trieMask
	n := &branch[K, V]{bitmap: 1<<x | 1<<y, edit: e}
	switch {
	case x == y:
		n.slots = []slot[K, V]{{branch: fork(e, shift+trieBits, a, b)}}
	case x < y:
		n.slots = []slot[K, V]{{leaf: a}, {leaf: b}}
	default:
		n.slots = []slot[K, V]{{leaf: b}, {leaf: a}}
	}
	return n
}

func (n *branch[K, V]) without(shift int, h uint64, k K) (_ *branch[K, V], removed bool) {
	i, found := n.index(h, shift)
	if !found {
		return n, false
	}
	s := n.slots[i]
	if s.branch != nil {
		if s.branch, removed = s.branch.without(shift+trieBits, h, k); !removed {
			return n, false
		}
		// A branch with one leaf is that leaf; a branch never becomes empty, because it never had only one leaf.
		if len(s.branch.slots) == 1 && s.branch.slots[0].leaf != nil {
			s = s.branch.slots[0]
		}
		return n.replace(nil, i, s), true
	}
	if s.leaf, removed = s.leaf.without(k); !removed {
		return n, false
	}
	if s.leaf == nil {
		return n.remove(i, uint32(1)<<(h>>shift&trieMask)), true
	}
	return n.replace(nil, i, s), true
}

func (n *branch[K, V]) insert(e *edit, i int, bit uint32, s slot[K, V]) *branch[K, V] {
	slots := make([]slot[K, V], len(n.slots)+1)
	copy(slots, n.slots[:i])
	slots[i] = s
	copy(slots[i+1:], n.slots[i:])
	if e != nil && n.edit == e {
		n.bitmap |= bit
		n.slots = slots
		return n
	}
	return &branch[K, V]{bitmap: n.bitmap | bit, slots: slots, edit: e}
}

func (n *branch[K, V]) replace(e *edit, i int, s slot[K, V]) *branch[K, V] {
	if e != nil && n.edit == e {
		n.slots[i] = s
		return n
	}
	slots := make([]slot[K, V], len(n.slots))
	copy(slots, n.slots)
	slots[i] = s
	return &branch[K, V]{bitmap: n.bitmap, slots: slots, edit: e}
}

func (n *branch[K, V]) remove(i int, bit uint32) *branch[K, V] {
	slots := make([]slot[K, V], len(n.slots)-1)
	copy(slots, n.slots[:i])
	copy(slots[i:], n.slots[i+1:])
	return &branch[K, V]{bitmap: n.bitmap &^ bit, slots: slots}
}

// with returns the chain with n in it instead of the entry of the same key.
func (l *leaf[K, V]) with(n *leaf[K, V]) (_ *leaf[K, V], added bool) {
	rest, removed := l.without(n.key)
	n.next = rest
	return n, !removed
}

// without returns the chain without k, copying what lies before it.
func (l *leaf[K, V]) without(k K) (_ *leaf[K, V], removed bool) {
	if l == nil {
		return nil, false
	}
	if l.key == k {
		return l.next, true
	}
	next, removed := l.next.without(k)
	if !removed {
		return l, false
	}
	return &leaf[K, V]{hash: l.hash, key: l.key, value: l.value, next: next}, true
}
