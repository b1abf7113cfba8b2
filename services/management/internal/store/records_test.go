package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// versions returns the history of a resource, the oldest first, as action:previous→revision.
func versions(t *testing.T, s *Store, key resource.Key) []string {
	t.Helper()
	all, _, err := s.Audits().Versions(t.Context(), key, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	story := make([]string, len(all))
	for i, r := range all {
		story[i] = fmt.Sprintf("%s:%d→%d", r.Action, r.Previous, r.Revision)
	}
	return story
}

// truthful fails unless the history of a scope is a chain that ends in what is stored.
func truthful(t *testing.T, s *Store, key resource.Key) {
	t.Helper()
	all, _, err := s.Audits().Versions(t.Context(), key, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		if i+1 < len(all) && r.Previous != all[i+1].Revision && all[i+1].Action != ActionDelete {
			t.Errorf("%s: revision %d names %d as the one before, which is %d", key, r.Revision, r.Previous, all[i+1].Revision)
		}
	}
	stored, err := Get(t.Context(), s, catalog.Scopes, key.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		if len(all) > 0 && all[0].Action != ActionDelete {
			t.Errorf("%s is gone, and its history ends with %s", key, all[0].Action)
		}
		return
	case err != nil:
		t.Fatal(err)
	case len(all) == 0 || all[0].Revision != stored.GetRevision():
		t.Errorf("%s is stored at %d, its history is %v", key, stored.GetRevision(), versions(t, s, key))
		return
	}
	newest, err := s.Audits().VersionAt(t.Context(), key, stored.GetRevision())
	if err != nil {
		t.Fatal(err)
	}
	want, err := prototree.Audit.Encode(stored)
	if err != nil {
		t.Fatal(err)
	}
	got, err := prototree.Parse([]byte(newest.After))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s at %d (-stored +recorded):\n%s", key, stored.GetRevision(), diff)
	}
}

// outcomes returns the results of all records, the oldest first.
func outcomes(t *testing.T, s *Store) []string {
	t.Helper()
	all, _, err := s.Audits().List(t.Context(), AuditQuery{Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	list := make([]string, len(all))
	for i, r := range all {
		list[i] = fmt.Sprintf("%d %s %s %s", r.Revision, r.Action, r.Name, r.Result)
	}
	return list
}

func TestARecordIsPartOfTheWrite(t *testing.T) {
	s := fresh(t, nil)
	scope, other := scopeNamed("mail"), scopeNamed("phone")
	by := Author{Kind: "operator", ID: "o1", Name: "ann", IP: "192.0.2.1", UserAgent: "curl", RequestID: "r1"}
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{New: other}, {New: scope}}, Action: "register", Meant: resource.KeyOf(scope), By: by}); err != nil {
		t.Fatal(err)
	}
	fresh := proto.CloneOf(scope)
	fresh.Name = "Mail"
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: scope, New: fresh}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: fresh}}, Action: "something"}); err != nil {
		t.Fatal(err)
	}
	all, n, err := s.Audits().List(t.Context(), AuditQuery{Whole: true})
	if err != nil || n != 4 || len(all) != 4 {
		t.Fatalf("%d records, %v", n, err)
	}
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprintf("%d %s %s %s/%s %s %d %s", r.Revision, r.Action, r.Name, r.CauseKind, r.CauseID, r.ActorKind, r.Previous, r.Changes))
	}
	want := []string{
		"3 delete mail / system 2 ",
		`2 update mail / system 1 [{"path":"name","before":"mail","after":"Mail"}]`,
		"1 register mail / operator 0 ",
		"1 create phone scope/" + scope.GetId() + " operator 0 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if r := all[2]; r.ActorName != "ann" || r.ActorID != "o1" || r.IP != "192.0.2.1" || r.UserAgent != "curl" || r.RequestID != "r1" || r.Before != "" || r.After == "" {
		t.Errorf("record %+v", r)
	}
	if all[0].After != "" || all[0].Before == "" {
		t.Errorf("the record of a deletion: %+v", all[0])
	}
	truthful(t, s, resource.KeyOf(scope))
	truthful(t, s, resource.KeyOf(other))
}

func TestARefusedChangeLeavesNoRecord(t *testing.T) {
	s := fresh(t, nil)
	was := scopeNamed("mail")
	create(t, s, was)
	now := proto.CloneOf(was)
	now.Name = "now"
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: was, New: now}}}); err != nil {
		t.Fatal(err)
	}
	for name, ops := range map[string][]Op{
		"a taken key":             {{New: scopeNamed("mail")}},
		"a late replacement":      {{Old: was, New: proto.CloneOf(was)}},
		"a late deletion":         {{Old: was}},
		"a set with a late part":  {{New: scopeNamed("other")}, {Old: was}},
		"a set with a taken part": {{New: scopeNamed("other")}, {New: scopeNamed("mail")}},
	} {
		if _, err := s.Write(t.Context(), Change{Ops: ops}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if diff := cmp.Diff([]string{"1 create mail success", "2 update mail success"}, outcomes(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestARecordOfWhatNeverTookPlaceIsNoHistory(t *testing.T) {
	for _, tt := range []struct {
		name  string
		step  Step
		op    func(old *configv1.Scope) []Op
		took  bool
		count int // how often the step is passed before the writer dies
	}{
		{name: "a creation that was announced", step: Announced, op: creation},
		{name: "a creation that was recorded", step: Recorded, op: creation},
		{name: "a creation that was written", step: Written, op: creation, took: true},
		{name: "a creation that was settled", step: Settled, op: creation, took: true},
		{name: "a replacement that was announced", step: Announced, op: one(replacement)},
		{name: "a replacement that was recorded", step: Recorded, op: one(replacement)},
		{name: "a replacement that was written", step: Written, op: one(replacement), took: true},
		{name: "a replacement that was settled", step: Settled, op: one(replacement), took: true},
		{name: "a deletion that was announced", step: Announced, op: deletion},
		{name: "a deletion that was recorded", step: Recorded, op: deletion},
		{name: "a deletion that was written", step: Written, op: deletion, took: true},
		{name: "a deletion that was settled", step: Settled, op: deletion, took: true},
		{name: "a set that was announced", step: Announced, op: both},
		{name: "a set that was recorded", step: Recorded, op: both},
		{name: "a set of which one resource was written", step: Wrote, op: both},
		{name: "a set of which all resources were written", step: Wrote, op: both, count: 1},
		{name: "a set that was written", step: Written, op: both},
		{name: "a set that was settled", step: Settled, op: both, took: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fresh(t, func(o *Options) { o.GracePeriod = 50 * time.Millisecond })
			stored := scopeNamed("old")
			create(t, s, stored)
			ops := tt.op(stored)
			passed := 0
			dying := another(t, s, func(o *Options) {
				o.Hook = func(step Step, _ int64) error {
					if step == tt.step {
						if passed++; passed > tt.count {
							return errors.New("died")
						}
					}
					return nil
				}
			})
			if _, err := dying.Write(t.Context(), Change{Ops: ops}); err == nil {
				t.Fatal("the writer lives")
			}
			// Before anybody has noticed, no history tells of it unless it is settled.
			for _, op := range ops {
				if story := versions(t, s, op.key()); tt.step != Settled && len(story) > 1 {
					t.Errorf("while it is pending: %v", story)
				}
			}
			follow(t, s, nil).reach(2)
			check := func(when string) {
				t.Helper()
				for _, op := range ops {
					truthful(t, s, op.key())
					want := 0
					if op.Old != nil {
						want++
					}
					if tt.took {
						want++
					}
					if story := versions(t, s, op.key()); len(story) != want {
						t.Errorf("%s: the history of %s is %v, want %d versions", when, op.key(), story, want)
					}
				}
				for _, o := range outcomes(t, s) {
					want := ResultSuccess
					if strings.HasPrefix(o, "2 ") && !tt.took {
						want = ResultAttempted
					}
					if !strings.HasSuffix(o, want) {
						t.Errorf("%s: %q, want %s", when, o, want)
					}
				}
			}
			check("when it was dropped")
			// The sweep keeps what only the log knows, before the log forgets it.
			s.now = func() time.Time { return time.Now().Add(48 * time.Hour) }
			create(t, s, scopeNamed("newer"))
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := s.db.Collection(changesCollection).CountDocuments(t.Context(), bson.M{}); err != nil || n != 1 {
				t.Errorf("%d entries left in the log, %v", n, err)
			}
			check("when the log has forgotten it")
		})
	}
}

func one(op func(*configv1.Scope) Op) func(*configv1.Scope) []Op {
	return func(old *configv1.Scope) []Op { return []Op{op(old)} }
}

func creation(*configv1.Scope) []Op { return []Op{{New: scopeNamed("new")}} }

func deletion(old *configv1.Scope) []Op { return []Op{{Old: old}} }

func both(old *configv1.Scope) []Op { return []Op{{New: scopeNamed("new")}, replacement(old)} }

func TestTheRecordFollowsAChangeThatIsAnnouncedAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   Step
		op   func(old *configv1.Scope) []Op
		want []string // the history of the first resource
	}{
		{"a creation", Written, creation, []string{"create:0→3"}},
		{"a replacement", Written, one(replacement), []string{"create:0→1", "update:1→3"}},
		{"a replacement that is late", Recorded, one(replacement), []string{"create:0→1", "update:1→3"}},
		{"a deletion", Written, deletion, []string{"create:0→1", "delete:1→2"}},
		{"a set", Written, both, []string{"create:0→3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fresh(t, func(o *Options) { o.GracePeriod = 50 * time.Millisecond })
			stored := scopeNamed("old")
			create(t, s, stored)
			m := follow(t, s, nil)
			slow := another(t, s, func(o *Options) {
				o.Hook = func(step Step, revision int64) error {
					if step == tt.at && revision == 2 {
						m.reach(2)
					}
					return nil
				}
			})
			ops := tt.op(stored)
			if _, err := slow.Write(t.Context(), Change{Ops: ops}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, versions(t, s, ops[0].key())); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			for _, op := range ops {
				truthful(t, s, op.key())
			}
			for _, o := range outcomes(t, s) {
				if !strings.HasSuffix(o, ResultSuccess) {
					t.Errorf("left over: %s", o)
				}
			}
		})
	}
}

func TestRacingChangesLeaveOneHistory(t *testing.T) {
	s := fresh(t, nil)
	stores := []*Store{s, another(t, s, nil)}
	was := scopeNamed("mail")
	create(t, s, was)
	race(32, func(i int) {
		op := Op{Old: was}
		if i%2 == 0 {
			now := proto.CloneOf(was)
			now.Name = fmt.Sprint("name ", i)
			op.New = now
		}
		if _, err := stores[i/2%2].Write(t.Context(), Change{Ops: []Op{op}}); err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
	truthful(t, s, resource.KeyOf(was))
	if all := outcomes(t, s); len(all) != 2 {
		t.Errorf("records %v", all)
	}
}

func TestAResourceAtARevision(t *testing.T) {
	s := fresh(t, nil)
	scope := scopeNamed("mail")
	key := resource.KeyOf(scope)
	create(t, s, scope) // 1
	current := scope
	for _, name := range []string{"two", "three"} { // 2 and 4
		next := proto.CloneOf(current)
		next.Name = name
		if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: current, New: next}}}); err != nil {
			t.Fatal(err)
		}
		current = next
		create(t, s, scopeNamed("other "+name)) // 3 and 5
	}
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: current}}}); err != nil { // 6
		t.Fatal(err)
	}
	at := func(revision int64) string {
		r, err := s.Audits().VersionAt(t.Context(), key, revision)
		switch {
		case errors.Is(err, ErrNotFound):
			return "none"
		case err != nil:
			t.Fatal(err)
		case r.Action == ActionDelete:
			return fmt.Sprint("gone since ", r.Revision)
		}
		tree, err := prototree.Parse([]byte(r.After))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.Revision, " ", tree["name"])
	}
	for revision, want := range map[int64]string{0: "none", 1: "1 mail", 2: "2 two", 3: "2 two", 4: "4 three", 5: "4 three", 6: "gone since 6", 99: "gone since 6"} {
		if got := at(revision); got != want {
			t.Errorf("at %d: %s, want %s", revision, got, want)
		}
	}
	// Without the older records, the oldest one left knows what was before it.
	if _, err := s.db.Collection(auditsCollection).DeleteMany(t.Context(), bson.M{"revision": bson.M{"$lt": 4}}); err != nil {
		t.Fatal(err)
	}
	for revision, want := range map[int64]string{1: "none", 2: "2 two", 3: "2 two", 4: "4 three"} {
		if got := at(revision); got != want {
			t.Errorf("without the older records, at %d: %s, want %s", revision, got, want)
		}
	}
}

func TestOldRecordsArePrunedButNotTheNewestOfWhatExists(t *testing.T) {
	s := fresh(t, func(o *Options) { o.KeepAudits = 24 * time.Hour })
	kept, gone := scopeNamed("kept"), scopeNamed("gone")
	create(t, s, kept)
	create(t, s, gone)
	renamed := proto.CloneOf(kept)
	renamed.Name = "renamed"
	for _, op := range []Op{{Old: kept, New: renamed}, {Old: gone}} {
		if _, err := s.Write(t.Context(), Change{Ops: []Op{op}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Audits().Append(t.Context(), AuditRecord{Action: "sign-in", Result: ResultSuccess, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	sweep := func(days int) {
		t.Helper()
		s.now = func() time.Time { return time.Now().Add(time.Duration(days) * 24 * time.Hour) }
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep(0)
	if n := len(outcomes(t, s)); n != 5 {
		t.Fatalf("%d records before their time", n)
	}
	sweep(2)
	if diff := cmp.Diff([]string{"3 update kept success"}, outcomes(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestWhatTheSweepRemovesIsRecorded(t *testing.T) {
	s := fresh(t, nil)
	d := &configv1.Domain{Name: "One", Hrid: "one", Path: "/one"}
	resource.Stamp(d, resource.Stamps{ID: "d2", Domain: "d2"})
	create(t, s, d)
	orphan := scopeNamed("left") // of domain d1, which does not exist
	create(t, s, orphan)
	for range 2 {
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all, _, err := s.Audits().List(t.Context(), AuditQuery{Domain: "d1", Actions: []string{ActionDelete}, Whole: true})
	if err != nil || len(all) != 1 {
		t.Fatalf("records %v, %v", all, err)
	}
	if r := all[0]; r.CauseKind != "domain" || r.CauseID != "d1" || r.ActorKind != "system" || r.Name != "left" || !strings.Contains(r.Before, `"left"`) {
		t.Errorf("record %+v", r)
	}
}

// marker is what every secret is in TestNoRecordHoldsASecret.
const marker = "hidden-2b7c"

// fill gives every member of a message a value: secrets and internal members the marker.
func fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case fd.Message() != nil && fd.Message().ParentFile().Package() == "google.protobuf", fd.IsMap() && fd.MapValue().Message() != nil:
		case fd.ContainingOneof() != nil && !fd.ContainingOneof().IsSynthetic() && m.WhichOneof(fd.ContainingOneof()) != nil:
		case fd.IsMap():
			if fd.MapValue().Kind() == protoreflect.StringKind {
				m.Mutable(fd).Map().Set(protoreflect.ValueOfString("k").MapKey(), text(fd))
			}
		case fd.Message() != nil && depth == 0:
		case fd.IsList() && fd.Message() != nil:
			list := m.Mutable(fd).List()
			fill(list.AppendMutable().Message(), depth-1)
		case fd.Message() != nil:
			fill(m.Mutable(fd).Message(), depth-1)
		case fd.Kind() == protoreflect.StringKind && fd.IsList():
			m.Mutable(fd).List().Append(text(fd))
		case fd.Kind() == protoreflect.StringKind:
			m.Set(fd, text(fd))
		case fd.Kind() == protoreflect.BytesKind:
			m.Set(fd, protoreflect.ValueOfBytes([]byte(marker)))
		}
	}
}

func text(fd protoreflect.FieldDescriptor) protoreflect.Value {
	if marks := prototree.MarksOf(fd); marks.Secret || marks.Internal {
		return protoreflect.ValueOfString(marker)
	}
	return protoreflect.ValueOfString("open")
}

// arms returns the variants of a kind of resource, each as a message with only it, or the empty message.
func variants(k catalog.Any) []resource.Resource {
	like := k.NewResource()
	var all []resource.Resource
	fields := like.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if prototree.MarksOf(fields.Get(i)).Variant == "" {
			continue
		}
		r := k.NewResource()
		r.ProtoReflect().Mutable(fields.Get(i))
		fill(r.ProtoReflect().Mutable(fields.Get(i)).Message(), 4)
		all = append(all, r)
	}
	if all == nil {
		all = append(all, like)
	}
	return all
}

func TestNoRecordHoldsASecret(t *testing.T) {
	s := fresh(t, nil)
	filled := 0
	for _, k := range catalog.All {
		for _, r := range variants(k) {
			fill(r.ProtoReflect(), 6)
			resource.Stamp(r, resource.Stamps{ID: secret.NewID(), Domain: "d1"})
			document, err := prototree.Document(testSealer).Encode(r)
			if err != nil {
				t.Fatalf("%s: %v", k.Descriptor().Arm, err)
			}
			if text := fmt.Sprint(document); strings.Contains(text, marker) || strings.Contains(text, "sealed:") {
				filled++
			}
			old := proto.Clone(r).(resource.Resource)
			changed := proto.Clone(r).(resource.Resource)
			w := writer{s: s, ops: []Op{{New: r}, {Old: old, New: changed}, {Old: old, New: k.NewResource()}, {Old: old}}}
			for _, op := range w.ops {
				w.keys, w.traits = append(w.keys, op.key()), append(w.traits, traitsOf(k))
			}
			for i, op := range w.ops {
				record, err := w.recordOf(i, op, 7)
				if err != nil {
					t.Fatalf("%s: %v", k.Descriptor().Arm, err)
				}
				data, err := json.Marshal(record)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(data), marker) || strings.Contains(string(data), "aGlkZGVu") {
					t.Errorf("the record of %s holds a secret: %s", k.Descriptor().Arm, data)
				}
			}
		}
	}
	if filled < 10 {
		t.Errorf("only %d messages held a secret to be hidden", filled)
	}
}

func TestAuditsAreFiltered(t *testing.T) {
	s := fresh(t, nil)
	base := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for i, r := range []AuditRecord{
		{Action: "create", Domain: "d1", Kind: "user", ResourceID: "u1", ActorID: "o1", ActorName: "ann", Result: ResultSuccess, Revision: 1},
		{Action: "update", Domain: "d1", Kind: "user", ResourceID: "u1", ActorID: "o2", ActorName: "bob", Result: ResultSuccess, Revision: 2, CauseKind: "user"},
		{Action: "update", Domain: "d2", Kind: "user", ResourceID: "u2", ActorID: "o1", ActorName: "ann", Result: ResultSuccess, Revision: 3},
		{Action: "sign-in", ActorName: "ann", ActorKind: "operator", Result: ResultFailure},
	} {
		r.At, r.Name = base.Add(time.Duration(i)*time.Minute), fmt.Sprint(i)
		if err := s.Audits().Append(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	minute := func(i int) time.Time { return base.Add(time.Duration(i) * time.Minute) }
	for _, tt := range []struct {
		name string
		q    AuditQuery
		want string
	}{
		{"everything", AuditQuery{}, "3210"},
		{"a domain", AuditQuery{Domain: "d1"}, "10"},
		{"an action", AuditQuery{Actions: []string{"update"}}, "21"},
		{"two actions", AuditQuery{Actions: []string{"create", "sign-in"}}, "30"},
		{"a result", AuditQuery{Result: ResultFailure}, "3"},
		{"a user by identifier", AuditQuery{User: "o1"}, "20"},
		{"a user by name", AuditQuery{User: "ann"}, "320"},
		{"from a time on", AuditQuery{From: minute(2)}, "32"},
		{"up to a time", AuditQuery{To: minute(1)}, "10"},
		{"a target", AuditQuery{ResourceID: "u1"}, "10"},
		{"a kind in a domain", AuditQuery{Domain: "d2", Kind: "user"}, "2"},
		{"revisions", AuditQuery{FromRevision: 2, ToRevision: 3}, "21"},
		{"without what came along", AuditQuery{Domain: "d1", Meant: true}, "0"},
		{"the second page", AuditQuery{Size: 3, Page: 1}, "0"},
	} {
		found, n, err := s.Audits().List(t.Context(), tt.q)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := ""
		for _, r := range found {
			got += r.Name
		}
		if got != tt.want || tt.q.Size == 0 && int(n) != len(tt.want) {
			t.Errorf("%s: %s of %d, want %s", tt.name, got, n, tt.want)
		}
	}
}
