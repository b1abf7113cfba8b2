package editor

import (
	"slices"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// TestAClientIsFoundWithWhatBelongsToIt: of one moment, from memory where that is new enough, otherwise from the database.
func TestAClientIsFoundWithWhatBelongsToIt(t *testing.T) {
	writer := newRig(t).replica(true)
	_, at := writer.domain("clients")
	a, _ := writer.application(at, webApplication)
	chosen := prototree.Object{"settings": prototree.Object{"oauth": prototree.Object{"idTokenSignedResponseAlg": "PS256"}}}
	if _, err := Patch(t.Context(), writer.Editor, catalog.Applications, at, a.GetId(), chosen, 0); err != nil {
		t.Fatal(err)
	}
	other, _ := writer.application(at, `{"name": "Other", "type": "service"}`)
	level := func(a *configv1.Application) Place {
		of := at
		of.Application = a.GetId()
		return of
	}
	for _, of := range []Place{at, level(a), level(other)} {
		if _, _, err := Create(t.Context(), writer.Editor, catalog.Forms, of, prototree.Object{"template": "login", "content": "<p>first</p>"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := writer.ReplaceFlows(t.Context(), level(a), []prototree.Object{{"type": "login", "name": "first"}}, 0); err != nil {
		t.Fatal(err)
	}
	reader := writer.replica(false) // its image stands still
	v, _ := reader.opts.Image.View()
	if _, err := writer.ReplaceFlows(t.Context(), level(a), []prototree.Object{{"type": "login", "name": "second"}, {"type": "token", "name": "second"}}, 0); err != nil {
		t.Fatal(err)
	}
	now, err := writer.store.LastRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		revision int64
		want     []string
	}{
		{"an older state is enough", v.Revision, []string{"certificate PS256", "flow first", "form"}},
		{"a newer one is asked for", now, []string{"certificate PS256", "flow second", "flow second", "form"}},
		{"the newest one is asked for", 0, []string{"certificate PS256", "flow second", "flow second", "form"}},
	} {
		found, own, err := reader.FindClientWith(t.Context(), at.Domain, catalog.ClientID(a), tt.revision)
		if err != nil || found.GetId() != a.GetId() {
			t.Fatalf("%s: %v, %v", tt.name, found, err)
		}
		var got []string
		for _, r := range own {
			switch r := r.(type) {
			case *configv1.Form:
				got = append(got, "form")
			case *configv1.Flow:
				got = append(got, "flow "+r.GetName())
			case *configv1.Certificate:
				got = append(got, "certificate "+r.GetAlgorithm())
			}
			if l, ok := r.(catalog.Leveled); ok && l.GetApplication() != a.GetId() || resource.KeyOf(r).Domain != at.Domain {
				t.Errorf("%s: %v belongs to another one", tt.name, r)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q belong to it, want %q", tt.name, got, tt.want)
		}
	}
	// Its own writes are there at once, and what is deleted is not.
	if _, err := writer.ReplaceFlows(t.Context(), level(a), nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, own, err := writer.FindClientWith(t.Context(), at.Domain, catalog.ClientID(a), 1); err != nil || len(own) != 2 {
		t.Errorf("without flows %d belong to it, want 2: %v", len(own), err)
	}
}
