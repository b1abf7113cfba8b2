package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// Special is what one kind's collection does differently. The zero value is a plain collection.
type Special struct {
	// Summary makes an entry of a list out of the whole resource; nil shows the whole resource.
	Summary func(prototree.Object) prototree.Object
	// Named makes entries for those who may list and not read: enough to choose one. Nil: the same as for others.
	Named func(prototree.Object) prototree.Object
	// Entry describes an entry of a list; nil means that it has members of the resource and no others.
	Entry proto.Message
	// Filter reads further parameters of a list.
	Filter func(r *http.Request, q *image.Query) error
	// Query describes those parameters.
	Query []operation.Parameter
	// MaxSize is the largest page; 0 means 1000.
	MaxSize int
	// Issued puts the plain values that are shown once into the answer to a POST.
	Issued func(prototree.Object, catalog.Issued)
	// Derived returns what adds to an answer to a request what follows from other resources and is not stored. Nil adds nothing.
	Derived func(m *Mux, r *http.Request) (func(one resource.Resource, whole prototree.Object) error, error)
	// Beside looks at a body that creates or changes a resource for what is kept elsewhere. It refuses what cannot be kept,
	// before anything is written, and returns what keeps it once the resource is written, or nil.
	Beside func(r *http.Request, body prototree.Object) (keep func(ctx context.Context, id string) error, err error)
}

// Mount adds the collection of a kind and everything in it.
func Mount[R resource.Resource](m *Mux, k *catalog.Kind[R], s Special) {
	c := &collection[R]{mux: m, editor: m.api.Editor, kind: k, special: s}
	list := operation.Operation{Summary: "List the " + k.Path + " of " + placeName(k.Parent) + ".", Answer: k.New(), Shape: operation.Array}
	if s.Entry != nil {
		list.Answer = s.Entry
	}
	if k.List == catalog.Paged {
		list.Shape, list.Query = operation.Page, operation.Paging(s.Query...)
	}
	m.Handle("GET "+k.Collection(), k.Arm+":list", c.list, list)
	m.Handle("POST "+k.Collection(), k.Arm+":create", c.create, operation.Operation{
		Summary: "Create " + oneOf(k.Title) + ".", Body: k.Draft(), Status: http.StatusCreated, Answer: k.New(), DryRun: true,
	})
	c.mountItem(k.Item(), func(r *http.Request) (string, error) { return r.PathValue(k.Arm), nil })
}

// mountItem adds the routes of one resource; id finds its identifier in the request.
func (c *collection[R]) mountItem(path string, id func(*http.Request) (string, error)) {
	on := func(h func(http.ResponseWriter, *http.Request, string) error) handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			found, err := id(r)
			if err != nil {
				return err
			}
			return h(w, r, found)
		}
	}
	k, one := c.kind, oneOf(c.kind.Title)
	c.mux.Handle("GET "+path, k.Arm+":read", on(c.read), operation.Operation{Summary: "Read " + one + ".", Answer: k.New()})
	c.mux.Handle("PUT "+path, k.Arm+":update", on(c.replace), operation.Operation{
		Summary: "Replace " + one + ".", Body: k.New(), Merge: k.PutMerges, Conditional: true, Answer: k.New(), DryRun: true,
	})
	c.mux.Handle("PATCH "+path, k.Arm+":update", on(c.patch), operation.Operation{
		Summary: "Change " + one + ".", Body: k.New(), Merge: true, Conditional: true, Answer: k.New(), DryRun: true,
	})
	c.mux.Handle("DELETE "+path, k.Arm+":delete", on(c.remove), operation.Operation{
		Summary: "Delete " + one + ".", Conditional: true, DryRun: true,
	})
	if strings.HasSuffix(path, "/{"+k.Arm+"}") { // and not another name of it
		c.mountHistory(path, on)
	}
}

// oneOf names one of a kind in a sentence: an application.
func oneOf(title string) string {
	name := strings.ToLower(title)
	if strings.ContainsAny(name[:1], "aeio") {
		return "an " + name
	}
	return "a " + name
}

// placeName names what a kind lies in.
func placeName(parent catalog.Any) string {
	if parent == nil {
		return "an environment"
	}
	return oneOf(parent.Descriptor().Title)
}

// collection answers the routes of one kind.
type collection[R resource.Resource] struct {
	mux     *Mux
	editor  *editor.Editor
	kind    *catalog.Kind[R]
	special Special
}

func (c *collection[R]) list(w http.ResponseWriter, r *http.Request) error {
	var q image.Query
	if c.kind.List == catalog.Paged {
		var err error
		if q.Page, q.Size, q.Search, err = c.mux.Page(r, c.special.MaxSize); err != nil {
			return err
		}
	}
	if c.special.Filter != nil {
		if err := c.special.Filter(r, &q); err != nil {
			return err
		}
	}
	if err := c.mux.api.visible(r, c.kind.Arm, &q); err != nil {
		return err
	}
	found, total, err := editor.ReadAll(r.Context(), c.editor, c.kind, placeOf(r), q)
	if err != nil {
		return err
	}
	derive, err := c.derived(r)
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found))
	for i, one := range found {
		if entries[i], err = prototree.Management.Encode(one); err != nil {
			return err
		}
		if err := derive(one, entries[i]); err != nil {
			return err
		}
		if c.special.Summary != nil {
			entries[i] = c.special.Summary(entries[i])
		}
	}
	if o, ok := operator.From(r.Context()); ok && c.special.Named != nil && !o.Allows(c.kind.Arm+":read") {
		for i := range entries {
			entries[i] = c.special.Named(entries[i])
		}
	}
	if c.kind.List == catalog.Bare {
		return c.mux.JSON(w, http.StatusOK, entries)
	}
	return c.mux.List(w, q.Page, total, entries)
}

func (c *collection[R]) create(w http.ResponseWriter, r *http.Request) error {
	body, err := c.mux.Body(r)
	if err != nil {
		return err
	}
	keep, err := c.beside(r, body)
	if err != nil {
		return err
	}
	made, issued, err := editor.Create(r.Context(), c.editor, c.kind, placeOf(r), body)
	if err == nil && keep != nil && !editor.DryRun(r.Context()) {
		if err = keep(r.Context(), made.GetId()); err != nil {
			// Half of what was asked for is nothing that anybody asked for.
			_, undone := editor.Delete(context.WithoutCancel(r.Context()), c.editor, c.kind, placeOf(r), made.GetId(), made.GetRevision())
			err = errors.Join(err, undone)
		}
	}
	if err != nil {
		return err
	}
	tree, err := prototree.Management.Encode(made)
	if err != nil {
		return err
	}
	if c.special.Issued != nil {
		c.special.Issued(tree, issued)
	}
	notice(tree, made)
	derive, err := c.derived(r)
	if err != nil {
		return err
	}
	if err := derive(made, tree); err != nil {
		return err
	}
	w.Header().Set("Location", c.mux.Location(r, made.GetId()))
	return answerTree(w, http.StatusCreated, made.GetRevision(), tree)
}

func (c *collection[R]) beside(r *http.Request, body prototree.Object) (func(context.Context, string) error, error) {
	if c.special.Beside == nil {
		return nil, nil
	}
	return c.special.Beside(r, body)
}

func (c *collection[R]) read(w http.ResponseWriter, r *http.Request, id string) error {
	found, err := editor.Read(r.Context(), c.editor, c.kind, placeOf(r), id)
	if err != nil {
		return err
	}
	return c.answer(w, r, found)
}

// answer answers with a whole resource and what follows from others.
func (c *collection[R]) answer(w http.ResponseWriter, r *http.Request, one R) error {
	derive, err := c.derived(r)
	if err != nil {
		return err
	}
	tree, err := prototree.Management.Encode(one)
	if err != nil {
		return err
	}
	notice(tree, one)
	if err := derive(one, tree); err != nil {
		return err
	}
	return answerTree(w, http.StatusOK, one.GetRevision(), tree)
}

func (c *collection[R]) derived(r *http.Request) (func(resource.Resource, prototree.Object) error, error) {
	if c.special.Derived == nil {
		return func(resource.Resource, prototree.Object) error { return nil }, nil
	}
	return c.special.Derived(c.mux, r)
}

func (c *collection[R]) patch(w http.ResponseWriter, r *http.Request, id string) error {
	return c.change(w, r, id, editor.Patch[R])
}

func (c *collection[R]) replace(w http.ResponseWriter, r *http.Request, id string) error {
	return c.change(w, r, id, editor.Replace[R])
}

type change[R resource.Resource] func(ctx context.Context, e *editor.Editor, k *catalog.Kind[R], at editor.Place, id string,
	body prototree.Object, ifMatch int64) (R, error)

func (c *collection[R]) change(w http.ResponseWriter, r *http.Request, id string, do change[R]) error {
	body, err := c.mux.Body(r)
	if err != nil {
		return err
	}
	ifMatch, err := c.precondition(r, id)
	if err != nil {
		return err
	}
	keep, err := c.beside(r, body)
	if err != nil {
		return err
	}
	changed, err := do(r.Context(), c.editor, c.kind, placeOf(r), id, body, ifMatch)
	if err == nil && keep != nil && !editor.DryRun(r.Context()) {
		err = keep(r.Context(), id)
	}
	if err != nil {
		return err
	}
	return c.answer(w, r, changed)
}

func (c *collection[R]) remove(w http.ResponseWriter, r *http.Request, id string) error {
	ifMatch, err := c.precondition(r, id)
	if err != nil {
		return err
	}
	if ifMatch, err = c.keepProvider(r, id, ifMatch); err != nil {
		return err
	}
	if _, err := editor.Delete(r.Context(), c.editor, c.kind, placeOf(r), id, ifMatch); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *collection[R]) precondition(r *http.Request, id string) (int64, error) {
	return precondition(r, func(ctx context.Context) (int64, error) {
		found, err := editor.Read(ctx, c.editor, c.kind, placeOf(r), id)
		if err != nil {
			return 0, err
		}
		return found.GetRevision(), nil
	})
}

// answer answers with a whole resource.
func answer(w http.ResponseWriter, status int, r resource.Resource) error {
	tree, err := prototree.Management.Encode(r)
	if err != nil {
		return err
	}
	notice(tree, r)
	return answerTree(w, status, r.GetRevision(), tree)
}

// memberNotices is the member of an answer that says what is kept and does not run yet.
const memberNotices = "notices"

// notice says in an answer what is kept and does not run yet, and whether an application is open.
func notice(tree prototree.Object, r resource.Resource) {
	if a, ok := r.(*configv1.Application); ok {
		opened(tree, a)
	}
	var notices []any
	for _, path := range prototree.Waiting(r) {
		notices = append(notices, prototree.Object{"path": path, "detail": "is kept and does not run yet"})
	}
	if p, ok := r.(*configv1.Policy); ok && slices.ContainsFunc(p.GetInputs(), placed) {
		notices = append(notices, prototree.Object{
			"path": "configuration", "detail": "needs a database of addresses at every gateway (--geo-database); where there is none the policy fails",
		})
	}
	if notices != nil {
		tree[memberNotices] = notices
	}
}

// placed reports whether an input of a policy is looked up by address.
func placed(input string) bool {
	return input == "request.country" || input == "request.continent" || input == "request.asn"
}

func answerTree(w http.ResponseWriter, status int, revision int64, tree prototree.Object) error {
	w.Header().Set("ETag", etag(revision))
	return writeJSON(w, status, tree)
}

// decode reads the body of a request as a message, strictly.
func (m *Mux) decode(r *http.Request, into proto.Message) error {
	tree, err := m.Body(r)
	if err != nil {
		return err
	}
	if err := prototree.Management.Decode(tree, into); err != nil {
		return catalog.TreeError(err)
	}
	return nil
}
