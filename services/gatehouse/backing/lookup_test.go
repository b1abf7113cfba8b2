package backing

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// plan is how the database looks for what a filter selects.
func plan(t *testing.T, c *mongo.Collection, filter bson.M) string {
	t.Helper()
	var answer struct {
		QueryPlanner struct{ Plan []string } `bson:"queryPlanner"`
	}
	command := bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: c.Name()}, {Key: "filter", Value: filter}}}}
	if err := c.Database().RunCommand(t.Context(), command).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return strings.Join(answer.QueryPlanner.Plan, "; ")
}

func TestLookupsUseIndexes(t *testing.T) {
	c := database(t).Collection("people")
	for _, members := range []bson.D{
		{{Key: "domain", Value: 1}, {Key: "name", Value: 1}, {Key: "_id", Value: 1}},
		{{Key: "hash", Value: 1}},
		{{Key: "at", Value: 1}},
	} {
		if _, err := c.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: members}); err != nil {
			t.Fatal(err)
		}
	}
	unique := mongo.IndexModel{Keys: bson.D{{Key: "key", Value: 1}}, Options: options.Index().SetUnique(true)}
	if _, err := c.Indexes().CreateOne(t.Context(), unique); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		insert(t, c, bson.M{"_id": fmt.Sprint(i), "domain": "d", "name": fmt.Sprint(i), "hash": i, "at": time.Now(), "key": i})
	}
	now := time.Now()
	tests := []struct {
		name   string
		filter bson.M
		index  string
	}{
		{"an identifier", bson.M{"_id": "7"}, "_id.value"},
		{"an identifier with other members", bson.M{"_id": "7", "revision": 3, "_set": bson.M{"$exists": false}}, "_id.value"},
		{"a number as identifier", bson.M{"_id": int64(7), "state": 1}, "_id.value"},
		{"several identifiers", bson.M{"_id": bson.M{"$in": bson.A{"7", "8"}}, "domain": "d"}, "_id.value"},
		{"identifiers above one", bson.M{"_id": bson.M{"$gt": 7}}, "_id.value"},
		{"an indexed member", bson.M{"hash": "x"}, "hash_1"},
		{"two indexed members", bson.M{"domain": "d", "name": "7"}, "domain_1_name_1__id_1"},
		{"an indexed member narrows more than the first of two", bson.M{"domain": "d", "hash": "x"}, "hash_1"},
		{"a member of a unique index", bson.M{"key": 7, "_id": bson.M{"$ne": "7"}}, "key_1.value"},
		{"times before one", bson.M{"at": bson.M{"$lt": now}, "_id": bson.M{"$lt": "9"}}, "at_1"},
		{"no value", bson.M{"key": nil}, "key_1.value"},
		{"a time among some", bson.M{"at": bson.M{"$gt": now, "$lte": now}}, "at_1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := plan(t, c, tt.filter)
			if strings.Contains(got, "SCAN") || !strings.Contains(got, tt.index+" ") {
				t.Errorf("plan %q, want a search by index %s", got, tt.index)
			}
		})
	}
}
