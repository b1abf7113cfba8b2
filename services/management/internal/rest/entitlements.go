package rest

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

type message = proto.Message

// entitlements answers the routes of the entitlements of applications.
type entitlements struct {
	mux    *Mux
	editor *editor.Editor
}

func mountEntitlements(m *Mux) {
	base := catalog.Applications.Item() + "/entitlements"
	item := base + "/{entitlement}"
	like := &configv1.Entitlement{}
	x := &entitlements{mux: m, editor: m.api.Editor}
	m.Handle("GET "+base, "entitlement:list", x.list, operation.Operation{
		Summary: "List the entitlements of an application.", Query: operation.Paging(), Answer: like, Shape: operation.Page, Versioned: true,
	})
	m.Handle("POST "+base, "entitlement:create", x.create, operation.Operation{
		Summary: "Create an entitlement.", Details: "Nobody holds it before somebody is bound to it.",
		Body: like, Status: http.StatusCreated, Answer: like, Versioned: true, DryRun: true,
	})
	m.Handle("GET "+item, "entitlement:read", x.read, operation.Operation{Summary: "Read an entitlement.", Answer: like, Versioned: true})
	m.Handle("PUT "+item, "entitlement:update", x.change(false), operation.Operation{
		Summary: "Replace an entitlement.", Details: "Its bindings stay.", Body: like, Conditional: true, Answer: like, Versioned: true, DryRun: true,
	})
	m.Handle("PATCH "+item, "entitlement:update", x.change(true), operation.Operation{
		Summary: "Change an entitlement.", Body: like, Merge: true, Conditional: true, Answer: like, Versioned: true, DryRun: true,
	})
	m.Handle("DELETE "+item, "entitlement:delete", x.remove, operation.Operation{
		Summary: "Delete an entitlement and its bindings.", Conditional: true, DryRun: true,
	})
}

func (x *entitlements) list(w http.ResponseWriter, r *http.Request) error {
	page, size, q, err := x.mux.Page(r, 0)
	if err != nil {
		return err
	}
	a, err := applicationOf(r, x.editor)
	if err != nil {
		return err
	}
	var found []*configv1.Entitlement
	for _, e := range catalog.SortedEntitlements(a) {
		if searched(q, e.GetName(), e.GetDescription()) {
			found = append(found, e)
		}
	}
	entries := []prototree.Object{}
	for _, e := range paged(found, page, size) {
		tree, err := prototree.Management.Encode(e)
		if err != nil {
			return err
		}
		entries = append(entries, tree)
	}
	w.Header().Set("ETag", etag(a.GetRevision()))
	return x.mux.List(w, page, int64(len(found)), entries)
}

func (x *entitlements) create(w http.ResponseWriter, r *http.Request) error {
	body, err := x.mux.Body(r)
	if err != nil {
		return err
	}
	a, made, err := x.editor.AddEntitlement(r.Context(), placeOf(r), r.PathValue("application"), body)
	if err != nil {
		return err
	}
	w.Header().Set("Location", x.mux.Location(r, made.GetId()))
	return answerPart(w, http.StatusCreated, a, made)
}

// answerPart answers with a part of an application, whose revision is the application's.
func answerPart(w http.ResponseWriter, status int, a *configv1.Application, part message) error {
	tree, err := prototree.Management.Encode(part)
	if err != nil {
		return err
	}
	return answerTree(w, status, a.GetRevision(), tree)
}

func (x *entitlements) read(w http.ResponseWriter, r *http.Request) error {
	a, err := applicationOf(r, x.editor)
	if err != nil {
		return err
	}
	found, err := editor.Entitlement(a, r.PathValue("entitlement"))
	if err != nil {
		return err
	}
	return answerPart(w, http.StatusOK, a, found)
}

func (x *entitlements) change(merge bool) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := x.mux.Body(r)
		if err != nil {
			return err
		}
		ifMatch, err := revisionOfApplication(r, x.editor)
		if err != nil {
			return err
		}
		a, changed, err := x.editor.ChangeEntitlement(r.Context(), placeOf(r), r.PathValue("application"), r.PathValue("entitlement"), body, merge, ifMatch)
		if err != nil {
			return err
		}
		return answerPart(w, http.StatusOK, a, changed)
	}
}

func (x *entitlements) remove(w http.ResponseWriter, r *http.Request) error {
	ifMatch, err := revisionOfApplication(r, x.editor)
	if err != nil {
		return err
	}
	if err := x.editor.DeleteEntitlement(r.Context(), placeOf(r), r.PathValue("application"), r.PathValue("entitlement"), ifMatch); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
