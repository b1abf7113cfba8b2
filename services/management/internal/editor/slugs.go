package editor

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// slugTaken reports whether another application of a domain has a slug.
func (e *Editor) slugTaken(ctx context.Context, domain, slug, application string) (bool, error) {
	found, err := store.FindByUnique(ctx, e.store, catalog.Applications, catalog.UniqueSlug, catalog.DomainKey(domain, slug))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return found.GetId() != application, nil
}

// otherSlug lets a change begin again whose slug was made of a name and taken by somebody else meanwhile.
func otherSlug(s *catalog.Scene, err error) error {
	var f *fault.Error
	if s.SlugMade && errors.As(err, &f) && f.Kind == fault.Conflict && len(f.Details) > 0 && f.Details[0].Path == "slug" {
		return errors.Join(store.ErrStale, err)
	}
	return err
}

// FindBySlug returns the application that has a slug now.
func (e *Editor) FindBySlug(ctx context.Context, at Place, slug string) (*configv1.Application, error) {
	d, err := e.domain(ctx, at, at.Domain)
	if err != nil {
		return nil, err
	}
	found, err := store.FindByUnique(ctx, e.store, catalog.Applications, catalog.UniqueSlug, catalog.DomainKey(d.GetId(), slug))
	if errors.Is(err, store.ErrNotFound) {
		return nil, catalog.Applications.NotFound(slug)
	}
	return found, err
}
