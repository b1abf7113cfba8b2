package store

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// testURI returns the database server of the tests.
func testURI(t *testing.T) string {
	t.Helper()
	uri := os.Getenv("GATEHOUSE_TEST_MONGODB_URI")
	if uri == "" {
		t.Fatal("GATEHOUSE_TEST_MONGODB_URI names no database: run `make test`")
	}
	return uri
}

// databaseName returns a name that no other test uses.
func databaseName() string { return testPrefix + strings.ReplaceAll(secret.NewID(), "-", "")[:16] }

var testSealer = func() *secret.Sealer {
	s, err := secret.NewSealer(secret.NewKey())
	if err != nil {
		panic(err)
	}
	return s
}()

// open returns a prepared store on a database. Its grace period is long enough for a busy machine and short enough to
// wait for.
func open(t *testing.T, database string, edit func(*Options)) *Store {
	t.Helper()
	o := Options{URI: testURI(t), Database: database, Sealer: testSealer, GracePeriod: 2 * time.Second, PollEvery: 10 * time.Millisecond,
		OperationTimeout: 30 * time.Second}
	if edit != nil {
		edit(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fresh returns a prepared store on a database of its own, which is dropped afterwards.
func fresh(t *testing.T, edit func(*Options)) *Store {
	t.Helper()
	s := open(t, databaseName(), edit)
	t.Cleanup(func() {
		if err := s.DropTestDatabase(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// another returns a store of another process on the same database.
func another(t *testing.T, s *Store, edit func(*Options)) *Store {
	return open(t, s.db.Name(), func(o *Options) {
		o.GracePeriod = s.opts.GracePeriod
		if edit != nil {
			edit(o)
		}
	})
}

func scopeNamed(key string) *configv1.Scope {
	s := &configv1.Scope{Key: key, Name: key, Description: key}
	resource.Stamp(s, resource.Stamps{ID: secret.NewID(), Domain: "d1", CreatedAt: time.Now(), UpdatedAt: time.Now()})
	return s
}

func create(t *testing.T, s *Store, r resource.Resource) int64 {
	t.Helper()
	revision, err := s.Write(t.Context(), Change{Ops: []Op{{New: r}}})
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func TestDatabaseThatIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close() // nobody listens there now
	s, err := New(Options{URI: "mongodb://" + address, Database: "x", Sealer: testSealer, SelectionTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	began := time.Now()
	for name, ask := range map[string]func() error{
		"prepare": func() error { return s.Prepare(t.Context()) },
		"ping":    func() error { return s.Ping(t.Context()) },
		"write": func() error {
			_, err := s.Write(t.Context(), Change{Ops: []Op{{New: scopeNamed("a")}}})
			return err
		},
		"read": func() error {
			_, err := Get(t.Context(), s, catalog.Scopes, "a")
			return err
		},
	} {
		if err := ask(); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v, want a fault of kind unavailable", name, err)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestConnectionStringStaysSecret(t *testing.T) {
	_, err := New(Options{URI: "mongodb://user:hunter2%@host/", Database: "x", Sealer: testSealer})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func TestPrepareKeepsTheInstallation(t *testing.T) {
	s := fresh(t, nil)
	if s.Installation() == "" {
		t.Fatal("no installation")
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if other := another(t, s, nil); other.Installation() != s.Installation() {
		t.Errorf("installation %s became %s", s.Installation(), other.Installation())
	}
}

func TestPrepareRefusesAnotherSealingKey(t *testing.T) {
	s := fresh(t, nil)
	key, err := secret.NewSealer(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(Options{URI: testURI(t), Database: s.db.Name(), Sealer: key})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if err := other.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "sealing key") {
		t.Errorf("error %v, want one about the sealing key", err)
	}
}

func TestReadAndList(t *testing.T) {
	s := fresh(t, nil)
	for _, key := range []string{"mail", "Address", "zip code", "phone"} {
		create(t, s, scopeNamed(key))
	}
	other := scopeNamed("mail")
	resource.Stamp(other, resource.Stamps{Domain: "d2"})
	create(t, s, other)

	keys := func(q Query) []string {
		t.Helper()
		found, _, err := List(t.Context(), s, catalog.Scopes, q)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, f := range found {
			keys = append(keys, f.GetKey())
		}
		return keys
	}
	for _, tt := range []struct {
		name string
		q    Query
		want []string
	}{
		{"all of a domain, in order", Query{Domain: "d1"}, []string{"Address", "mail", "phone", "zip code"}},
		{"the second page", Query{Domain: "d1", Page: 1, Size: 3}, []string{"zip code"}},
		{"a page beyond the end", Query{Domain: "d1", Page: 7, Size: 3}, nil},
		{"a text is compared as a whole", Query{Domain: "d1", Search: "add"}, nil},
		{"in any case", Query{Domain: "d1", Search: "address"}, []string{"Address"}},
		{"a star stands for anything", Query{Domain: "d1", Search: "*P*"}, []string{"phone", "zip code"}},
		{"other characters mean themselves", Query{Domain: "d1", Search: "m.il"}, nil},
		{"where a member has a value", Query{Where: map[string][]any{"key": {"mail"}}}, []string{"mail", "mail"}},
		{"or another", Query{Domain: "d1", Where: map[string][]any{"key": {"mail", "phone"}}}, []string{"mail", "phone"}},
	} {
		if got := keys(tt.q); strings.Join(got, ",") != strings.Join(tt.want, ",") {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if _, total, err := List(t.Context(), s, catalog.Scopes, Query{Domain: "d1", Size: 1}); err != nil || total != 4 {
		t.Errorf("total %d, %v", total, err)
	}
	found, err := FindByUnique(t.Context(), s, catalog.Scopes, "key", catalog.DomainKey("d2", "mail"))
	if err != nil || found.GetId() != other.GetId() {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := Get(t.Context(), s, catalog.Scopes, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
	got, err := Get(t.Context(), s, catalog.Scopes, other.GetId())
	if err != nil || got.GetCreatedAt().AsTime() != other.GetCreatedAt().AsTime() || got.GetRevision() != other.GetRevision() {
		t.Errorf("read %v, %v, want %v", got, err, other)
	}
}

// TestNoSecretInClear reads what the database really holds.
func TestNoSecretInClear(t *testing.T) {
	s := fresh(t, nil)
	const sentinel = "SENTINEL-never-in-the-database"
	domain := &configv1.Domain{Name: "n", Path: "/n", Hrid: "n", Secret: []byte(sentinel)}
	resource.Stamp(domain, resource.Stamps{ID: "d1", Domain: "d1"})
	certificate := &configv1.Certificate{
		Name: "c", Kid: "k", PrivateKey: []byte(sentinel),
		Config: &configv1.Certificate_Pem{Pem: &configv1.PEMCertificate{PrivateKey: sentinel}},
	}
	resource.Stamp(certificate, resource.Stamps{ID: "c1", Domain: "d1"})
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{New: certificate}, {New: domain}}}); err != nil {
		t.Fatal(err)
	}
	names, err := s.db.ListCollectionNames(t.Context(), bson.M{})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range names {
		cursor, err := s.db.Collection(name).Find(t.Context(), bson.M{})
		if err != nil {
			t.Fatal(err)
		}
		var docs []bson.Raw
		if err := cursor.All(t.Context(), &docs); err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			seen++
			if strings.Contains(string(doc), sentinel) {
				t.Errorf("a document of %s holds a secret in clear", name)
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d documents were looked at", seen)
	}
	back, err := Get(t.Context(), s, catalog.Certificates, "c1")
	if err != nil || string(back.GetPrivateKey()) != sentinel || back.GetPem().GetPrivateKey() != sentinel {
		t.Errorf("the secrets do not come back: %v", err)
	}
}

// proxied returns the server's address and a connection string that goes through a listener instead.
func proxied(t *testing.T, through string) (server, uri string) {
	t.Helper()
	u, err := url.Parse(testURI(t))
	if err != nil {
		t.Fatal(err)
	}
	server = u.Host
	u.Host = through
	return server, u.String()
}
