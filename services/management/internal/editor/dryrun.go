package editor

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// ErrDryRun is what stops a dry run in the place of a write, after every check. Changes that can be tried out answer what they
// would have stored; from others it comes to the caller, and nothing is written either.
var ErrDryRun = errors.New("a dry run writes nothing")

type dryRunKey struct{}

// WithDryRun returns a context in which changes are checked and not written.
func WithDryRun(ctx context.Context) context.Context {
	return context.WithValue(ctx, dryRunKey{}, true)
}

// DryRun reports whether changes are to be checked and not written.
func DryRun(ctx context.Context) bool {
	dry, _ := ctx.Value(dryRunKey{}).(bool)
	return dry
}

// rehearse does in a dry run what the store does at a write: it refuses values that somebody else has. Those that the change
// itself gives up are free. It never succeeds: it ends with ErrDryRun.
func (e *Editor) rehearse(ctx context.Context, meant resource.Resource, ops []store.Op) error {
	var leaving []string
	for _, op := range ops {
		if op.Old != nil {
			leaving = append(leaving, op.Old.GetId())
		}
	}
	for _, op := range ops {
		if op.New == nil {
			continue
		}
		kind := resource.KeyOf(op.New).Kind
		k, ok := catalog.ByArm(kind)
		if !ok {
			continue
		}
		taken, err := e.store.TakenUnique(ctx, k, op.New, leaving...)
		if err != nil {
			return err
		}
		if taken != "" {
			return e.explain(meant, ops, &store.DuplicateError{Kind: kind, ID: op.New.GetId(), Unique: taken})
		}
	}
	return ErrDryRun
}
