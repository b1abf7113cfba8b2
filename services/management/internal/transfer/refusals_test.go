package transfer

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// TestIdentifiersAreOurs: what is part of addresses and of keys of the database is none of an archive's choosing.
func TestIdentifiersAreOurs(t *testing.T) {
	from, to := newRig(t), newRig(t)
	one := from.domain("One")
	app := from.application(one, "robot")
	other := to.domain("Another")
	for _, id := range []string{"..", "a b\nc", "a|b", other + "/evil", other + "|x", "ÀÀ", strings.ToUpper(app.GetId()), ""} {
		for _, kind := range []string{"domain", "application", "scope", "identity_provider", "user"} {
			if kind == "domain" && id == "" {
				continue // the header says another one
			}
			text := from.archive(one, func(k string, data prototree.Object) []prototree.Object {
				if k == kind {
					data["id"] = id
				}
				return []prototree.Object{data}
			})
			if kind == "identity_provider" && id == strings.ToUpper(app.GetId()) {
				continue // that may be chosen
			}
			_, last := to.bring(bytes.NewReader(text), nil)
			if last.GetStatus() != managementv1.ArchiveRecord_REFUSED || to.there(one) || to.people(one) != 0 {
				t.Errorf("%s with identifier %q: %v", kind, id, last)
			}
		}
	}
	// A domain whose identifier is another one everywhere, as the header says it.
	for _, evil := range []string{"..", other + "/evil", "a|b"} {
		text := from.archive(one, nil)
		in, err := archive.NewReader(bytes.NewReader(text), archive.Key{})
		if err != nil {
			t.Fatal(err)
		}
		h := in.Header()
		h.Domain.ID = evil
		var out bytes.Buffer
		w, err := archive.NewWriter(&out, archive.Key{}, h, from.Now())
		if err != nil {
			t.Fatal(err)
		}
		for record, err := in.Next(); err == nil; record, err = in.Next() {
			if err := w.Write(record.Kind, swapped(record.Data, one, evil).(prototree.Object)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, last := to.bring(&out, nil); last.GetStatus() != managementv1.ArchiveRecord_REFUSED {
			t.Errorf("a domain %q: %v", evil, last)
		}
	}
	if _, last := to.bring(bytes.NewReader(from.archive(one, nil)), nil); last.GetStatus() != managementv1.ArchiveRecord_DONE {
		t.Errorf("as it is: %v", last)
	}
}

func swapped(v any, old, fresh string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, old, fresh)
	case prototree.Object:
		for name := range v {
			v[name] = swapped(v[name], old, fresh)
		}
	case []any:
		for i := range v {
			v[i] = swapped(v[i], old, fresh)
		}
	}
	return v
}

// TestBrokenRulesAreKeptOnlyWhereThatIsAskedFor: an archive that is sealed is no proof that its applications were anywhere.
func TestBrokenRulesAreKeptOnlyWhereThatIsAskedFor(t *testing.T) {
	from, to := newRig(t), newRig(t)
	one := from.domain("One")
	app := from.application(one, "robot")
	broken := proto.CloneOf(app)
	broken.GetSettings().GetOauth().RedirectUris = []string{"https://app.example.com/cb#fragment"}
	if _, err := from.Store.Write(t.Context(), store.Change{Ops: []store.Op{{Old: app, New: broken}}}); err != nil {
		t.Fatal(err)
	}
	text := keyed(from.archiveWith(testKey(t), one, nil))
	to.refused("sealed", "fragment", text, one)
	lines, last := to.bring(bytes.NewReader(text), func(w *wish) { w.rules = true })
	warned := false
	for _, l := range lines {
		warned = warned || l.GetStatus() == managementv1.ArchiveRecord_WARNING && l.GetKind() == "application"
	}
	if last.GetStatus() != managementv1.ArchiveRecord_DONE || !warned {
		t.Errorf("kept: %v, warned %v", last, warned)
	}
	noted := false
	for _, e := range to.records.all {
		noted = noted || e.Action == actionImport && e.Key.ID == one && e.After["rules"] == "keep"
	}
	if !noted {
		t.Errorf("the audit records do not say it: %v", to.records.all)
	}
}
