package directory

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountGroups adds who is in which group. The groups themselves are configuration.
func (h *users) mountGroups(m Mux) {
	const members = "/domains/{domain}/groups/{group}/members"
	m.Handle("GET "+members, "group:read", h.listMembers, operation.Operation{
		Summary: "List who is directly in a group.", Details: "In the order of their identifiers.",
		Query: operation.Paging()[:2], Answer: &directoryv1.User{}, Shape: operation.Page,
	})
	m.Handle("POST "+members+"/{user}", "group:update", h.addMember, operation.Operation{
		Summary: "Put a user into a group.", Details: "To be in it already is fine.",
	})
	m.Handle("DELETE "+members+"/{user}", "group:update", h.removeMember, operation.Operation{
		Summary: "Take a user out of a group.", Details: "Not to be in it is fine.",
	})
	m.Handle("GET /domains/{domain}/users/{user}/groups", "user:read", h.listGroups, operation.Operation{
		Summary: "List the groups in which a user is directly.", Answer: &configv1.Group{}, Shape: operation.Array,
	})
}

func (h *users) listMembers(w http.ResponseWriter, r *http.Request) error {
	page, size, _, err := h.mux.Page(r, maxPage)
	if err != nil {
		return err
	}
	found, total, err := h.service.Members(r.Context(), r.PathValue("domain"), r.PathValue("group"), page, size)
	if err != nil {
		return err
	}
	return h.answerPage(w, r, page, total, found)
}

func (h *users) addMember(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.AddMember(r.Context(), r.PathValue("domain"), r.PathValue("group"), r.PathValue("user")))
}

func (h *users) removeMember(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.RemoveMember(r.Context(), r.PathValue("domain"), r.PathValue("group"), r.PathValue("user")))
}

// done answers 204, or with what went wrong.
func (h *users) done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (h *users) listGroups(w http.ResponseWriter, r *http.Request) error {
	user, err := h.service.Get(r.Context(), r.PathValue("domain"), r.PathValue("user"))
	if err != nil {
		return err
	}
	groups, err := h.service.groupsOf(r.Context(), user.GetDomain(), user.GetId())
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(groups))
	for i, g := range groups {
		if entries[i], err = prototree.Management.Encode(g); err != nil {
			return err
		}
	}
	return h.mux.JSON(w, http.StatusOK, entries)
}
