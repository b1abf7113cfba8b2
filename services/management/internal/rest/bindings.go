package rest

import (
	"context"
	"net/http"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// bindings answers the routes of the bindings of applications and of their entitlements.
type bindings struct {
	mux    *Mux
	editor *editor.Editor
	// name is what a binding is called in paths, held whether they are those of an entitlement.
	name string
	held bool
}

// mountBindings adds who may use an application, and what they hold inside it.
func mountBindings(m *Mux) {
	application := catalog.Applications.Item()
	b := &bindings{mux: m, editor: m.api.Editor, name: "binding"}
	b.mount(application+"/bindings", "an application", &configv1.Binding{})
	m.Handle("POST "+application+"/bindings/_reorder", "binding:update", b.reorder, operation.Operation{
		ID: "reorderApplicationBindings", Summary: "Put the bindings of an application into another order.",
		Details: "The body is the complete list of their identifiers; one that is missing or of another application is refused.",
		Body:    &configv1.Strings{}, Conditional: true, Answer: &configv1.Binding{}, Shape: operation.Array, Versioned: true, DryRun: true,
	})
	held := &bindings{mux: m, editor: m.api.Editor, name: "entitlement_binding", held: true}
	held.mount(catalog.Applications.Item()+"/entitlements/{entitlement}/bindings", "an entitlement", &managementv1.EntitlementBinding{})
	mountEntitlements(m)
	mountAccess(m)
	mountPolicies(m)
	mountUses(m)
}

func (b *bindings) mount(base, of string, like message) {
	item := base + "/{" + b.name + "}"
	b.mux.Handle("GET "+base, "binding:list", b.list, operation.Operation{
		Summary: "List the bindings of " + of + ", in their order.", Query: operation.Paging(), Answer: like, Shape: operation.Page, Versioned: true,
	})
	b.mux.Handle("POST "+base, "binding:create", b.create, operation.Operation{
		Summary: "Bind a policy, a group or a user to an application.", Body: like, Status: http.StatusCreated, Answer: like, Versioned: true, DryRun: true,
	})
	b.mux.Handle("GET "+item, "binding:read", b.read, operation.Operation{Summary: "Read a binding.", Answer: like, Versioned: true})
	b.mux.Handle("PUT "+item, "binding:update", b.change(false), operation.Operation{
		Summary: "Replace a binding.", Body: like, Conditional: true, Answer: like, Versioned: true, DryRun: true,
	})
	b.mux.Handle("PATCH "+item, "binding:update", b.change(true), operation.Operation{
		Summary: "Change a binding.", Body: like, Merge: true, Conditional: true, Answer: like, Versioned: true, DryRun: true,
	})
	b.mux.Handle("DELETE "+item, "binding:delete", b.remove, operation.Operation{Summary: "Delete a binding.", Conditional: true, DryRun: true})
}

// applicationOf returns the application of a request.
func applicationOf(r *http.Request, e *editor.Editor) (*configv1.Application, error) {
	return editor.Read(r.Context(), e, catalog.Applications, placeOf(r), r.PathValue("application"))
}

// revisionOfApplication returns the revision that a request asks for by If-Match: parts of an application have its own.
func revisionOfApplication(r *http.Request, e *editor.Editor) (int64, error) {
	return precondition(r, func(context.Context) (int64, error) {
		a, err := applicationOf(r, e)
		return a.GetRevision(), err
	})
}

func (b *bindings) list(w http.ResponseWriter, r *http.Request) error {
	page, size, q, err := b.mux.Page(r, 0)
	if err != nil {
		return err
	}
	a, err := applicationOf(r, b.editor)
	if err != nil {
		return err
	}
	all, err := editor.Bindings(a, r.PathValue("entitlement"))
	if err != nil {
		return err
	}
	var found []*configv1.Binding
	for _, one := range all {
		if searched(q, named(r.Context(), one), one.GetPolicy(), one.GetGroup(), one.GetUser()) {
			found = append(found, one)
		}
	}
	entries, err := b.entries(r.Context(), paged(found, page, size))
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(a.GetRevision()))
	return b.mux.List(w, page, int64(len(found)), entries)
}

// searched reports whether one of some texts contains what is searched for.
func searched(q string, texts ...string) bool {
	q = strings.ToLower(strings.Trim(q, "*"))
	for _, text := range texts {
		if strings.Contains(strings.ToLower(text), q) {
			return true
		}
	}
	return false
}

// paged returns a page of a list.
func paged[T any](all []T, page, size int) []T {
	from := min(int64(page)*int64(size), int64(len(all)))
	return all[from:min(from+int64(size), int64(len(all)))]
}

func (b *bindings) create(w http.ResponseWriter, r *http.Request) error {
	body, err := b.body(r)
	if err != nil {
		return err
	}
	a, made, err := b.editor.AddBinding(r.Context(), placeOf(r), r.PathValue("application"), r.PathValue("entitlement"), body)
	if err != nil {
		return err
	}
	w.Header().Set("Location", b.mux.Location(r, made.GetId()))
	return b.answer(w, r, http.StatusCreated, a, made)
}

// body reads the body of a binding; one that was answered can be sent back.
func (b *bindings) body(r *http.Request) (prototree.Object, error) {
	body, err := b.mux.Body(r)
	delete(body, memberWarnings)
	return body, err
}

func (b *bindings) read(w http.ResponseWriter, r *http.Request) error {
	a, err := applicationOf(r, b.editor)
	if err != nil {
		return err
	}
	all, err := editor.Bindings(a, r.PathValue("entitlement"))
	if err != nil {
		return err
	}
	found, err := editor.Binding(all, r.PathValue(b.name))
	if err != nil {
		return err
	}
	return b.answer(w, r, http.StatusOK, a, found)
}

func (b *bindings) change(merge bool) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := b.body(r)
		if err != nil {
			return err
		}
		ifMatch, err := revisionOfApplication(r, b.editor)
		if err != nil {
			return err
		}
		a, changed, err := b.editor.ChangeBinding(r.Context(), placeOf(r), r.PathValue("application"), r.PathValue("entitlement"),
			r.PathValue(b.name), body, merge, ifMatch)
		if err != nil {
			return err
		}
		return b.answer(w, r, http.StatusOK, a, changed)
	}
}

func (b *bindings) remove(w http.ResponseWriter, r *http.Request) error {
	ifMatch, err := revisionOfApplication(r, b.editor)
	if err != nil {
		return err
	}
	err = b.editor.DeleteBinding(r.Context(), placeOf(r), r.PathValue("application"), r.PathValue("entitlement"), r.PathValue(b.name), ifMatch)
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (b *bindings) reorder(w http.ResponseWriter, r *http.Request) error {
	ids, err := identifiersOf(b.mux, r)
	if err != nil {
		return err
	}
	ifMatch, err := revisionOfApplication(r, b.editor)
	if err != nil {
		return err
	}
	a, err := b.editor.ReorderBindings(r.Context(), placeOf(r), r.PathValue("application"), ids, ifMatch)
	if err != nil {
		return err
	}
	entries, err := b.entries(r.Context(), a.GetBindings())
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(a.GetRevision()))
	return b.mux.JSON(w, http.StatusOK, entries)
}

// identifiersOf reads a body that is a list of identifiers.
func identifiersOf(m *Mux, r *http.Request) ([]string, error) {
	list, err := m.Array(r)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(list))
	for i, entry := range list {
		text, ok := entry.(string)
		if !ok {
			return nil, constraint(prototree.Index("", i), "", "must be a text")
		}
		ids[i] = text
	}
	return ids, nil
}

func (b *bindings) entries(ctx context.Context, list []*configv1.Binding) ([]prototree.Object, error) {
	entries := make([]prototree.Object, len(list))
	for i, one := range list {
		var err error
		if entries[i], err = b.encode(veiled(ctx, one)); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (b *bindings) encode(one *configv1.Binding) (prototree.Object, error) {
	if !b.held {
		return prototree.Management.Encode(one)
	}
	return prototree.Management.Encode(&managementv1.EntitlementBinding{
		Id: one.GetId(), Group: one.GetGroup(), User: one.GetUser(), Negate: one.GetNegate(), Enabled: one.Enabled,
		ExpiresAt: one.GetExpiresAt(), Name: one.GetName(), Orphaned: one.GetOrphaned(), CreatedAt: one.GetCreatedAt(),
	})
}

// memberWarnings is the member of an answer that says what was accepted and may not be meant.
const memberWarnings = "warnings"

func (b *bindings) answer(w http.ResponseWriter, r *http.Request, status int, a *configv1.Application, one *configv1.Binding) error {
	tree, err := b.encode(veiled(r.Context(), one))
	if err != nil {
		return err
	}
	if !b.held {
		if err := warn(tree, catalog.AccessWarnings(a, "bindings", b.editor.Now())); err != nil {
			return err
		}
	}
	return answerTree(w, status, a.GetRevision(), tree)
}

// warn puts warnings into an answer, where there are any.
func warn(tree prototree.Object, warnings []*managementv1.Warning) error {
	if len(warnings) == 0 {
		return nil
	}
	list := make([]any, len(warnings))
	for i, one := range warnings {
		encoded, err := prototree.Management.Encode(one)
		if err != nil {
			return err
		}
		list[i] = encoded
	}
	tree[memberWarnings] = list
	return nil
}
