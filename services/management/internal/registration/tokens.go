package registration

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// TokenPrefix begins every initial access token, so that it is recognised, also where it was forgotten.
	TokenPrefix = "gatehouse_iat_"
	// tokenKind is what audit records call such a token.
	tokenKind = "registration_token"

	tokenLifetime     = 30 * 24 * time.Hour
	mostTokenLifetime = 10 * 366 * 24 * time.Hour
	mostQuota         = 1_000_000
	mostTokenScopes   = 1000
)

// NewToken makes an initial access token for a domain and returns its value this once.
func (s *Server) NewToken(ctx context.Context, at editor.Place, draft *managementv1.NewRegistrationToken) (*store.RegistrationToken, string, error) {
	now := s.now().Truncate(time.Millisecond)
	made := &store.RegistrationToken{
		ID: secret.NewID(), Domain: at.Domain, Name: strings.TrimSpace(draft.GetName()), Quota: 1, Template: draft.GetTemplate(),
		ScopesLimited: draft.Scopes != nil, Scopes: draft.GetScopes().GetValues(), CreatedAt: now, ExpiresAt: now.Add(tokenLifetime),
	}
	if draft.Quota != nil {
		made.Quota = draft.GetQuota()
	}
	if draft.GetExpiresAt() != nil {
		made.ExpiresAt = draft.GetExpiresAt().AsTime()
	}
	switch {
	case made.Name == "" || len(made.Name) > maxIdentifier:
		return nil, "", bad("name", "must have 1 to 255 bytes and not be blank")
	case made.Quota < 1 || made.Quota > mostQuota:
		return nil, "", bad("quota", "must be from 1 to 1000000")
	case !made.ExpiresAt.After(now) || made.ExpiresAt.Sub(now) > mostTokenLifetime:
		return nil, "", bad("expiresAt", "must be in the future, at most ten years ahead")
	case len(made.Scopes) > mostTokenScopes:
		return nil, "", bad("scopes", "must have at most 1000 entries")
	}
	if made.Template != "" {
		found, err := editor.Read(ctx, s.editor, catalog.Applications, at, made.Template)
		if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
			return nil, "", err
		}
		if err != nil || !found.GetTemplate() {
			return nil, "", bad("template", "must be the identifier of an application that is a template")
		}
	}
	if len(made.Scopes) > 0 {
		known, _, err := editor.ReadAll(ctx, s.editor, catalog.Scopes, at, image.Query{})
		if err != nil {
			return nil, "", err
		}
		for _, scope := range made.Scopes {
			if !slices.ContainsFunc(known, func(k *configv1.Scope) bool { return k.GetKey() == scope }) {
				return nil, "", fault.Invalidf("scope %s is not valid.", scope).At("scopes", "is no scope of the domain")
			}
		}
	}
	plain := TokenPrefix + secret.NewToken()
	made.Hash = secret.HashToken(plain)
	if err := s.tokens.Insert(ctx, made); err != nil {
		return nil, "", err
	}
	s.record(ctx, store.ActionCreate, made, nil, s.tokenTree(made))
	return made, plain, nil
}

func bad(member, text string) error { return fault.Invalidf("[%s: %s]", member, text).At(member, text) }

// record notes that a token was made or ended.
func (s *Server) record(ctx context.Context, action string, t *store.RegistrationToken, before, after prototree.Object) {
	if s.recorder == nil {
		return
	}
	s.recorder.Record(context.WithoutCancel(ctx), audit.Event{
		Action: action, Key: resource.Key{Kind: tokenKind, Domain: t.Domain, ID: t.ID}, Name: t.Name, At: s.now(), Before: before, After: after,
	})
}

func (s *Server) tokenTree(t *store.RegistrationToken) prototree.Object {
	tree, err := prototree.Audit.Encode(s.tokenMessage(t))
	if err != nil {
		s.log.Error("audit record incomplete", "token_id", t.ID, "err", err)
		return prototree.Object{}
	}
	return tree
}

func (s *Server) tokenMessage(t *store.RegistrationToken) *managementv1.RegistrationToken {
	m := &managementv1.RegistrationToken{
		Id: t.ID, Name: t.Name, Quota: t.Quota, Used: t.Used, CreatedAt: timestamppb.New(t.CreatedAt), ExpiresAt: timestamppb.New(t.ExpiresAt),
		Template: t.Template, Status: managementv1.RegistrationToken_ACTIVE,
	}
	if t.ScopesLimited {
		m.Scopes = &configv1.Strings{Values: t.Scopes}
	}
	if !t.LastUsedAt.IsZero() {
		m.LastUsedAt = timestamppb.New(t.LastUsedAt)
	}
	switch {
	case !s.now().Before(t.ExpiresAt):
		m.Status = managementv1.RegistrationToken_EXPIRED
	case t.Used >= t.Quota:
		m.Status = managementv1.RegistrationToken_EXHAUSTED
	}
	return m
}

func noToken(id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fault.NotFoundf("Registration Token [%s] can not be found.", id)
	}
	return err
}

func (h *routes) createToken(w http.ResponseWriter, r *http.Request) error {
	body, err := h.mux.Body(r)
	if err != nil {
		return err
	}
	draft := new(managementv1.NewRegistrationToken)
	if err := prototree.Management.Decode(body, draft); err != nil {
		return catalog.TreeError(err)
	}
	made, plain, err := h.NewToken(r.Context(), placeOf(r), draft)
	if err != nil {
		return err
	}
	m := h.tokenMessage(made)
	m.Token = plain
	w.Header().Set("Location", h.mux.Location(r, made.ID))
	return h.answer(w, http.StatusCreated, m)
}

func (h *routes) listTokens(w http.ResponseWriter, r *http.Request) error {
	page, size, _, err := h.mux.Page(r, 0)
	if err != nil {
		return err
	}
	found, total, err := h.tokens.List(r.Context(), r.PathValue("domain"), page, size)
	if err != nil {
		return err
	}
	data := make([]prototree.Object, len(found))
	for i, t := range found {
		if data[i], err = prototree.Management.Encode(h.tokenMessage(t)); err != nil {
			return err
		}
	}
	return h.mux.List(w, page, total, data)
}

func (h *routes) readToken(w http.ResponseWriter, r *http.Request) error {
	found, err := h.tokens.Get(r.Context(), r.PathValue("domain"), r.PathValue("token"))
	if err != nil {
		return noToken(r.PathValue("token"), err)
	}
	return h.answer(w, http.StatusOK, h.tokenMessage(found))
}

func (h *routes) deleteToken(w http.ResponseWriter, r *http.Request) error {
	gone, err := h.tokens.Delete(r.Context(), r.PathValue("domain"), r.PathValue("token"))
	if err != nil {
		return noToken(r.PathValue("token"), err)
	}
	h.record(r.Context(), store.ActionDelete, gone, h.tokenTree(gone), nil)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
