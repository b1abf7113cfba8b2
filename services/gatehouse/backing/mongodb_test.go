package backing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// race runs n functions at once and returns their errors that are not nil.
func race(n int, f func(i int) error) []error {
	var (
		start  = make(chan struct{})
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed []error
	)
	for i := range n {
		wg.Go(func() {
			<-start
			if err := f(i); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	close(start)
	wg.Wait()
	return failed
}

func TestConcurrentIncrementsAreAllCounted(t *testing.T) {
	c := database(t).Collection("counters")
	insert(t, c, bson.D{{Key: "_id", Value: "n"}, {Key: "value", Value: 0}})
	failed := race(32, func(int) error {
		for range 25 {
			if _, err := c.UpdateByID(t.Context(), "n", bson.M{"$inc": bson.M{"value": 1}}); err != nil {
				return err
			}
		}
		return nil
	})
	if failed != nil {
		t.Fatal(failed)
	}
	var got struct{ Value int }
	if err := c.FindOne(t.Context(), bson.M{"_id": "n"}).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Value != 800 {
		t.Errorf("800 increments made %d", got.Value)
	}
}

func TestOptimisticWritesHaveOneWinner(t *testing.T) {
	expected := bson.M{"_id": "app", "revision": 1}
	tests := []struct {
		name  string
		write func(ctx context.Context, c *mongo.Collection, i int) (won bool, err error)
	}{
		{"replaceOne", func(ctx context.Context, c *mongo.Collection, i int) (bool, error) {
			r, err := c.ReplaceOne(ctx, expected, bson.M{"_id": "app", "revision": i + 2})
			if err != nil {
				return false, err
			}
			return r.MatchedCount == 1, nil
		}},
		{"updateOne", func(ctx context.Context, c *mongo.Collection, i int) (bool, error) {
			r, err := c.UpdateOne(ctx, expected, bson.M{"$set": bson.M{"revision": i + 2}})
			if err != nil {
				return false, err
			}
			return r.MatchedCount == 1, nil
		}},
		{"findOneAndUpdate", func(ctx context.Context, c *mongo.Collection, i int) (bool, error) {
			return found(c.FindOneAndUpdate(ctx, expected, bson.M{"$set": bson.M{"revision": i + 2}}).Err())
		}},
		{"findOneAndReplace", func(ctx context.Context, c *mongo.Collection, i int) (bool, error) {
			return found(c.FindOneAndReplace(ctx, expected, bson.M{"revision": i + 2}).Err())
		}},
		{"findOneAndDelete", func(ctx context.Context, c *mongo.Collection, i int) (bool, error) {
			return found(c.FindOneAndDelete(ctx, expected).Err())
		}},
		{"insertOne", func(ctx context.Context, c *mongo.Collection, i int) (bool, error) {
			_, err := c.InsertOne(ctx, bson.M{"_id": "new", "by": i})
			if mongo.IsDuplicateKeyError(err) {
				return false, nil
			}
			return err == nil, err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := database(t).Collection("apps")
			// The first round opens the connections; the later ones race for real. Padding lengthens the time between
			// FerretDB's reading and writing, in which another racer could read too.
			padding := strings.Repeat("x", 256<<10)
			for round := range 5 {
				if _, err := c.DeleteMany(t.Context(), bson.M{}); err != nil {
					t.Fatal(err)
				}
				insert(t, c, bson.M{"_id": "app", "revision": 1, "padding": padding})
				var winners atomic.Int32
				failed := race(32, func(i int) error {
					won, err := tt.write(t.Context(), c, i)
					if won {
						winners.Add(1)
					}
					return err
				})
				if failed != nil {
					t.Fatal(failed)
				}
				if n := winners.Load(); n != 1 {
					t.Errorf("round %d: %d of 32 racers won", round, n)
				}
			}
		})
	}
}

func found(err error) (bool, error) {
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}

func TestUniquenessViolationsAreDuplicateKeyErrors(t *testing.T) {
	two := bson.M{"_id": 2}
	taken := bson.M{"$set": bson.M{"name": "ann"}}
	upsert := bson.M{"_id": 3, "name": "ann"}
	tests := []struct {
		name  string
		write func(ctx context.Context, c *mongo.Collection) error
	}{
		{"insertOne of a taken name", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.InsertOne(ctx, upsert)
			return err
		}},
		{"insertOne of a taken _id", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.InsertOne(ctx, two)
			return err
		}},
		{"insertMany", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.InsertMany(ctx, []any{bson.M{"_id": 3, "name": "cid"}, bson.M{"_id": 4, "name": "ann"}})
			return err
		}},
		{"updateOne", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.UpdateOne(ctx, two, taken)
			return err
		}},
		{"updateMany", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.UpdateMany(ctx, two, taken)
			return err
		}},
		{"updateOne with upsert", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.UpdateOne(ctx, bson.M{"_id": 3}, taken, options.UpdateOne().SetUpsert(true))
			return err
		}},
		{"replaceOne", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.ReplaceOne(ctx, two, bson.M{"name": "ann"})
			return err
		}},
		{"replaceOne with upsert", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.ReplaceOne(ctx, bson.M{"_id": 3}, upsert, options.Replace().SetUpsert(true))
			return err
		}},
		{"findOneAndUpdate", func(ctx context.Context, c *mongo.Collection) error {
			return c.FindOneAndUpdate(ctx, two, taken).Err()
		}},
		{"findOneAndUpdate with upsert", func(ctx context.Context, c *mongo.Collection) error {
			return c.FindOneAndUpdate(ctx, bson.M{"_id": 3}, taken, options.FindOneAndUpdate().SetUpsert(true)).Err()
		}},
		{"findOneAndReplace", func(ctx context.Context, c *mongo.Collection) error {
			return c.FindOneAndReplace(ctx, two, bson.M{"name": "ann"}).Err()
		}},
		{"bulkWrite", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.BulkWrite(ctx, []mongo.WriteModel{
				mongo.NewUpdateOneModel().SetFilter(two).SetUpdate(bson.M{"$set": bson.M{"seen": true}}),
				mongo.NewUpdateOneModel().SetFilter(two).SetUpdate(taken),
			})
			return err
		}},
		{"a unique index over what is not unique", func(ctx context.Context, c *mongo.Collection) error {
			if _, err := c.InsertMany(ctx, []any{bson.M{"_id": 5, "name": "x", "city": "Bern"}, bson.M{"_id": 6, "name": "y", "city": "Bern"}}); err != nil {
				return fmt.Errorf("prepare: %w", err)
			}
			_, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.M{"city": 1}, Options: options.Index().SetUnique(true)})
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := database(t).Collection("people")
			uniqueIndex(t, c, options.Index(), "name")
			insert(t, c, bson.M{"_id": 1, "name": "ann"}, bson.M{"_id": 2, "name": "bob"})

			err := tt.write(t.Context(), c)
			if !mongo.IsDuplicateKeyError(err) {
				t.Errorf("%#v is not a duplicate key error", err)
			}
			var bob struct{ Name string }
			if err := c.FindOne(t.Context(), two).Decode(&bob); err != nil || bob.Name != "bob" {
				t.Errorf("the other document became %+v, %v", bob, err)
			}
		})
	}
}

func TestTheShapesOfAnUpdateViolation(t *testing.T) {
	c := database(t).Collection("people")
	uniqueIndex(t, c, options.Index().SetName("by name"), "name")
	insert(t, c, bson.M{"_id": 1, "name": "ann"}, bson.M{"_id": 2, "name": "bob"})
	text := fmt.Sprintf("E11000 duplicate key error collection: %s.people index: by name", c.Database().Name())
	taken := bson.M{"$set": bson.M{"name": "ann"}}

	_, err := c.UpdateByID(t.Context(), 2, taken)
	var write mongo.WriteException
	if !errors.As(err, &write) || len(write.WriteErrors) != 1 {
		t.Fatalf("update: %#v, want one write error", err)
	}
	if e := write.WriteErrors[0]; e.Code != 11000 || e.Index != 0 || e.Message != text {
		t.Errorf("update: %+v, want code 11000, index 0, %q", e, text)
	}

	err = c.FindOneAndUpdate(t.Context(), bson.M{"_id": 2}, taken).Err()
	var command mongo.CommandError
	if !errors.As(err, &command) || command.Code != 11000 || command.Name != "DuplicateKey" || command.Message != text {
		t.Errorf("findAndModify: %#v, want code 11000 DuplicateKey %q", err, text)
	}
}

func TestABulkWriteGoesOnlyAsFarAsItsOrderSays(t *testing.T) {
	models := func() []mongo.WriteModel {
		set := func(id int, name string) *mongo.UpdateOneModel {
			return mongo.NewUpdateOneModel().SetFilter(bson.M{"_id": id}).SetUpdate(bson.M{"$set": bson.M{"name": name}}).SetUpsert(true)
		}
		return []mongo.WriteModel{set(1, "ann"), set(2, "bob"), set(3, "ann"), set(2, "eve"), set(4, "ann"), set(5, "dan")}
	}
	tests := []struct {
		name      string
		ordered   bool
		failures  []int
		upserted  map[int64]any
		want      []string
		matched   int64
		modified  int64
		upsertSum int64
	}{
		{
			name: "an ordered one ends at the first failure", ordered: true, failures: []int{2},
			upserted: map[int64]any{0: int32(1), 1: int32(2)}, want: []string{"1 ann", "2 bob"},
			matched: 2, upsertSum: 2, // the driver takes upserts off the matches only when it reaches the end
		},
		{
			name: "an unordered one tries everything", failures: []int{2, 4},
			upserted: map[int64]any{0: int32(1), 1: int32(2), 5: int32(5)}, want: []string{"1 ann", "2 eve", "5 dan"},
			matched: 1, modified: 1, upsertSum: 3,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := database(t).Collection("people")
			uniqueIndex(t, c, options.Index(), "name")
			result, err := c.BulkWrite(t.Context(), models(), options.BulkWrite().SetOrdered(tt.ordered))
			if diff := cmp.Diff(tt.failures, failures(t, err)); diff != "" {
				t.Errorf("failed statements (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.upserted, result.UpsertedIDs); diff != "" {
				t.Errorf("upserted (-want +got):\n%s", diff)
			}
			got := [3]int64{result.MatchedCount, result.ModifiedCount, result.UpsertedCount}
			if want := [3]int64{tt.matched, tt.modified, tt.upsertSum}; got != want {
				t.Errorf("matched, modified, upserted: %v, want %v", got, want)
			}
			if diff := cmp.Diff(tt.want, names(t, c)); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
		})
	}
}

// failures are the positions of the statements that failed, all of them as duplicates.
func failures(t *testing.T, err error) (positions []int) {
	t.Helper()
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) {
		t.Fatalf("%#v is not a bulk write exception", err)
	}
	for _, e := range bulk.WriteErrors {
		if e.Code != 11000 {
			t.Errorf("statement %d: code %d", e.Index, e.Code)
		}
		positions = append(positions, e.Index)
	}
	return positions
}

func names(t *testing.T, c *mongo.Collection) (list []string) {
	t.Helper()
	cursor, err := c.Find(t.Context(), bson.M{}, options.Find().SetSort(bson.M{"_id": 1}))
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct {
		ID   int `bson:"_id"`
		Name string
	}
	if err := cursor.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		list = append(list, fmt.Sprint(d.ID, " ", d.Name))
	}
	return list
}

func TestALongInsertGoesOnlyAsFarAsItsOrderSays(t *testing.T) {
	docs := make([]any, 250)
	for i := range docs {
		docs[i] = bson.M{"_id": i}
	}
	docs[50], docs[120] = bson.M{"_id": 7}, bson.M{"_id": 8}
	tests := []struct {
		name     string
		ordered  bool
		failures []int
		stored   int64
	}{
		{"an ordered one ends at the first failure", true, []int{50}, 50},
		{"an unordered one tries everything", false, []int{50, 120}, 248},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := database(t).Collection("c")
			_, err := c.InsertMany(t.Context(), docs, options.InsertMany().SetOrdered(tt.ordered))
			if diff := cmp.Diff(tt.failures, failures(t, err)); diff != "" {
				t.Errorf("failed documents (-want +got):\n%s", diff)
			}
			if n, err := c.CountDocuments(t.Context(), bson.M{}); err != nil || n != tt.stored {
				t.Errorf("%d documents stored, %v; want %d", n, err, tt.stored)
			}
		})
	}
}

func TestAnUnacknowledgedWriteIsDoneAndKeepsTheConnectionInStep(t *testing.T) {
	client, err := mongo.Connect(options.Client().ApplyURI(shared.MongoDBURI()).SetMaxPoolSize(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	db := client.Database(database(t).Name())
	quiet := db.Collection("c", options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
	for i := range 3 {
		if _, err := quiet.InsertOne(t.Context(), bson.M{"_id": i}); err != nil {
			t.Fatal(err)
		}
		if n, err := db.Collection("c").CountDocuments(t.Context(), bson.M{}); err != nil || n != int64(i+1) {
			t.Fatalf("after %d unacknowledged inserts: %d documents, %v", i+1, n, err)
		}
	}
}

func TestGarbageAtTheDatabaseDisturbsNobodyElse(t *testing.T) {
	c := database(t).Collection("c")
	insert(t, c, bson.M{"_id": "n", "value": 0})
	u, err := url.Parse(shared.MongoDBURI())
	if err != nil {
		t.Fatal(err)
	}
	garbage := []string{
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00",
		"\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00",
		"\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x01\x00\x00\x00\x00",
		"\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00",
		"\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xdc\x07\x00\x00",                             // OP_COMPRESSED
		"\x1a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00\x00\x00\x00\x00$cmd\x00\x00", // half an OP_QUERY
		"\x1a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00",
	}
	failed := race(len(garbage)+8, func(i int) error {
		if i >= len(garbage) {
			for range 10 {
				if _, err := c.UpdateByID(t.Context(), "n", bson.M{"$inc": bson.M{"value": 1}}); err != nil {
					return err
				}
			}
			return nil
		}
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, garbage[i]); err != nil {
			return err
		}
		if i == len(garbage)-1 {
			// A well-formed message with an empty body: FerretDB answers it with an error.
			if _, err := io.ReadFull(conn, make([]byte, 16)); err != nil {
				return fmt.Errorf("empty command: %w", err)
			}
			return nil
		}
		n, err := io.Copy(io.Discard, conn)
		if n != 0 {
			return fmt.Errorf("garbage %q was answered with %d bytes", garbage[i], n)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("after garbage %q: %w", garbage[i], err)
		}
		return nil
	})
	if failed != nil {
		t.Fatal(failed)
	}
	var got struct{ Value int }
	if err := c.FindOne(t.Context(), bson.M{"_id": "n"}).Decode(&got); err != nil || got.Value != 80 {
		t.Errorf("80 increments beside the garbage made %d, %v", got.Value, err)
	}
}

func TestCompressionIsNotOffered(t *testing.T) {
	db := database(t)
	var answer bson.M
	command := bson.D{{Key: "hello", Value: 1}, {Key: "compression", Value: bson.A{"zlib", "zstd", "snappy"}}}
	if err := db.RunCommand(t.Context(), command).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if offered, ok := answer["compression"]; ok {
		t.Errorf("compression %v offered", offered)
	}
	compressing := connect(t, shared.MongoDBURI()+"?compressors=zlib")
	if err := compressing.Ping(t.Context(), nil); err != nil {
		t.Errorf("a client that would compress: %v", err)
	}
}
