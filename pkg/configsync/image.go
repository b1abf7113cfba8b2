package configsync

import (
	"hash/maphash"
	"iter"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// image is all configuration, by domain. It is immutable: see trie.
type image struct {
	domains trie[string, domainImage]
}

// domainImage is what belongs to one domain, the domain itself included.
type domainImage struct {
	trie[item, stored]
	// registered is how many of them are registered clients.
	registered int
}

// stored is a resource, and the hash of its client_id if it is a registered client; otherwise 0.
type stored struct {
	upsert
	client uint64
}

// item names a resource within its domain.
type item struct{ kind, id string }

var hashSeed = maphash.MakeSeed()

func hashOf[K comparable](k K) uint64 { return maphash.Comparable(hashSeed, k) }

func newImage() image { return image{newTrie[string, domainImage](hashOf[string])} }

func (i image) get(k resource.Key) (upsert, bool) {
	u, ok := i.stored(k)
	return u.upsert, ok
}

func (i image) stored(k resource.Key) (stored, bool) {
	d, ok := i.domains.get(k.Domain)
	if !ok {
		return stored{}, false
	}
	return d.get(item{k.Kind, k.ID})
}

// with returns the image with k set to u. See trie.with about e.
func (i image) with(e *edit, k resource.Key, u stored) image {
	d, ok := i.domains.get(k.Domain)
	if !ok {
		d.trie = newTrie[item, stored](hashOf[item])
	}
	d.put(e, item{k.Kind, k.ID}, u)
	return image{i.domains.with(e, k.Domain, d)}
}

// put sets what is at a place.
func (d *domainImage) put(e *edit, at item, u stored) {
	d.forget(at)
	if u.client != 0 {
		d.registered++
	}
	d.trie = d.trie.with(e, at, u)
}

// remove takes away what is at a place.
func (d *domainImage) remove(at item) {
	d.forget(at)
	d.trie = d.trie.without(at)
}

// forget stops counting what is there.
func (d *domainImage) forget(at item) {
	if old, ok := d.get(at); ok && old.client != 0 {
		d.registered--
	}
}

// without returns the image without k.
func (i image) without(k resource.Key) image {
	d, ok := i.domains.get(k.Domain)
	if !ok {
		return i
	}
	if d.remove(item{k.Kind, k.ID}); d.size == 0 {
		return image{i.domains.without(k.Domain)}
	}
	return image{i.domains.with(nil, k.Domain, d)}
}

// each yields the domains of f.
func (i image) each(f filter) iter.Seq2[string, domainImage] {
	if f == nil {
		return i.domains.all()
	}
	return func(yield func(string, domainImage) bool) {
		for domain := range f {
			if d, ok := i.domains.get(domain); ok && !yield(domain, d) {
				return
			}
		}
	}
}

// all yields everything.
func (i image) all() iter.Seq2[resource.Key, upsert] {
	return func(yield func(resource.Key, upsert) bool) {
		for domain, d := range i.domains.all() {
			for it, u := range d.all() {
				if !yield(resource.Key{Kind: it.kind, Domain: domain, ID: it.id}, u.upsert) {
					return
				}
			}
		}
	}
}

// differences yields the keys of which i and other do not hold the same.
func (i image) differences(other image) iter.Seq[resource.Key] {
	return func(yield func(resource.Key) bool) {
		for k, u := range i.all() {
			if v, ok := other.get(k); (!ok || u != v) && !yield(k) {
				return
			}
		}
		for k := range other.all() {
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
