package directory

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

const (
	// maxBulk is how many entries one bulk request has at most; more go into an import.
	maxBulk = 1000
	// exportPage is how many users an export reads at once.
	exportPage = 200
)

// mountBulk adds what is done to many users at once.
func (h *users) mountBulk(m Mux) {
	const path = "/domains/{domain}/users"
	m.Handle("POST "+path+"/_import", "user:create", h.importUsers, operation.Operation{
		Summary: "Create many users, or change them.",
		Details: "Each line of the body is a new user; it may bring the hash of a password (argon2id as a PHC string, or bcrypt) in the place of a password. " +
			"The lines of the answer say what became of them, in their order, while the rest is still being sent: read while you send. " +
			"A line has at most 256 KiB; the body may have any length. A client that goes away stops the import.",
		Query: []operation.Parameter{{
			Name: "mode", Type: "string", Values: []string{"create", "upsert"},
			Description: "`create` (default) refuses names that are taken; `upsert` merges the line into the user with its name, and needs the permission to change users too.",
		}},
		Body: &directoryv1.NewUser{}, BodyType: operation.NDJSON, Stream: true,
		Answer: &managementv1.ImportedUser{}, AnswerType: operation.NDJSON,
	})
	m.Handle("GET "+path+"/_export", "user:read", h.exportUsers, operation.Operation{
		Summary: "Read all users as a stream.", Details: "In the order of their names, one on each line. Passwords and their hashes are never part of it.",
		Answer: &directoryv1.User{}, AnswerType: operation.NDJSON,
	})
	m.Handle("POST "+path+"/bulk", "user:create", h.bulk, operation.Operation{
		Summary: "Create, change or delete up to 1000 users.",
		Details: "Each entry succeeds or fails alone. To change and to delete users, the permission to do so is needed as well.",
		Body:    &managementv1.UserBulk{}, Answer: &managementv1.UserBulkAnswer{},
	})
}

func (h *users) importUsers(w http.ResponseWriter, r *http.Request) error {
	upsert := false
	switch mode := r.URL.Query().Get("mode"); mode {
	case "", "create":
	case "upsert":
		upsert = true
		if err := h.mux.Allowed(r, "user:update"); err != nil {
			return err
		}
	default:
		return broken("mode", "must be one of create, upsert")
	}
	lines, err := h.mux.Lines(w, r)
	if err != nil {
		return err
	}
	answer := h.mux.AnswerLines(w)
	err = h.service.Import(r.Context(), r.PathValue("domain"), upsert, lines, func(one *managementv1.ImportedUser) error {
		tree, err := prototree.Management.Encode(one)
		if err != nil {
			return err
		}
		return answer(tree)
	})
	return h.streamed(r, "import", err)
}

func (h *users) exportUsers(w http.ResponseWriter, r *http.Request) error {
	domain := r.PathValue("domain")
	people := h.service.store.Users()
	page, err := people.After(r.Context(), domain, nil, exportPage)
	if err != nil {
		return err
	}
	answer := h.mux.AnswerLines(w)
	for len(page) > 0 && err == nil {
		if err = h.exportPage(r.Context(), page, answer); err == nil {
			page, err = people.After(r.Context(), domain, page[len(page)-1], exportPage)
		}
	}
	return h.streamed(r, "export", err)
}

func (h *users) exportPage(ctx context.Context, page []*directoryv1.User, answer func(any) error) error {
	shown, err := h.service.shown(ctx, page...)
	if err != nil {
		return err
	}
	for _, u := range shown {
		tree, err := prototree.Management.Encode(u)
		if err != nil {
			return err
		}
		if err := answer(tree); err != nil {
			return err
		}
	}
	return nil
}

// streamed ends an answer that has begun. One that is not whole is broken off, so that nobody takes it for the whole.
func (h *users) streamed(r *http.Request, what string, err error) error {
	if err == nil && r.Context().Err() == nil {
		return nil
	}
	h.service.log.InfoContext(r.Context(), "stream of users broken off", "stream", what, "domain", r.PathValue("domain"), "err", err)
	panic(http.ErrAbortHandler)
}

// bulk does the same to many users, one after the other.
func (h *users) bulk(w http.ResponseWriter, r *http.Request) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	ask := new(managementv1.UserBulk)
	if err := prototree.Management.Decode(body, ask); err != nil {
		return err
	}
	var do func(ctx context.Context, domain string, item any) (*directoryv1.User, int, error)
	permission := "user:create"
	switch ask.GetAction() {
	case managementv1.UserBulk_CREATE:
		do = h.bulkCreate
	case managementv1.UserBulk_UPDATE:
		do, permission = h.bulkUpdate, "user:update"
	case managementv1.UserBulk_DELETE:
		do, permission = h.bulkDelete, "user:delete"
	default:
		return broken("action", "must be one of create, update, delete")
	}
	if err := h.mux.Allowed(r, permission); err != nil {
		return err
	}
	if ask.GetFailOnErrors() < 0 {
		return broken("failOnErrors", "must be greater than or equal to 0")
	}
	items, _ := body["items"].([]any)
	if len(items) == 0 {
		return broken("items", "must not be empty")
	}
	if len(items) > maxBulk {
		return broken("items", fmt.Sprintf("size must be at most %d", maxBulk))
	}
	answer := &managementv1.UserBulkAnswer{AllSucceeded: true}
	failures := int32(0)
	for i, item := range items {
		if r.Context().Err() != nil {
			return context.Cause(r.Context())
		}
		result, err := h.bulkResult(r.Context(), r.PathValue("domain"), item, do)
		if err != nil {
			return err
		}
		result.Index = int32(i)
		answer.Results = append(answer.Results, result)
		if result.GetSuccess() {
			continue
		}
		answer.AllSucceeded = false
		if failures++; failures == ask.GetFailOnErrors() {
			break
		}
	}
	return h.answerTree(w, answer)
}

func (h *users) bulkResult(ctx context.Context, domain string, item any,
	do func(context.Context, string, any) (*directoryv1.User, int, error),
) (*managementv1.UserBulkResult, error) {
	user, status, err := do(ctx, domain, item)
	if err == nil {
		result := &managementv1.UserBulkResult{HttpStatus: int32(status), Success: true}
		if user != nil {
			shown, err := h.service.shown(ctx, user)
			if err != nil {
				return nil, err
			}
			result.Body = shown[0]
		}
		return result, nil
	}
	var malformed *prototree.Error
	if errors.As(err, &malformed) {
		err = catalog.TreeError(err)
	}
	if fault.Is(err, fault.Internal) {
		h.service.log.ErrorContext(ctx, "entry of a bulk request failed", "domain", domain, "err", err)
	}
	body := fault.BodyOf(err)
	return &managementv1.UserBulkResult{
		HttpStatus:   int32(body.HTTPStatus),
		ErrorDetails: &managementv1.UserBulkError{Message: body.Message, Errors: fieldErrors(body.Errors)},
	}, nil
}

var errNoObject = fault.Invalidf("An entry must be an object")

func (h *users) bulkCreate(ctx context.Context, domain string, item any) (*directoryv1.User, int, error) {
	body, ok := item.(prototree.Object)
	if !ok {
		return nil, 0, errNoObject
	}
	draft := new(directoryv1.NewUser)
	if err := prototree.Management.Decode(body, draft); err != nil {
		return nil, 0, err
	}
	user, err := h.service.Create(ctx, domain, draft)
	return user, http.StatusCreated, err
}

func (h *users) bulkUpdate(ctx context.Context, domain string, item any) (*directoryv1.User, int, error) {
	body, ok := item.(prototree.Object)
	if !ok {
		return nil, 0, errNoObject
	}
	id, _ := body["id"].(string)
	if err := required("id", id); err != nil {
		return nil, 0, err
	}
	user, err := h.service.Patch(ctx, domain, id, body, 0)
	return user, http.StatusOK, err
}

func (h *users) bulkDelete(ctx context.Context, domain string, item any) (*directoryv1.User, int, error) {
	id, _ := item.(string)
	if body, ok := item.(prototree.Object); ok {
		id, _ = body["id"].(string)
	}
	if err := required("id", id); err != nil {
		return nil, 0, err
	}
	return nil, http.StatusNoContent, h.service.Delete(ctx, domain, id, 0)
}
