package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// rings are those of a rotation: the old key alone, both with the old one first, both with the new one first, the new one alone.
type rings struct{ old, oldFirst, newFirst, fresh *secret.Sealer }

func newRings(t *testing.T) rings {
	t.Helper()
	a, b := secret.NewKey(), secret.NewKey()
	ring := func(keys ...[]byte) *secret.Sealer {
		s, err := secret.NewSealer(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return rings{ring(a), ring(a, b), ring(b, a), ring(b)}
}

func with(ring *secret.Sealer) func(*Options) { return func(o *Options) { o.Sealer = ring } }

// furnishSealed stores something of everything that is sealed, and returns how it is read.
func furnishSealed(t *testing.T, s *Store) (read func(*testing.T, *Store)) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var resources []resource.Resource
	for _, k := range catalog.All {
		for i, r := range variants(k) {
			fill(r.ProtoReflect(), 6)
			resource.Stamp(r, resource.Stamps{ID: fmt.Sprintf("%s-%d", k.Descriptor().Arm, i), Domain: "d1", Revision: 1})
			doc, err := s.encode(traitsOf(k), r)
			must(err)
			for name := range doc {
				if strings.HasPrefix(name, memberUnique) {
					doc[name] = r.GetId()
				}
			}
			if i == 0 { // as a writer that died has left it
				before, err := s.encode(traitsOf(k), r)
				must(err)
				doc[memberBefore] = before
			}
			_, err = s.db.Collection(traitsOf(k).collection).InsertOne(ctx, doc)
			must(err)
			resources = append(resources, r)
		}
	}
	must(s.PutSigningKeys(ctx, &SigningKeys{Purpose: "operators", Keys: []SigningKey{{ID: "1", PEM: []byte("one")}, {ID: "2", PEM: []byte("two")}}}))
	must(s.Mails().Insert(ctx, &Mail{ID: "m1", Domain: "d1", Content: []byte("letter")}))
	must(s.SecretKeys().Put(ctx, "d1", "a1", "s1", "value", time.Now().Add(time.Hour)))
	must(s.RegistrationAttempts().Put(ctx, &RegistrationAttempt{ID: "r1", Domain: "d1", Answer: s.RegistrationAttempts().Seal("r1", []byte("answer")), ExpiresAt: time.Now().Add(time.Hour)}))
	return func(t *testing.T, s *Store) {
		t.Helper()
		ctx := t.Context()
		for _, want := range resources {
			k, _ := catalog.ByArm(resource.KeyOf(want).Kind)
			raw, err := s.raw(ctx, traitsOf(k), want.GetId())
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range []any{raw, member(raw, memberBefore)} {
				if doc, ok := doc.(bson.D); ok {
					got, err := s.decode(traitsOf(k), doc)
					if err != nil || !strings.Contains(fmt.Sprint(got), want.GetId()) {
						t.Errorf("%s: %v", want.GetId(), err)
					}
				}
			}
		}
		keys, err := s.SigningKeysOf(ctx, "operators")
		if err != nil || string(keys.Keys[1].PEM) != "two" {
			t.Errorf("signing keys: %v", err)
		}
		mails, err := s.Mails().Claim(ctx, "me", time.Millisecond, 5)
		if err != nil || len(mails) != 1 || string(mails[0].Content) != "letter" {
			t.Errorf("mails: %v %v", mails, err)
		}
		values, err := s.SecretKeys().Get(ctx, "a1", time.Now())
		if err != nil || values["s1"] != "value" {
			t.Errorf("client secrets: %v %v", values, err)
		}
		attempt, err := s.RegistrationAttempts().Get(ctx, "r1")
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := s.RegistrationAttempts().Open(attempt); err != nil || string(plain) != "answer" {
			t.Errorf("registration: %q %v", plain, err)
		}
	}
}

// TestResealingEverything: after it the old key is not needed by anything that is kept, and only then a process may do without it.
func TestResealingEverything(t *testing.T) {
	r := newRings(t)
	before := fresh(t, with(r.old))
	read := furnishSealed(t, before)
	old, first := r.old.Keys()[0], r.fresh.Keys()[0]

	s := another(t, before, with(r.newFirst))
	counted, err := s.Reseal(t.Context(), false, nil)
	if err != nil || counted.Keys[old] < 40 || counted.Keys[first] != 0 || counted.Resealed != 0 || len(counted.Stuck) > 0 {
		t.Fatalf("%+v %v", counted, err)
	}
	refused, err := New(Options{URI: testURI(t), Database: s.db.Name(), Sealer: r.fresh})
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.Prepare(t.Context()); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("a process without the old key starts: %v", err)
	}

	// It is killed in the middle, and begun again.
	ctx, kill := context.WithCancel(t.Context())
	begun, err := s.Reseal(ctx, true, func(_ string, _, resealed int64) {
		if resealed > 3 {
			kill()
		}
	})
	if err == nil || begun.Resealed == 0 || begun.Resealed >= counted.Keys[old] {
		t.Fatalf("%+v %v", begun, err)
	}
	read(t, s)
	done, err := s.Reseal(t.Context(), true, nil)
	if err != nil || done.Keys[old] != 0 || done.Keys[first] != counted.Keys[old] || done.Resealed == 0 || done.Resealed >= counted.Keys[old] {
		t.Fatalf("%+v %v; there were %d", done, err, counted.Keys[old])
	}
	again, err := s.Reseal(t.Context(), true, nil)
	if err != nil || again.Resealed != 0 {
		t.Errorf("%+v %v", again, err)
	}
	read(t, another(t, before, with(r.fresh)))
	names, err := s.db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		cursor, err := s.db.Collection(name).Find(t.Context(), bson.M{})
		if err != nil {
			t.Fatal(err)
		}
		for cursor.Next(t.Context()) {
			if text := cursor.Current.String(); strings.Contains(text, "sealed:v1:"+old) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
	// A process that knew the old key only can not start, which keeps it from sealing anything under it.
	late, err := New(Options{URI: testURI(t), Database: s.db.Name(), Sealer: r.old})
	if err != nil {
		t.Fatal(err)
	}
	if err := late.Prepare(t.Context()); err == nil {
		t.Error("a process with the old key alone starts")
	}
}

// TestResealingNotesWhoStillSeals: a replica that was not restarted goes on with the old key. What it seals is counted, and nobody can
// start without its key.
func TestResealingNotesWhoStillSeals(t *testing.T) {
	r := newRings(t)
	behind := fresh(t, with(r.oldFirst))
	s := another(t, behind, with(r.newFirst))
	if done, err := s.Reseal(t.Context(), true, nil); err != nil || done.Others(r.fresh.Keys()[0]) != 0 {
		t.Fatalf("%+v %v", done, err)
	}
	another(t, behind, with(r.fresh))
	if err := behind.SecretKeys().Put(t.Context(), "d1", "a1", "s1", "value", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := behind.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if counted, err := s.Reseal(t.Context(), false, nil); err != nil || counted.Keys[r.old.Keys()[0]] != 1 {
		t.Errorf("%+v %v", counted, err)
	}
	early, err := New(Options{URI: testURI(t), Database: s.db.Name(), Sealer: r.fresh})
	if err != nil {
		t.Fatal(err)
	}
	if err := early.Prepare(t.Context()); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("a process without the old key starts: %v", err)
	}
}

// TestWhatCannotBeResealedIsNamed: values that were damaged, and members of later versions.
func TestWhatCannotBeResealedIsNamed(t *testing.T) {
	r := newRings(t)
	s := another(t, fresh(t, with(r.old)), with(r.newFirst))
	stranger, err := secret.NewSealer(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]bson.M{
		"damaged": {"_id": "damaged", "domain": "d1", "privateKey": r.old.Seal("elsewhere", []byte("x"))},
		"later":   {"_id": "later", "domain": "d1", "madeLater": r.old.Seal("later", []byte("x"))},
		"foreign": {"_id": "foreign", "domain": "d1", "privateKey": stranger.Seal("gatehouse.config.v1.Certificate.private_key:foreign", []byte("x"))},
	} {
		if _, err := s.db.Collection("certificates").InsertOne(t.Context(), value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	done, err := s.Reseal(t.Context(), true, nil)
	if err != nil || done.NotResealed != 3 || len(done.Stuck) != 3 || done.Others(r.fresh.Keys()[0]) != 3 {
		t.Fatalf("%+v %v", done, err)
	}
	for i, want := range []struct {
		id, member string
		why        error
	}{{"damaged", "privateKey", secret.ErrSealed}, {"foreign", "privateKey", secret.ErrUnknownKey}, {"later", "madeLater", errNotKnown}} {
		if got := done.Stuck[i]; got.ID != want.id || got.Member != want.member || !errors.Is(got.Why, want.why) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// TestResealingUnderWrites: 32 writers, half of them with the old key first, change the same certificates meanwhile. Nothing that was
// acknowledged is lost, and in the end nothing is sealed under the old key.
func TestResealingUnderWrites(t *testing.T) {
	r := newRings(t)
	old := fresh(t, with(r.oldFirst))
	s := another(t, old, with(r.newFirst))
	const writers, certificates = 32, 8
	for n := range certificates {
		create(t, old, certificateOf(n, "0"))
	}
	type written struct {
		revision int64
		key      string
	}
	var mu sync.Mutex // guards last
	last := map[string]written{}
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			by := []*Store{old, s}[w%2]
			for step := 0; step < 4; {
				n := (w + step) % certificates
				was, err := Get(t.Context(), by, catalog.Certificates, fmt.Sprintf("certificate%d", n))
				if err != nil {
					t.Error(err)
					return
				}
				change := proto.CloneOf(was)
				change.PrivateKey = fmt.Appendf(nil, "%d of %d", step, w)
				revision, err := by.Write(t.Context(), Change{Ops: []Op{{Old: was, New: change}}})
				if errors.Is(err, ErrStale) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				step++
				mu.Lock()
				if last[was.GetId()].revision < revision {
					last[was.GetId()] = written{revision, string(change.GetPrivateKey())}
				}
				mu.Unlock()
			}
		})
	}
	stop := make(chan struct{})
	var resealing sync.WaitGroup
	for range 2 { // two at once
		resealing.Go(func() {
			for {
				if _, err := s.Reseal(t.Context(), true, nil); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	resealing.Wait()
	done, err := s.Reseal(t.Context(), true, nil)
	if err != nil || done.Others(r.fresh.Keys()[0]) != 0 {
		t.Errorf("%+v %v", done, err)
	}
	alone := another(t, old, with(r.fresh))
	for id, want := range last {
		got, err := Get(t.Context(), alone, catalog.Certificates, id)
		if err != nil || string(got.GetPrivateKey()) != want.key || got.GetRevision() != want.revision {
			t.Errorf("%s: %q at %d, %v; written was %+v", id, got.GetPrivateKey(), got.GetRevision(), err, want)
		}
	}
}

func certificateOf(n int, key string) *configv1.Certificate {
	c := &configv1.Certificate{Name: fmt.Sprint("c", n), Kid: fmt.Sprint("k", n), PrivateKey: []byte(key)}
	resource.Stamp(c, resource.Stamps{ID: fmt.Sprintf("certificate%d", n), Domain: "d1"})
	return c
}
