package rest

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// slugName is what the path value of an application's slug is called.
const slugName = "slug"

// mountApplications adds what there is of applications as people see them.
func mountApplications(m *Mux) {
	x := &actions{mux: m, editor: m.api.Editor}
	mountIcons(m)
	mountCompose(m)
	mountProviders(m)
	m.Handle("GET "+catalog.Applications.Collection()+"/_slug/{"+slugName+"}", "application:read", x.readApplicationBySlug, operation.Operation{
		ID: "getApplicationBySlug", Summary: "Read an application by its slug.",
		Details: "Slugs that it had before do not count.", Answer: &configv1.Application{},
	})
	m.Handle("POST "+catalog.ApplicationGroups.Collection()+"/_reorder", "application_group:update", x.reorderHeadings, operation.Operation{
		ID: "reorderApplicationGroups", Summary: "Put the application groups of a domain in an order.",
		Details: "The body names all of them. They change together.",
		Body:    &managementv1.Order{}, Answer: &configv1.ApplicationGroup{}, Shape: operation.Array, DryRun: true,
	})
}

func (x *actions) readApplicationBySlug(w http.ResponseWriter, r *http.Request) error {
	found, err := x.editor.FindBySlug(r.Context(), placeOf(r), r.PathValue(slugName))
	if err != nil {
		return err
	}
	return x.answer(w, r, found)
}

func (x *actions) reorderHeadings(w http.ResponseWriter, r *http.Request) error {
	var body managementv1.Order
	if err := x.mux.decode(r, &body); err != nil {
		return err
	}
	all, err := x.editor.ReorderHeadings(r.Context(), placeOf(r), body.GetIds())
	if err != nil {
		return err
	}
	return answerMessages(x.mux, w, all)
}

// answerMessages answers with an array of messages.
func answerMessages[M proto.Message](m *Mux, w http.ResponseWriter, all []M) error {
	entries := make([]prototree.Object, len(all))
	for i, one := range all {
		var err error
		if entries[i], err = prototree.Management.Encode(one); err != nil {
			return err
		}
	}
	return m.JSON(w, http.StatusOK, entries)
}
