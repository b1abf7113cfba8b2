package store

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

const memberSlug = memberUnique + catalog.UniqueSlug

// slugBatch is how many applications get their slugs with one command.
const slugBatch = 500

// slugOld gives applications a slug that were stored before there were any: without it, the unique index could not be made. Their
// revision stays; nobody has seen them since this version runs. It may be repeated, and finds nothing then.
func (s *Store) slugOld(ctx context.Context) error {
	c := s.db.Collection(traitsOf(catalog.Applications).collection)
	old := bson.M{memberSlug: nil}
	if n, err := c.CountDocuments(ctx, old, options.Count().SetLimit(1)); err != nil || n == 0 {
		return s.fail(ctx, err)
	}
	taken := map[string]bool{}
	given, err := s.old(ctx, c, bson.M{memberSlug: bson.M{"$ne": nil}})
	if err != nil {
		return err
	}
	for _, a := range given {
		taken[a.Unique] = true
	}
	without, err := s.old(ctx, c, old)
	if err != nil {
		return err
	}
	var changes []mongo.WriteModel
	for _, a := range without {
		slug := catalog.SlugOfOld(a.ID, a.Name, a.registered(), func(slug string) bool { return taken[catalog.DomainKey(a.Domain, slug)] })
		key := catalog.DomainKey(a.Domain, slug)
		taken[key] = true
		changes = append(changes, mongo.NewUpdateOneModel().
			SetFilter(bson.M{"_id": a.ID, memberSlug: nil}).
			SetUpdate(bson.M{"$set": bson.M{"slug": slug, memberSlug: key}}))
		if len(changes) == slugBatch {
			if _, err := c.BulkWrite(ctx, changes, options.BulkWrite().SetOrdered(false)); err != nil {
				return s.fail(ctx, err)
			}
			changes = changes[:0]
		}
	}
	if len(changes) > 0 {
		_, err = c.BulkWrite(ctx, changes, options.BulkWrite().SetOrdered(false))
	}
	s.log.InfoContext(ctx, "applications of an earlier version have slugs now", "applications", len(without))
	return s.fail(ctx, err)
}

// oldApplication is what a slug is made of.
type oldApplication struct {
	ID           string  `bson:"_id"`
	Domain       string  `bson:"domain"`
	Name         string  `bson:"name"`
	Unique       string  `bson:"_unique_slug"`
	Registration *bson.D `bson:"registration"`
	Settings     struct {
		OAuth struct {
			Issued any `bson:"clientIdIssuedAt"`
		} `bson:"oauth"`
	} `bson:"settings"`
}

func (a *oldApplication) registered() bool {
	return a.Registration != nil || a.Settings.OAuth.Issued != nil
}

func (s *Store) old(ctx context.Context, c *mongo.Collection, filter bson.M) ([]oldApplication, error) {
	cursor, err := c.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(bson.M{
		"domain": 1, "name": 1, memberSlug: 1, "registration": 1, "settings.oauth.clientIdIssuedAt": 1,
	}))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	var all []oldApplication
	return all, s.fail(ctx, cursor.All(ctx, &all))
}
