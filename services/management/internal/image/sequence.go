package image

import (
	"iter"
	"slices"
	"sort"
	"strings"
)

// largest is how many items a chunk has at most. A change copies one chunk and the list of chunks; with 100,000 items
// both are a few hundred pointers.
const largest = 512

// rules are what a sequence is ordered by. No two items of one sequence compare as equal. The text of an item is what
// searches look at; nil means that there is none.
type rules[T any] struct {
	compare func(a, b T) int
	text    func(T) string
}

// sequence is an ordered list that never changes; with and without return another one that shares most of it.
type sequence[T any] struct {
	*rules[T]
	chunks []*chunk[T]
	size   int
}

// chunk is a run of items. None is empty. Text is that of all items, end to end; ends are where each of them ends.
type chunk[T any] struct {
	items []T
	text  string
	ends  []int32
}

// newSequence returns the sequence of items, which are sorted on the way.
func newSequence[T any](r *rules[T], items []T) sequence[T] {
	slices.SortFunc(items, r.compare)
	s := sequence[T]{rules: r, size: len(items)}
	for part := range slices.Chunk(items, largest/2) {
		s.chunks = append(s.chunks, s.chunk(part))
	}
	return s
}

// chunk makes a chunk of items, which it keeps.
func (s sequence[T]) chunk(items []T) *chunk[T] {
	c := &chunk[T]{items: items}
	if s.text == nil {
		return c
	}
	var b strings.Builder
	c.ends = make([]int32, len(items))
	for i, item := range items {
		b.WriteString(s.text(item))
		c.ends[i] = int32(b.Len())
	}
	c.text = b.String()
	return c
}

// place returns the chunk where an item is or belongs, its place there, and whether it is there. It must not be asked
// of an empty sequence.
func (s sequence[T]) place(item T) (at, i int, found bool) {
	at = sort.Search(len(s.chunks), func(n int) bool {
		items := s.chunks[n].items
		return s.compare(items[len(items)-1], item) >= 0
	})
	at = min(at, len(s.chunks)-1)
	i, found = slices.BinarySearchFunc(s.chunks[at].items, item, s.compare)
	return at, i, found
}

// get returns the item that is equal to one like it.
func (s sequence[T]) get(like T) (T, bool) {
	if s.size > 0 {
		if at, i, found := s.place(like); found {
			return s.chunks[at].items[i], true
		}
	}
	var none T
	return none, false
}

// with returns the sequence with an item, in the place of an equal one if there is one.
func (s sequence[T]) with(item T) sequence[T] {
	if s.size == 0 {
		return newSequence(s.rules, []T{item})
	}
	at, i, found := s.place(item)
	items := make([]T, 0, len(s.chunks[at].items)+1)
	items = append(append(items, s.chunks[at].items[:i]...), item)
	if found {
		return s.instead(at, 1, append(items, s.chunks[at].items[i+1:]...), s.size)
	}
	return s.instead(at, 1, append(items, s.chunks[at].items[i:]...), s.size+1)
}

// without returns the sequence without the item that is equal to one like it.
func (s sequence[T]) without(like T) sequence[T] {
	if s.size == 0 {
		return s
	}
	at, i, found := s.place(like)
	if !found {
		return s
	}
	items := slices.Concat(s.chunks[at].items[:i], s.chunks[at].items[i+1:])
	if next := at + 1; next < len(s.chunks) && len(items)+len(s.chunks[next].items) <= largest/2 {
		return s.instead(at, 2, append(items, s.chunks[next].items...), s.size-1)
	}
	return s.instead(at, 1, items, s.size-1)
}

// instead returns the sequence with items in the place of n chunks.
func (s sequence[T]) instead(at, n int, items []T, size int) sequence[T] {
	chunks := make([]*chunk[T], 0, len(s.chunks)+1)
	chunks = append(chunks, s.chunks[:at]...)
	switch {
	case len(items) > largest:
		half := len(items) / 2
		chunks = append(chunks, s.chunk(slices.Clone(items[:half])), s.chunk(slices.Clone(items[half:])))
	case len(items) > 0:
		chunks = append(chunks, s.chunk(items))
	}
	return sequence[T]{rules: s.rules, chunks: append(chunks, s.chunks[at+n:]...), size: size}
}

// all yields the items in order.
func (s sequence[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, c := range s.chunks {
			for _, item := range c.items {
				if !yield(item) {
					return
				}
			}
		}
	}
}

// from yields the items in order, beginning with the first that is not below one like it.
func (s sequence[T]) from(like T) iter.Seq[T] {
	return func(yield func(T) bool) {
		if s.size == 0 {
			return
		}
		at, i, _ := s.place(like)
		for ; at < len(s.chunks); at, i = at+1, 0 {
			for _, item := range s.chunks[at].items[i:] {
				if !yield(item) {
					return
				}
			}
		}
	}
}

// page returns at most n items, beginning with the one at a place counted from 0.
func (s sequence[T]) page(first, n int) []T {
	var found []T
	for _, c := range s.chunks {
		if len(found) == n {
			break
		}
		if first >= len(c.items) {
			first -= len(c.items)
			continue
		}
		rest := c.items[first:]
		found = append(found, rest[:min(len(rest), n-len(found))]...)
		first = 0
	}
	return found
}
