package domain

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

// status remembers when each domain last changed.
type status struct {
	now func() time.Time

	mu       sync.Mutex
	lastSync map[string]int64
	revision int64
	when     time.Time
}

func (s *status) init(now func() time.Time) { s.now, s.lastSync = now, map[string]int64{} }

// applied notes a change. The time is strictly greater after each one, even within one millisecond.
func (s *status) applied(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastSync[id] = max(s.lastSync[id]+1, s.now().UnixMilli())
}

func (s *status) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lastSync, id)
}

func (s *status) reached(revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision, s.when = revision, s.now()
}

// Part is one resource of a domain as this gateway sees it.
type Part struct {
	ID, Type string
	Success  bool
	// Message says why the part cannot be used.
	Message string
}

// Status is how far this gateway is with one domain.
type Status struct {
	ID string
	// LastSync is in milliseconds since the epoch, strictly greater after each applied change.
	LastSync int64
	Revision int64
	Enabled  bool
	// Parts lists the domain itself, its certificates and providers, and what cannot be used; sorted by id.
	Parts []Part
	// Failures are the expressions of the present configuration that failed at this gateway.
	Failures []ruleerrors.Failure
}

// Stable reports whether every part of the domain can be used.
func (s Status) Stable() bool {
	for _, p := range s.Parts {
		if !p.Success {
			return false
		}
	}
	return true
}

// Revision returns the revision this gateway has applied, and when.
func (s *Set) Revision() (int64, time.Time) {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	return s.status.revision, s.status.when
}

// Statuses describes every domain this gateway holds, by id.
func (s *Set) Statuses() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Status, 0, len(s.sources))
	for id, src := range s.sources {
		if src.domain == nil {
			continue
		}
		st := Status{ID: id, Enabled: src.domain.GetEnabled()}
		if d := src.slot.current.Load(); d != nil {
			st.Revision = d.Revision
		}
		s.status.mu.Lock()
		st.LastSync = s.status.lastSync[id]
		s.status.mu.Unlock()
		noted := map[string]bool{}
		add := func(id, kind string) {
			noted[kind+"/"+id] = true
			st.Parts = append(st.Parts, Part{ID: id, Type: kind, Success: true})
		}
		add(id, "domain")
		for c := range src.certificates {
			add(c, "certificate")
		}
		for p := range src.providers {
			add(p, "identity_provider")
		}
		for key, reason := range s.rejected.of(id) {
			if !noted[key.Kind+"/"+key.ID] {
				st.Parts = append(st.Parts, Part{ID: key.ID, Type: key.Kind})
			}
			for i := range st.Parts {
				if st.Parts[i].ID == key.ID && st.Parts[i].Type == key.Kind {
					st.Parts[i].Success, st.Parts[i].Message = false, reason
				}
			}
		}
		slices.SortFunc(st.Parts, func(a, b Part) int {
			return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Type, b.Type))
		})
		st.Failures = slices.DeleteFunc(s.options.Failures.Of(id), func(f ruleerrors.Failure) bool {
			return f.Revision != src.revisionOf(f.Kind, f.ID)
		})
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// revisionOf returns the present revision of a resource that may hold expressions, -1 if it is not there.
func (src *source) revisionOf(kind, id string) int64 {
	switch kind {
	case ruleerrors.Application:
		if e := src.apps[id]; e != nil {
			return e.revision
		}
	case ruleerrors.Form:
		if p := src.forms[id]; p != nil {
			return p.message.GetRevision()
		}
	case ruleerrors.IdentityProvider:
		if p := src.providers[id]; p != nil {
			return p.message.GetRevision()
		}
	case ruleerrors.Flow:
		if f := src.flows[id]; f != nil {
			return f.message.GetRevision()
		}
	}
	return -1
}
