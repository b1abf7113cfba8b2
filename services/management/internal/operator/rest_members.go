package operator

import (
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

func (h *routes) mountMembers() {
	const environment = organizationPath + "/environments/{environment}"
	for _, place := range []struct {
		path, name string
		handle     func(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	}{
		{organizationPath, "an organization", h.mux.HandleWhole},
		{environment, "an environment", h.mux.HandleWhole},
		{"/domains/{domain}", "a domain", h.mux.Handle},
		{"/domains/{domain}/applications/{application}", "an application", h.mux.Handle},
	} {
		all := place.path + "/members"
		member := &managementv1.Membership{}
		place.handle("GET "+all, "member:list", h.listMembers, operation.Operation{
			Summary: "List the members of " + place.name + ".", Query: operation.Paging()[:2], Answer: member, Shape: operation.Page,
		})
		place.handle("POST "+all, "member:create", h.addMember, operation.Operation{
			Summary: "Give an operator a role in " + place.name + ", in the place of the one they may have there.",
			Details: "Nobody can give a role with permissions that they do not have there themselves (403).",
			Body:    &managementv1.NewMembership{}, Status: http.StatusCreated, Answer: member,
		})
		place.handle("DELETE "+all+"/{member}", "member:delete", h.removeMember, operation.Operation{
			Summary: "End the membership of an operator in " + place.name + ".",
		})
		place.handle("GET "+all+"/permissions", operation.Any, h.ownPermissions, operation.Operation{
			Summary: "List what the caller may do in " + place.name + ", as an array of texts.",
			Answer:  &structpb.ListValue{},
		})
	}
}

// placeOf is the place whose members a request is about.
func placeOf(r *http.Request) Place {
	return Place{
		Organization: r.PathValue("organization"), Environment: r.PathValue("environment"),
		Domain: r.PathValue("domain"), Application: r.PathValue("application"),
	}
}

func (h *routes) listMembers(w http.ResponseWriter, r *http.Request) error {
	number, size, _, err := h.mux.Page(r, 0)
	if err != nil {
		return err
	}
	at := placeOf(r)
	found, total, err := h.service.Members(r.Context(), at, number, size)
	if err != nil {
		return err
	}
	return answerPage(h, w, number, total, found, func(m Member) proto.Message { return memberMessage(m) })
}

func memberMessage(m Member) *managementv1.Membership {
	level, id, _ := strings.Cut(m.Reference, "/")
	return &managementv1.Membership{
		Id: m.Operator, MemberId: m.Operator, MemberType: memberType, MemberName: m.Name, ReferenceType: level, ReferenceId: id,
		Role: m.Role, RoleName: m.RoleName, CreatedAt: stamp(m.CreatedAt), UpdatedAt: stamp(m.UpdatedAt),
	}
}

// memberType is the only one there is.
const memberType = "user"

func (h *routes) addMember(w http.ResponseWriter, r *http.Request) error {
	draft := new(managementv1.NewMembership)
	if err := h.decode(r, draft); err != nil {
		return err
	}
	if t := draft.GetMemberType(); t != "" && !strings.EqualFold(t, memberType) {
		return broken("memberType", "must be user")
	}
	made, err := h.service.AddMember(r.Context(), placeOf(r), draft.GetMemberId(), draft.GetRole())
	if err != nil {
		return err
	}
	w.Header().Set("Location", h.mux.Location(r, made.Operator))
	return h.answer(w, http.StatusCreated, memberMessage(made))
}

func (h *routes) removeMember(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.RemoveMember(r.Context(), placeOf(r), r.PathValue("member")))
}

func (h *routes) ownPermissions(w http.ResponseWriter, r *http.Request) error {
	at := placeOf(r)
	if err := h.service.exists(r.Context(), at); err != nil {
		return err
	}
	caller, _ := From(r.Context())
	return h.mux.JSON(w, http.StatusOK, caller.Permissions.Texts())
}
