package store

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// registeredMember is what every registered client has, and no other application.
const registeredMember = "settings.oauth.registrationAccessTokenHash"

// CountRegistered returns how many registered clients a domain has. It stops counting at a limit.
func (s *Store) CountRegistered(ctx context.Context, domain string, limit int64) (int64, error) {
	n, err := s.db.Collection(traitsOf(catalog.Applications).collection).CountDocuments(ctx,
		bson.M{"domain": domain, registeredMember: bson.M{"$gt": ""}, memberGone: bson.M{"$ne": true}},
		options.Count().SetLimit(limit))
	return n, s.fail(ctx, err)
}
