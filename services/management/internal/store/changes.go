package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

const changesCollection = "changes"

// state is where a change stands.
type state string

const (
	pending state = "pending"
	settled state = "settled"
	dropped state = "dropped"
)

// change is an entry of the log: which resources changed under a revision.
type change struct {
	Revision int64       `bson:"_id"`
	Keys     []changeKey `bson:"keys"`
	Set      bool        `bson:"set"`
	State    state       `bson:"state"`
	At       time.Time   `bson:"at"`
	// Beat moves while the writer of a set is at work.
	Beat int64 `bson:"beat,omitempty"`
}

type changeKey struct {
	Kind   string `bson:"kind"`
	Domain string `bson:"domain"`
	ID     string `bson:"id"`
}

func changeKeys(keys []resource.Key) []changeKey {
	list := make([]changeKey, len(keys))
	for i, k := range keys {
		list[i] = changeKey{Kind: k.Kind, Domain: k.Domain, ID: k.ID}
	}
	return list
}

func (k changeKey) key() resource.Key { return resource.Key{Kind: k.Kind, Domain: k.Domain, ID: k.ID} }

// tail remembers the newest revision that was seen, so that a writer need not look for it every time.
type tail struct {
	mu       sync.Mutex // guards the fields
	announce sync.Mutex // one announcement of this process at a time: they would only race each other
	revision int64
	seen     time.Time
}

// tailTrust is how long a seen revision is trusted to be in the log still, and so not far from its end. It is far
// shorter than any KeepChanges that makes sense.
const tailTrust = 30 * time.Second

func (t *tail) saw(revision int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if revision >= t.revision {
		t.revision, t.seen = revision, time.Now()
	}
}

func (t *tail) recent() (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.revision, !t.seen.IsZero() && time.Since(t.seen) < tailTrust
}

func (t *tail) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revision, t.seen = 0, time.Time{}
}

// LastRevision returns the revision of the newest change, settled or not, and 0 before the first one.
func (s *Store) LastRevision(ctx context.Context) (int64, error) {
	var last change
	err := s.db.Collection(changesCollection).
		FindOne(ctx, bson.M{}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(bson.M{"_id": 1})).
		Decode(&last)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	if err != nil {
		return 0, s.fail(ctx, err)
	}
	return last.Revision, nil
}

// announce enters a change into the log under the next free revision, which it returns.
func (s *Store) announce(ctx context.Context, keys []resource.Key, set bool, st state) (int64, error) {
	s.tail.announce.Lock()
	defer s.tail.announce.Unlock()
	last, ok := s.tail.recent()
	for {
		if !ok {
			var err error
			if last, err = s.LastRevision(ctx); err != nil {
				return 0, err
			}
		}
		c := change{Revision: last + 1, Keys: changeKeys(keys), Set: set, State: st, At: s.now().UTC()}
		_, err := s.db.Collection(changesCollection).InsertOne(ctx, c)
		switch {
		case err == nil:
			s.tail.saw(c.Revision)
			return c.Revision, nil
		case !mongo.IsDuplicateKeyError(err):
			// Whether the entry is there is not known, so what was seen is no guide any more.
			s.tail.forget()
			return 0, s.fail(ctx, err)
		}
		// Another process was faster. The first time the newest one is looked up, because it may be far ahead;
		// afterwards the race is for neighbours.
		if ok {
			ok = false
			continue
		}
		last, ok = last+1, true
		s.tail.saw(last)
	}
}

// settle moves a change from pending to another state. It reports false if somebody else moved it before.
func (s *Store) settle(ctx context.Context, revision int64, to state) (bool, error) {
	result, err := s.db.Collection(changesCollection).UpdateOne(ctx,
		bson.M{"_id": revision, "state": pending}, bson.M{"$set": bson.M{"state": to}})
	if err != nil {
		return false, s.fail(ctx, err)
	}
	return result.MatchedCount == 1, nil
}

// changeAt returns the entry of a revision, or ErrNotFound.
func (s *Store) changeAt(ctx context.Context, revision int64) (change, error) {
	var c change
	err := s.db.Collection(changesCollection).FindOne(ctx, bson.M{"_id": revision}).Decode(&c)
	return c, s.fail(ctx, err)
}

// pendingChanges returns the changes that are not settled, in order. Only their revisions and beats are filled in.
func (s *Store) pendingChanges(ctx context.Context) ([]change, error) {
	cursor, err := s.db.Collection(changesCollection).Find(ctx, bson.M{"state": pending},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(bson.M{"_id": 1, "beat": 1}))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	var entries []change
	if err := cursor.All(ctx, &entries); err != nil {
		return nil, s.fail(ctx, err)
	}
	return entries, nil
}

// namedLater reports whether a change after a revision names a resource.
func (s *Store) namedLater(ctx context.Context, after int64, id string) (bool, error) {
	err := s.db.Collection(changesCollection).FindOne(ctx,
		bson.M{"_id": bson.M{"$gt": after}, "keys.id": id},
		options.FindOne().SetProjection(bson.M{"_id": 1})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, s.fail(ctx, err)
}
