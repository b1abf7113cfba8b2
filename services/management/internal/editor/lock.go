package editor

import (
	"slices"
	"sync"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// locks lets the changes of one process to one resource follow each other, so that they do not race in the database.
// Between processes the revision decides.
type locks struct {
	mu   sync.Mutex
	held map[string]*keyLock
}

type keyLock struct {
	sync.RWMutex
	users int
}

// lock waits for a key and returns what gives it back.
func (l *locks) lock(key string) (unlock func()) {
	k := l.take(key)
	k.Lock()
	return func() {
		k.Unlock()
		l.give(key, k)
	}
}

// share waits for a key that others may share, and returns what gives it back. Nobody shares a key twice at a time: one
// who waits for all of it comes in between.
func (l *locks) share(key string) (unlock func()) {
	k := l.take(key)
	k.RLock()
	return func() {
		k.RUnlock()
		l.give(key, k)
	}
}

func (l *locks) take(key string) *keyLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]*keyLock{}
	}
	k := l.held[key]
	if k == nil {
		k = &keyLock{}
		l.held[key] = k
	}
	k.users++
	return k
}

func (l *locks) give(key string, k *keyLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}

// referring lets a change that may come to name something wait for deletions in its domain, which look at who names what
// they delete. Changes of a kind whose resources name each other follow each other: what they must not form, such as a
// cycle, takes several of them. It comes before the lock of the resource.
func referring[R resource.Resource](e *Editor, k *catalog.Kind[R], domain string) (unlock func()) {
	shared := e.locks.share(references(domain))
	if !slices.ContainsFunc(k.References, func(ref catalog.Reference[R]) bool { return ref.Kind == k.Arm }) {
		return shared
	}
	alone := e.locks.lock(k.Arm + " of " + domain)
	return func() {
		alone()
		shared()
	}
}

// deleting lets the deletion of something that others may name wait for all changes in its domain that may come to name
// it. It comes before the lock of the resource.
func deleting[R resource.Resource](e *Editor, k *catalog.Kind[R], domain string) (unlock func()) {
	if len(k.References) == 0 && len(k.Shared) == 0 {
		return func() {}
	}
	return e.locks.lock(references(domain))
}

func references(domain string) string { return "references of " + domain }
