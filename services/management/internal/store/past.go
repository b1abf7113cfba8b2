package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// The past of a resource is what its records say. Each names the revision that it was based on, so they form a chain
// that ends in what is stored. A record beside the chain tells of a change that never took place.

// Versions returns the records of a resource, the newest first and without its states, and how many there are on all
// pages. Changes under way and those that never took place are left out; until the sweep has marked the latter, they are
// counted.
func (a *Audits) Versions(ctx context.Context, key resource.Key, page, size int) ([]*AuditRecord, int64, error) {
	all, total, err := a.List(ctx, AuditQuery{
		Domain: key.Domain, Kind: key.Kind, ResourceID: key.ID, Result: ResultSuccess, Page: page, Size: size,
	})
	return slices.DeleteFunc(all, func(r *AuditRecord) bool { return r.Result != ResultSuccess }), total, err
}

// VersionAt returns the record that says what a resource was at a revision of the configuration: the newest one up to it.
// It is a deletion where the resource was gone by then. ErrNotFound says that there was no such resource yet, or that
// the records do not reach back.
func (a *Audits) VersionAt(ctx context.Context, key resource.Key, revision int64) (*AuditRecord, error) {
	q := AuditQuery{Domain: key.Domain, Kind: key.Kind, ResourceID: key.ID, Result: ResultSuccess, Whole: true, Size: 1}
	at := q
	at.ToRevision = revision
	for at.ToRevision > 0 {
		found, err := a.find(ctx, at, bson.D{{Key: "revision", Value: -1}, {Key: "_id", Value: -1}})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			break
		}
		if err := a.docs.s.judge(ctx, found); err != nil {
			return nil, err
		}
		if found[0].Result == ResultSuccess {
			return found[0], nil
		}
		at.ToRevision = found[0].Revision - 1
	}
	// Older records may be gone, but the next one knows what was before it.
	q.FromRevision = revision + 1
	found, err := a.find(ctx, q, bson.D{{Key: "revision", Value: 1}, {Key: "_id", Value: 1}})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || found[0].Before == "" || found[0].Previous == 0 || found[0].Previous > revision {
		return nil, ErrNotFound
	}
	before := *found[0]
	before.Revision, before.Previous, before.Action, before.After = before.Previous, 0, ActionUpdate, before.Before
	before.Before, before.Changes, before.Changed = "", "", 0
	return &before, nil
}

// Exist returns the identifiers of the resources of records that exist today.
func (a *Audits) Exist(ctx context.Context, records []*AuditRecord) (map[string]bool, error) {
	stored, err := a.docs.s.revisionsOf(ctx, records)
	exist := map[string]bool{}
	for _, r := range records {
		if _, ok := stored[r.Kind+"/"+r.ResourceID]; ok {
			exist[r.ResourceID] = true
		}
	}
	return exist, err
}

// judge finds out what became of changes that the log does not call settled, and writes it into the result of their
// records. It changes nothing in the database.
func (s *Store) judge(ctx context.Context, records []*AuditRecord) error {
	var revisions []int64
	for _, r := range records {
		if chained(r) && !slices.Contains(revisions, r.Revision) {
			revisions = append(revisions, r.Revision)
		}
	}
	if len(revisions) == 0 {
		return nil
	}
	cursor, err := s.db.Collection(changesCollection).Find(ctx,
		bson.M{"_id": bson.M{"$in": revisions}, "state": bson.M{"$ne": settled}}, options.Find().SetProjection(bson.M{"keys": 0}))
	if err != nil {
		return s.fail(ctx, err)
	}
	var unsettled []change
	if err := cursor.All(ctx, &unsettled); err != nil {
		return s.fail(ctx, err)
	}
	for _, c := range unsettled {
		for _, r := range records {
			if !chained(r) || r.Revision != c.Revision {
				continue
			}
			if err := s.judgeOne(ctx, c, r); err != nil {
				return fmt.Errorf("fate of revision %d: %w", c.Revision, err)
			}
		}
	}
	return nil
}

// chained reports whether a record says that a resource of the configuration has changed.
func chained(r *AuditRecord) bool {
	if r.Result != ResultSuccess || r.Revision == 0 {
		return false
	}
	_, ok := catalog.ByArm(r.Kind)
	return ok
}

func (s *Store) judgeOne(ctx context.Context, c change, r *AuditRecord) error {
	if c.State == pending {
		r.Result = ResultPending
		return nil
	}
	if c.Set { // a set that is dropped is undone
		r.Result = ResultAttempted
		return nil
	}
	took, err := s.tookPlace(ctx, r)
	if err == nil && !took {
		r.Result = ResultAttempted
	}
	return err
}

// tookPlace finds out whether a change of a single resource was written although nobody settled it: the resource is at
// its revision, or somebody has built on it. Of a deletion nothing is left; it took place if the resource is not what it
// was before and nobody else made it so.
func (s *Store) tookPlace(ctx context.Context, r *AuditRecord) (bool, error) {
	t, err := traitsOfKind(r.Kind)
	if err != nil {
		return false, err
	}
	doc, err := s.raw(ctx, t, r.ResourceID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	there := err == nil
	if there && revisionOf(doc) == r.Revision {
		return true, nil
	}
	built, err := s.successors(ctx, r, r.Revision)
	if err != nil || len(built) > 0 || r.Action != ActionDelete {
		return len(built) > 0, err
	}
	if there && revisionOf(doc) == r.Previous {
		return false, nil
	}
	rivals, err := s.successors(ctx, r, r.Previous)
	if err != nil {
		return false, err
	}
	for _, rival := range rivals {
		took, err := s.rivalTook(ctx, r, rival)
		if err != nil || took {
			return false, err
		}
	}
	return true, nil
}

// rivalTook reports whether another change from the same state took place instead of a deletion. Of two deletions whose
// writers both died, the first counts.
func (s *Store) rivalTook(ctx context.Context, deletion, rival *AuditRecord) (bool, error) {
	c, err := s.changeAt(ctx, rival.Revision)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && c.State == settled:
		return rival.Result == ResultSuccess, nil
	case err != nil || c.State == pending || c.Set || rival.Result != ResultSuccess:
		return false, err
	case rival.Action == ActionDelete:
		return rival.Revision < deletion.Revision, nil
	}
	return s.tookPlace(ctx, rival)
}

// successors returns the other records of a resource that are based on a revision.
func (s *Store) successors(ctx context.Context, r *AuditRecord, of int64) ([]*AuditRecord, error) {
	if of == 0 {
		return nil, nil
	}
	cursor, err := s.db.Collection(auditsCollection).Find(ctx,
		bson.M{"resourceId": r.ResourceID, "kind": r.Kind, "previous": of, "_id": bson.M{"$ne": r.ID}},
		options.Find().SetProjection(bson.M{"before": 0, "after": 0, "changes": 0}))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	var found []*AuditRecord
	return found, s.fail(ctx, cursor.All(ctx, &found))
}

// examinedAtOnce is how many unsettled changes one query of examine takes.
const examinedAtOnce = 500

// longAgo is a time before which nobody can have begun a write that is not over.
func (s *Store) longAgo() time.Time {
	return s.now().Add(-(lifetimes+1)*s.opts.GracePeriod - s.opts.OperationTimeout).UTC().Truncate(time.Millisecond)
}

// examine marks the records of changes that never took place, before the log of changes forgets them. A change is looked
// at when nobody can be writing it any more.
func (s *Store) examine(ctx context.Context) error {
	for from := int64(0); ; {
		cursor, err := s.db.Collection(changesCollection).Find(ctx,
			bson.M{"_id": bson.M{"$gt": from}, "state": bson.M{"$in": bson.A{pending, dropped}}, "at": bson.M{"$lt": s.longAgo()}},
			options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(examinedAtOnce))
		if err != nil {
			return s.fail(ctx, err)
		}
		var unsettled []change
		if err := cursor.All(ctx, &unsettled); err != nil {
			return s.fail(ctx, err)
		}
		if len(unsettled) == 0 {
			return nil
		}
		if err := s.examineChanges(ctx, unsettled); err != nil {
			return err
		}
		from = unsettled[len(unsettled)-1].Revision
	}
}

func (s *Store) examineChanges(ctx context.Context, unsettled []change) error {
	var revisions []int64
	var ids []string
	for _, c := range unsettled {
		if c.State == pending {
			if _, err := s.settle(ctx, c.Revision, dropped); err != nil {
				return err
			}
		}
		revisions = append(revisions, c.Revision)
		for _, k := range c.Keys {
			ids = append(ids, k.ID)
		}
	}
	cursor, err := s.db.Collection(auditsCollection).Find(ctx,
		bson.M{"resourceId": bson.M{"$in": ids}, "revision": bson.M{"$in": revisions}},
		options.Find().SetProjection(bson.M{"before": 0, "after": 0, "changes": 0}))
	if err != nil {
		return s.fail(ctx, err)
	}
	var records []*AuditRecord
	if err := cursor.All(ctx, &records); err != nil {
		return s.fail(ctx, err)
	}
	if err := s.judge(ctx, records); err != nil {
		return err
	}
	var orphans []string
	for _, r := range records {
		if r.Result == ResultAttempted {
			orphans = append(orphans, r.ID)
		}
	}
	if len(orphans) == 0 {
		return nil
	}
	_, err = s.db.Collection(auditsCollection).UpdateMany(ctx,
		bson.M{"_id": bson.M{"$in": orphans}}, bson.M{"$set": bson.M{"result": ResultAttempted}})
	return s.fail(ctx, err)
}
