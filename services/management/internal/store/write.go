package store

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// Change is one change of the configuration. More than one operation make a change set: followers see all of it under
// one revision, or nothing.
type Change struct {
	Ops []Op
	// Action is what was done to Meant, as its record calls it; empty: create, update or delete. A deletion is always
	// called one.
	Action string
	// Meant is the resource that the change is about: the records of the others name it as their cause. The zero key says
	// that each operation is meant for itself.
	Meant resource.Key
	// By is who makes the change.
	By Author
}

// Op is what happens to one resource. Without Old it is created, without New deleted, with both replaced where the
// stored revision still is Old's. Of the Old of a deletion only identifier, domain and revision count; the rest of it
// stands in the record.
type Op struct {
	Old, New resource.Resource
}

func (o Op) key() resource.Key {
	if o.New != nil {
		return resource.KeyOf(o.New)
	}
	return resource.KeyOf(o.Old)
}

// Write makes a change and returns its revision, which it also stamps on the new resources. The operations are done in
// the given order. When it returns without an error, every follower will see the change.
//
// ErrStale says that a resource changed since it was read, ErrNotFound that it is gone, a *DuplicateError that a unique
// value is taken; nothing is changed then. After fault.Unavailable the outcome is not known: the change is there in
// full or not at all.
//
// A write has four steps:
//
//  1. announce: the change enters the log as pending; its number is the new revision;
//  2. record: the records of all operations are written; see records.go;
//  3. write: the resources are written where they are still as they were read;
//  4. settle: the change is settled. If the write failed it is dropped, and the records are removed.
//
// The end of ctx does not interrupt a write that has begun, so that callers who hang up leave no pending change behind.
func (s *Store) Write(ctx context.Context, c Change) (int64, error) {
	if len(c.Ops) == 0 {
		return 0, errors.New("a change without operations")
	}
	if err := ctx.Err(); err != nil {
		return 0, context.Cause(ctx)
	}
	ctx = context.WithoutCancel(ctx)
	w := writer{s: s, change: c, ops: c.Ops, set: len(c.Ops) > 1}
	for _, op := range c.Ops {
		t, err := traitsOfKind(op.key().Kind)
		if err != nil {
			return 0, err
		}
		w.keys = append(w.keys, op.key())
		w.traits = append(w.traits, t)
	}
	defer s.written.ring()
	if w.set {
		return w.writeSet(ctx)
	}
	return w.writeOne(ctx)
}

// maxAnnouncements bounds how often a write is announced again because a follower took it for dead. It happens only
// where a write takes longer than the grace period.
const maxAnnouncements = 5

// writer is one call of Write.
type writer struct {
	s        *Store
	change   Change
	ops      []Op
	keys     []resource.Key
	traits   []traits
	set      bool
	recorded []string // the identifiers of the records under the current revision
}

// died is what a test's hook makes of a writer: it ends on the spot.
type died struct{ error }

func (d died) Unwrap() error { return d.error }

func (w *writer) step(step Step, revision int64) error {
	if w.s.opts.Hook == nil {
		return nil
	}
	if err := w.s.opts.Hook(step, revision); err != nil {
		return died{err}
	}
	return nil
}

// writeOne writes a single resource. If the change is dropped under it although the resource is written, it is announced
// again, now with what is stored as the old state. The record follows: the one under the revision that the resource ends
// with stays.
func (w *writer) writeOne(ctx context.Context) (int64, error) {
	op := w.ops[0]
	stored := int64(0) // the revision under which op.New is stored already
	deleted := false
	for range maxAnnouncements {
		revision, err := w.s.announce(ctx, w.keys, false, pending)
		if err != nil {
			return 0, err
		}
		if err := w.step(Announced, revision); err != nil {
			return 0, err
		}
		earlier := w.recorded
		if !deleted { // what deleted it is recorded already
			if err := w.record(ctx, revision, noBeat); err != nil {
				return 0, w.drop(ctx, revision, err)
			}
		}
		switch {
		case deleted:
		case stored != 0:
			err = w.s.restamp(ctx, w.traits[0], op, stored, revision)
			if errors.Is(err, ErrStale) || errors.Is(err, ErrNotFound) {
				// Somebody built on what was stored, and announced that. This entry only points there.
				err = nil
				earlier, w.recorded = w.recorded, earlier
			}
			if err == nil {
				w.forget(ctx, earlier)
			}
		case op.New == nil:
			err = w.s.remove(ctx, w.traits[0], op.Old)
		case op.Old == nil:
			err = w.s.insert(ctx, w.traits[0], op.New, revision, false)
		default:
			err = w.s.replace(ctx, w.traits[0], op.Old, op.New, revision)
		}
		if err != nil {
			return 0, w.drop(ctx, revision, err)
		}
		if err := w.step(Written, revision); err != nil {
			return 0, err
		}
		ours, err := w.s.settle(ctx, revision, settled)
		if err != nil {
			return 0, err
		}
		if ours {
			return revision, w.step(Settled, revision)
		}
		stored, deleted = revision, op.New == nil
	}
	return 0, w.tooSlow()
}

// noBeat is the heart of a write that is over soon.
func noBeat(context.Context) error { return nil }

func (w *writer) tooSlow() error {
	return fmt.Errorf("the change of %s was dropped %d times before it was written", w.keys[0], maxAnnouncements)
}

// drop ends a change whose write failed, removes its records and returns why it failed. Where the outcome of the write is
// not known the change stays pending: followers drop it after the grace period and take what is there.
func (w *writer) drop(ctx context.Context, revision int64, why error) error {
	if away(why) || errors.As(why, &died{}) {
		return why
	}
	if _, err := w.s.settle(ctx, revision, dropped); err != nil {
		w.s.log.WarnContext(ctx, "change left pending", "revision", revision, "err", err)
		return why
	}
	w.forget(ctx, w.recorded)
	return why
}

// insert creates a resource under a revision, which it stamps.
func (s *Store) insert(ctx context.Context, t traits, r resource.Resource, revision int64, set bool) error {
	resource.Stamp(r, resource.Stamps{Revision: revision})
	doc, err := s.encode(t, r)
	if err != nil {
		return err
	}
	if set {
		doc[memberSet] = true
	}
	if _, err := s.db.Collection(t.collection).InsertOne(ctx, doc); err != nil {
		return s.failWrite(ctx, t, doc, err)
	}
	return nil
}

// replace puts fresh in the place of old, under a revision, which it stamps.
func (s *Store) replace(ctx context.Context, t traits, old, fresh resource.Resource, revision int64) error {
	resource.Stamp(fresh, resource.Stamps{Revision: revision})
	doc, err := s.encode(t, fresh)
	if err != nil {
		return err
	}
	return s.swap(ctx, t, old.GetId(), old.GetRevision(), func(id bson.M) (int64, error) {
		result, err := s.db.Collection(t.collection).ReplaceOne(ctx, id, doc)
		if err != nil {
			return 0, s.failWrite(ctx, t, doc, err)
		}
		return result.MatchedCount, nil
	})
}

// restamp puts a new revision on a resource that is stored under an earlier one.
func (s *Store) restamp(ctx context.Context, t traits, op Op, stored, revision int64) error {
	old := t.fresh()
	resource.Stamp(old, resource.Stamps{ID: op.New.GetId(), Domain: op.New.GetDomain(), Revision: stored})
	return s.replace(ctx, t, old, op.New, revision)
}

// remove deletes a resource.
func (s *Store) remove(ctx context.Context, t traits, old resource.Resource) error {
	return s.swap(ctx, t, old.GetId(), old.GetRevision(), func(id bson.M) (int64, error) {
		result, err := s.db.Collection(t.collection).DeleteOne(ctx, id)
		if err != nil {
			return 0, s.fail(ctx, err)
		}
		return result.DeletedCount, nil
	})
}

// maxResolutions bounds how many unfinished change sets one write clears out of its way.
const maxResolutions = 8

// swap runs a write on the document with an identifier and a revision. If there is none it says why. A document that an
// unfinished change set has touched is first brought to an end.
func (s *Store) swap(ctx context.Context, t traits, id string, revision int64, write func(filter bson.M) (int64, error)) error {
	for range maxResolutions {
		n, err := write(bson.M{"_id": id, "revision": revision, memberSet: bson.M{"$exists": false}})
		if err != nil || n > 0 {
			return err
		}
		doc, err := s.raw(ctx, t, id)
		if err != nil {
			return err
		}
		if !truth(doc, memberSet) {
			if revisionOf(doc) == revision {
				continue // it came back between the two looks
			}
			return ErrStale
		}
		if err := s.resolve(ctx, revisionOf(doc)); err != nil {
			return err
		}
	}
	return ErrStale
}

// failWrite explains why a document could not be written. Which unique value is taken is found by asking, because
// servers word it differently.
func (s *Store) failWrite(ctx context.Context, t traits, doc bson.M, err error) error {
	if !mongo.IsDuplicateKeyError(err) {
		return s.fail(ctx, err)
	}
	id, _ := doc["_id"].(string)
	duplicate := &DuplicateError{Kind: t.kind, ID: id, Unique: "id"}
	for name, value := range doc {
		if len(name) <= len(memberUnique) || name[:len(memberUnique)] != memberUnique {
			continue
		}
		n, err := s.db.Collection(t.collection).CountDocuments(ctx, bson.M{name: value, "_id": bson.M{"$ne": id}})
		if err != nil {
			return s.fail(ctx, err)
		}
		if n > 0 {
			duplicate.Unique = name[len(memberUnique):]
			return duplicate
		}
	}
	return duplicate
}
