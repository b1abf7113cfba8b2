package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

func TestLoadLeavesOutWhatCannotBeRead(t *testing.T) {
	var log bytes.Buffer
	s := fresh(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	var made []*configv1.Scope
	for _, name := range []string{"good", "unknown member", "wrong kind", "number of a shell"} {
		r := scopeNamed(name)
		create(t, s, r)
		made = append(made, r)
	}
	for i, odd := range []bson.M{nil, {"colour": "red"}, {"name": 7}, {"revision": 4.0}} {
		if odd == nil {
			continue
		}
		_, err := s.db.Collection("scopes").UpdateOne(t.Context(), bson.M{"_id": made[i].GetId()}, bson.M{"$set": odd})
		if err != nil {
			t.Fatal(err)
		}
	}
	image, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range image.Resources {
		names = append(names, r.(*configv1.Scope).GetKey())
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"good", "number of a shell"}) {
		t.Errorf("loaded are %q", names)
	}
	for _, want := range []string{"colour is not recognized", "name must be a string"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, &log)
		}
	}
}

// sinkFunc is a sink that looks at what it is given.
type sinkFunc func(resource.Resource)

func (f sinkFunc) Put(r resource.Resource) { f(r) }
func (f sinkFunc) Apply(Entry)             {}

// TestLoadEndsInTheMiddle: who ends while everything is read does not wait for the rest, and is not told that this was all.
func TestLoadEndsInTheMiddle(t *testing.T) {
	s := fresh(t, nil)
	create(t, s, scopeNamed("a"))
	if _, err := s.db.Collection("scopes").InsertMany(t.Context(), copies(t, s, 3000)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := s.LoadInto(ctx, func() Sink { return sinkFunc(func(resource.Resource) { cancel() }) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a load that was cancelled says %v", err)
	}
	image, err := s.Load(t.Context())
	if err != nil || len(image.Resources) != 3001 {
		t.Errorf("afterwards: %v", err)
	}
}

// copies returns n copies of the only scope.
func copies(t *testing.T, s *Store, n int) []any {
	t.Helper()
	var like bson.M
	if err := s.db.Collection("scopes").FindOne(t.Context(), bson.M{}).Decode(&like); err != nil {
		t.Fatal(err)
	}
	all := make([]any, n)
	for i := range all {
		one := bson.M{}
		for k, v := range like {
			one[k] = v
		}
		one["_id"], one["_unique_key"] = fmt.Sprint("copy-", i), fmt.Sprint("d1/copy-", i)
		all[i] = one
	}
	return all
}

// TestDocumentsAreReadAsTheDriverReadsThem: a document that is read without a tree means what the driver's tree of it means,
// whatever has happened to its bytes.
func TestDocumentsAreReadAsTheDriverReadsThem(t *testing.T) {
	s := &Store{dialect: prototree.Document(testSealer)}
	kind := traitsOf(catalog.Applications)
	a := loadedApplication(1)
	doc, err := s.encode(kind, a)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if r := kind.fresh(); !s.dialect.DecodeBSON(whole, r) || !proto.Equal(r, a) {
		t.Fatalf("the document is read as %v", r)
	}
	r, read := rand.New(rand.NewPCG(1, 1)), 0
	for range 100_000 {
		raw := slices.Clone(whole)
		for range 1 + r.IntN(3) {
			raw[r.IntN(len(raw))] = byte(r.Uint32())
		}
		fast := kind.fresh()
		if !s.dialect.DecodeBSON(raw, fast) {
			continue
		}
		read++
		var tree bson.D
		if err := bson.Unmarshal(raw, &tree); err != nil {
			t.Fatalf("was read, and the driver says %v", err)
		}
		slow, err := s.decode(kind, tree)
		if err != nil || !proto.Equal(fast, slow) {
			t.Fatalf("was read as\n%v\nand from the tree as\n%v, %v", fast, slow, err)
		}
	}
	if read < 1000 {
		t.Errorf("only %d were read: the test says little", read)
	}
}

// loadedApplication is an ordinary application.
func loadedApplication(i int) *configv1.Application {
	on, id := true, fmt.Sprintf("0b7b3a5e-3c1f-4a53-9b0a-%012d", i)
	a := &configv1.Application{
		Name: fmt.Sprintf("Application %06d", i), Type: configv1.Application_Type(1 + i%4), Enabled: &on, Description: "What people see of it",
		Certificate: "1b7b3a5e-3c1f-4a53-9b0a-6a6f0c9f2a11", Metadata: map[string]string{"team": "a.b", "cost": "12"},
		IdentityProviders: []*configv1.ApplicationIdentityProvider{{Identity: "2b7b3a5e-3c1f-4a53-9b0a-6a6f0c9f2a11", Priority: 1}},
		Settings: &configv1.ApplicationSettings{
			Advanced: &configv1.AdvancedSettings{FlowsInherited: &on},
			Oauth: &configv1.OAuthSettings{
				ClientId: fmt.Sprintf("client-%06d", i), ClientName: fmt.Sprintf("Application %06d", i), OptInScopeSelection: &on,
				RedirectUris:  []string{fmt.Sprintf("https://app%d.example/callback", i), fmt.Sprintf("https://app%d.example/silent", i)},
				ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code", "refresh_token"}, ApplicationType: "web",
				TokenEndpointAuthMethod: "client_secret_basic", AccessTokenValiditySeconds: 7200, RefreshTokenValiditySeconds: 14400,
				IdTokenValiditySeconds: 14400, ForcePkce: true,
				ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid", DefaultScope: true}, {Scope: "email"}, {Scope: "profile"}},
			},
		},
		Secrets: []*configv1.ClientSecret{{Id: "3b7b3a5e-3c1f-4a53-9b0a-6a6f0c9f2a11", Name: "default"}},
	}
	at := time.UnixMilli(1_700_000_000_123)
	resource.Stamp(a, resource.Stamps{ID: id, Domain: "4b7b3a5e-3c1f-4a53-9b0a-6a6f0c9f2a11", CreatedAt: at, UpdatedAt: at, Revision: int64(i)})
	return a
}

// BenchmarkReadDocument is what one application costs when everything is loaded, without the database: as it is now, and by way of the
// driver's tree.
func BenchmarkReadDocument(b *testing.B) {
	s := &Store{dialect: prototree.Document(testSealer)}
	kind := traitsOf(catalog.Applications)
	doc, err := s.encode(kind, loadedApplication(1))
	if err != nil {
		b.Fatal(err)
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bytes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.decodeRaw(kind, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tree", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var tree bson.D
			if err := bson.Unmarshal(raw, &tree); err != nil {
				b.Fatal(err)
			}
			if _, err := s.decode(kind, tree); err != nil {
				b.Fatal(err)
			}
		}
	})
}
