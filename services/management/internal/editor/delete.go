package editor

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Delete removes a resource and every reference to it, as one change, and returns the revision of that change. It is
// refused while something depends on the resource. What lies in the resource is removed by further changes: without it,
// nobody sees or serves them. What is left of them after emptyingTime, or after a failure, the sweep of the store
// removes.
func Delete[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, ifMatch int64) (int64, error) {
	defer deleting(e, k, at.Domain)()
	defer e.locks.lock(k.Arm + "/" + id)()
	if k.Guard != nil {
		defer e.locks.lock(k.Arm + " of " + at.Domain)() // what is looked at lies around the resource
	}
	var revision int64
	err := again(ifMatch, func(bool) error {
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
		if k.Keep != nil {
			if err := k.Keep(old); err != nil {
				return err
			}
		}
		if err := succeed(ctx, e, k, at, parent, old); err != nil {
			return err
		}
		ops, err := detach(ctx, e, k, old)
		if err != nil {
			return err
		}
		if group, ok := any(old).(*configv1.Group); ok {
			if err := e.guardGroup(ctx, group); err != nil {
				return err
			}
		}
		level, err := e.levelOps(ctx, old)
		if err != nil {
			return err
		}
		ops = append(ops, level...)
		// The resource goes first: nobody can build on it while the rest follows.
		ops = append([]store.Op{{Old: old}}, ops...)
		if revision, err = e.write(ctx, old, Deleted, ops); errors.Is(err, ErrDryRun) {
			return nil
		} else if err != nil {
			return lost(k, id, err)
		}
		e.empty(ctx, k, old)
		e.forget(ctx, old)
		return nil
	})
	if err == nil && k.Arm == catalog.Groups.Arm && !DryRun(ctx) {
		// Another replica may have bound the group while it was being deleted. Nobody does from now on.
		gone := func(b *configv1.Binding) bool { return b.GetGroup() == id && !b.GetOrphaned() }
		if err := e.orphanAll(ctx, at.Domain, gone); err != nil {
			e.opts.Logger.ErrorContext(ctx, "bindings of a deleted group left unmarked", "group", id, "err", err)
		}
	}
	return revision, err
}

// lost explains that a resource is gone. In a set it may also be one that comes along, and then the race begins again.
func lost(k interface{ NotFound(string) error }, id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errors.Join(store.ErrStale, k.NotFound(id))
	}
	return err
}

// detach takes a resource out of those that name it, or refuses.
func detach[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], gone R) ([]store.Op, error) {
	if len(k.References) == 0 {
		return nil, nil
	}
	find, err := e.finder(ctx)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	edited := map[resource.Key]int{} // a resource may name it in several places
	for _, ref := range k.References {
		from, ok := catalog.ByArm(ref.Kind)
		if !ok {
			continue
		}
		most := 0
		if ref.Refuse != "" && ref.Refused == nil {
			most = 1
		}
		var users []resource.Resource
		if ref.In != nil {
			users, err = find.all(ctx, from, gone.GetDomain())
			users = slices.DeleteFunc(slices.Clone(users), func(r resource.Resource) bool { return !ref.In(r, gone) })
		} else {
			users, err = find.having(ctx, from, gone.GetDomain(), ref.Field, ref.Value(gone), most)
		}
		if err != nil {
			return nil, err
		}
		if ref.Refuse != "" {
			if len(users) > 0 && ref.Refused != nil {
				return nil, ref.Refused(users, gone)
			}
			if len(users) > 0 {
				return nil, fault.Invalidf("%s", ref.Refuse)
			}
			continue
		}
		for _, user := range users {
			i, again := edited[resource.KeyOf(user)]
			if !again {
				i = len(ops)
				edited[resource.KeyOf(user)] = i
				fresh := proto.Clone(user).(resource.Resource)
				resource.Stamp(fresh, resource.Stamps{UpdatedAt: e.opts.Now()})
				ops = append(ops, store.Op{Old: user, New: fresh})
			}
			ref.Remove(ops[i].New, gone)
		}
	}
	return ops, nil
}

// emptyingTime is how long the caller of a deletion waits for what lay in the resource to be removed as well.
const emptyingTime = 10 * time.Second

// empty removes what lay in a deleted resource, in changes of a bounded size: the gateways wait for each of them. The
// deletion is made already, so a failure is ours to notice and not the caller's.
func (e *Editor) empty(ctx context.Context, k catalog.Any, gone resource.Resource) {
	children := catalog.Children(k)
	if len(children) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), emptyingTime)
	defer cancel()
	var err error
	for range maxAttempts {
		if err = e.removeChildren(ctx, children, gone); err == nil {
			return
		}
		if !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotFound) {
			break // otherwise somebody changed or removed one of them meanwhile
		}
	}
	e.opts.Logger.ErrorContext(ctx, "resources of a deleted resource left to the sweep", "resource", resource.KeyOf(gone).String(), "err", err)
}

func (e *Editor) removeChildren(ctx context.Context, children []catalog.Any, gone resource.Resource) error {
	var ops []store.Op
	for _, child := range children {
		all, _, err := e.store.ListAny(ctx, child, store.Query{Domain: gone.GetId()})
		if err != nil {
			return err
		}
		for _, r := range all {
			ops = append(ops, store.Op{Old: r})
		}
	}
	for part := range slices.Chunk(ops, store.RemovalSize) {
		if _, err := e.write(ctx, gone, Deleted, part); err != nil {
			return err
		}
	}
	return nil
}

// forget removes what is kept about a deleted resource outside of the configuration. The sweep of the store completes it
// for domains.
func (e *Editor) forget(ctx context.Context, gone resource.Resource) {
	ctx = context.WithoutCancel(ctx)
	var err error
	switch r := gone.(type) {
	case *configv1.Domain:
		err = e.store.RemoveDirectory(ctx, r.GetId())
	case *configv1.Scope:
		err = e.store.Consents().RemoveScope(ctx, r.GetDomain(), r.GetKey())
	case *configv1.Role:
		err = e.store.Users().RemoveRole(ctx, r.GetDomain(), r.GetId())
	case *configv1.Group:
		err = e.store.Memberships().RemoveGroup(ctx, r.GetDomain(), r.GetId())
	case *configv1.IdentityProvider:
		err = e.store.Links().RemoveSource(ctx, r.GetDomain(), r.GetId())
	case *configv1.Application:
		err = errors.Join(
			e.removeLevel(ctx, r),
			e.store.Consents().DeleteClient(ctx, r.GetDomain(), catalog.ClientID(r)),
			e.store.SecretKeys().RemoveApplication(ctx, r.GetId()),
			e.store.SecretUses().RemoveApplication(ctx, r.GetId()),
			e.store.ClientUses().RemoveApplication(ctx, r.GetId()),
			e.store.BindingTallies().RemoveApplication(ctx, r.GetId()),
			e.store.OperatorMembers().RemovePlace(ctx, store.PlaceOfApplication(r.GetId())),
		)
	}
	if err != nil {
		e.opts.Logger.ErrorContext(ctx, "data of a deleted resource not removed", "resource", resource.KeyOf(gone).String(), "err", err)
	}
}

// isUnknownMember reports whether a body has a member that does not exist.
func isUnknownMember(err error) bool {
	var e *prototree.Error
	return errors.As(err, &e) && e.Reason == prototree.Unknown
}
