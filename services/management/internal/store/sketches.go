package store

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Sketch is as much of a person as reports about many of them need.
type Sketch struct {
	ID          string    `bson:"_id"`
	Username    string    `bson:"username"`
	Email       string    `bson:"email"`
	FirstName   string    `bson:"firstName"`
	LastName    string    `bson:"lastName"`
	DisplayName string    `bson:"displayName"`
	Enabled     *bool     `bson:"enabled"` // nil means true
	LoggedAt    time.Time `bson:"loggedAt"`
	// Asserted are groups that identity providers give the person.
	Asserted []struct {
		Source string   `bson:"source"`
		Groups []string `bson:"groups"`
	} `bson:"assertedRights"`
}

var sketched = bson.M{
	"username": 1, "email": 1, "firstName": 1, "lastName": 1, "displayName": 1, "enabled": 1, "loggedAt": 1, "assertedRights": 1,
}

// Sketches calls each with the people of a domain, in no particular order; nil means all of them, otherwise those with one of
// the identifiers.
func (u *Users) Sketches(ctx context.Context, domain string, ids []string, each func(*Sketch)) error {
	read := func(filter bson.M) error {
		cursor, err := u.s.db.Collection(usersCollection).Find(ctx, filter, options.Find().SetProjection(sketched))
		if err != nil {
			return u.s.fail(ctx, err)
		}
		defer func() { _ = cursor.Close(ctx) }()
		for cursor.Next(ctx) {
			var one Sketch
			if err := cursor.Decode(&one); err != nil {
				return err
			}
			each(&one)
		}
		return u.s.fail(ctx, cursor.Err())
	}
	if ids == nil {
		return read(bson.M{"domain": domain})
	}
	for part := range slices.Chunk(ids, membershipBatch) {
		if err := read(bson.M{"domain": domain, "_id": bson.M{"$in": part}}); err != nil {
			return err
		}
	}
	return nil
}

// Each calls each with who is directly in which group of a domain, in no particular order.
func (m *Memberships) Each(ctx context.Context, domain string, each func(group, user string)) error {
	find := options.Find().SetProjection(bson.M{"_id": 0, "group": 1, "user": 1})
	cursor, err := m.docs().collection().Find(ctx, bson.M{"domain": domain}, find)
	if err != nil {
		return m.s.fail(ctx, err)
	}
	defer func() { _ = cursor.Close(ctx) }()
	for cursor.Next(ctx) {
		var one membership
		if err := cursor.Decode(&one); err != nil {
			return err
		}
		each(one.Group, one.User)
	}
	return m.s.fail(ctx, cursor.Err())
}

// SignedInSince calls each with the people of a domain who have signed in after a moment, and when they did last.
func (u *Users) SignedInSince(ctx context.Context, domain string, since time.Time, each func(id string, at time.Time)) error {
	find := options.Find().SetProjection(bson.M{"loggedAt": 1})
	cursor, err := u.s.db.Collection(usersCollection).Find(ctx, bson.M{"domain": domain, "loggedAt": bson.M{"$gt": since.UTC()}}, find)
	if err != nil {
		return u.s.fail(ctx, err)
	}
	defer func() { _ = cursor.Close(ctx) }()
	for cursor.Next(ctx) {
		var one Sketch
		if err := cursor.Decode(&one); err != nil {
			return err
		}
		each(one.ID, one.LoggedAt)
	}
	return u.s.fail(ctx, cursor.Err())
}
