package access

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// looking is a picture over two processes' stores of one database.
type looking struct {
	*testing.T
	here, there *store.Store
	now         time.Time
	pictures    *crowds
	database    *mongo.Database
}

var everyProvider = map[string]bool{"p": true}

func newLooking(t *testing.T) *looking {
	t.Helper()
	o := storetest.Options(t)
	l := &looking{T: t, here: storetest.Open(t, o), there: storetest.Open(t, o), database: storetest.Database(t, o), now: time.Now()}
	l.pictures = newCrowds(l.here, func() time.Time { return l.now })
	return l
}

func (l *looking) ok(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *looking) look() *crowd {
	l.Helper()
	got, err := l.pictures.get(l.Context(), "d", everyProvider)
	l.ok(err)
	return got
}

func (l *looking) refresh() {
	l.Helper()
	l.ok(l.pictures.refresh(l.Context(), func(context.Context, string) (map[string]bool, error) { return everyProvider, nil }))
}

func (l *looking) add(s *store.Store, name string) *directoryv1.User {
	l.Helper()
	u := &directoryv1.User{Id: "id-" + name, Domain: "d", Username: name, Source: "x", Subject: name, Revision: 1}
	l.ok(s.Users().Insert(l.Context(), proto.CloneOf(u)))
	return u
}

// shown is a picture as text: who, whether they can sign in, and their groups.
func shown(c *crowd) []string {
	var list []string
	for _, m := range c.people {
		if c.find(m.id) != m {
			list = append(list, m.id+" is not found")
		}
		list = append(list, strings.TrimSpace(fmt.Sprint(m.username, m.name, m.in.groups, map[bool]string{false: "disabled"}[m.enabled])))
	}
	return list
}

func TestAPictureKnowsAtOnceWhatAnyProcessChanges(t *testing.T) {
	l := newLooking(t)
	bob := l.add(l.there, "bob")
	l.look()
	for _, step := range []struct {
		what string
		do   func(*store.Store) error
		want string
	}{
		{"somebody comes", func(s *store.Store) error { l.add(s, "Ann"); return nil }, "Ann[], bob[]"},
		{"joins a group", func(s *store.Store) error {
			_, err := s.Memberships().Add(t.Context(), "d", "g", []string{"id-bob"})
			return err
		}, "Ann[], bob[g]"},
		{"is given a group and another name", func(s *store.Store) error {
			next := proto.CloneOf(bob)
			next.Username, next.AssertedRights = "abe", []*directoryv1.AssertedRights{{Source: "p", Groups: []string{"h"}}, {Source: "gone", Groups: []string{"i"}}}
			return s.Users().Replace(t.Context(), bob, next)
		}, "abe[g h], Ann[]"},
		{"leaves it", func(s *store.Store) error {
			_, err := s.Memberships().Remove(t.Context(), "d", "g", []string{"id-bob"})
			return err
		}, "abe[h], Ann[]"},
		{"goes", func(s *store.Store) error { return s.Users().Delete(t.Context(), "d", "id-Ann") }, "abe[h]"},
	} {
		l.ok(step.do(l.there))
		if got := strings.Join(shown(l.look()), ", "); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	if l.look().find("id-Ann") != nil {
		t.Error("who is deleted is found")
	}
	before := l.look()
	l.ok(l.there.RemoveDirectory(t.Context(), "other"))
	l.add(l.there, "zed")
	if l.look() == before {
		t.Error("the picture is the same")
	}
	if again := l.look(); again != l.look() {
		t.Error("a picture is made anew though nothing has changed")
	}
}

func TestAPictureThatWasMendedIsTheOneThatIsReadAnew(t *testing.T) {
	l := newLooking(t)
	random := rand.New(rand.NewPCG(7, 11))
	stored := map[string]*directoryv1.User{}
	for i := range 300 {
		s := []*store.Store{l.here, l.there}[random.IntN(2)]
		name := fmt.Sprintf("p%02d", random.IntN(30))
		id := "id-" + name
		switch u, group := stored[name], fmt.Sprint("g", random.IntN(4)); {
		case u == nil:
			stored[name] = l.add(s, name)
		case random.IntN(6) == 0:
			l.ok(s.Users().Delete(t.Context(), "d", id))
			delete(stored, name)
		case random.IntN(3) == 0:
			next := proto.CloneOf(u)
			next.Enabled, next.DisplayName = proto.Bool(random.IntN(2) == 0), fmt.Sprint("Name ", random.IntN(3))
			l.ok(s.Users().Replace(t.Context(), u, next))
			next.Revision = u.GetRevision() + 1
			stored[name] = next
		case random.IntN(2) == 0:
			_, err := s.Memberships().Add(t.Context(), "d", group, []string{id})
			l.ok(err)
		default:
			_, err := s.Memberships().Remove(t.Context(), "d", group, []string{id})
			l.ok(err)
		}
		if i%10 == 9 {
			anew, _, err := l.pictures.load(t.Context(), "d", everyProvider)
			l.ok(err)
			if diff := cmp.Diff(shown(anew), shown(l.look())); diff != "" {
				t.Fatalf("after %d changes (-anew +mended):\n%s", i+1, diff)
			}
			l.now = l.now.Add(time.Second)
		}
	}
}

func TestAWriteThatIsUnderWayWhileThePictureIsTakenIsSeenAfterwards(t *testing.T) {
	l := newLooking(t)
	l.add(l.here, "ann")
	late := func(group string) { // the write comes long after its entry of the log
		t.Helper()
		_, err := l.database.Collection("memberships").InsertOne(t.Context(),
			bson.M{"_id": "d/" + group + "/id-ann", "domain": "d", "group": group, "user": "id-ann", "at": time.Now()})
		l.ok(err)
	}
	groups := func() string { return fmt.Sprint(l.look().find("id-ann").in.groups) }
	if got := groups(); got != "[]" {
		t.Fatal(got)
	}
	late("begun") // before the first picture
	if got := groups(); got != "[begun]" {
		t.Errorf("begun before the picture was taken: %s", got)
	}
	l.now = l.now.Add(2 * store.Settling)
	groups()
	_, err := l.there.Memberships().Remove(t.Context(), "d", "none", []string{"id-ann"})
	l.ok(err)
	groups()
	late("while")
	l.now = l.now.Add(store.Settling - time.Second)
	if got := groups(); got != "[begun while]" {
		t.Errorf("begun before a look: %s", got)
	}
}

func TestALogThatIsLostIsNoticed(t *testing.T) {
	l := newLooking(t)
	l.add(l.here, "ann")
	l.add(l.here, "bob")
	l.look()
	for _, lose := range []bson.M{{"_id": 3}, {"_id": bson.M{"$lt": 6}}, {}} { // in the middle, where it was read up to, all of it
		l.add(l.there, secret.NewID())
		l.add(l.there, secret.NewID())
		_, err := l.database.Collection("touches").DeleteMany(t.Context(), lose)
		l.ok(err)
		want, _, err := l.pictures.load(t.Context(), "d", everyProvider)
		l.ok(err)
		if diff := cmp.Diff(shown(want), shown(l.look())); diff != "" {
			t.Errorf("lost %v (-want +got):\n%s", lose, diff)
		}
	}
}

func TestAPictureIsMadeAnewBesideTheQuestions(t *testing.T) {
	l := newLooking(t)
	l.add(l.here, "ann")
	first := l.look()
	l.now = l.now.Add(staleAfter + time.Second)
	if l.look().at != first.at {
		t.Error("a question waits for a new picture")
	}
	l.refresh()
	if got := l.look(); got.at == first.at {
		t.Error("nobody makes it anew")
	}
	l.now = l.now.Add(forgotten + time.Second)
	old := l.pictures.of["d"].crowd
	l.refresh()
	if l.pictures.of["d"].crowd != old {
		t.Error("a picture that nobody looks at is kept current")
	}
}
