package store

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// Past is one change of the log and the resources that it names. A dropped change names them too: its writer may have died
// after it had written them.
type Past struct {
	Revision int64
	Keys     []resource.Key
}

// History returns the changes up to a revision, oldest first and without a gap, at most limit of them. It lets a replica
// that was restarted serve gateways that are a little behind without sending them everything.
func (s *Store) History(ctx context.Context, to int64, limit int) ([]Past, error) {
	cursor, err := s.db.Collection(changesCollection).Find(ctx, bson.M{"_id": bson.M{"$lte": to}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	var found []change
	if err := cursor.All(ctx, &found); err != nil {
		return nil, s.fail(ctx, err)
	}
	var past []Past
	for i, c := range found {
		if c.Revision != to-int64(i) || c.State == pending {
			break
		}
		p := Past{Revision: c.Revision}
		for _, k := range c.Keys {
			p.Keys = append(p.Keys, k.key())
		}
		past = append(past, p)
	}
	slices.Reverse(past)
	return past, nil
}
