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

// Searches look at texts in lower case, so that those have the number too.
func TestNumberedInLowerCase(t *testing.T) {
	like := bson.D{{Key: "clientId", Value: "aBc"}, {Key: "_search", Value: "\nmail\nabc\n"}}
	want := bson.D{{Key: "clientId", Value: "aBc-0000012"}, {Key: "_search", Value: "\nmail\nabc-0000012\n"}}
	if got := fmt.Sprint(numbered(like, "aBc", Numbered("aBc", 12))); got != fmt.Sprint(want) {
		t.Errorf("copy %s, want %v", got, want)
	}
}
