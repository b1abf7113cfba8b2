package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Keyring is a Sealer over several keys.
type Keyring interface {
	prototree.Sealer
	// Keys are the identifiers of the keys: the first one seals, all of them open.
	Keys() []string
}

// Resealing is what a look at everything that is sealed has found, or what was done.
type Resealing struct {
	// Keys are how many values are sealed under each key, by its identifier, in the last round: what is there now, if nobody writes.
	Keys map[string]int64
	// Resealed are how many values were sealed anew, over all rounds.
	Resealed int64
	// Stuck are values that could not be sealed anew, at most some of them, and NotResealed how many there are.
	Stuck       []Stuck
	NotResealed int64
}

// Stuck is a sealed value that stays as it is.
type Stuck struct {
	Collection, ID, Member string
	// Why is ErrSealed, secret.ErrUnknownKey, or that this program does not know the member.
	Why error
}

// Others are how many values are sealed under other keys than the first.
func (r *Resealing) Others(first string) int64 {
	var n int64
	for key, values := range r.Keys {
		if key != first {
			n += values
		}
	}
	return n
}

const (
	// resealPage is how many documents are read, and written, at once.
	resealPage = 100
	// resealRounds bounds how often everything is looked at: values that others write meanwhile are found by the next round.
	resealRounds = 5
	// mostStuck bounds how many are named.
	mostStuck = 10
)

var errNotKnown = errors.New("this version does not know the member, so it does not know what the value is bound to")

// Reseal looks at every document of the database, whatever it is, and seals what is not sealed under the first key anew; without write
// it only counts. Each value is replaced by itself, in one step and only if it still is what was read, so it may be interrupted
// and begun again anywhere, and others may write: what they replace is theirs, sealed under the key that they have. It returns
// when a whole round has found nothing to do, or after some rounds; Keys say what is left. After a clean round the database
// remembers that the other keys are not needed. Tell, if there is one, is told how far a round is.
func (s *Store) Reseal(ctx context.Context, write bool, tell func(collection string, looked, resealed int64)) (*Resealing, error) {
	ring, ok := s.opts.Sealer.(Keyring)
	if !ok {
		return nil, errors.New("there is no ring of keys")
	}
	first := ring.Keys()[0]
	done := &Resealing{}
	for range resealRounds {
		round := &resealRound{s: s, ring: ring, first: first, write: write, tell: tell, keys: map[string]int64{}}
		err := round.run(ctx)
		done.Resealed += round.resealed
		done.Keys, done.Stuck, done.NotResealed = round.keys, round.stuck, round.notResealed
		if err != nil {
			return done, err
		}
		if !write {
			return done, nil
		}
		if done.Others(first) == done.NotResealed {
			break // nothing more can be done
		}
	}
	if done.Others(first) > 0 {
		return done, nil
	}
	return done, s.unneeded(ctx, first)
}

// resealRound is one look at everything.
type resealRound struct {
	s           *Store
	ring        Keyring
	first       string
	write       bool
	tell        func(collection string, looked, resealed int64)
	keys        map[string]int64
	looked      int64
	resealed    int64
	stuck       []Stuck
	notResealed int64
}

func (r *resealRound) run(ctx context.Context) error {
	names, err := r.s.db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return r.s.fail(ctx, err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := r.collection(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *resealRound) collection(ctx context.Context, name string) error {
	c := r.s.db.Collection(name)
	filter := bson.M{}
	for {
		cursor, err := c.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(resealPage))
		if err != nil {
			return r.s.fail(ctx, err)
		}
		var page []bson.Raw
		if err := cursor.All(ctx, &page); err != nil {
			return r.s.fail(ctx, err)
		}
		var changes []mongo.WriteModel
		for _, raw := range page {
			r.looked++
			filter = bson.M{"_id": bson.M{"$gt": raw.Lookup("_id")}}
			if !bytes.Contains(raw, []byte(secret.SealedPrefix)) {
				continue
			}
			change, err := r.document(name, raw)
			if err != nil {
				return err
			}
			if change != nil {
				changes = append(changes, change)
			}
		}
		if len(changes) > 0 {
			// What was changed meanwhile does not match any more and stays what it was changed to.
			result, err := c.BulkWrite(ctx, changes, options.BulkWrite().SetOrdered(false))
			if result != nil {
				r.resealed += result.ModifiedCount
			}
			if err != nil {
				return r.s.fail(ctx, err)
			}
		}
		if r.tell != nil {
			r.tell(name, r.looked, r.resealed)
		}
		if len(page) < resealPage {
			return nil
		}
	}
}

// document counts what is sealed in a document and returns the change that seals it anew; nil if there is nothing to be done.
func (r *resealRound) document(collection string, raw bson.Raw) (mongo.WriteModel, error) {
	id := raw.Lookup("_id")
	filter, set := bson.M{"_id": id}, bson.M{}
	var places map[string]string
	err := eachText(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, "", func(path, value string) {
		key := secret.SealedBy(value)
		if key == "" {
			return
		}
		r.keys[key]++
		if key == r.first {
			return
		}
		if places == nil {
			places = sealedPlaces(collection, raw)
		}
		why := errNotKnown
		if place, known := places[value]; known {
			var plain []byte
			if plain, why = r.ring.Open(place, value); why == nil {
				filter[path], set[path] = value, r.ring.Seal(place, plain)
				return
			}
		}
		r.notResealed++
		if len(r.stuck) < mostStuck {
			text, _ := id.StringValueOK()
			r.stuck = append(r.stuck, Stuck{collection, text, path, why})
		}
	})
	if err != nil || len(set) == 0 || !r.write {
		return nil, err
	}
	return mongo.NewUpdateOneModel().SetFilter(filter).SetUpdate(bson.M{"$set": set}), nil
}

// eachText hands on every text in a document with its path, as updates spell it.
func eachText(v bson.RawValue, path string, do func(path, text string)) error {
	var elements []bson.RawElement
	var err error
	list := false
	switch v.Type {
	case bson.TypeString:
		do(path, v.StringValue())
		return nil
	case bson.TypeEmbeddedDocument:
		elements, err = bson.Raw(v.Value).Elements()
	case bson.TypeArray:
		list = true
		elements, err = bson.Raw(v.Value).Elements()
	default:
		return nil
	}
	if err != nil {
		return err
	}
	for i, e := range elements {
		name := e.Key()
		if list {
			name = strconv.Itoa(i)
		}
		if path != "" {
			name = path + "." + name
		}
		if err := eachText(e.Value(), name, do); err != nil {
			return err
		}
	}
	return nil
}

// placesOf say what the sealed values of a document are bound to, for collections that hold no resources.
var placesOf = map[string]func(doc bson.Raw, id string) string{
	installationCollection:         func(bson.Raw, string) string { return installationPlace },
	mailsCollection:                func(_ bson.Raw, id string) string { return mailPlace(id) },
	secretKeysCollection:           func(_ bson.Raw, id string) string { return sealedAt(id) },
	registrationAttemptsCollection: func(_ bson.Raw, id string) string { return attemptSealedAt(id) },
	signingKeysCollection:          func(bson.Raw, string) string { return signingKeysPlace },
}

// sealedPlaces returns the place of each sealed value in a document, as far as this version knows it.
func sealedPlaces(collection string, raw bson.Raw) map[string]string {
	p := places{}
	if place, ok := placesOf[collection]; ok {
		id, _ := raw.Lookup("_id").StringValueOK()
		_ = eachText(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, "", func(_, value string) {
			if secret.IsSealed(value) {
				p[value] = place(raw, id)
			}
		})
		return p
	}
	for _, t := range append(allTraits(), userTraits) {
		if t.collection != collection {
			continue
		}
		noting := prototree.Document(p)
		var doc bson.D
		if bson.Unmarshal(raw, &doc) != nil {
			return p
		}
		// What cannot be decoded, because a later version wrote it, is left out; the rest counts.
		_, _ = decodeIn(noting, t, doc)
		if before, ok := member(doc, memberBefore).(bson.D); ok {
			_, _ = decodeIn(noting, t, before)
		}
	}
	return p
}

func allTraits() []traits {
	var all []traits
	for _, k := range catalog.All {
		all = append(all, traitsOf(k))
	}
	return all
}

// places notes where a decoder finds sealed values instead of opening them.
type places map[string]string

// Seal implements prototree.Sealer; nothing is encoded with it.
func (places) Seal(string, []byte) string { return "" }

// Open implements prototree.Sealer.
func (p places) Open(place, sealed string) ([]byte, error) {
	p[sealed] = place
	return nil, nil
}

// remember notes in the installation that values are, or may be, sealed under the keys of this process, and refuses a ring that lacks
// one under which others are. Sealed are the keys that were noted; nil in a database of a version that noted none, where every
// key of the ring may have sealed something.
func (s *Store) remember(ctx context.Context, sealed []string) error {
	ring, ok := s.opts.Sealer.(Keyring)
	if !ok {
		return nil
	}
	known := ring.Keys()
	for _, key := range sealed {
		if !slices.Contains(known, key) {
			return fmt.Errorf("values in the database are sealed under the key %s, and the file of sealing keys does not hold it: put its line back, "+
				"and take it out when `management reseal` has said that nothing is sealed under it any more: %w", key, secret.ErrUnknownKey)
		}
	}
	fresh := known[:1]
	if sealed == nil {
		fresh = known
	}
	if !slices.ContainsFunc(fresh, func(key string) bool { return !slices.Contains(sealed, key) }) {
		return nil
	}
	_, err := s.db.Collection(installationCollection).UpdateOne(ctx, bson.M{"_id": installationID},
		bson.M{"$addToSet": bson.M{"sealedUnder": bson.M{"$each": fresh}}})
	return s.fail(ctx, err)
}

// sealsWith is the key that seals; nil where there is no ring.
func sealsWith(s prototree.Sealer) []string {
	if ring, ok := s.(Keyring); ok {
		return ring.Keys()[:1]
	}
	return nil
}

// stillSealing notes the key of this process again: another one may have found nothing sealed under it, and taken it out.
func (s *Store) stillSealing(ctx context.Context) error {
	ring, ok := s.opts.Sealer.(Keyring)
	if !ok {
		return nil
	}
	_, err := s.db.Collection(installationCollection).UpdateOne(ctx, bson.M{"_id": installationID, "sealedUnder": bson.M{"$ne": ring.Keys()[0]}},
		bson.M{"$addToSet": bson.M{"sealedUnder": ring.Keys()[0]}})
	return s.fail(ctx, err)
}

// unneeded notes that everything is sealed under one key.
func (s *Store) unneeded(ctx context.Context, first string) error {
	var doc installation
	c := s.db.Collection(installationCollection)
	if err := c.FindOne(ctx, bson.M{"_id": installationID}).Decode(&doc); err != nil {
		return s.fail(ctx, err)
	}
	others := slices.DeleteFunc(doc.SealedUnder, func(key string) bool { return key == first })
	if len(others) == 0 {
		return nil
	}
	_, err := c.UpdateOne(ctx, bson.M{"_id": installationID}, bson.M{"$pullAll": bson.M{"sealedUnder": others}})
	return s.fail(ctx, err)
}
