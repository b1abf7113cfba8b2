package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// pruning remembers when audit records were pruned: what has to stay is looked at again every time.
type pruning struct {
	mu   sync.Mutex
	last time.Time
}

// due reports whether it is time again, and notes that it is done now.
func (p *pruning) due(now time.Time, keep time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last.IsZero() && now.Sub(p.last) < min(keep/20, 24*time.Hour) {
		return false
	}
	p.last = now
	return true
}

// prunedAtOnce is how many records one query of pruneAudits takes.
const prunedAtOnce = 1000

// pruneAudits deletes audit records that are older than they are to be kept. The newest record of a resource that exists
// stays: it says since when the resource is what it is, and by whom.
func (s *Store) pruneAudits(ctx context.Context) error {
	if s.opts.KeepAudits <= 0 || !s.pruned.due(s.now(), s.opts.KeepAudits) {
		return nil
	}
	old := bson.M{"$lt": s.now().Add(-s.opts.KeepAudits).UTC().Truncate(time.Millisecond)}
	filter := bson.M{"at": old}
	for {
		cursor, err := s.db.Collection(auditsCollection).Find(ctx, filter, options.Find().
			SetSort(bson.D{{Key: "at", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(prunedAtOnce).
			SetProjection(bson.M{"at": 1, "kind": 1, "resourceId": 1, "revision": 1, "result": 1}))
		if err != nil {
			return s.fail(ctx, err)
		}
		var records []*AuditRecord
		if err := cursor.All(ctx, &records); err != nil {
			return s.fail(ctx, err)
		}
		if len(records) == 0 {
			return nil
		}
		if err := s.pruneRecords(ctx, records); err != nil {
			return err
		}
		last := records[len(records)-1]
		filter = bson.M{"at": old, "$or": bson.A{
			bson.M{"at": bson.M{"$gt": last.At}}, bson.M{"at": last.At, "_id": bson.M{"$gt": last.ID}},
		}}
	}
}

func (s *Store) pruneRecords(ctx context.Context, records []*AuditRecord) error {
	stored, err := s.revisionsOf(ctx, records)
	if err != nil {
		return err
	}
	var gone []string
	for _, r := range records {
		if now := stored[r.Kind+"/"+r.ResourceID]; !chained(r) || now != r.Revision && now != undecided {
			gone = append(gone, r.ID)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	_, err = s.db.Collection(auditsCollection).DeleteMany(ctx, bson.M{"_id": bson.M{"$in": gone}})
	return s.fail(ctx, err)
}

// undecided stands for the revision of a resource that a change set has written which may yet be undone.
const undecided = -1

// revisionsOf returns the revisions that the resources of records are stored under, by kind/id.
func (s *Store) revisionsOf(ctx context.Context, records []*AuditRecord) (map[string]int64, error) {
	ids := map[string][]string{}
	for _, r := range records {
		if chained(r) && !slices.Contains(ids[r.Kind], r.ResourceID) {
			ids[r.Kind] = append(ids[r.Kind], r.ResourceID)
		}
	}
	stored := map[string]int64{}
	for kind, some := range ids {
		k, _ := catalog.ByArm(kind)
		stamps, err := s.stamps(ctx, traitsOf(k), bson.M{"_id": bson.M{"$in": some}})
		if err != nil {
			return nil, err
		}
		for _, st := range stamps {
			stored[kind+"/"+st.ID] = st.Revision
			if st.Set {
				stored[kind+"/"+st.ID] = undecided
			}
		}
	}
	return stored, nil
}
