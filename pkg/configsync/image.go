package configsync

import (
	"bytes"
	"hash/maphash"
	"iter"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// image is all configuration, by domain. It is immutable: see trie.
type image struct {
	domains trie[string, domainImage]
}

// domainImage is what belongs to one domain, the domain itself included.
type domainImage = trie[item, upsert]

// item names a resource within its domain.
type item struct{ kind, id string }

var hashSeed = maphash.MakeSeed()

func hashOf[K comparable](k K) uint64 { return maphash.Comparable(hashSeed, k) }

func newImage() image { return image{newTrie[string, domainImage](hashOf[string])} }

func (i image) get(k resource.Key) (upsert, bool) {
	d, ok := i.domains.get(k.Domain)
	if !ok {
		return nil, false
	}
	return d.get(item{k.Kind, k.ID})
}

// with returns the image with k set to u. See trie.with about e.
func (i image) with(e *edit, k resource.Key, u upsert) image {
	d, ok := i.domains.get(k.Domain)
	if !ok {
		d = newTrie[item, upsert](hashOf[item])
	}
	return image{i.domains.with(e, k.Domain, d.with(e, item{k.Kind, k.ID}, u))}
}

// without returns the image without k.
func (i image) without(k resource.Key) image {
	d, ok := i.domains.get(k.Domain)
	if !ok {
		return i
	}
	if d = d.without(item{k.Kind, k.ID}); d.size == 0 {
		return image{i.domains.without(k.Domain)}
	}
	return image{i.domains.with(nil, k.Domain, d)}
}

// all yields what the domains of f hold.
func (i image) all(f filter) iter.Seq2[resource.Key, upsert] {
	return func(yield func(resource.Key, upsert) bool) {
		if f == nil {
			for domain, d := range i.domains.all() {
				if !walk(domain, d, yield) {
					return
				}
			}
			return
		}
		for domain := range f {
			if d, ok := i.domains.get(domain); ok && !walk(domain, d, yield) {
				return
			}
		}
	}
}

func walk(domain string, d domainImage, yield func(resource.Key, upsert) bool) bool {
	for it, u := range d.all() {
		if !yield(resource.Key{Kind: it.kind, Domain: domain, ID: it.id}, u) {
			return false
		}
	}
	return true
}

// differences yields the keys of which i and other do not hold the same.
func (i image) differences(other image) iter.Seq[resource.Key] {
	return func(yield func(resource.Key) bool) {
		for k, u := range i.all(nil) {
			if v, ok := other.get(k); (!ok || !bytes.Equal(u, v)) && !yield(k) {
				return
			}
		}
		for k := range other.all(nil) {
			if _, ok := i.get(k); !ok && !yield(k) {
				return
			}
		}
	}
}

// filter is the set of domains a subscriber asked for; nil is every domain.
type filter map[string]struct{}

func newFilter(domains []string) filter {
	if len(domains) == 0 {
		return nil
	}
	f := make(filter, len(domains))
	for _, d := range domains {
		f[d] = struct{}{}
	}
	return f
}

func (f filter) passes(domain string) bool {
	if f == nil {
		return true
	}
	_, ok := f[domain]
	return ok
}
