package editor

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Patch merges a body into a resource (RFC 7396). IfMatch is the revision the caller has seen; 0 means any.
func Patch[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, body prototree.Object, ifMatch int64) (R, error) {
	return update(ctx, e, k, at, id, ifMatch, Updated, func(_ context.Context, _ *catalog.Scene, old R) (R, error) {
		if err := fixed(k, old, body); err != nil {
			var none R
			return none, err
		}
		return merged(k, old, body)
	})
}

// fixed refuses a body that changes what never does.
func fixed[R resource.Resource](k *catalog.Kind[R], old R, body prototree.Object) error {
	if k.Fixed == nil {
		return nil
	}
	return k.Fixed(body, old)
}

// Replace puts a body in the place of a resource. What only the server sets is kept; a kind whose PUT merges keeps
// everything that the body leaves out.
func Replace[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, body prototree.Object, ifMatch int64) (R, error) {
	return update(ctx, e, k, at, id, ifMatch, Updated, func(_ context.Context, _ *catalog.Scene, old R) (R, error) {
		var none R
		if err := fixed(k, old, body); err != nil {
			return none, err
		}
		if k.PutMerges {
			return merged(k, old, body)
		}
		if k.Put != nil {
			var err error
			if body, err = k.Put(body, old); err != nil {
				return none, err
			}
		}
		return decoded(k, old, body)
	})
}

func merged[R resource.Resource](k *catalog.Kind[R], old R, body prototree.Object) (R, error) {
	var none R
	asked := body
	if k.Patched != nil {
		var err error
		if body, err = k.Patched(body); err != nil {
			return none, err
		}
	}
	tree, err := prototree.Management.Encode(old)
	if err != nil {
		return none, fmt.Errorf("%s %s: %w", k.Arm, old.GetId(), err)
	}
	fresh, err := decoded(k, old, mergepatch.Merge(tree, body))
	if err != nil {
		return none, err
	}
	// A null for an unknown member vanishes in the merge.
	if err := prototree.Management.Decode(asked, k.New()); isUnknownMember(err) {
		return none, catalog.TreeError(err)
	}
	if k.NeedsMember && !changes(k.New(), asked) {
		return none, fault.Invalidf("You need to specify at least one value to update.")
	}
	return fresh, nil
}

// decoded reads a whole body strictly and lets it obey the field marks.
func decoded[R resource.Resource](k *catalog.Kind[R], old R, body prototree.Object) (R, error) {
	fresh := k.New()
	if err := prototree.Management.Decode(body, fresh); err != nil {
		return fresh, catalog.TreeError(err)
	}
	return fresh, resource.Enforce(old, fresh)
}

// changes reports whether a body has a member that a request can change.
func changes(like proto.Message, body prototree.Object) bool {
	fields := like.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		marks := prototree.MarksOf(fields.Get(i))
		if _, given := body[fields.Get(i).JSONName()]; given && !marks.OutputOnly && !marks.Internal {
			return true
		}
	}
	_, given := body["configuration"]
	return given
}

// update reads a resource, changes it, completes and checks the result, and stores it.
func update[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, ifMatch int64, action Action,
	change func(ctx context.Context, s *catalog.Scene, old R) (R, error),
) (R, error) {
	domain := at.Domain
	if k.Parent == nil {
		domain = id
	}
	defer referring(e, k, domain)()
	defer e.locks.lock(k.Arm + "/" + id)()
	if k.Arm == catalog.Domains.Arm {
		// A domain is not enabled while its last key is being deleted.
		defer e.locks.lock(catalog.Certificates.Arm + " of " + id)()
	}
	var result R
	err := again(ifMatch, func(lostBefore bool) error {
		parent, err := e.parent(ctx, k, at)
		if err != nil {
			return err
		}
		old, err := read(ctx, e, k, at, parent, id)
		if err != nil {
			return err
		}
		if ifMatch != 0 && ifMatch != old.GetRevision() {
			return stale()
		}
		if d, ok := any(old).(*configv1.Domain); ok {
			parent = d
		}
		var fresh R
		var companions []resource.Resource
		var on *catalog.Scene
		// A domain that gets enabled may need a key, and the image may still show one that is gone.
		disabled := k.Arm == catalog.Domains.Arm && !parent.GetEnabled()
		err = e.onScene(ctx, at, parent, k.Needs, lostBefore || disabled, func(s *catalog.Scene) error {
			on = s
			var err error
			if fresh, err = change(ctx, s, old); err != nil {
				return err
			}
			resource.Stamp(fresh, resource.Stamps{ID: old.GetId(), Domain: old.GetDomain(), UpdatedAt: s.Now})
			if err := e.prepare(ctx, s, old, fresh); err != nil {
				return err
			}
			companions, err = complete(ctx, k, s, old, fresh)
			return err
		})
		if err != nil {
			return err
		}
		if app, ok := any(fresh).(*configv1.Application); ok {
			if err := e.guardRule(ctx, any(old).(*configv1.Application), app); err != nil {
				return err
			}
		}
		if group, ok := any(fresh).(*configv1.Group); ok {
			if err := e.guardNesting(ctx, any(old).(*configv1.Group), group); err != nil {
				return err
			}
		}
		release, err := e.claimVirtualHosts(ctx, old, fresh)
		if err != nil {
			return err
		}
		defer release()
		ops := []store.Op{{Old: old, New: fresh}}
		for _, c := range companions {
			ops = append(ops, store.Op{New: c})
		}
		if _, err := e.write(ctx, fresh, action, ops); errors.Is(err, ErrDryRun) {
			result = fresh
			return nil
		} else if err != nil {
			return otherSlug(on, lost(k, id, err))
		}
		e.keepFresh(ctx, on, old, fresh)
		result = fresh
		return nil
	})
	return result, err
}
