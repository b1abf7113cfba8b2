package backing

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestWhatTheBackendPasses lists the part of MongoDB that the product's storage may rely on.
func TestWhatTheBackendPasses(t *testing.T) {
	type document = bson.M
	people := []any{
		document{"_id": "d:1", "revision": int64(1), "name": "ann", "age": 30, "tags": bson.A{"x", "y"}, "home": document{"city": "Bern"}},
		document{"_id": "d:2", "revision": int64(1), "name": "bob", "age": 25, "tags": bson.A{"y"}, "home": document{"city": "Rome"}},
		document{"_id": "d:3", "revision": int64(2), "name": "cid", "age": 35, "tags": bson.A{}, "home": document{"city": "Bern"}},
		document{"_id": "e:1", "revision": int64(1), "name": "dan", "age": 20, "tags": bson.A{"z"}, "home": document{"city": "Oslo"}},
	}
	find := func(ctx context.Context, c *mongo.Collection, filter any, o ...options.Lister[options.FindOptions]) (ids []string, err error) {
		cursor, err := c.Find(ctx, filter, o...)
		if err != nil {
			return nil, err
		}
		var docs []struct {
			ID string `bson:"_id"`
		}
		if err := cursor.All(ctx, &docs); err != nil {
			return nil, err
		}
		for _, d := range docs {
			ids = append(ids, d.ID)
		}
		return ids, nil
	}
	byID := options.Find().SetSort(document{"_id": 1})

	tests := []struct {
		name string
		do   func(ctx context.Context, c *mongo.Collection) (any, error)
		want any
	}{
		{"a document is found by _id", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{"_id": "d:2"})
		}, []string{"d:2"}},
		{"documents are found by $in on _id", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{"_id": document{"$in": bson.A{"e:1", "d:1", "none"}}}, byID)
		}, []string{"d:1", "e:1"}},
		{"documents are found by $in on another field", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{"name": document{"$in": bson.A{"bob", "dan"}}}, byID)
		}, []string{"d:2", "e:1"}},
		{"documents are found by an element of an array", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{"tags": "y"}, byID)
		}, []string{"d:1", "d:2"}},
		{"documents are found by a nested field", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{"home.city": "Bern"}, byID)
		}, []string{"d:1", "d:3"}},
		{"documents are found by $or and $exists", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{"$or": bson.A{document{"age": document{"$lt": 25}}, document{"home.city": "Rome"}}, "gone": document{"$exists": false}}, byID)
		}, []string{"d:2", "e:1"}},
		{"documents are found by a pattern without regard to case", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{"name": bson.Regex{Pattern: "AN", Options: "i"}}, byID)
		}, []string{"d:1", "e:1"}},
		{"documents are found by a range of _id", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{"_id": document{"$gte": "d:", "$lt": "d;"}}, byID)
		}, []string{"d:1", "d:2", "d:3"}},
		{"results are sorted, downwards too", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{}, options.Find().SetSort(document{"age": -1}))
		}, []string{"d:3", "d:1", "d:2", "e:1"}},
		{"results are sorted by two fields", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{}, options.Find().SetSort(bson.D{{Key: "home.city", Value: 1}, {Key: "age", Value: -1}}))
		}, []string{"d:3", "d:1", "e:1", "d:2"}},
		{"results are skipped and limited", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{}, options.Find().SetSort(document{"age": 1}).SetSkip(1).SetLimit(2))
		}, []string{"d:2", "d:1"}},
		{"results are read in pages of _id > x", func(ctx context.Context, c *mongo.Collection) (any, error) {
			var all []string
			for last := ""; ; {
				page, err := find(ctx, c, document{"_id": document{"$gt": last}}, options.Find().SetSort(document{"_id": 1}).SetLimit(3))
				if err != nil || len(page) == 0 {
					return all, err
				}
				all = append(all, page...)
				last = page[len(page)-1]
			}
		}, []string{"d:1", "d:2", "d:3", "e:1"}},
		{"a cursor goes on where the first batch ended", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return find(ctx, c, document{}, options.Find().SetSort(document{"_id": 1}).SetBatchSize(2))
		}, []string{"d:1", "d:2", "d:3", "e:1"}},
		{"only the projected fields are returned", func(ctx context.Context, c *mongo.Collection) (any, error) {
			var got document
			err := c.FindOne(ctx, document{"_id": "d:1"}, options.FindOne().SetProjection(document{"name": 1})).Decode(&got)
			return got, err
		}, document{"_id": "d:1", "name": "ann"}},
		{"documents are counted", func(ctx context.Context, c *mongo.Collection) (any, error) {
			return c.CountDocuments(ctx, document{"home.city": "Bern"})
		}, int64(2)},
		{"documents are grouped and summed", func(ctx context.Context, c *mongo.Collection) (any, error) {
			cursor, err := c.Aggregate(ctx, bson.A{
				document{"$group": document{"_id": "$home.city", "n": document{"$sum": 1}}}, document{"$sort": document{"_id": 1}},
			})
			if err != nil {
				return nil, err
			}
			var got []document
			err = cursor.All(ctx, &got)
			return got, err
		}, []document{{"_id": "Bern", "n": int32(2)}, {"_id": "Oslo", "n": int32(1)}, {"_id": "Rome", "n": int32(1)}}},
		{"a replacement under {_id, revision} is made", func(ctx context.Context, c *mongo.Collection) (any, error) {
			r, err := c.ReplaceOne(ctx, document{"_id": "d:1", "revision": int64(1)}, document{"revision": int64(7), "name": "ann"})
			if err != nil {
				return nil, err
			}
			var got document
			err = c.FindOne(ctx, document{"_id": "d:1"}).Decode(&got)
			return []any{r.MatchedCount, got}, err
		}, []any{int64(1), document{"_id": "d:1", "revision": int64(7), "name": "ann"}}},
		{"a replacement under a stale revision is not made", func(ctx context.Context, c *mongo.Collection) (any, error) {
			r, err := c.ReplaceOne(ctx, document{"_id": "d:3", "revision": int64(1)}, document{"revision": int64(7)})
			if err != nil {
				return nil, err
			}
			return r.MatchedCount, nil
		}, int64(0)},
		{"a deletion under {_id, revision} is made once", func(ctx context.Context, c *mongo.Collection) (any, error) {
			var deleted []int64
			for range 2 {
				r, err := c.DeleteOne(ctx, document{"_id": "d:1", "revision": int64(1)})
				if err != nil {
					return nil, err
				}
				deleted = append(deleted, r.DeletedCount)
			}
			return deleted, nil
		}, []int64{1, 0}},
		{"many documents are deleted", func(ctx context.Context, c *mongo.Collection) (any, error) {
			r, err := c.DeleteMany(ctx, document{"home.city": "Bern"})
			if err != nil {
				return nil, err
			}
			return r.DeletedCount, nil
		}, int64(2)},
		{"a unique sparse index lets any number of documents be without the field", func(ctx context.Context, c *mongo.Collection) (any, error) {
			if err := unique(ctx, c, options.Index().SetSparse(true), "clientId"); err != nil {
				return nil, err
			}
			_, err := c.InsertMany(ctx, []any{document{"_id": "1", "clientId": "a"}, document{"_id": "2", "clientId": "b"}})
			return nil, err
		}, nil},
		{"a unique sparse index refuses a second document with the value", func(ctx context.Context, c *mongo.Collection) (any, error) {
			if err := unique(ctx, c, options.Index().SetSparse(true), "clientId"); err != nil {
				return nil, err
			}
			_, err := c.InsertMany(ctx, []any{document{"_id": "1", "clientId": "a"}, document{"_id": "2", "clientId": "a"}})
			return mongo.IsDuplicateKeyError(err), nil
		}, true},
		{"a unique index over two fields compares both", func(ctx context.Context, c *mongo.Collection) (any, error) {
			if err := unique(ctx, c, options.Index(), "home.city", "name"); err != nil {
				return nil, err
			}
			if _, err := c.InsertOne(ctx, document{"_id": "1", "name": "bob", "home": document{"city": "Bern"}}); err != nil {
				return nil, err
			}
			_, err := c.InsertOne(ctx, document{"_id": "2", "name": "bob", "home": document{"city": "Bern"}})
			return mongo.IsDuplicateKeyError(err), nil
		}, true},
		{"creating an index again changes nothing", func(ctx context.Context, c *mongo.Collection) (any, error) {
			for range 2 {
				if err := unique(ctx, c, options.Index().SetName("names"), "name"); err != nil {
					return nil, err
				}
			}
			specs, err := c.Indexes().ListSpecifications(ctx)
			return len(specs), err
		}, 2},
		{"dates, integers, bytes and nested documents come back as they were", func(ctx context.Context, c *mongo.Collection) (any, error) {
			in := document{
				"_id": "v", "at": bson.NewDateTimeFromTime(time.UnixMilli(1_700_000_000_123)), "big": int64(1) << 60, "small": int32(-1),
				"bytes": bson.Binary{Data: []byte{0, 1, 255}}, "yes": true, "none": nil, "float": 1.5,
				"list": bson.A{bson.D{{Key: "k", Value: "a.b"}, {Key: "v", Value: "$c"}}},
			}
			if _, err := c.InsertOne(ctx, in); err != nil {
				return nil, err
			}
			var out document
			if err := c.FindOne(ctx, document{"_id": "v"}).Decode(&out); err != nil {
				return nil, err
			}
			return cmp.Diff(in, out), nil
		}, ""},
		{"a document of one mebibyte is stored", func(ctx context.Context, c *mongo.Collection) (any, error) {
			if _, err := c.InsertOne(ctx, document{"_id": "big", "bytes": make([]byte, 1<<20)}); err != nil {
				return nil, err
			}
			var out struct{ Bytes []byte }
			err := c.FindOne(ctx, document{"_id": "big"}).Decode(&out)
			return len(out.Bytes), err
		}, 1 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := database(t).Collection("people")
			insert(t, c, people...)
			got, err := tt.do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func unique(ctx context.Context, c *mongo.Collection, o *options.IndexOptionsBuilder, fields ...string) error {
	var keys bson.D
	for _, f := range fields {
		keys = append(keys, bson.E{Key: f, Value: 1})
	}
	_, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys, Options: o.SetUnique(true)})
	return err
}
