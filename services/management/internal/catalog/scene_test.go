package catalog

import (
	"reflect"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// TestASceneTakesEveryKindItLists: a list of a scene that Take forgets would be empty for whoever restores a domain, and what names
// something in it would be refused.
func TestASceneTakesEveryKindItLists(t *testing.T) {
	isResource := reflect.TypeFor[resource.Resource]()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Scene]()) {
		if field.Type.Kind() != reflect.Slice || field.Type.Elem().Kind() != reflect.Pointer || !field.Type.Elem().Implements(isResource) {
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			want := 1
			if field.Name == "Applications" {
				want = 0
			}
			var s Scene
			s.Take(reflect.New(field.Type.Elem().Elem()).Interface().(resource.Resource))
			if got := reflect.ValueOf(s).FieldByIndex(field.Index).Len(); got != want {
				t.Errorf("%d of %d are in the list", got, want)
			}
		})
	}
	for _, k := range All {
		new(Scene).Take(k.NewResource()) // nothing else is listed, and nothing panics
	}
}
