package operator

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Mux is the management API as far as operators need it. When a handler runs, the permission has been checked, what the
// path says of organization, environment and domain exists, and From knows the caller.
type Mux interface {
	// Handle adds a route below an environment, HandleWhole one with its whole path after /management.
	Handle(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	HandleWhole(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	Body(r *http.Request) (prototree.Object, error)
	Page(r *http.Request, maxSize int) (page, size int, q string, err error)
	JSON(w http.ResponseWriter, status int, v any) error
	List(w http.ResponseWriter, page int, total int64, data []prototree.Object) error
	Location(r *http.Request, segments ...string) string
	// ClientAddress is where a request came from.
	ClientAddress(r *http.Request) string
}

const organizationPath = "/organizations/{organization}"

// Mount adds operators, their tokens, roles and memberships to the management API.
func (s *Service) Mount(m Mux) {
	h := &routes{service: s, mux: m}
	h.mountUsers()
	h.mountTokens()
	h.mountRoles()
	h.mountMembers()
}

type routes struct {
	service *Service
	mux     Mux
}

func (h *routes) mountUsers() {
	const all, one = organizationPath + "/users", organizationPath + "/users/{user}"
	user := &managementv1.OrganizationUser{}
	h.mux.HandleWhole("GET /user", operation.Any, h.whoAmI, operation.Operation{
		ID: "getCurrentUser", Summary: "Read who the caller is and what they may do.", Answer: &managementv1.CurrentUser{},
	})
	h.mux.HandleWhole("GET "+all, "operator:list", h.list, operation.Operation{
		Summary: "List the operators of an organization, by name.", Query: operation.Paging(), Answer: user, Shape: operation.Page,
	})
	h.mux.HandleWhole("POST "+all, "operator:create", h.create, operation.Operation{
		Summary: "Create an operator or a service account.",
		Details: "A new operator is member of nothing. A service account has no password; tokens are made for it.",
		Body:    &managementv1.NewOrganizationUser{}, Status: http.StatusCreated, Answer: user,
	})
	h.mux.HandleWhole("GET "+one, "operator:read", h.read, operation.Operation{Summary: "Read an operator.", Answer: user})
	h.mux.HandleWhole("PUT "+one, "operator:update", h.replace, operation.Operation{
		Summary: "Replace an operator.", Details: lastOwner, Body: user, Conditional: true, Answer: user,
	})
	h.mux.HandleWhole("PATCH "+one, "operator:update", h.patch, operation.Operation{
		Summary: "Change an operator.", Details: lastOwner, Body: user, Merge: true, Conditional: true, Answer: user,
	})
	h.mux.HandleWhole("DELETE "+one, "operator:delete", h.remove, operation.Operation{
		Summary: "Delete an operator with their tokens and memberships.", Details: lastOwner, Conditional: true,
	})
	h.mux.HandleWhole("PUT "+one+"/status", "operator:update", h.setStatus, operation.Operation{
		Summary: "Let an operator in, or keep them out from the next request on.", Details: lastOwner,
		Body: &managementv1.OrganizationUserStatus{}, Answer: user,
	})
	h.mux.HandleWhole("POST "+one+"/resetPassword", "operator_password:update", h.resetPassword, operation.Operation{
		Summary: "Give an operator another password, and end what was signed in with the one before.",
		Details: "Operators may change their own, for which they need the old one. If somebody else does it, the operator's personal tokens end too.",
		Body:    &managementv1.OrganizationUserPassword{},
	})
	for verb, locked := range map[string]bool{"lock": true, "unlock": false} {
		h.mux.HandleWhole("POST "+one+"/"+verb, "operator:update", h.setLocked(locked), operation.Operation{
			Summary: strings.ToUpper(verb[:1]) + verb[1:] + " an operator.", Details: lastOwner,
		})
	}
}

const lastOwner = "The last owner of the organization stays, and nobody can act on an operator who has more permissions than they have."

func (h *routes) whoAmI(w http.ResponseWriter, r *http.Request) error {
	caller, _ := From(r.Context())
	found, err := h.service.operator(r.Context(), caller.ID)
	if err != nil {
		return err
	}
	at := Place{Organization: found.Organization}
	roles := []string{}
	for _, m := range found.Memberships {
		roles = append(roles, m.Role)
		if environment, ok := strings.CutPrefix(m.Reference, store.PlaceOfEnvironment("")); ok {
			at.Environment = environment
		}
	}
	permissions, err := h.service.At(r.Context(), caller, at)
	if err != nil {
		return err
	}
	return h.answer(w, http.StatusOK, &managementv1.CurrentUser{
		Sub: found.ID, PreferredUsername: found.Name, Name: Message(found).GetDisplayName(), Email: found.Email,
		Organization: found.Organization, ServiceAccount: found.ServiceAccount, Roles: roles, Permissions: permissions.Texts(),
		LoggedAt: stamp(found.LoggedAt),
	})
}

func (h *routes) list(w http.ResponseWriter, r *http.Request) error {
	number, size, q, err := h.mux.Page(r, 0)
	if err != nil {
		return err
	}
	found, total, err := h.service.List(r.Context(), q, number, size)
	if err != nil {
		return err
	}
	return answerPage(h, w, number, total, found, func(o *store.Operator) proto.Message { return Message(o) })
}

func (h *routes) create(w http.ResponseWriter, r *http.Request) error {
	draft := new(managementv1.NewOrganizationUser)
	if err := h.decode(r, draft); err != nil {
		return err
	}
	made, err := h.service.Create(r.Context(), r.PathValue("organization"), draft)
	if err != nil {
		return err
	}
	w.Header().Set("Location", h.mux.Location(r, made.ID))
	return h.answerUser(w, http.StatusCreated, made)
}

func (h *routes) read(w http.ResponseWriter, r *http.Request) error {
	found, err := h.service.operator(r.Context(), r.PathValue("user"))
	if err != nil {
		return err
	}
	return h.answerUser(w, http.StatusOK, found)
}

func (h *routes) replace(w http.ResponseWriter, r *http.Request) error {
	return h.update(w, r, func(_, body prototree.Object) prototree.Object { return body })
}

func (h *routes) patch(w http.ResponseWriter, r *http.Request) error {
	return h.update(w, r, mergepatch.Merge)
}

func (h *routes) update(w http.ResponseWriter, r *http.Request, merge func(old, body prototree.Object) prototree.Object) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	changed, err := h.service.Update(r.Context(), r.PathValue("user"), ifMatch(r),
		func(old *managementv1.OrganizationUser) (*managementv1.OrganizationUser, error) {
			return merged(old, body, merge)
		})
	if err != nil {
		return err
	}
	return h.answerUser(w, http.StatusOK, changed)
}

// merged is a message as a body changes it.
func merged[M proto.Message](old M, body prototree.Object, merge func(old, body prototree.Object) prototree.Object) (M, error) {
	fresh := old.ProtoReflect().New().Interface().(M)
	tree, err := prototree.Management.Encode(old)
	if err != nil {
		return fresh, err
	}
	return fresh, prototree.Management.Decode(merge(tree, body), fresh)
}

func (h *routes) remove(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.Delete(r.Context(), r.PathValue("user"), ifMatch(r)))
}

func (h *routes) setStatus(w http.ResponseWriter, r *http.Request) error {
	draft := new(managementv1.OrganizationUserStatus)
	if err := h.decode(r, draft); err != nil {
		return err
	}
	if draft.Enabled == nil {
		return broken("enabled", "must not be null")
	}
	changed, err := h.service.SetEnabled(r.Context(), r.PathValue("user"), draft.GetEnabled())
	if err != nil {
		return err
	}
	return h.answerUser(w, http.StatusOK, changed)
}

func (h *routes) resetPassword(w http.ResponseWriter, r *http.Request) error {
	draft := new(managementv1.OrganizationUserPassword)
	if err := h.decode(r, draft); err != nil {
		return err
	}
	return h.done(w, h.service.SetPassword(r.Context(), r.PathValue("user"), draft.GetPassword(), draft.GetOldPassword(), h.mux.ClientAddress(r)))
}

func (h *routes) setLocked(locked bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		return h.done(w, h.service.SetLocked(r.Context(), r.PathValue("user"), locked))
	}
}

// decode reads the body of a request as a message, strictly.
func (h *routes) decode(r *http.Request, into proto.Message) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	return prototree.Management.Decode(body, into)
}

func (h *routes) answerUser(w http.ResponseWriter, status int, o *store.Operator) error {
	w.Header().Set("ETag", etag(o.Revision))
	return h.answer(w, status, Message(o))
}

func (h *routes) answer(w http.ResponseWriter, status int, m proto.Message) error {
	tree, err := prototree.Management.Encode(m)
	if err != nil {
		return err
	}
	return h.mux.JSON(w, status, tree)
}

func answerPage[T any](h *routes, w http.ResponseWriter, number int, total int64, all []T, message func(T) proto.Message) error {
	data, err := trees(all, message)
	if err != nil {
		return err
	}
	return h.mux.List(w, number, total, data)
}

func trees[T any](all []T, message func(T) proto.Message) ([]prototree.Object, error) {
	data := make([]prototree.Object, len(all))
	for i, one := range all {
		var err error
		if data[i], err = prototree.Management.Encode(message(one)); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// done answers what was done without anything to say.
func (h *routes) done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// noRevision is what nothing has.
const noRevision = -1

// ifMatch returns the revision that a request names as the one it has seen (RFC 9110 §13.1.1): 0 for any, and one that
// matches nothing for a weak or foreign tag or for several.
func ifMatch(r *http.Request) int64 {
	field := strings.TrimSpace(strings.Join(r.Header.Values("If-Match"), ","))
	if field == "" || field == "*" {
		return 0
	}
	tag, ok := strings.CutPrefix(field, `"`)
	tag, closed := strings.CutSuffix(tag, `"`)
	revision, err := strconv.ParseInt(tag, 10, 64)
	if !ok || !closed || err != nil || revision <= 0 {
		return noRevision
	}
	return revision
}

// expiry is when a token ends of which a body says for how long or until when; zero for never.
func expiry(n *managementv1.NewPersonalToken, now time.Time) (time.Time, error) {
	switch {
	case n.ExpiresIn != nil && n.ExpiresAt != nil:
		return time.Time{}, broken("expiresIn", "can not be given together with expiresAt")
	case n.ExpiresIn != nil:
		if n.GetExpiresIn() <= 0 || n.GetExpiresIn() > int64(maxPersonalLifetime/time.Second) {
			return time.Time{}, broken("expiresIn", "must be from 1 to "+strconv.FormatInt(int64(maxPersonalLifetime/time.Second), 10))
		}
		return now.Add(time.Duration(n.GetExpiresIn()) * time.Second), nil
	case n.ExpiresAt != nil:
		return n.GetExpiresAt().AsTime(), nil
	}
	return time.Time{}, nil
}
