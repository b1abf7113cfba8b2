package rest

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// openness says of applications whether everybody in the domain may use them. Of one that is read and open it says how many
// people that is, to those who may read people.
func openness(m *Mux, r *http.Request) (func(resource.Resource, prototree.Object) error, error) {
	one := r.Method == http.MethodGet && r.PathValue(catalog.Applications.Arm)+r.PathValue(aliasName)+r.PathValue(slugName) != ""
	return func(found resource.Resource, whole prototree.Object) error {
		a := found.(*configv1.Application)
		open := opened(whole, a)
		if open == nil || !catalog.Open(a) || !one || !editor.ReadsPeople(r.Context()) {
			return nil
		}
		if o, known := operator.From(r.Context()); known && !o.Allows("binding:read") {
			return nil // who may use an application is what its rule says
		}
		people, err := m.api.Editor.CountPeople(r.Context(), a)
		open["people"] = people
		return err
	}, nil
}

// opened says in an application whether it is open, and returns the place; nil for what nobody uses.
func opened(whole prototree.Object, a *configv1.Application) prototree.Object {
	if catalog.IsProvider(a) || a.GetTemplate() {
		return nil
	}
	rule, ok := whole["access"].(prototree.Object)
	if !ok {
		rule = prototree.Object{}
		whole["access"] = rule
	}
	rule["open"] = catalog.Open(a)
	return rule
}
