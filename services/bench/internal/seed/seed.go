// Package seed fills a database with applications faster than the management API could, and measures what the database
// itself needs to answer: the floor of everything that is read from it. It is for measurements only.
package seed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"
)

// Number is what stands for the number of an application in the name and the client id of the one that is copied.
const Number = "000000"

// batch is how many documents one command inserts.
const batch = 500

// patience bounds one command.
const patience = time.Minute

// Database is the database of a management.
type Database struct {
	client *mongo.Client
	db     *mongo.Database
}

// Open connects to a database.
func Open(uri, database string) (*Database, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetTimeout(patience))
	if err != nil {
		return nil, err
	}
	return &Database{client, client.Database(database)}, nil
}

// Close ends the connections, after dropping the database.
func (d *Database) Close(ctx context.Context) error {
	return errors.Join(d.db.Drop(ctx), d.client.Disconnect(ctx))
}

// Copy makes n copies of an application, whose texts have Number where each copy has its own, counted from 1. Types take
// turns. The change log does not say so: a management has to be started afterwards.
func (d *Database) Copy(ctx context.Context, id string, n int) error {
	return d.CopyAs(ctx, id, Number, n)
}

// CopyAs is Copy of an application whose texts have something else where copies have their numbers, of seven digits at least.
func (d *Database) CopyAs(ctx context.Context, id, mark string, n int) error {
	c := d.db.Collection("applications")
	var like bson.D
	if err := c.FindOne(ctx, bson.M{"_id": id}).Decode(&like); err != nil {
		return err
	}
	types := []string{"web", "native", "browser", "service"}
	// The next documents are made while the database writes some.
	writers, ctx := errgroup.WithContext(ctx)
	writers.SetLimit(2)
	for first := 1; first <= n && ctx.Err() == nil; first += batch {
		docs := make([]any, 0, batch)
		for i := first; i <= n && i < first+batch; i++ {
			doc := numbered(like, mark, Numbered(mark, i)).(bson.D)
			for m := range doc {
				switch doc[m].Key {
				case "_id":
					doc[m].Value = "seed-" + strings.ToLower(rand.Text())
				case "slug", "_unique_slug": // of copies whose identifiers are not told in it
					if text, ok := doc[m].Value.(string); ok && !strings.Contains(text, strings.ToLower(Numbered(mark, i))) {
						doc[m].Value = fmt.Sprintf("%s-%d", text, i)
					}
				case "type":
					if mark == Number {
						doc[m].Value = types[i%len(types)]
					}
				}
			}
			docs = append(docs, doc)
		}
		writers.Go(func() error {
			_, err := c.InsertMany(ctx, docs)
			return err
		})
	}
	return writers.Wait()
}

// CopyClient is CopyAs of the application with a client identifier, which is what copies have with their numbers.
func (d *Database) CopyClient(ctx context.Context, clientID string, n int) error {
	var found struct {
		ID string `bson:"_id"`
	}
	if err := d.db.Collection("applications").FindOne(ctx, bson.M{"settings.oauth.clientId": clientID}).Decode(&found); err != nil {
		return err
	}
	return d.CopyAs(ctx, found.ID, clientID, n)
}

// Numbered is what copy number i has in the place of a mark: the number alone in that of Number, otherwise after it.
func Numbered(mark string, i int) string {
	if mark == Number {
		return fmt.Sprintf("%0*d", len(Number), i)
	}
	return fmt.Sprintf("%s-%07d", mark, i)
}

// numbered returns a copy of a value with the number in its texts.
func numbered(v any, mark, number string) any {
	switch v := v.(type) {
	case string:
		v = strings.ReplaceAll(v, mark, number)
		if lower := strings.ToLower(mark); lower != mark { // as in what searches look at
			v = strings.ReplaceAll(v, lower, strings.ToLower(number))
		}
		return v
	case bson.D:
		copied := make(bson.D, len(v))
		for i, e := range v {
			copied[i] = bson.E{Key: e.Key, Value: numbered(e.Value, mark, number)}
		}
		return copied
	case bson.A:
		copied := make(bson.A, len(v))
		for i, e := range v {
			copied[i] = numbered(e, mark, number)
		}
		return copied
	}
	return v
}

// ReadAll reads every application as this driver sends them, a thousand at a time, and does nothing with them. It returns how many
// there are and their bytes: what a program has to wait for that needs them all.
func (d *Database) ReadAll(ctx context.Context) (documents int, bytes int64, err error) {
	cursor, err := d.db.Collection("applications").Find(ctx, bson.M{"_gone": bson.M{"$ne": true}}, options.Find().SetBatchSize(1000))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = cursor.Close(ctx) }()
	for cursor.Next(ctx) {
		documents++
		bytes += int64(len(cursor.Current))
	}
	return documents, bytes, cursor.Err()
}

// ReadOne reads one document by its identifier.
func (d *Database) ReadOne(ctx context.Context, id string) error {
	return d.db.Collection("applications").FindOne(ctx, bson.M{"_id": id}).Err()
}

// ReadPage reads the first documents of a domain in the order of an index.
func (d *Database) ReadPage(ctx context.Context, domain string, size int) error {
	cursor, err := d.db.Collection("applications").Find(ctx, bson.M{"domain": domain},
		options.Find().SetSort(bson.D{{Key: "_sort", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(int64(size)))
	if err != nil {
		return err
	}
	var found []bson.D
	if err := cursor.All(ctx, &found); err != nil {
		return err
	}
	if len(found) != size {
		return fmt.Errorf("a page of %d documents has %d", size, len(found))
	}
	return nil
}
