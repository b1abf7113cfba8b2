package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// registeredMember is a time that every registered client has (see [resource.Registered]), and no other application.
const registeredMember = "settings.oauth.clientIdIssuedAt"

// countRegistered returns how many registered clients a domain has beside some applications. It stops counting at a limit.
func (s *Store) countRegistered(ctx context.Context, domain string, but []string, limit int64) (int64, error) {
	filter := bson.M{"domain": domain, registeredMember: bson.M{"$gt": time.Unix(0, 0)}, memberGone: bson.M{"$ne": true}}
	if len(but) > 0 {
		filter["_id"] = bson.M{"$nin": but}
	}
	n, err := s.db.Collection(traitsOf(catalog.Applications).collection).CountDocuments(ctx, filter, options.Count().SetLimit(limit))
	return n, s.fail(ctx, err)
}
