package seed

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestNumbered(t *testing.T) {
	like := bson.D{{Key: "name", Value: "App 000000"}, {Key: "n", Value: int32(7)}, {Key: "in", Value: bson.D{{Key: "list", Value: bson.A{"client-000000", true}}}}}
	want := bson.D{{Key: "name", Value: "App 000012"}, {Key: "n", Value: int32(7)}, {Key: "in", Value: bson.D{{Key: "list", Value: bson.A{"client-000012", true}}}}}
	if got := fmt.Sprint(numbered(like, Number, Numbered(Number, 12))); got != fmt.Sprint(want) {
		t.Errorf("copy %s, want %v", got, want)
	}
	if like[0].Value != "App 000000" {
		t.Error("the original has changed")
	}
}
