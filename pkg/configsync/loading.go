package configsync

import (
	"errors"
	"fmt"
	"sync"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Encoded is a resource as a publisher keeps it.
type Encoded struct{ is edited }

// Encode encodes a resource. It fails for one that cannot travel: it lacks its kind, domain or id, or is larger than
// MaxResourceBytes.
func Encode(r *configv1.Resource) (Encoded, error) {
	is, err := editOf(r)
	return Encoded{is}, err
}

// Key names the resource.
func (e Encoded) Key() resource.Key { return e.is.key }

// Message is the resource itself, without the Resource around it, in its protobuf form. It shares memory with what publishers
// keep, so that a process that needs both has it once.
func (e Encoded) Message() string { return e.is.message() }

// Loading is a whole state that is gathered resource by resource, for Publisher.LoadFrom. It is safe for concurrent use.
type Loading struct {
	mu      sync.Mutex
	domains map[string]*domainImage
	edit    *edit
}

// NewLoading returns an empty one.
func NewLoading() *Loading { return &Loading{domains: map[string]*domainImage{}, edit: new(edit)} }

// Put adds a resource, in the place of one with its key, and reports whether there was none.
func (l *Loading) Put(e Encoded) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.domains[e.is.key.Domain]
	if d == nil {
		d = &domainImage{trie: newTrie[item, stored](hashOf[item])}
		l.domains[e.is.key.Domain] = d
	}
	before := d.size
	d.put(l.edit, item{e.is.key.Kind, e.is.key.ID}, e.is.stored)
	return d.size > before
}

// Delete takes a resource away, if it is there.
func (l *Loading) Delete(k resource.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.domains[k.Domain]; d != nil {
		d.remove(item{k.Kind, k.ID})
	}
}

// image returns what was gathered.
func (l *Loading) image() image {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := newImage()
	for domain, d := range l.domains {
		if d.size > 0 {
			i = image{i.domains.with(l.edit, domain, *d)}
		}
	}
	return i
}

// LoadFrom is Load of what was gathered, which must not be added to any more.
func (p *Publisher) LoadFrom(installation string, revision int64, l *Loading, history ...Change) error {
	if installation == "" {
		return errors.New("load: no installation")
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	s := p.current.Load()
	next := s.reload(installation, revision, l.image(), p.options.LogSize, p.options.Now())
	if !s.loaded {
		var err error
		if next, err = next.recall(history, p.options.LogSize); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	p.publish(next)
	return nil
}
