package operator

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func (h *routes) mountTokens() {
	const all = organizationPath + "/users/{user}/tokens"
	token := &managementv1.PersonalToken{}
	h.mux.HandleWhole("GET "+all, "operator_token:list", h.listTokens, operation.Operation{
		Summary: "List the tokens that an operator has made, without their values.", Answer: token, Shape: operation.Array,
	})
	h.mux.HandleWhole("POST "+all, "operator_token:create", h.createToken, operation.Operation{
		Summary: "Make a token that stands for an operator, and answer its value this once.",
		Details: "Operators make tokens for themselves and for service accounts, and only while signed in: a personal token can not make tokens.",
		Body:    &managementv1.NewPersonalToken{}, Status: http.StatusCreated, Answer: token,
	})
	h.mux.HandleWhole("DELETE "+all+"/{token}", "operator_token:delete", h.deleteToken, operation.Operation{
		Summary: "End a token of an operator at once.",
	})
	key := &managementv1.TokenKey{}
	h.mux.HandleWhole("GET "+organizationPath+"/token-keys", "token_key:list", h.listKeys, operation.Operation{
		Summary: "List the keys that sign or verify operators' tokens, the newest first.", Answer: key, Shape: operation.Array,
	})
	h.mux.HandleWhole("POST "+organizationPath+"/token-keys/_rotate", "token_key:update", h.rotateKeys, operation.Operation{
		Summary: "Replace the key that signs operators' tokens.",
		Details: "The new key signs after ten seconds, when every replica knows it. Tokens of the old one stay valid until they expire, unless they are revoked.",
		Body:    &managementv1.TokenKeyRotation{}, Answer: key, Shape: operation.Array,
	})
}

func (h *routes) listTokens(w http.ResponseWriter, r *http.Request) error {
	found, err := h.service.Tokens(r.Context(), r.PathValue("user"))
	if err != nil {
		return err
	}
	data, err := trees(found, func(t *store.PersonalToken) proto.Message { return tokenMessage(t) })
	if err != nil {
		return err
	}
	return h.mux.JSON(w, http.StatusOK, data)
}

func tokenMessage(t *store.PersonalToken) *managementv1.PersonalToken {
	return &managementv1.PersonalToken{
		TokenId: t.ID, UserId: t.Operator, Name: t.Name,
		CreatedAt: stamp(t.CreatedAt), ExpiresAt: stamp(t.ExpiresAt), LastUsedAt: stamp(t.LastUsedAt),
	}
}

func (h *routes) createToken(w http.ResponseWriter, r *http.Request) error {
	draft := new(managementv1.NewPersonalToken)
	if err := h.decode(r, draft); err != nil {
		return err
	}
	expires, err := expiry(draft, h.service.now())
	if err != nil {
		return err
	}
	made, plain, err := h.service.NewToken(r.Context(), r.PathValue("user"), draft.GetName(), expires)
	if err != nil {
		return err
	}
	m := tokenMessage(made)
	m.Token = plain
	w.Header().Set("Location", h.mux.Location(r, made.ID))
	return h.answer(w, http.StatusCreated, m)
}

func (h *routes) deleteToken(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.DeleteToken(r.Context(), r.PathValue("user"), r.PathValue("token")))
}

func (h *routes) listKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := h.service.keys.current(r.Context())
	if err != nil {
		return err
	}
	data, err := trees(keys.stored.Keys, func(k store.SigningKey) proto.Message {
		return &managementv1.TokenKey{Kid: k.ID, CreatedAt: stamp(k.CreatedAt), ExpiresAt: stamp(k.ExpiresAt)}
	})
	if err != nil {
		return err
	}
	return h.mux.JSON(w, http.StatusOK, data)
}

func (h *routes) rotateKeys(w http.ResponseWriter, r *http.Request) error {
	draft := new(managementv1.TokenKeyRotation)
	if r.ContentLength != 0 {
		if err := h.decode(r, draft); err != nil {
			return err
		}
	}
	if err := h.service.RotateKeys(r.Context(), draft.GetRevoke()); err != nil {
		return err
	}
	return h.listKeys(w, r)
}
