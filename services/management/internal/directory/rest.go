package directory

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/scim"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Mux is the management API as far as the directory needs it. Domain and permission have been checked when a handler
// runs.
type Mux interface {
	Handle(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	Body(r *http.Request) (prototree.Object, error)
	Array(r *http.Request) ([]any, error)
	Page(r *http.Request, maxSize int) (page, size int, q string, err error)
	JSON(w http.ResponseWriter, status int, v any) error
	List(w http.ResponseWriter, page int, total int64, data []prototree.Object) error
	Location(r *http.Request, segments ...string) string
	Lines(w http.ResponseWriter, r *http.Request) (io.Reader, error)
	AnswerLines(w http.ResponseWriter) (say func(v any) error)
	Allowed(r *http.Request, permission string) error
	Precondition(r *http.Request, current func(context.Context) (int64, error)) (int64, error)
}

// maxPage is how many users one page of a list has at most.
const maxPage = 100

// Mount adds the users of a domain to the management API.
func (s *Service) Mount(m Mux) {
	h := &users{service: s, mux: m}
	m.Handle("GET /domains/{domain}/users", "user:read", h.list, operation.Operation{
		Summary: "List the users of a domain.",
		Details: "In the order of their names. A search for a whole word, or for the beginning of one (`ann*`), and comparisons that are joined by `and` " +
			"are served by an index; a `*` elsewhere, `co` and `ew` look at every user of the domain.",
		Query: operation.Paging(operation.Parameter{
			Name: "filter", Type: "string",
			Description: "A filter of SCIM (RFC 7644 §3.4.2.2) over " + strings.Join(scim.Attributes(), ", ") + ": `username sw \"an\" and enabled eq true`.",
		}), Answer: &directoryv1.User{}, Shape: operation.Page,
	})
	m.Handle("POST /domains/{domain}/users", "user:create", h.create, operation.Operation{
		Summary: "Create a user.", Body: &directoryv1.NewUser{}, Status: http.StatusCreated, Answer: &directoryv1.User{},
	})
	m.Handle("GET /domains/{domain}/users/{user}", "user:read", h.read, operation.Operation{
		Summary: "Read a user.", Answer: &directoryv1.User{},
	})
	m.Handle("PUT /domains/{domain}/users/{user}", "user:update", h.replace, operation.Operation{
		Summary: "Replace a user.", Body: &directoryv1.User{}, Conditional: true, Answer: &directoryv1.User{},
	})
	m.Handle("DELETE /domains/{domain}/users/{user}", "user:delete", h.remove, operation.Operation{
		Summary: "Delete a user.", Conditional: true,
	})
	m.Handle("POST /domains/{domain}/users/{user}/resetPassword", "user:update", h.resetPassword, operation.Operation{
		Summary: "Give a user another password.", Details: "Every rule of the password settings that it breaks is named.", Body: &directoryv1.PasswordReset{},
	})
	m.Handle("POST /domains/{domain}/users/{user}/sendRegistrationConfirmation", "user:update", h.sendConfirmation, operation.Operation{
		Summary: "Send a user the link that completes the registration.",
		Details: "The e-mail is sent some moments later; links that were sent before end. 400 where there is nothing to confirm, 409 where no mail server is configured.",
	})
	h.mountBulk(m)
	h.mountChanges(m)
	h.mountGroups(m)
}

type users struct {
	service *Service
	mux     Mux
}

// precondition returns the revision that a request names as the one it has seen (RFC 9110 §13.1.1), 0 for any.
func (h *users) precondition(r *http.Request) (int64, error) {
	return h.mux.Precondition(r, func(ctx context.Context) (int64, error) {
		user, err := h.service.Get(ctx, r.PathValue("domain"), r.PathValue("user"))
		return user.GetRevision(), err
	})
}

func (h *users) list(w http.ResponseWriter, r *http.Request) error {
	page, size, q, err := h.mux.Page(r, maxPage)
	if err != nil {
		return err
	}
	filter, err := filterOf(r)
	if err != nil {
		return err
	}
	found, total, err := h.service.store.Users().List(r.Context(), store.UserQuery{
		Domain: r.PathValue("domain"), Search: q, Filter: filter, Page: page, Size: size,
	})
	if err != nil {
		return err
	}
	return h.answerPage(w, r, page, total, found)
}

// filterOf reads the filter of a request for a list, nil where there is none.
func filterOf(r *http.Request) (scim.Filter, error) {
	text := r.URL.Query().Get("filter")
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	filter, err := scim.Parse(text)
	var where *scim.Error
	if errors.As(err, &where) {
		return nil, fault.Invalidf("[filter: %s]", where.Error()).
			With(fault.Detail{Path: "filter", Detail: where.Detail, Line: 1, Column: where.Column})
	}
	return filter, err
}

func (h *users) create(w http.ResponseWriter, r *http.Request) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	draft := new(directoryv1.NewUser)
	if err := prototree.Management.Decode(body, draft); err != nil {
		return err
	}
	user, err := h.service.Create(r.Context(), r.PathValue("domain"), draft)
	if err != nil {
		return err
	}
	w.Header().Set("Location", h.mux.Location(r, user.GetId()))
	return h.answer(w, r, http.StatusCreated, user)
}

func (h *users) read(w http.ResponseWriter, r *http.Request) error {
	user, err := h.service.Get(r.Context(), r.PathValue("domain"), r.PathValue("user"))
	if err != nil {
		return err
	}
	return h.answer(w, r, http.StatusOK, user)
}

func (h *users) replace(w http.ResponseWriter, r *http.Request) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	fresh := new(directoryv1.User)
	if err := prototree.Management.Decode(body, fresh); err != nil {
		return err
	}
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	user, err := h.service.Update(r.Context(), r.PathValue("domain"), r.PathValue("user"), fresh, ifMatch)
	if err != nil {
		return err
	}
	return h.answer(w, r, http.StatusOK, user)
}

func (h *users) remove(w http.ResponseWriter, r *http.Request) error {
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	return h.done(w, h.service.Delete(r.Context(), r.PathValue("domain"), r.PathValue("user"), ifMatch))
}

// resetPassword takes {"password": …}.
func (h *users) resetPassword(w http.ResponseWriter, r *http.Request) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	draft := new(directoryv1.PasswordReset)
	if err := prototree.Management.Decode(body, draft); err != nil {
		return err
	}
	if _, err := h.service.SetPassword(r.Context(), r.PathValue("domain"), r.PathValue("user"), draft.GetPassword()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sendConfirmation invites somebody again.
func (h *users) sendConfirmation(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.Invite(r.Context(), r.PathValue("domain"), r.PathValue("user")))
}

// noticesOf says what does not happen although it was asked for.
func (s *Service) noticesOf(user *directoryv1.User) []any {
	if !user.GetPreRegistration() || user.GetRegistrationCompleted() {
		return nil
	}
	why := ""
	switch {
	case s.post == nil:
		why = "no mail server is configured, so no e-mail is sent"
	case user.GetEmail() == "":
		why = "the user has no e-mail address, so no e-mail is sent"
	default:
		return nil
	}
	return []any{prototree.Object{
		"path":   "preRegistration",
		"detail": why + ", and no password of the request is kept: the user can sign in once one is set by resetPassword",
	}}
}

func (h *users) answerPage(w http.ResponseWriter, r *http.Request, page int, total int64, found []*directoryv1.User) error {
	shown, err := h.service.shown(r.Context(), found...)
	if err != nil {
		return err
	}
	data := make([]prototree.Object, len(shown))
	for i, u := range shown {
		if data[i], err = prototree.Management.Encode(u); err != nil {
			return err
		}
	}
	return h.mux.List(w, page, total, data)
}

func (h *users) answer(w http.ResponseWriter, r *http.Request, status int, user *directoryv1.User) error {
	shown, err := h.service.shown(r.Context(), user)
	if err != nil {
		return err
	}
	tree, err := prototree.Management.Encode(shown[0])
	if err != nil {
		return err
	}
	if notices := h.service.noticesOf(user); notices != nil {
		tree["notices"] = notices
	}
	w.Header().Set("ETag", `"`+strconv.FormatInt(user.GetRevision(), 10)+`"`)
	return h.mux.JSON(w, status, tree)
}
