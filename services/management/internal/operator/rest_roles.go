package operator

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

func (h *routes) mountRoles() {
	const all, one = organizationPath + "/roles", organizationPath + "/roles/{role}"
	role := &managementv1.OrganizationRole{}
	h.mux.HandleWhole("GET "+all, "operator_role:list", h.listRoles, operation.Operation{
		Summary: "List the roles that operators can have: those that are built in, then the others by name.",
		Query: operation.Paging(operation.Parameter{
			Name: "type", Type: "string", Description: "Only roles for places of this type.", Values: []string{"organization", "environment", "domain", "application"},
		}),
		Answer: role, Shape: operation.Page,
	})
	h.mux.HandleWhole("POST "+all, "operator_role:create", h.createRole, operation.Operation{
		Summary: "Create a role.", Details: "Nobody can put into a role what they may not do themselves.",
		Body: role, Status: http.StatusCreated, Answer: role,
	})
	h.mux.HandleWhole("GET "+one, "operator_role:read", h.readRole, operation.Operation{Summary: "Read a role.", Answer: role})
	h.mux.HandleWhole("PUT "+one, "operator_role:update", h.replaceRole, operation.Operation{
		Summary: "Replace a role; it counts from the next request of everybody who has it.", Body: role, Conditional: true, Answer: role,
	})
	h.mux.HandleWhole("PATCH "+one, "operator_role:update", h.patchRole, operation.Operation{
		Summary: "Change a role; it counts from the next request of everybody who has it.", Body: role, Merge: true, Conditional: true, Answer: role,
	})
	h.mux.HandleWhole("DELETE "+one, "operator_role:delete", h.deleteRole, operation.Operation{
		Summary: "Delete a role that nobody has.", Conditional: true,
	})
	h.mux.HandleWhole("GET "+organizationPath+"/permissions", "operator_role:list", h.listPermissions, operation.Operation{
		Summary: "List all permissions that a role can have.", Answer: &managementv1.Permission{}, Shape: operation.Array,
	})
}

func (h *routes) listRoles(w http.ResponseWriter, r *http.Request) error {
	number, size, q, err := h.mux.Page(r, 0)
	if err != nil {
		return err
	}
	var level Level
	if text := r.URL.Query().Get("type"); text != "" {
		var ok bool
		if level, ok = levelOf(text); !ok {
			return broken("type", "must be one of organization, environment, domain, application")
		}
	}
	found, total, err := h.service.Roles(r.Context(), level, q, number, size)
	if err != nil {
		return err
	}
	return answerPage(h, w, number, total, found, func(r *Role) proto.Message { return roleMessage(r) })
}

func (h *routes) createRole(w http.ResponseWriter, r *http.Request) error {
	draft := new(managementv1.OrganizationRole)
	if err := h.decode(r, draft); err != nil {
		return err
	}
	made, err := h.service.CreateRole(r.Context(), r.PathValue("organization"), draft)
	if err != nil {
		return err
	}
	w.Header().Set("Location", h.mux.Location(r, made.ID))
	return h.answerRole(w, http.StatusCreated, made)
}

func (h *routes) readRole(w http.ResponseWriter, r *http.Request) error {
	found, err := h.service.Role(r.Context(), r.PathValue("role"))
	if err != nil {
		return err
	}
	return h.answerRole(w, http.StatusOK, found)
}

func (h *routes) answerRole(w http.ResponseWriter, status int, r *Role) error {
	m := roleMessage(r)
	w.Header().Set("ETag", etag(m.GetRevision()))
	return h.answer(w, status, m)
}

func (h *routes) replaceRole(w http.ResponseWriter, r *http.Request) error {
	return h.updateRole(w, r, func(_, body prototree.Object) prototree.Object { return body })
}

func (h *routes) patchRole(w http.ResponseWriter, r *http.Request) error {
	return h.updateRole(w, r, mergepatch.Merge)
}

func (h *routes) updateRole(w http.ResponseWriter, r *http.Request, merge func(old, body prototree.Object) prototree.Object) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	changed, err := h.service.UpdateRole(r.Context(), r.PathValue("role"), ifMatch(r),
		func(old *managementv1.OrganizationRole) (*managementv1.OrganizationRole, error) {
			return merged(old, body, merge)
		})
	if err != nil {
		return err
	}
	return h.answerRole(w, http.StatusOK, changed)
}

func (h *routes) deleteRole(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.DeleteRole(r.Context(), r.PathValue("role"), ifMatch(r)))
}

func (h *routes) listPermissions(w http.ResponseWriter, _ *http.Request) error {
	data, err := trees(Known(), func(p string) proto.Message {
		m := &managementv1.Permission{Permission: p}
		for _, role := range builtInRoles {
			if role.Permissions[p] {
				m.Roles = append(m.Roles, role.ID)
			}
		}
		return m
	})
	if err != nil {
		return err
	}
	return h.mux.JSON(w, http.StatusOK, data)
}
