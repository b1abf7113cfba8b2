package directory

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountGroups adds who is in which group. The groups themselves are configuration.
func (h *users) mountGroups(m Mux) {
	const members = "/domains/{domain}/groups/{group}/members"
	m.Handle("GET "+members, "group:read", h.listMembers, operation.Operation{
		Summary: "List who is in a group.",
		Details: "Those who are in it directly, in the order of their identifiers. With `inherited=true` those as well who are in it through a group that it contains: " +
			"`via` names the groups on the way, from their own on.",
		Query:  append(operation.Paging()[:2:2], operation.Parameter{Name: "inherited", Type: "boolean", Description: "Whether to list who is in the group through others, too; default false."}),
		Answer: &directoryv1.User{}, Shape: operation.Page,
	})
	m.Handle("POST "+members+"/{user}", "group:update", h.addMember, operation.Operation{
		Summary: "Put a user into a group.", Details: "To be in it already is fine.",
	})
	m.Handle("DELETE "+members+"/{user}", "group:update", h.removeMember, operation.Operation{
		Summary: "Take a user out of a group.", Details: "Not to be in it is fine.",
	})
	m.Handle("GET /domains/{domain}/users/{user}/groups", "user:read", h.listGroups, operation.Operation{
		Summary: "List the groups in which a user is.",
		Details: "By name. `direct` says of each whether the user is in it directly, and `via` names the groups through which they are otherwise, from their own on.",
		Answer:  &configv1.Group{}, Shape: operation.Array,
	})
}

func (h *users) listMembers(w http.ResponseWriter, r *http.Request) error {
	page, size, _, err := h.mux.Page(r, maxPage)
	if err != nil {
		return err
	}
	switch inherited := r.URL.Query().Get("inherited"); inherited {
	case "", "false":
	case "true":
		return h.listAllMembers(w, r, page, size)
	default:
		return fault.Invalidf("[%s: must be true or false]", "inherited").At("inherited", "must be true or false")
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

// listAllMembers answers who is in a group directly or through others.
func (h *users) listAllMembers(w http.ResponseWriter, r *http.Request, page, size int) error {
	found, total, err := h.service.AllMembers(r.Context(), r.PathValue("domain"), r.PathValue("group"), page, size)
	if err != nil {
		return err
	}
	people := make([]*directoryv1.User, len(found))
	for i, m := range found {
		people[i] = m.User
	}
	shown, err := h.service.shown(r.Context(), people...)
	if err != nil {
		return err
	}
	data := make([]prototree.Object, len(shown))
	for i, u := range shown {
		if data[i], err = prototree.Management.Encode(u); err != nil {
			return err
		}
		mark(data[i], found[i].Via)
	}
	return h.mux.List(w, page, total, data)
}

// mark says of an entry whether somebody belongs directly, or through which groups.
func mark(entry prototree.Object, via []string) {
	entry["direct"] = len(via) == 0
	if len(via) == 0 {
		return
	}
	way := make([]any, len(via))
	for i, id := range via {
		way[i] = id
	}
	entry["via"] = way
}

func (h *users) listGroups(w http.ResponseWriter, r *http.Request) error {
	found, err := h.service.AllGroups(r.Context(), r.PathValue("domain"), r.PathValue("user"))
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found))
	for i, b := range found {
		if entries[i], err = prototree.Management.Encode(b.Group); err != nil {
			return err
		}
		mark(entries[i], b.Via)
	}
	return h.mux.JSON(w, http.StatusOK, entries)
}
