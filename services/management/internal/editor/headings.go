package editor

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Reordered is what is recorded where headings change places.
const Reordered Action = "reorder"

// ReorderHeadings puts the headings of a domain in the order of ids, which name all of them, in one change. It returns them in
// that order.
func (e *Editor) ReorderHeadings(ctx context.Context, at Place, ids []string) ([]*configv1.ApplicationGroup, error) {
	defer e.locks.lock(catalog.ApplicationGroups.Arm + " of " + at.Domain)()
	var result []*configv1.ApplicationGroup
	err := again(0, func(bool) error {
		d, err := e.domain(ctx, at, at.Domain)
		if err != nil {
			return err
		}
		all, _, err := store.List(ctx, e.store, catalog.ApplicationGroups, store.Query{Domain: d.GetId()})
		if err != nil {
			return err
		}
		changed, err := catalog.Reordered(all, ids)
		if err != nil {
			return err
		}
		var ops []store.Op
		for _, fresh := range changed {
			i := slices.IndexFunc(all, func(g *configv1.ApplicationGroup) bool { return g.GetId() == fresh.GetId() })
			resource.Stamp(fresh, resource.Stamps{UpdatedAt: e.opts.Now()})
			ops = append(ops, store.Op{Old: all[i], New: fresh})
			all[i] = fresh
		}
		if len(ops) > 0 {
			if _, err := e.write(ctx, ops[0].New, Reordered, ops); err != nil && !errors.Is(err, ErrDryRun) {
				return err
			}
		}
		slices.SortFunc(all, func(a, b *configv1.ApplicationGroup) int { return int(a.GetOrder() - b.GetOrder()) })
		result = all
		return nil
	})
	return result, err
}
