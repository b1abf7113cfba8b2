package editor

import (
	"context"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Try returns a resource as [Patch] would store it, and writes nothing; no consequence is asked about. What would be refused there is
// refused here, with paths below path.
func Try[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, body prototree.Object, path string) (R, error) {
	var fresh R
	parent, err := e.parent(ctx, k, at)
	if err != nil {
		return fresh, err
	}
	old, err := read(ctx, e, k, at, parent, id)
	if err != nil {
		return fresh, err
	}
	err = e.onScene(ctx, at, parent, k.Needs, false, func(s *catalog.Scene) error {
		var err error
		if err = fixed(k, old, body); err == nil {
			fresh, err = merged(k, old, body)
		}
		if err == nil {
			resource.Stamp(fresh, resource.Stamps{ID: old.GetId(), Domain: old.GetDomain(), UpdatedAt: s.Now})
			err = e.prepare(ctx, s, old, fresh)
		}
		if err == nil {
			_, err = complete(ctx, k, s, old, fresh)
		}
		if err == nil {
			return nil
		}
		var under catalog.Faults
		if err := under.Take(path, err); err != nil {
			return err
		}
		return under.Err()
	})
	return fresh, err
}
