package management_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// TestADryRunOfEveryWriteWritesNothing tells the story of the examples, and asks before each write for a dry run of it. Whatever
// it answers, the database is afterwards what it was before.
func TestADryRunOfEveryWriteWritesNothing(t *testing.T) {
	h := newHouse(t)
	s := newStory(t, h.startReady())
	db := storetest.Database(t, h.options)
	byID := map[string]openapi.Operation{}
	tried, refusedOnes := 0, 0
	for _, o := range s.inOrder() {
		byID[o.ID] = o
		if again, ok := byID[anew[o.ID]]; ok {
			s.tell(again)
		}
		if o.Method != http.MethodGet {
			before := s.stored(db)
			if s.tryOut(o) {
				tried++
			} else {
				refusedOnes++
			}
			after := s.stored(db)
			for name := range after {
				// Leases are renewed by what runs in the background.
				if before[name] != after[name] && name != "leases" {
					t.Errorf("a dry run of %s writes %s", o.ID, name)
				}
			}
		}
		s.tell(o)
	}
	if tried < 80 || refusedOnes < 20 {
		t.Errorf("%d were tried out and %d refused to be", tried, refusedOnes)
	}
}

// tryOut asks for a dry run of an operation and reports whether it can be had.
func (s *story) tryOut(o openapi.Operation) bool {
	s.Helper()
	path := s.path(o, "") + "?dryRun=true"
	for _, p := range o.Operation.Query {
		if p.Required {
			path += "&" + p.Name + "=" + slices.Concat(p.Values, []string{"x"})[0]
		}
	}
	body, media := s.example(o)
	status, header, answer := s.request(o.Method, path, media, body)
	if !o.Operation.DryRun {
		var problem struct {
			Message string
			Errors  []struct{ Path string }
		}
		if err := json.Unmarshal(answer, &problem); err != nil || status != http.StatusBadRequest ||
			problem.Message != "dryRun is not available here" || len(problem.Errors) != 1 || problem.Errors[0].Path != "dryRun" {
			s.Errorf("a dry run of %s answers %d %s", o.ID, status, answer)
		}
		return false
	}
	want := o.Operation.StatusOf()
	if want == http.StatusCreated {
		want = http.StatusOK
	}
	if other, ok := refused[o.ID]; status != want && (!ok || status != other) {
		s.Errorf("a dry run of %s: %s %s answers %d %s\nto %s", o.ID, o.Method, path, status, answer, body)
		return true
	}
	if err := s.checker.Answer(o.Method, "/management"+strings.TrimSuffix(path, "?dryRun=true"), status, header, answer); err != nil {
		s.Error(err)
	}
	if header.Get("Location") != "" {
		s.Errorf("a dry run of %s says where the new one is", o.ID)
	}
	return true
}

// stored returns for each collection what stands for everything in it.
func (s *story) stored(db *mongo.Database) map[string]string {
	s.Helper()
	names, err := db.ListCollectionNames(s.Context(), bson.D{})
	if err != nil {
		s.Fatal(err)
	}
	all := make(map[string]string, len(names))
	for _, name := range names {
		cursor, err := db.Collection(name).Find(s.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
		if err != nil {
			s.Fatal(err)
		}
		var documents []bson.Raw
		if err := cursor.All(s.Context(), &documents); err != nil {
			s.Fatal(err)
		}
		sum := sha256.New()
		for _, document := range documents {
			_, _ = sum.Write(document)
		}
		all[name] = fmt.Sprintf("%d %x", len(documents), sum.Sum(nil))
	}
	return all
}
