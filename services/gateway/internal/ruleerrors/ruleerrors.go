// Package ruleerrors gathers the failures of expressions that people wrote into the configuration: selection rules, custom claims,
// mappers, and what flows are made of.
//
// An expression that fails never fails a request: a rule is false, a value is left out. So that somebody notices all the same, each
// failure is counted, the first one of every revision of the configuration is logged, and what fails is shown with the status of its
// domain.
package ruleerrors

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kinds of resources that hold expressions, as the configuration stream names them.
const (
	Application      = "application"
	IdentityProvider = "identity_provider"
	Flow             = "flow"
	Form             = "form"
	ClaimMapping     = "claim_mapping"
)

// Places, as the metric names them. A gateway counts each of them from its start.
const (
	Selection = "selection"
	Claim     = "claim"
	Mapper    = "mapper"
	Flows     = "flow"
	Provider  = "provider"
	Redirect  = "redirect"
	Page      = "page"
	// Access are the bindings of applications whose policies fail, Mapping the claim mappings.
	Access  = "access"
	Mapping = "claim_mapping"
)

// Places returns all of them.
func Places() []string {
	return []string{Selection, Claim, Mapper, Flows, Provider, Redirect, Page, Access, Mapping}
}

// Expression names one expression of the configuration.
type Expression struct {
	Domain string
	// Kind, ID and Revision are those of the resource in which it stands.
	Kind, ID string
	Revision int64
	// Place is what it is for, Name which one: the provider whose rule it is, the claim, the member of the profile, the step.
	Place, Name string
}

// Failure is an expression that failed, since its resource was last changed.
type Failure struct {
	Expression
	// Count is how often it failed at this gateway, First and Last are when.
	Count       int64
	First, Last time.Time
	// Message is the last error.
	Message string
}

// The limits of what is remembered.
const (
	maxPerDomain = 500
	maxMessage   = 500 // bytes
)

// Reporter remembers failures. It is safe for concurrent use. A nil Reporter does nothing.
type Reporter struct {
	log     *slog.Logger
	now     func() time.Time
	counted func(place string)

	mu      sync.Mutex
	domains map[string]map[identity]*Failure
}

// identity is an Expression without its revision and domain.
type identity struct{ kind, id, place, name string }

// New returns a Reporter. It calls counted once per failure; may be nil.
func New(log *slog.Logger, now func() time.Time, counted func(place string)) *Reporter {
	if counted == nil {
		counted = func(string) {}
	}
	return &Reporter{log: log, now: now, counted: counted, domains: map[string]map[identity]*Failure{}}
}

// Report notes that an expression could not be evaluated. The first failure of a revision is logged as a warning, with the given
// attributes; the log says no more about it after that.
func (r *Reporter) Report(ctx context.Context, e Expression, err error, attributes ...slog.Attr) {
	if r == nil || err == nil {
		return
	}
	r.counted(e.Place)
	if !r.note(e, err) {
		return
	}
	attributes = append([]slog.Attr{
		slog.String("domain", e.Domain), slog.String("kind", e.Kind), slog.String("id", e.ID), slog.Int64("revision", e.Revision),
		slog.String("place", e.Place), slog.String("name", e.Name), slog.Any("err", err),
	}, attributes...)
	r.log.LogAttrs(ctx, slog.LevelWarn, "expression cannot be evaluated", attributes...)
}

// note reports whether the failure is the first of its revision.
func (r *Reporter) note(e Expression, err error) (first bool) {
	now, key := r.now(), identity{e.Kind, e.ID, e.Place, e.Name}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.domains[e.Domain]
	if known == nil {
		known = map[identity]*Failure{}
		r.domains[e.Domain] = known
	}
	f := known[key]
	switch {
	case f == nil:
		if len(known) >= maxPerDomain {
			drop(known)
		}
		f = &Failure{}
		known[key] = f
	case e.Revision < f.Revision:
		return false // a request that began before the change
	}
	if first = f.Count == 0 || e.Revision > f.Revision; first {
		*f = Failure{Expression: e, First: now}
	}
	f.Count++
	f.Last, f.Message = now, message(err)
	return first
}

// drop makes room by forgetting what has not failed for the longest time.
func drop(known map[identity]*Failure) {
	var oldest identity
	var at *Failure
	for key, f := range known {
		if at == nil || f.Last.Before(at.Last) {
			oldest, at = key, f
		}
	}
	delete(known, oldest)
}

func message(err error) string {
	text := err.Error()
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// Of returns the failures of one domain, by resource and place, of whatever revisions.
func (r *Reporter) Of(domain string) []Failure {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Failure, 0, len(r.domains[domain]))
	for _, f := range r.domains[domain] {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Failure) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID), strings.Compare(a.Place, b.Place), strings.Compare(a.Name, b.Name))
	})
	return list
}

// Forget drops what is known of a domain that is gone.
func (r *Reporter) Forget(domain string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.domains, domain)
}
