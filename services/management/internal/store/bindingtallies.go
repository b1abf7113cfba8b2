package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

const bindingTalliesCollection = "binding_tallies"

// KeepBindingTallies is how long is kept what report-only bindings came to.
const KeepBindingTallies = 30 * 24 * time.Hour

// BindingTallies keeps what report-only bindings came to at gateways. It is no configuration: nothing is announced.
type BindingTallies struct{ docs documents[BindingTally] }

// BindingTallies returns what report-only bindings came to.
func (s *Store) BindingTallies() *BindingTallies {
	return &BindingTallies{documents[BindingTally]{s, bindingTalliesCollection}}
}

// BindingTally is what one gateway has counted of one binding in one hour. Its counts only grow, with Evaluated.
type BindingTally struct {
	ID          string    `bson:"_id"`
	Domain      string    `bson:"domain"`
	Application string    `bson:"application"`
	Binding     string    `bson:"binding"`
	By          string    `bson:"by"` // the name of the gateway
	Hour        time.Time `bson:"hour"`
	Evaluated   int64     `bson:"evaluated"`
	Passed      int64     `bson:"passed"`
	Failed      int64     `bson:"failed"`
	Changed     int64     `bson:"changed"`
	// People has eight bytes for each different person, and More says that there were others.
	People  []byte          `bson:"people"`
	More    bool            `bson:"more"`
	Samples []BindingSample `bson:"samples"`
}

// BindingSample is a decision that would have been another one.
type BindingSample struct {
	Person   string    `bson:"person"`
	At       time.Time `bson:"at"`
	Verdict  string    `bson:"verdict"`
	Enforced string    `bson:"enforced"`
}

// Record keeps tallies, the one of each identifier that has counted most, and may be repeated. Those of applications that are
// gone are left out.
func (b *BindingTallies) Record(ctx context.Context, tallies []BindingTally) error {
	if len(tallies) == 0 {
		return nil
	}
	ids := make(bson.A, len(tallies))
	for i := range tallies {
		ids[i] = tallies[i].Application
	}
	stamps, err := b.docs.s.stamps(ctx, traitsOf(catalog.Applications), bson.M{"_id": bson.M{"$in": ids}})
	if err != nil {
		return err
	}
	there := make(map[string]string, len(stamps))
	for _, st := range stamps {
		if !st.Gone {
			there[st.ID] = st.Domain
		}
	}
	var writes []mongo.WriteModel
	for i := range tallies {
		t := &tallies[i]
		if there[t.Application] != t.Domain {
			continue
		}
		// Where as much is stored, nothing matches, and the identifier refuses the insertion.
		writes = append(writes, mongo.NewReplaceOneModel().SetUpsert(true).SetReplacement(t).
			SetFilter(bson.M{"_id": t.ID, "evaluated": bson.M{"$lt": t.Evaluated}}))
	}
	if len(writes) == 0 {
		return nil
	}
	_, err = b.docs.collection().BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false))
	return b.docs.s.fail(ctx, withoutDuplicates(err))
}

// Of calls each with the tallies of a binding from an hour on, in the order of their hours.
func (b *BindingTallies) Of(ctx context.Context, application, binding string, from time.Time, each func(*BindingTally)) error {
	filter := bson.M{"application": application, "binding": binding, "hour": bson.M{"$gte": from.UTC()}}
	cursor, err := b.docs.collection().Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "hour", Value: 1}, {Key: "_id", Value: 1}}))
	if err != nil {
		return b.docs.s.fail(ctx, err)
	}
	defer func() { _ = cursor.Close(ctx) }()
	for cursor.Next(ctx) {
		var one BindingTally
		if err := cursor.Decode(&one); err != nil {
			return err
		}
		each(&one)
	}
	return b.docs.s.fail(ctx, cursor.Err())
}

// RemoveApplication forgets what the bindings of an application came to.
func (b *BindingTallies) RemoveApplication(ctx context.Context, application string) error {
	return b.docs.removeMany(ctx, bson.M{"application": application})
}

// pruneBindingTallies forgets hours that nobody asks for any more.
func (s *Store) pruneBindingTallies(ctx context.Context) error {
	return s.BindingTallies().docs.removeMany(ctx, bson.M{"hour": bson.M{"$lt": s.now().Add(-KeepBindingTallies - time.Hour).UTC()}})
}
