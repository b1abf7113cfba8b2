package store

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Query selects resources of one kind. The zero value selects all.
type Query struct {
	// Domain is the identifier of the domain they belong to.
	Domain string
	// Where names members of the document, by their path, and the values of which each must have one.
	Where map[string][]any
	// Search is compared with the texts that the kind is searched by, in any case; `*` stands for any characters.
	Search string
	// Page counts from 0. A Size of 0 means everything.
	Page, Size int
}

// Get returns the resource with an identifier, or ErrNotFound.
func Get[R resource.Resource](ctx context.Context, s *Store, k *catalog.Kind[R], id string) (R, error) {
	r, err := s.GetAny(ctx, k, id)
	if err != nil {
		var none R
		return none, err
	}
	return r.(R), nil
}

// GetAny is Get for a kind whose type does not matter.
func (s *Store) GetAny(ctx context.Context, k catalog.Any, id string) (resource.Resource, error) {
	return s.one(ctx, traitsOf(k), bson.M{"_id": id})
}

// FindByUnique returns the resource that has a unique value, or ErrNotFound.
func FindByUnique[R resource.Resource](ctx context.Context, s *Store, k *catalog.Kind[R], name, value string) (R, error) {
	r, err := s.one(ctx, traitsOf(k), bson.M{memberUnique + name: value})
	if err != nil {
		var none R
		return none, err
	}
	return r.(R), nil
}

func (s *Store) one(ctx context.Context, t traits, filter bson.M) (resource.Resource, error) {
	var doc bson.D
	if err := s.db.Collection(t.collection).FindOne(ctx, filter).Decode(&doc); err != nil {
		return nil, s.fail(ctx, err)
	}
	if truth(doc, memberGone) {
		return nil, ErrNotFound
	}
	return s.decode(t, doc)
}

// List returns the selected resources in the order of their kind, and how many there are on all pages.
func List[R resource.Resource](ctx context.Context, s *Store, k *catalog.Kind[R], q Query) ([]R, int64, error) {
	all, total, err := s.ListAny(ctx, k, q)
	if err != nil {
		return nil, 0, err
	}
	typed := make([]R, len(all))
	for i, r := range all {
		typed[i] = r.(R)
	}
	return typed, total, nil
}

// ListAny is List for a kind whose type does not matter.
func (s *Store) ListAny(ctx context.Context, k catalog.Any, q Query) ([]resource.Resource, int64, error) {
	return s.list(ctx, traitsOf(k), q)
}

func (s *Store) list(ctx context.Context, t traits, q Query) ([]resource.Resource, int64, error) {
	c := s.db.Collection(t.collection)
	filter := q.filter()
	find := options.Find().SetSort(bson.D{{Key: memberSort, Value: 1}, {Key: "_id", Value: 1}})
	if q.Size > 0 {
		find.SetLimit(int64(q.Size)).SetSkip(int64(max(q.Page, 0)) * int64(q.Size))
	}
	cursor, err := c.Find(ctx, filter, find)
	if err != nil {
		return nil, 0, s.fail(ctx, err)
	}
	var docs []bson.D
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, 0, s.fail(ctx, err)
	}
	found := make([]resource.Resource, 0, len(docs))
	for _, doc := range docs {
		r, err := s.decode(t, doc)
		if err != nil {
			return nil, 0, err
		}
		found = append(found, r)
	}
	if q.Size <= 0 {
		return found, int64(len(found)), nil
	}
	total, err := c.CountDocuments(ctx, filter)
	if err != nil {
		return nil, 0, s.fail(ctx, err)
	}
	return found, total, nil
}

func (q Query) filter() bson.M {
	filter := bson.M{memberGone: bson.M{"$ne": true}}
	if q.Domain != "" {
		filter["domain"] = q.Domain
	}
	for name, values := range q.Where {
		if len(values) == 1 {
			filter[name] = values[0]
		} else {
			filter[name] = bson.M{"$in": values}
		}
	}
	if q.Search != "" {
		filter[memberSearch] = searchPattern(q.Search)
	}
	return filter
}

// raw returns the document of a resource as it is, deleted ones included, or ErrNotFound.
func (s *Store) raw(ctx context.Context, t traits, id string) (bson.D, error) {
	var doc bson.D
	if err := s.db.Collection(t.collection).FindOne(ctx, bson.M{"_id": id}).Decode(&doc); err != nil {
		return nil, s.fail(ctx, err)
	}
	return doc, nil
}

// traitsOfKind returns the traits of the kind with an arm.
func traitsOfKind(arm string) (traits, error) {
	k, ok := catalog.ByArm(arm)
	if !ok {
		return traits{}, fmt.Errorf("no kind of resource is called %q", arm)
	}
	return traitsOf(k), nil
}

// TakenUnique returns the name of the first unique value of r that another resource has, or nothing.
func (s *Store) TakenUnique(ctx context.Context, k catalog.Any, r resource.Resource, but ...string) (string, error) {
	others := bson.M{"$ne": r.GetId()}
	if len(but) > 0 {
		others = bson.M{"$nin": append([]string{r.GetId()}, but...)}
	}
	for _, u := range k.UniqueValues(r) {
		n, err := s.db.Collection(k.Descriptor().Path).CountDocuments(ctx,
			bson.M{memberUnique + u.Name: u.Value, "_id": others})
		if err != nil {
			return "", s.fail(ctx, err)
		}
		if n > 0 {
			return u.Name, nil
		}
	}
	return "", nil
}
