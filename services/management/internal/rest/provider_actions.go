package rest

import (
	"context"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// providerName is what the path value of a provider is called.
const providerName = "provider"

func mountProviders(m *Mux) {
	x := &signIns{m, m.api.Editor}
	like := &managementv1.Provider{}
	list := catalog.Domains.Item() + "/providers"
	one := list + "/{" + providerName + "}"
	m.Handle("GET "+list, "application:list", x.list, operation.Operation{
		ID: "listProviders", Summary: "List what people of a domain sign in with: the providers of applications, and those of none.",
		Query:  operation.Paging(operation.Parameter{Name: "assigned", Type: "boolean", Description: "Only those that belong to an application, or only those that belong to none."}),
		Answer: like, Shape: operation.Page,
	})
	m.Handle("POST "+list, "application:create", x.create, operation.Operation{
		ID: "createProvider", Summary: "Create a provider that belongs to no application yet.",
		Details: "Its client identifier is taken, and answers for nobody. The answer has the client secret this once.",
		Body:    like, Status: http.StatusCreated, Answer: like, DryRun: true,
	})
	m.Handle("GET "+one, "application:read", x.read, operation.Operation{
		ID: "getProvider", Summary: "Read a provider, of an application or of none.", Answer: like,
	})
	m.Handle("PATCH "+one, "application:update", x.patch, operation.Operation{
		ID: "patchProvider", Summary: "Change a provider that belongs to no application.", Body: like, Merge: true, Conditional: true, Answer: like, DryRun: true,
	})
	m.Handle("DELETE "+one, "application:delete", x.remove, operation.Operation{
		ID: "deleteProvider", Summary: "Delete a provider.", Details: "An application that has it becomes a bookmark, and what was issued to it is worth nothing any more.",
		Conditional: true, DryRun: true,
	})
	path := catalog.Applications.Item() + "/provider"
	m.Handle("GET "+path, "application:read", x.readAssigned, operation.Operation{
		ID: "getApplicationProvider", Summary: "Read the provider of an application.", Answer: like,
	})
	m.Handle("PUT "+path, "application:update", x.assign, operation.Operation{
		ID: "assignProvider", Summary: "Move a provider into an application that has none.",
		Details: "Identifier, secrets and keys stay as they are.", Body: &managementv1.Assignment{}, Conditional: true, Answer: &configv1.Application{}, DryRun: true,
	})
	m.Handle("DELETE "+path, "application:update", x.release, operation.Operation{
		ID: "releaseProvider", Summary: "Move the provider out of an application, which becomes a bookmark.",
		Details: "What was issued to the application is worth nothing any more.", Conditional: true, Status: http.StatusOK, Answer: like, DryRun: true,
	})
}

type signIns struct {
	mux    *Mux
	editor *editor.Editor
}

// providerOf shows the sign-in settings of an application, or of none, as a provider.
func providerOf(a *configv1.Application) *managementv1.Provider {
	p := &managementv1.Provider{
		Id: catalog.ProviderID(a), Domain: a.GetDomain(), Revision: a.GetRevision(), CreatedAt: a.GetCreatedAt(), UpdatedAt: a.GetUpdatedAt(),
		Name: a.GetName(), Type: catalog.ProviderType, AuthorizationFlow: catalog.Flow(a), Configuration: a.GetSettings().GetOauth(),
	}
	if !catalog.IsProvider(a) {
		p.Application, p.Assigned = a.GetId(), true
	}
	return p
}

func (x *signIns) list(w http.ResponseWriter, r *http.Request) error {
	var q image.Query
	var err error
	if q.Page, q.Size, q.Search, err = x.mux.Page(r, 0); err != nil {
		return err
	}
	values, err := query(r)
	if err != nil {
		return err
	}
	var assigned *bool
	switch text := values.Get("assigned"); text {
	case "":
	case "true", "false":
		assigned = proto.Bool(text == "true")
	default:
		return constraint("assigned", text, "must be true or false")
	}
	if err := x.mux.api.visible(r, catalog.Applications.Arm, &q); err != nil {
		return err
	}
	found, total, err := x.editor.Providers(r.Context(), placeOf(r), assigned, q)
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found))
	for i, a := range found {
		if entries[i], err = prototree.Management.Encode(providerOf(a)); err != nil {
			return err
		}
	}
	return x.mux.List(w, q.Page, total, entries)
}

func (x *signIns) create(w http.ResponseWriter, r *http.Request) error {
	var body managementv1.Provider
	if err := x.mux.decode(r, &body); err != nil {
		return err
	}
	made, issued, err := x.editor.CreateProvider(r.Context(), placeOf(r), &body)
	if err != nil {
		return err
	}
	tree, err := prototree.Management.Encode(providerOf(made))
	if err != nil {
		return err
	}
	if configuration, ok := tree["configuration"].(prototree.Object); ok && issued.ClientSecret != "" {
		configuration["clientSecret"] = issued.ClientSecret
	}
	w.Header().Set("Location", x.mux.Location(r, made.GetId()))
	return answerTree(w, http.StatusCreated, made.GetRevision(), tree)
}

func (x *signIns) read(w http.ResponseWriter, r *http.Request) error {
	found, err := x.editor.AnyProvider(r.Context(), placeOf(r), r.PathValue(providerName))
	if err != nil {
		return err
	}
	return x.answer(w, found)
}

func (x *signIns) readAssigned(w http.ResponseWriter, r *http.Request) error {
	a, err := applicationOf(r, x.editor)
	if err != nil {
		return err
	}
	if catalog.ClientID(a) == "" {
		return fault.NotFoundf("The application has no provider")
	}
	return x.answer(w, a)
}

func (x *signIns) answer(w http.ResponseWriter, a *configv1.Application) error {
	tree, err := prototree.Management.Encode(providerOf(a))
	if err != nil {
		return err
	}
	return answerTree(w, http.StatusOK, a.GetRevision(), tree)
}

func (x *signIns) patch(w http.ResponseWriter, r *http.Request) error {
	body, err := x.mux.Body(r)
	if err != nil {
		return err
	}
	ifMatch, err := precondition(r, x.revisionOf(r))
	if err != nil {
		return err
	}
	if found, err := x.editor.AnyProvider(r.Context(), placeOf(r), r.PathValue(providerName)); err == nil && !catalog.IsProvider(found) {
		return fault.Conflictf("Provider [%s] belongs to application [%s]. Change settings.oauth of that application", catalog.ProviderID(found), found.GetId())
	}
	changed, err := x.editor.ChangeProvider(r.Context(), placeOf(r), r.PathValue(providerName), ifMatch, func(old *configv1.Application) (*configv1.Application, error) {
		return changedProvider(old, body)
	})
	if err != nil {
		return err
	}
	return x.answer(w, changed)
}

// changedProvider merges a body into a provider (RFC 7396).
func changedProvider(old *configv1.Application, body prototree.Object) (*configv1.Application, error) {
	tree, err := prototree.Management.Encode(providerOf(old))
	if err != nil {
		return nil, err
	}
	var asked managementv1.Provider
	if err := prototree.Management.Decode(body, &managementv1.Provider{}); err != nil {
		return nil, catalog.TreeError(err)
	}
	if err := prototree.Management.Decode(mergepatch.Merge(tree, body), &asked); err != nil {
		return nil, catalog.TreeError(err)
	}
	var f catalog.Faults
	catalog.CheckProviderWords(&f, "", asked.GetType(), asked.GetAuthorizationFlow())
	if asked.GetConfiguration().GetClientId() != catalog.ClientID(old) {
		f.Refuse("configuration.clientId", "cannot be changed")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	fresh := proto.CloneOf(old)
	fresh.Name = asked.GetName()
	catalog.SetFlow(fresh, asked.GetAuthorizationFlow())
	// What only the server knows stays.
	return fresh, catalog.KeepInternal(old.GetSettings().GetOauth(), asked.GetConfiguration(), fresh)
}

func (x *signIns) remove(w http.ResponseWriter, r *http.Request) error {
	ifMatch, err := precondition(r, x.revisionOf(r))
	if err != nil {
		return err
	}
	found, err := x.editor.AnyProvider(r.Context(), placeOf(r), r.PathValue(providerName))
	if err != nil {
		return err
	}
	if !catalog.IsProvider(found) {
		if err := x.editor.RemoveProvider(r.Context(), placeOf(r), found.GetId(), ifMatch); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := x.editor.DeleteProvider(r.Context(), placeOf(r), r.PathValue(providerName), ifMatch); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *signIns) assign(w http.ResponseWriter, r *http.Request) error {
	var body managementv1.Assignment
	if err := x.mux.decode(r, &body); err != nil {
		return err
	}
	if body.GetProvider() == "" {
		return constraint("provider", "", "must not be blank")
	}
	actions := &actions{mux: x.mux, editor: x.editor}
	id := r.PathValue("application")
	ifMatch, err := precondition(r, actions.revisionOf(r, id))
	if err != nil {
		return err
	}
	changed, warnings, err := x.editor.AssignProvider(r.Context(), placeOf(r), id, body.GetProvider(), ifMatch)
	if err != nil {
		return err
	}
	tree, err := prototree.Management.Encode(changed)
	if err != nil {
		return err
	}
	notice(tree, changed)
	if err := warned(tree, warnings); err != nil {
		return err
	}
	return answerTree(w, http.StatusOK, changed.GetRevision(), tree)
}

func (x *signIns) release(w http.ResponseWriter, r *http.Request) error {
	actions := &actions{mux: x.mux, editor: x.editor}
	id := r.PathValue("application")
	ifMatch, err := precondition(r, actions.revisionOf(r, id))
	if err != nil {
		return err
	}
	released, err := x.editor.ReleaseProvider(r.Context(), placeOf(r), id, ifMatch)
	if err != nil {
		return err
	}
	return x.answer(w, released)
}

// revisionOf reads the revision of the request's provider.
func (x *signIns) revisionOf(r *http.Request) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		found, err := x.editor.AnyProvider(ctx, placeOf(r), r.PathValue(providerName))
		return found.GetRevision(), err
	}
}

// warned adds to an answer what a change leads to that may not be meant.
func warned(tree prototree.Object, warnings []*managementv1.Warning) error {
	list := []any{}
	for _, one := range warnings {
		warning, err := prototree.Management.Encode(one)
		if err != nil {
			return err
		}
		list = append(list, warning)
	}
	tree["warnings"] = list
	return nil
}

// keepProvider moves the provider out of an application that is about to be deleted, where `provider=keep` asks for it, and returns
// the revision that the application has then, if one counts.
func (c *collection[R]) keepProvider(r *http.Request, id string, ifMatch int64) (int64, error) {
	values, err := query(r)
	if err != nil || c.kind.Arm != catalog.Applications.Arm || !values.Has("provider") {
		return ifMatch, err
	}
	switch values.Get("provider") {
	case "delete":
		return ifMatch, nil
	case "keep":
	default:
		return 0, constraint("provider", values.Get("provider"), "must be one of keep, delete")
	}
	found, err := editor.Read(r.Context(), c.editor, catalog.Applications, placeOf(r), id)
	if err != nil || catalog.IsBookmark(found) {
		return ifMatch, err
	}
	if _, err := c.editor.ReleaseProvider(r.Context(), placeOf(r), id, ifMatch); err != nil {
		return 0, err
	}
	return 0, nil
}
