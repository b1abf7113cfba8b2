package store

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/scim"
)

func userNamed(domain, name string) *directoryv1.User {
	more, err := structpb.NewStruct(map[string]any{"https://claims.example/dept": "a.b", "$level": 3.0})
	if err != nil {
		panic(err)
	}
	u := &directoryv1.User{
		Username: name, Source: "idp", ExternalId: name, Email: name + "@example.com", Subject: secret.NewID(),
		PasswordHash: "$argon2id$…", AdditionalInformation: more,
	}
	resource.Stamp(u, resource.Stamps{ID: secret.NewID(), Domain: domain, CreatedAt: time.Now(), UpdatedAt: time.Now()})
	return u
}

func TestUsers(t *testing.T) {
	s := fresh(t, nil)
	ctx := t.Context()
	users := s.Users()
	ann := userNamed("d1", "Ann")
	if err := users.Insert(ctx, ann); err != nil {
		t.Fatal(err)
	}
	if ann.GetRevision() != 1 {
		t.Errorf("a new user has revision %d", ann.GetRevision())
	}
	same := userNamed("d1", "ANN")
	var taken *DuplicateError
	if err := users.Insert(ctx, same); !errors.As(err, &taken) || taken.Unique != "username" {
		t.Errorf("the same name in another case: %v", err)
	}
	same = userNamed("d1", "bob")
	same.Subject = ann.GetSubject()
	if err := users.Insert(ctx, same); !errors.As(err, &taken) || taken.Unique != "subject" {
		t.Errorf("the same subject: %v", err)
	}
	if err := users.Insert(ctx, userNamed("d2", "ann")); err != nil {
		t.Errorf("the same name in another domain: %v", err)
	}
	for name, find := range map[string]func() (*directoryv1.User, error){
		"by id":                  func() (*directoryv1.User, error) { return users.Get(ctx, "d1", ann.GetId()) },
		"by user name, any case": func() (*directoryv1.User, error) { return users.FindByUsername(ctx, "d1", "idp", "aNN") },
		"by the tokens' subject": func() (*directoryv1.User, error) { return users.FindBySubject(ctx, "d1", ann.GetSubject()) },
	} {
		got, err := find()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(ann, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := users.Get(ctx, "d2", ann.GetId()); !errors.Is(err, ErrNotFound) {
		t.Errorf("a user of another domain: %v", err)
	}
	next := proto.CloneOf(ann)
	next.LoginsCount = 1
	if err := users.Replace(ctx, ann, next); err != nil || next.GetRevision() != 2 {
		t.Errorf("revision %d, %v", next.GetRevision(), err)
	}
	if err := users.Replace(ctx, ann, proto.CloneOf(ann)); !errors.Is(err, ErrStale) {
		t.Errorf("a late replacement: %v", err)
	}
	if list, n, err := users.List(ctx, UserQuery{Domain: "d1", Search: "ann@*", Size: 10}); err != nil || n != 1 || len(list) != 1 {
		t.Errorf("%d of %d found, %v", len(list), n, err)
	}
	if err := s.Consents().Save(ctx, "d1", ann.GetId(), "c", []*directoryv1.Consent{{Scope: "x", Approved: true}}); err != nil {
		t.Fatal(err)
	}
	if err := users.Delete(ctx, "d2", ann.GetId()); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deletion through another domain: %v", err)
	}
	if err := users.Delete(ctx, "d1", ann.GetId()); err != nil {
		t.Error(err)
	}
	if left, err := s.Consents().Get(ctx, "d1", ann.GetId(), "c"); err != nil || len(left) != 0 {
		t.Errorf("consents left: %v, %v", left, err)
	}
}

func TestConsents(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	s := fresh(t, nil)
	s.now = func() time.Time { return now }
	ctx := t.Context()
	scopes := func() string {
		t.Helper()
		list, err := s.Consents().Get(ctx, "d1", "u1", "c1")
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, c := range list {
			text += fmt.Sprintf("%s:%v ", c.GetScope(), c.GetApproved())
		}
		return text
	}
	save := func(list ...*directoryv1.Consent) {
		t.Helper()
		if err := s.Consents().Save(ctx, "d1", "u1", "c1", list); err != nil {
			t.Fatal(err)
		}
	}
	save(&directoryv1.Consent{Scope: "email", Approved: true, ExpiresAt: timestamppb.New(now.Add(time.Hour))},
		&directoryv1.Consent{Scope: "phone", Approved: false})
	save(&directoryv1.Consent{Scope: "phone", Approved: true}, &directoryv1.Consent{Scope: "zip", Approved: true})
	if got, want := scopes(), "email:true phone:true zip:true "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	now = now.Add(2 * time.Hour)
	if got, want := scopes(), "phone:true zip:true "; got != want {
		t.Errorf("after an hour %q, want %q", got, want)
	}
	if err := s.Consents().RemoveScope(ctx, "d1", "phone"); err != nil {
		t.Fatal(err)
	}
	if got, want := scopes(), "zip:true "; got != want {
		t.Errorf("without the scope %q, want %q", got, want)
	}
	// Decisions that are made at once are all kept.
	race(8, func(i int) {
		if err := s.Consents().Save(t.Context(), "d1", "u2", "c1",
			[]*directoryv1.Consent{{Scope: fmt.Sprint("s", i), Approved: true}}); err != nil {
			t.Error(err)
		}
	})
	if list, err := s.Consents().Get(ctx, "d1", "u2", "c1"); err != nil || len(list) != 8 {
		t.Errorf("%d decisions, %v", len(list), err)
	}
	if err := s.Consents().DeleteClient(ctx, "d1", "c1"); err != nil {
		t.Fatal(err)
	}
	if got := scopes(); got != "" {
		t.Errorf("after the client's deletion %q", got)
	}
}

func TestOperators(t *testing.T) {
	s := fresh(t, nil)
	ctx := t.Context()
	op := &Operator{ID: "1", Name: "Admin", PasswordHash: "x"}
	if err := s.Operators().Insert(ctx, op); err != nil {
		t.Fatal(err)
	}
	if err := s.Operators().Insert(ctx, &Operator{Name: "ADMIN"}); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same name: %v", err)
	}
	got, err := s.Operators().Get(ctx, "aDmin")
	if err != nil || got.Name != "Admin" {
		t.Fatalf("%v, %v", got, err)
	}
	got.PasswordHash = "y"
	if err := s.Operators().Replace(ctx, got); err != nil || got.Revision != 2 {
		t.Errorf("revision %d, %v", got.Revision, err)
	}
	if err := s.Operators().Replace(ctx, op); !errors.Is(err, ErrStale) || op.Revision != 1 {
		t.Errorf("a late replacement: %v, revision %d", err, op.Revision)
	}
	if all, err := s.Operators().List(ctx); err != nil || len(all) != 1 {
		t.Errorf("%d operators, %v", len(all), err)
	}
}

func TestRevokedTokens(t *testing.T) {
	s := fresh(t, nil)
	ctx := t.Context()
	now := time.Now()
	for id, expires := range map[string]time.Time{"a": now.Add(time.Hour), "b": now.Add(time.Minute)} {
		for range 2 {
			if err := s.RevokedTokens().Add(ctx, id, expires); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.now = func() time.Time { return now.Add(10 * time.Minute) }
	if err := s.pruneTokens(ctx); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"a": true, "b": false, "c": false} {
		if got, err := s.RevokedTokens().Has(ctx, id); err != nil || got != want {
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
}

func TestAudits(t *testing.T) {
	s := fresh(t, nil)
	ctx := t.Context()
	for i := range 5 {
		r := AuditRecord{Action: fmt.Sprint(i), At: time.Now(), Domain: []string{"d1", "d2"}[i%2], Kind: "scope"}
		if err := s.Audits().Append(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	list, n, err := s.Audits().List(ctx, AuditQuery{Domain: "d1", Size: 2})
	if err != nil || n != 3 || len(list) != 2 || list[0].Action != "4" || list[1].Action != "2" {
		t.Errorf("%d of %d, %v", len(list), n, err)
	}
	if list, _, err := s.Audits().List(ctx, AuditQuery{Domain: "d1", Page: 1, Size: 2}); err != nil || len(list) != 1 || list[0].Action != "0" {
		t.Errorf("second page %v, %v", list, err)
	}
}

func TestLeases(t *testing.T) {
	s := fresh(t, nil)
	ctx := t.Context()
	now := time.Now()
	s.now = func() time.Time { return now }
	leases := s.Leases()

	var winners []Lease
	var mu sync.Mutex
	race(8, func(i int) {
		l, ok, err := leases.Acquire(t.Context(), "sync", fmt.Sprint("p", i), time.Minute)
		if err != nil {
			t.Error(err)
		}
		if ok {
			mu.Lock()
			winners = append(winners, l)
			mu.Unlock()
		}
	})
	if len(winners) != 1 || winners[0].Fence != 1 {
		t.Fatalf("won by %v", winners)
	}
	first := winners[0]
	if l, ok, err := leases.Acquire(ctx, "sync", first.Holder, time.Minute); err != nil || !ok || l.Fence != 1 {
		t.Errorf("prolonged: %v %v %v", l, ok, err)
	}
	first, ok, err := leases.Prolong(ctx, first, time.Minute)
	if err != nil || !ok {
		t.Errorf("prolonged by name: %v %v", ok, err)
	}
	if _, ok, err := leases.Acquire(ctx, "sync", "other", time.Minute); err != nil || ok {
		t.Errorf("taken from its holder: %v %v", ok, err)
	}
	now = now.Add(2 * time.Minute)
	if _, ok, err := leases.Prolong(ctx, first, time.Minute); err != nil || ok {
		t.Errorf("prolonged after its end, before anybody else has it: %v %v", ok, err)
	}
	second, ok, err := leases.Acquire(ctx, "sync", "other", time.Minute)
	if err != nil || !ok || second.Fence != 2 {
		t.Errorf("after its end: %v %v %v", second, ok, err)
	}
	if _, ok, err := leases.Prolong(ctx, first, time.Minute); err != nil || ok {
		t.Errorf("prolonged although somebody else has it: %v %v", ok, err)
	}
	if err := leases.Release(ctx, first); err != nil {
		t.Errorf("a late release: %v", err)
	}
	if _, ok, _ := leases.Acquire(ctx, "sync", "third", time.Minute); ok {
		t.Error("a late release freed the lease of somebody else")
	}
	if err := leases.Release(ctx, second); err != nil {
		t.Fatal(err)
	}
	if l, ok, err := leases.Acquire(ctx, "sync", "third", time.Minute); err != nil || !ok || l.Fence != 3 {
		t.Errorf("after the release: %v %v %v", l, ok, err)
	}
}

// FuzzUserFilter holds that whatever filter can be read becomes a query, and that nothing which a person wrote becomes a
// pattern: every pattern matches the text that it was made of.
func FuzzUserFilter(f *testing.F) {
	for _, text := range []string{
		`userName sw "a.*(" and (enabled eq true or not (email co "[x"))`, `firstName ew "\\"`, `meta.created gt "2011-05-13T04:42:34Z"`, `id pr`,
		`userName co "\\Ea\\Q"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := scim.Parse(text)
		if err != nil {
			return
		}
		query, err := userFilter(parsed)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if _, err := bson.Marshal(query); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var literal func(f scim.Filter)
		literal = func(f scim.Filter) {
			switch f := f.(type) {
			case scim.And:
				for _, one := range f {
					literal(one)
				}
			case scim.Or:
				for _, one := range f {
					literal(one)
				}
			case scim.Not:
				literal(f.Filter)
			case scim.Comparison:
				condition, err := userCondition(f)
				if err != nil {
					t.Fatal(err)
				}
				pattern, ok := condition["$regex"].(bson.Regex)
				if !ok {
					return
				}
				value := f.Value.(string)
				if f.Attribute.Type == scim.Text {
					value = strings.ToLower(value)
				}
				compiled, err := regexp.Compile(pattern.Pattern)
				if err != nil || !compiled.MatchString(value) || value != "" && !strings.Contains(value, "\x01") && compiled.MatchString(strings.Repeat("\x01", 3)) {
					t.Errorf("%q became the pattern %q: %v", value, pattern.Pattern, err)
				}
			}
		}
		literal(parsed)
	})
}
