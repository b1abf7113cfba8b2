package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

const touchesCollection = "touches"

const (
	// Settling is how long a write of the directory may still take after its entry of the log of touches was seen: many times what one
	// is waited for.
	Settling = 30 * time.Second
	// lately is how far back a reader who begins looks for writes that are under way, the difference between clocks included.
	lately = 2 * Settling
	// keepTouches is how long the log is kept. Who has not read it for longer begins anew.
	keepTouches = time.Hour
)

// touch is an entry of the log of touches: people about whom something was about to be written. It says who and where, and nothing
// about them. Numbers are dense over all processes, because an entry is inserted under the number after the newest one, and only
// one can be.
//
// An entry comes before the write. So a writer that dies leaves one entry too many, and none is missing; a reader looks again at
// whom an entry names until Settling is over.
type touch struct {
	Number int64     `bson:"_id"`
	At     time.Time `bson:"at"`
	Of     []touched `bson:"of"`
}

type touched struct {
	Domain string   `bson:"domain"`
	Users  []string `bson:"users,omitempty"` // none means everybody
}

// touches writes the log. Those who come while an entry is written share the next one.
type touches struct {
	tail tail

	mu   sync.Mutex // guards next
	next *announcement
}

// announcement is an entry before it is written.
type announcement struct {
	of   []touched
	done chan struct{}
	err  error // once done
}

// touching enters into the log that people of a domain, or all of them, are about to be written. Nothing may be written after an error.
func (s *Store) touching(ctx context.Context, domain string, users ...string) error {
	t := &s.touches
	t.mu.Lock()
	mine := t.next
	first := mine == nil
	if first {
		mine = &announcement{done: make(chan struct{})}
		t.next = mine
	}
	mine.of = append(mine.of, touched{Domain: domain, Users: users})
	t.mu.Unlock()
	if !first {
		select {
		case <-mine.done:
			return mine.err
		case <-ctx.Done():
			return s.fail(ctx, ctx.Err())
		}
	}
	t.tail.announce.Lock()
	defer t.tail.announce.Unlock()
	t.mu.Lock()
	t.next = nil
	t.mu.Unlock()
	mine.err = s.enterTouch(context.WithoutCancel(ctx), mine.of)
	close(mine.done)
	return mine.err
}

func (s *Store) enterTouch(ctx context.Context, of []touched) error {
	last, ok := s.touches.tail.recent()
	for {
		if !ok {
			var err error
			if last, err = s.lastTouch(ctx); err != nil {
				return err
			}
		}
		_, err := s.db.Collection(touchesCollection).InsertOne(ctx, touch{Number: last + 1, At: s.now().UTC(), Of: of})
		switch {
		case err == nil:
			s.touches.tail.saw(last + 1)
			return nil
		case !mongo.IsDuplicateKeyError(err):
			s.touches.tail.forget()
			return s.fail(ctx, err)
		}
		if ok { // another process was faster
			ok = false
			continue
		}
		last, ok = last+1, true
	}
}

func (s *Store) lastTouch(ctx context.Context) (int64, error) {
	found, err := s.touchDocs().list(ctx, bson.M{}, bson.D{{Key: "_id", Value: -1}}, 1)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].Number, nil
}

func (s *Store) touchDocs() documents[touch] { return documents[touch]{s, touchesCollection} }

// Touched is whom the log names.
type Touched struct {
	// Last is the number of the newest entry.
	Last int64
	// Users are identifiers; some of them may not be there any more. All means everybody.
	Users map[string]bool
	All   bool
}

func (t *Touched) add(domain string, entry *touch) {
	for _, of := range entry.Of {
		if of.Domain != domain {
			continue
		}
		t.All = t.All || len(of.Users) == 0
		for _, id := range of.Users {
			t.Users[id] = true
		}
	}
}

// TouchedLately is for who is about to read the people of a domain as a whole: those who may be written at this moment, to be looked
// at again until Settling is over, and where the log stands.
func (s *Store) TouchedLately(ctx context.Context, domain string) (Touched, error) {
	t := Touched{Users: map[string]bool{}}
	var err error
	if t.Last, err = s.lastTouch(ctx); err != nil {
		return t, err
	}
	found, err := s.touchDocs().list(ctx, bson.M{"at": bson.M{"$gt": s.now().Add(-lately).UTC()}}, bson.D{}, 0)
	for _, entry := range found {
		t.add(domain, entry)
	}
	return t, err
}

// TouchedAfter returns whom the entries after a number name. All is true as well where some of them are not kept any more.
func (s *Store) TouchedAfter(ctx context.Context, domain string, number int64) (Touched, error) {
	t := Touched{Last: number, Users: map[string]bool{}}
	cursor, err := s.touchDocs().collection().Find(ctx, bson.M{"_id": bson.M{"$gte": number}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return t, s.fail(ctx, err)
	}
	defer func() { _ = cursor.Close(ctx) }()
	next := number
	if number == 0 {
		next = 1
	}
	for cursor.Next(ctx) {
		var entry touch
		if err := cursor.Decode(&entry); err != nil {
			return t, s.fail(ctx, err)
		}
		t.All = t.All || entry.Number != next
		next, t.Last = entry.Number+1, entry.Number
		if entry.Number > number {
			t.add(domain, &entry)
		}
	}
	t.All = t.All || number > 0 && next == number // the log is another one
	return t, s.fail(ctx, cursor.Err())
}

// pruneTouches shortens the log. Its newest entry stays, so that numbers go on.
func (s *Store) pruneTouches(ctx context.Context) error {
	last, err := s.lastTouch(ctx)
	if err != nil {
		return err
	}
	return s.touchDocs().removeMany(ctx, bson.M{"at": bson.M{"$lt": s.now().Add(-keepTouches).UTC()}, "_id": bson.M{"$lt": last}})
}

// sketchedAlike reports whether nothing of a person has changed that sketches have, but for when they signed in.
func sketchedAlike(a, b *directoryv1.User) bool {
	if a.GetUsername() != b.GetUsername() || a.GetEmail() != b.GetEmail() || a.GetFirstName() != b.GetFirstName() ||
		a.GetLastName() != b.GetLastName() || a.GetDisplayName() != b.GetDisplayName() ||
		(a.Enabled == nil || a.GetEnabled()) != (b.Enabled == nil || b.GetEnabled()) || len(a.GetAssertedRights()) != len(b.GetAssertedRights()) {
		return false
	}
	for i, one := range a.GetAssertedRights() {
		other := b.GetAssertedRights()[i]
		if one.GetSource() != other.GetSource() || !slices.Equal(one.GetGroups(), other.GetGroups()) {
			return false
		}
	}
	return true
}
