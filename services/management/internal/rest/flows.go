package rest

import (
	"context"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountFlows adds flows, of domains and of applications.
func mountFlows(m *Mux) {
	k := catalog.Flows
	c := &collection[*configv1.Flow]{mux: m, editor: m.api.Editor, kind: k}
	f := &flows{mux: m}
	for _, level := range []struct{ path, of string }{
		{catalog.Domains.Item(), "a domain"}, {catalog.Applications.Item(), "an application"},
	} {
		base := level.path + "/" + k.Path
		m.Handle("GET "+base, k.Arm+":read", f.list, operation.Operation{
			Summary: "List the flows of " + level.of + ", by type and order.",
			Details: "A type of which nothing is defined has an entry without an id, which does nothing.",
			Answer:  k.New(), Shape: operation.Array, Versioned: true,
		})
		m.Handle("PUT "+base, k.Arm+":update", f.replace, operation.Operation{
			Summary: "Replace the flows of " + level.of + ", all of them or none.",
			Details: "An entry with the id of a flow changes it, any other is a new one; flows that are left out are deleted. " +
				"Several flows of a type run in the given order.",
			Body: k.New(), BodyList: true, Conditional: true, Answer: k.New(), Shape: operation.Array, Versioned: true,
		})
		c.mountItem(base+"/{"+k.Arm+"}", func(r *http.Request) (string, error) { return r.PathValue(k.Arm), nil })
	}
}

type flows struct{ mux *Mux }

func (f *flows) list(w http.ResponseWriter, r *http.Request) error {
	found, err := editor.ReadLevel(r.Context(), f.mux.api.Editor, catalog.Flows, placeOf(r))
	if err != nil {
		return err
	}
	return f.answer(w, found)
}

func (f *flows) replace(w http.ResponseWriter, r *http.Request) error {
	bodies, err := readBodies(r)
	if err != nil {
		return err
	}
	ifMatch, err := precondition(r, func(ctx context.Context) (int64, error) {
		found, err := editor.ReadLevel(ctx, f.mux.api.Editor, catalog.Flows, placeOf(r))
		return editor.FlowsVersion(found), err
	})
	if err != nil {
		return err
	}
	put, err := f.mux.api.Editor.ReplaceFlows(r.Context(), placeOf(r), bodies, ifMatch)
	if err != nil {
		return err
	}
	return f.answer(w, put)
}

// answer answers the flows of a level, type after type.
func (f *flows) answer(w http.ResponseWriter, all []*configv1.Flow) error {
	entries := []prototree.Object{}
	for _, t := range catalog.FlowTypes() {
		defined := false
		for _, flow := range all {
			if flow.GetType() != t {
				continue
			}
			tree, err := prototree.Management.Encode(flow)
			if err != nil {
				return err
			}
			notice(tree, flow)
			entries, defined = append(entries, tree), true
		}
		if !defined {
			tree, err := prototree.Management.Encode(catalog.DefaultFlow(t))
			if err != nil {
				return err
			}
			entries = append(entries, tree)
		}
	}
	w.Header().Set("ETag", etag(editor.FlowsVersion(all)))
	return f.mux.JSON(w, http.StatusOK, entries)
}
