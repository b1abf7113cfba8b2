package store

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// documents is a collection of plain documents, for what is not a resource. T is a struct with bson marks and a member
// `_id`.
type documents[T any] struct {
	s    *Store
	name string
}

func (d documents[T]) collection() *mongo.Collection { return d.s.db.Collection(d.name) }

// get returns the document with an identifier, or ErrNotFound.
func (d documents[T]) get(ctx context.Context, id string) (*T, error) {
	doc := new(T)
	if err := d.collection().FindOne(ctx, bson.M{"_id": id}).Decode(doc); err != nil {
		return nil, d.s.fail(ctx, err)
	}
	return doc, nil
}

// one returns a document that a filter selects, or ErrNotFound.
func (d documents[T]) one(ctx context.Context, filter bson.M) (*T, error) {
	doc := new(T)
	if err := d.collection().FindOne(ctx, filter).Decode(doc); err != nil {
		return nil, d.s.fail(ctx, err)
	}
	return doc, nil
}

// insert stores a new document; a taken identifier is a *DuplicateError.
func (d documents[T]) insert(ctx context.Context, id string, doc *T) error {
	_, err := d.collection().InsertOne(ctx, doc)
	if mongo.IsDuplicateKeyError(err) {
		return &DuplicateError{Kind: d.name, ID: id, Unique: "id"}
	}
	return d.s.fail(ctx, err)
}

// put stores a document, whether there is one or not.
func (d documents[T]) put(ctx context.Context, id string, doc *T) error {
	for {
		_, err := d.collection().ReplaceOne(ctx, bson.M{"_id": id}, doc, options.Replace().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) && ctx.Err() == nil {
			continue // two at once: the other one has inserted it
		}
		return d.s.fail(ctx, err)
	}
}

// replace stores a document where filter still holds, and reports ErrStale where it does not.
func (d documents[T]) replace(ctx context.Context, filter bson.M, doc *T) error {
	result, err := d.collection().ReplaceOne(ctx, filter, doc)
	if mongo.IsDuplicateKeyError(err) {
		return &DuplicateError{Kind: d.name, Unique: "id"}
	}
	if err != nil {
		return d.s.fail(ctx, err)
	}
	if result.MatchedCount == 0 {
		return ErrStale
	}
	return nil
}

// find returns documents in an order, and how many there are on all pages. A size of 0 means everything.
func (d documents[T]) find(ctx context.Context, filter bson.M, order bson.D, page, size int) ([]*T, int64, error) {
	o := options.Find().SetSort(order)
	if size > 0 {
		o.SetLimit(int64(size)).SetSkip(int64(max(page, 0)) * int64(size))
	}
	cursor, err := d.collection().Find(ctx, filter, o)
	if err != nil {
		return nil, 0, d.s.fail(ctx, err)
	}
	found := []*T{}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, 0, d.s.fail(ctx, err)
	}
	if size <= 0 {
		return found, int64(len(found)), nil
	}
	total, err := d.collection().CountDocuments(ctx, filter)
	return found, total, d.s.fail(ctx, err)
}

// list returns up to most documents in an order.
func (d documents[T]) list(ctx context.Context, filter bson.M, order bson.D, most int) ([]*T, error) {
	cursor, err := d.collection().Find(ctx, filter, options.Find().SetSort(order).SetLimit(int64(most)))
	if err != nil {
		return nil, d.s.fail(ctx, err)
	}
	found := []*T{}
	return found, d.s.fail(ctx, cursor.All(ctx, &found))
}

// removeMany deletes what a filter selects.
func (d documents[T]) removeMany(ctx context.Context, filter bson.M) error {
	_, err := d.collection().DeleteMany(ctx, filter)
	return d.s.fail(ctx, err)
}

// remove deletes one document, and reports whether there was any.
func (d documents[T]) remove(ctx context.Context, filter bson.M) (bool, error) {
	result, err := d.collection().DeleteOne(ctx, filter)
	if err != nil {
		return false, d.s.fail(ctx, err)
	}
	return result.DeletedCount > 0, nil
}

// distinct returns the values of a text member, each once.
func (d documents[T]) distinct(ctx context.Context, filter bson.M, member string) ([]string, error) {
	cursor, err := d.collection().Aggregate(ctx, bson.A{bson.M{"$match": filter}, bson.M{"$group": bson.M{"_id": "$" + member}}})
	if err != nil {
		return nil, d.s.fail(ctx, err)
	}
	var groups []struct {
		Value string `bson:"_id"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return nil, d.s.fail(ctx, err)
	}
	values := make([]string, len(groups))
	for i, g := range groups {
		values[i] = g.Value
	}
	return values, nil
}
