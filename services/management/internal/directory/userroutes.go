package directory

import (
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/subject"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// mountChanges adds what is done to one user beside reading and writing the whole.
func (h *users) mountChanges(m Mux) {
	const user = "/domains/{domain}/users/{user}"
	m.Handle("PATCH "+user, "user:update", h.patch, operation.Operation{
		Summary: "Change a user.", Body: &directoryv1.User{}, Merge: true, Conditional: true, Answer: &directoryv1.User{},
	})
	m.Handle("PUT "+user+"/status", "user:update", h.setStatus, operation.Operation{
		Summary: "Enable or disable a user.", Body: &directoryv1.UserStatus{}, Conditional: true, Answer: &directoryv1.User{},
	})
	m.Handle("PATCH "+user+"/username", "user:update", h.rename, operation.Operation{
		Summary: "Give a user another name.", Body: &directoryv1.UserName{}, Conditional: true, Answer: &directoryv1.User{},
	})
	m.Handle("POST "+user+"/lock", "user:update", h.lock, operation.Operation{
		Summary: "Lock a user's account.", Details: "Nobody signs in with it until it is unlocked.", Conditional: true,
	})
	m.Handle("POST "+user+"/unlock", "user:update", h.unlock, operation.Operation{
		Summary: "Unlock a user's account.", Conditional: true,
	})
	m.Handle("GET "+user+"/roles", "user:read", h.listRoles, operation.Operation{
		Summary: "List the roles that a user was given.", Details: "Those of the user's groups are not among them.",
		Answer: &configv1.Role{}, Shape: operation.Array,
	})
	m.Handle("POST "+user+"/roles", "user:update", h.giveRoles, operation.Operation{
		ID: "assignUserRoles", Summary: "Give a user more roles.", Details: "The body is an array of the ids of roles.", Body: &configv1.Strings{},
		Conditional: true, Answer: &directoryv1.User{},
	})
	m.Handle("DELETE "+user+"/roles/{role}", "user:update", h.takeRole, operation.Operation{
		Summary: "Take a role from a user.", Conditional: true,
	})
	m.Handle("GET "+user+"/identities", "user:read", h.listIdentities, operation.Operation{
		Summary: "List how identity providers know a user.", Answer: &managementv1.UserIdentity{}, Shape: operation.Array,
	})
	m.Handle("DELETE "+user+"/identities/{identity}", "user:update", h.removeIdentity, operation.Operation{
		Summary: "Take an identity from a user.", Details: "Nobody signs in to the account by it until it is linked again. The identity that a user came with stays as long as the user: 400.",
	})
	m.Handle("GET "+user+"/consents", "user:read", h.listConsents, operation.Operation{
		Summary: "List what a user decided for clients.", Details: "Decisions that have expired are not among them.",
		Query: consentQuery, Answer: &managementv1.UserConsent{}, Shape: operation.Array,
	})
	m.Handle("DELETE "+user+"/consents", "user:update", h.removeConsents, operation.Operation{
		Summary: "Forget what a user decided, so that it is asked again.", Query: consentQuery,
	})
	m.Handle("GET "+user+"/consents/{consent}", "user:read", h.readConsent, operation.Operation{
		Summary: "Read a decision of a user.", Answer: &managementv1.UserConsent{},
	})
	m.Handle("DELETE "+user+"/consents/{consent}", "user:update", h.removeConsent, operation.Operation{
		Summary: "Forget a decision of a user, so that it is asked again.",
	})
}

var consentQuery = []operation.Parameter{{Name: "clientId", Type: "string", Description: "Only decisions about this client."}}

// decoded reads the body of a request as a message, strictly.
func (h *users) decoded(r *http.Request, into proto.Message) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	return prototree.Management.Decode(body, into)
}

func (h *users) patch(w http.ResponseWriter, r *http.Request) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	user, err := h.service.Patch(r.Context(), r.PathValue("domain"), r.PathValue("user"), body, ifMatch)
	if err != nil {
		return err
	}
	return h.answer(w, r, http.StatusOK, user)
}

func (h *users) setStatus(w http.ResponseWriter, r *http.Request) error {
	var body directoryv1.UserStatus
	if err := h.decoded(r, &body); err != nil {
		return err
	}
	if body.Enabled == nil {
		return broken("enabled", "must not be null")
	}
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	user, err := h.service.SetEnabled(r.Context(), r.PathValue("domain"), r.PathValue("user"), body.GetEnabled(), ifMatch)
	if err != nil {
		return err
	}
	return h.answer(w, r, http.StatusOK, user)
}

func (h *users) rename(w http.ResponseWriter, r *http.Request) error {
	var body directoryv1.UserName
	if err := h.decoded(r, &body); err != nil {
		return err
	}
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	user, err := h.service.Rename(r.Context(), r.PathValue("domain"), r.PathValue("user"), body.GetUsername(), ifMatch)
	if err != nil {
		return err
	}
	return h.answer(w, r, http.StatusOK, user)
}

func (h *users) lock(w http.ResponseWriter, r *http.Request) error {
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	return h.done(w, h.service.Lock(r.Context(), r.PathValue("domain"), r.PathValue("user"), ifMatch))
}

func (h *users) unlock(w http.ResponseWriter, r *http.Request) error {
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	return h.done(w, h.service.Unlock(r.Context(), r.PathValue("domain"), r.PathValue("user"), ifMatch))
}

func (h *users) listRoles(w http.ResponseWriter, r *http.Request) error {
	roles, err := h.service.Roles(r.Context(), r.PathValue("domain"), r.PathValue("user"))
	if err != nil {
		return err
	}
	return answerList(h, w, roles)
}

func (h *users) giveRoles(w http.ResponseWriter, r *http.Request) error {
	values, err := h.mux.Array(r)
	if err != nil {
		return err
	}
	roles := make([]string, len(values))
	for i, v := range values {
		id, ok := v.(string)
		if !ok {
			return broken(fmt.Sprintf("[%d]", i), "must be a string")
		}
		roles[i] = id
	}
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	user, err := h.service.GiveRoles(r.Context(), r.PathValue("domain"), r.PathValue("user"), roles, ifMatch)
	if err != nil {
		return err
	}
	return h.answer(w, r, http.StatusOK, user)
}

func (h *users) takeRole(w http.ResponseWriter, r *http.Request) error {
	ifMatch, err := h.precondition(r)
	if err != nil {
		return err
	}
	return h.done(w, h.service.TakeRole(r.Context(), r.PathValue("domain"), r.PathValue("user"), r.PathValue("role"), ifMatch))
}

// identities are how the provider that somebody came from knows them, and how those do by which they sign in as well.
func (h *users) identities(r *http.Request) (*directoryv1.User, []*managementv1.UserIdentity, []store.Link, error) {
	ctx := r.Context()
	user, err := h.service.Get(ctx, r.PathValue("domain"), r.PathValue("user"))
	if err != nil {
		return nil, nil, nil, err
	}
	links, err := h.service.store.Links().OfUsers(ctx, user.GetDomain(), []string{user.GetId()})
	if err != nil {
		return nil, nil, nil, err
	}
	own := store.Link{Source: user.GetSource(), ExternalID: user.GetExternalId(), Username: user.GetUsername(), LinkedAt: user.GetCreatedAt().AsTime()}
	var all []*managementv1.UserIdentity
	for _, l := range append([]store.Link{own}, links[user.GetId()]...) {
		provider, err := h.service.provider(ctx, user.GetDomain(), l.Source)
		if err != nil {
			return nil, nil, nil, err
		}
		all = append(all, &managementv1.UserIdentity{
			Id: subject.Of("identity", l.Source+":"+l.ExternalID), UserId: l.ExternalID,
			Username: l.Username, ProviderId: l.Source, ProviderName: provider.GetName(), LinkedAt: timestamppb.New(l.LinkedAt),
		})
	}
	return user, all, links[user.GetId()], nil
}

func (h *users) listIdentities(w http.ResponseWriter, r *http.Request) error {
	_, identities, _, err := h.identities(r)
	if err != nil {
		return err
	}
	return answerList(h, w, identities)
}

func (h *users) removeIdentity(w http.ResponseWriter, r *http.Request) error {
	user, identities, links, err := h.identities(r)
	if err != nil {
		return err
	}
	for i, identity := range identities {
		switch {
		case identity.GetId() != r.PathValue("identity"):
		case i == 0:
			return fault.Invalidf("Identity [%s] is the one that the user came with and can not be taken away.", identity.GetId())
		default:
			stored, err := h.service.store.Users().Get(r.Context(), user.GetDomain(), user.GetId())
			if err != nil {
				return err
			}
			return h.done(w, h.service.Unlink(r.Context(), stored, links[i-1]))
		}
	}
	return fault.NotFoundf("Identity [%s] can not be found.", r.PathValue("identity"))
}

// answerTree answers with a message that has no revision.
func (h *users) answerTree(w http.ResponseWriter, m proto.Message) error {
	tree, err := prototree.Management.Encode(m)
	if err != nil {
		return err
	}
	return h.mux.JSON(w, http.StatusOK, tree)
}

// answerList answers with an array of messages.
func answerList[M proto.Message](h *users, w http.ResponseWriter, list []M) error {
	entries := make([]prototree.Object, len(list))
	for i, one := range list {
		var err error
		if entries[i], err = prototree.Management.Encode(one); err != nil {
			return err
		}
	}
	return h.mux.JSON(w, http.StatusOK, entries)
}
