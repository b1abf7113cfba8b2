package editor

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// catchUp is how long a deletion waits for the image to reach the end of the log before it asks the database instead.
const catchUp = 2 * time.Second

// finder finds the resources of a domain that have a value somewhere. A deletion asks it whether it may be made, so what
// it knows is nothing less than the database at the moment when it was made.
type finder struct {
	store *store.Store
	view  *image.View // nil: the database is asked
}

// finder waits until the image holds every change that was announced before. A change that is announced later races with
// the deletion, as it would with a query.
func (e *Editor) finder(ctx context.Context) (finder, error) {
	f := finder{store: e.store}
	if e.opts.Image == nil {
		return f, nil
	}
	if _, loaded := e.opts.Image.View(); !loaded {
		return f, nil
	}
	last, err := e.store.LastRevision(ctx)
	if err != nil {
		return f, err
	}
	limited, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	e.store.Nudge()
	if err := e.opts.Image.Wait(limited, last); err != nil {
		if ctx.Err() != nil {
			return f, context.Cause(ctx)
		}
		return f, nil // somebody keeps the log waiting
	}
	v, _ := e.opts.Image.View()
	f.view = &v
	return f, nil
}

// having returns resources of a domain where a value stands in a place of the stored document; at most so many, if most
// is not 0.
func (f finder) having(ctx context.Context, k catalog.Any, domain, field, value string, most int) ([]resource.Resource, error) {
	if f.view == nil {
		found, _, err := f.store.ListAny(ctx, k, store.Query{Domain: domain, Where: map[string][]any{field: {value}}, Size: most})
		return found, err
	}
	has, err := image.Having(k, field, value)
	if err != nil {
		return nil, err
	}
	return f.list(k, image.Query{Domain: domain, Where: has, Size: most}), nil
}

// all returns the resources of a kind in a domain. They must not be changed.
func (f finder) all(ctx context.Context, k catalog.Any, domain string) ([]resource.Resource, error) {
	if f.view == nil {
		found, _, err := f.store.ListAny(ctx, k, store.Query{Domain: domain})
		return found, err
	}
	return f.list(k, image.Query{Domain: domain}), nil
}

// list returns what a query selects, and of applications also the providers that belong to none: they name resources too.
func (f finder) list(k catalog.Any, q image.Query) []resource.Resource {
	found, _ := f.view.ListAny(k, q)
	if k.Descriptor().Arm == catalog.Applications.Arm && (q.Size == 0 || len(found) < q.Size) {
		q.Providers = true
		waiting, _ := f.view.ListAny(k, q)
		found = append(found, waiting...)
	}
	return found
}

// where returns the resources of a kind in all domains that satisfy has. In the database they are looked for by a value in
// a place of the stored document.
func (f finder) where(ctx context.Context, k catalog.Any, field string, value any, has func(resource.Resource) bool) ([]resource.Resource, error) {
	if f.view == nil {
		found, _, err := f.store.ListAny(ctx, k, store.Query{Where: map[string][]any{field: {value}}})
		return slices.DeleteFunc(found, func(r resource.Resource) bool { return !has(r) }), err
	}
	return f.list(k, image.Query{Where: has}), nil
}
