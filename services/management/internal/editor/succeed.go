package editor

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// succeed asks what lies around a resource whether it may be deleted, and where another one takes its place, lets all that
// name it name that one. These are changes of a bounded size before the deletion: they are right without it, too.
func succeed[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, parent *configv1.Domain, gone R) error {
	if k.Guard == nil && k.Replaced == nil {
		return nil
	}
	var successor R
	replaced := false
	err := e.onScene(ctx, at, parent, k.Needs, true, func(s *catalog.Scene) error {
		if k.Replaced != nil {
			successor, replaced = k.Replaced(s, gone)
		}
		if k.Guard == nil {
			return nil
		}
		return k.Guard(s, gone)
	})
	if err != nil || !replaced {
		return err
	}
	for _, ref := range k.References {
		if ref.Move == nil {
			continue
		}
		if err := moveReferences(ctx, e, ref, gone, successor); err != nil {
			return err
		}
	}
	return nil
}

// maxRounds bounds how often references are looked for again because others changed them meanwhile.
const maxRounds = 10

func moveReferences[R resource.Resource](ctx context.Context, e *Editor, ref catalog.Reference[R], gone, to R) error {
	from, ok := catalog.ByArm(ref.Kind)
	if !ok {
		return nil
	}
	for range maxRounds {
		find, err := e.finder(ctx)
		if err != nil {
			return err
		}
		users, err := find.having(ctx, from, gone.GetDomain(), ref.Field, ref.Value(gone), 0)
		if err != nil || len(users) == 0 {
			return err
		}
		for len(users) > 0 {
			n := min(len(users), store.RemovalSize)
			ops := make([]store.Op, n)
			for i, user := range users[:n] {
				fresh := proto.Clone(user).(resource.Resource)
				resource.Stamp(fresh, resource.Stamps{UpdatedAt: e.opts.Now()})
				ref.Move(fresh, gone, to)
				ops[i] = store.Op{Old: user, New: fresh}
			}
			users = users[n:]
			if _, err := e.write(ctx, ops[0].New, Updated, ops); err != nil && !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
	}
	return store.ErrStale
}
