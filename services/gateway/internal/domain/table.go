package domain

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
)

// table is an immutable map from texts, in parts: a change copies the list of parts and the few parts that it touches, so that
// it costs next to nothing among a hundred thousand entries, and readers keep what they have. The zero value is empty.
type table[V any] struct {
	parts []map[string]V
	size  int
}

// partSize is how many entries a part has where the list of parts is made longer.
const partSize = 32

var tableSeed = maphash.MakeSeed()

// part is the index of the part of a key; the number of parts is a power of two.
func (t *table[V]) part(key string) int {
	return int(maphash.String(tableSeed, key) & uint64(len(t.parts)-1)) //nolint:gosec // smaller than the number of parts
}

func (t *table[V]) get(key string) (v V, ok bool) {
	if len(t.parts) == 0 {
		return v, false
	}
	v, ok = t.parts[t.part(key)][key]
	return v, ok
}

// all goes over the values in no order.
func (t *table[V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, part := range t.parts {
			for _, v := range part {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// tableEdit collects changes to a table and copies each part at most once.
type tableEdit[V any] struct {
	next table[V]
	// own are the parts that this edit has made; nil before the first change, and longer than the parts never.
	own []bool
}

func (t table[V]) edit() *tableEdit[V] { return &tableEdit[V]{next: t} }

// mine returns the part of a key, to be changed.
func (e *tableEdit[V]) mine(key string) map[string]V {
	if e.own == nil {
		e.next.parts, e.own = slices.Clone(e.next.parts), make([]bool, len(e.next.parts))
	}
	i := e.next.part(key)
	if !e.own[i] {
		e.next.parts[i], e.own[i] = maps.Clone(e.next.parts[i]), true
	}
	return e.next.parts[i]
}

func (e *tableEdit[V]) put(key string, v V) {
	if e.next.size >= partSize*len(e.next.parts) {
		e.grow()
	}
	part := e.mine(key)
	if _, there := part[key]; !there {
		e.next.size++
	}
	part[key] = v
}

// grow doubles the number of parts.
func (e *tableEdit[V]) grow() {
	larger := table[V]{parts: make([]map[string]V, max(1, 2*len(e.next.parts))), size: e.next.size}
	e.own = make([]bool, len(larger.parts))
	for i := range larger.parts {
		larger.parts[i], e.own[i] = make(map[string]V, partSize), true
	}
	for _, part := range e.next.parts {
		for key, v := range part {
			larger.parts[larger.part(key)][key] = v
		}
	}
	e.next = larger
}

func (e *tableEdit[V]) remove(key string) {
	if _, there := e.next.get(key); !there {
		return
	}
	delete(e.mine(key), key)
	e.next.size--
}
