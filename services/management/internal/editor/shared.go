package editor

import (
	"context"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// lastOfItsValue refuses the deletion of the last resource that has a value which others of its domain name, such as the
// last certificate for a signing algorithm.
func (e *Editor) lastOfItsValue(ctx context.Context, meant resource.Resource, ops []store.Op) error {
	key := resource.KeyOf(meant)
	k, ok := catalog.ByArm(key.Kind)
	if !ok || !deletes(ops, key) {
		return nil
	}
	uses := k.SharedUses(meant)
	if len(uses) == 0 {
		return nil
	}
	find, err := e.finder(ctx)
	if err != nil {
		return err
	}
	for _, use := range uses {
		from, ok := catalog.ByArm(use.Kind)
		if !ok {
			continue
		}
		same, err := find.having(ctx, k, meant.GetDomain(), use.By, use.Value, 0)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(same, func(r resource.Resource) bool { return r.GetId() != meant.GetId() && k.CanStandIn(r) }) {
			continue
		}
		users, err := find.having(ctx, from, meant.GetDomain(), use.Field, use.Value, 1)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fault.Invalidf("%s", use.Refuse)
		}
	}
	return nil
}

func deletes(ops []store.Op, key resource.Key) bool {
	for _, op := range ops {
		if op.New == nil && op.Old != nil && resource.KeyOf(op.Old) == key {
			return true
		}
	}
	return false
}
