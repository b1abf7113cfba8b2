package editor

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// FlowsVersion names a state of the flows of a level; two states have two names. It is never 0.
func FlowsVersion(flows []*configv1.Flow) int64 {
	h := fnv.New64a()
	for _, f := range byOrder(flows) {
		_, _ = h.Write([]byte(f.GetId() + "/" + strconv.FormatInt(f.GetRevision(), 10) + ";"))
	}
	return int64(h.Sum64()>>1) | 1
}

func byOrder(flows []*configv1.Flow) []*configv1.Flow {
	return slices.SortedStableFunc(slices.Values(flows), func(a, b *configv1.Flow) int {
		return cmp.Compare(a.GetOrder(), b.GetOrder())
	})
}

// ReplaceFlows puts a list in the place of all flows of a level, as one change: all of it or nothing. An entry with the
// identifier of a flow of the level changes that flow and keeps what is masked in it; any other entry is a new flow, and
// flows that are not in the list are deleted. IfMatch is the FlowsVersion that the caller has seen; 0 means any.
func (e *Editor) ReplaceFlows(ctx context.Context, at Place, bodies []prototree.Object, ifMatch int64) ([]*configv1.Flow, error) {
	if len(bodies) > catalog.MaxFlows {
		return nil, fault.Invalidf("[flows: must have at most %d entries]", catalog.MaxFlows)
	}
	defer e.locks.lock("flows/" + catalog.LevelOf(at.Domain, at.Application))()
	var result []*configv1.Flow
	err := again(ifMatch, func(lost bool) error {
		parent, err := e.parent(ctx, catalog.Flows, at)
		if err != nil {
			return err
		}
		stored, err := readLevel(ctx, e, catalog.Flows, at)
		if err != nil {
			return err
		}
		if ifMatch != 0 && ifMatch != FlowsVersion(stored) {
			return stale()
		}
		var ops []store.Op
		err = e.onScene(ctx, at, parent, catalog.Flows.Needs, lost, func(s *catalog.Scene) error {
			var err error
			ops, result, err = e.flowOps(ctx, s, at, parent, stored, bodies)
			return err
		})
		if err != nil || len(ops) == 0 {
			return err
		}
		_, err = e.write(ctx, meantBy(at, parent), Updated, ops)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return errors.Join(store.ErrStale, err)
		case err != nil:
			return err
		}
		made := make([]resource.Resource, len(result))
		for i, f := range result {
			made[i] = f
		}
		return e.stillThere(ctx, at, made...)
	})
	return result, err
}

// meantBy is what the flows belong to. It is not written; the flows are.
func meantBy(at Place, d *configv1.Domain) resource.Resource {
	if at.Application == "" {
		return d
	}
	return &configv1.Application{Id: at.Application, Domain: d.GetId()}
}

// flowOps returns what has to be done to reach the list. Every flow gets a slot that none has had, so two lists that are
// put at once cannot both be written: they touch the same flows, or take the same slots.
func (e *Editor) flowOps(ctx context.Context, s *catalog.Scene, at Place, parent *configv1.Domain, stored []*configv1.Flow, bodies []prototree.Object) ([]store.Op, []*configv1.Flow, error) {
	known := map[string]*configv1.Flow{}
	slot := int64(0)
	for _, f := range stored {
		known[f.GetId()] = f
		slot = max(slot, f.GetSlot()+1)
	}
	var ops []store.Op
	var result []*configv1.Flow
	given := map[string]bool{}
	for i, body := range bodies {
		fresh, old, err := flowOf(known, body)
		if err == nil && old != nil && given[old.GetId()] {
			err = fault.Invalidf("[%s: must be given once]", old.GetId()).At("id", "must be given once")
		}
		if err != nil {
			return nil, nil, under(i, err)
		}
		if old == nil {
			fresh.Id = ""
			stamp(s, fresh, parent)
			catalog.SetLevel(fresh, at.Domain, at.Application)
		} else {
			given[old.GetId()] = true
			resource.Stamp(fresh, resource.Stamps{ID: old.GetId(), Domain: old.GetDomain(), UpdatedAt: s.Now})
		}
		fresh.Order, fresh.Slot = int32(i), slot+int64(i) //nolint:gosec // at most MaxFlows
		if _, err := complete(ctx, catalog.Flows, s, old, fresh); err != nil {
			return nil, nil, under(i, err)
		}
		op := store.Op{New: fresh}
		if old != nil {
			op.Old = old
		}
		ops = append(ops, op)
		result = append(result, fresh)
	}
	for _, f := range stored {
		if !given[f.GetId()] {
			ops = append(ops, store.Op{Old: f})
		}
	}
	return ops, result, nil
}

// flowOf reads one entry of a list, and returns the stored flow that it changes, if there is one.
func flowOf(known map[string]*configv1.Flow, body prototree.Object) (fresh, old *configv1.Flow, err error) {
	fresh = catalog.Flows.New()
	if err := prototree.Management.Decode(body, fresh); err != nil {
		return nil, nil, catalog.TreeError(err)
	}
	old = known[fresh.GetId()]
	var was proto.Message
	if old != nil {
		was = old
	}
	return fresh, old, resource.Enforce(was, fresh)
}

// under puts the places of a refusal into an entry of a list.
func under(i int, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	moved := *f
	moved.Details = slices.Clone(f.Details)
	for n, d := range moved.Details {
		moved.Details[n].Path = prototree.Join(prototree.Index("", i), d.Path)
	}
	if moved.Details == nil {
		moved.Details = []fault.Detail{{Path: prototree.Index("", i), Detail: f.Message}}
	}
	return &moved
}
