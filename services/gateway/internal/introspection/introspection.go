// Package introspection tells resource servers what a token is worth (RFC 7662).
package introspection

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Grants looks at refresh tokens without using them.
type Grants interface {
	Inspect(ctx context.Context, token string) (state.Inspection, error)
}

// Handler serves the introspection endpoint.
type Handler struct {
	clients  *clientauth.Authenticator
	verifier *tokens.Verifier
	grants   Grants
	people   *tokens.People
	now      func() time.Time
}

// New returns the endpoint.
func New(clients *clientauth.Authenticator, verifier *tokens.Verifier, grants Grants, people *tokens.People, now func() time.Time) *Handler {
	return &Handler{clients: clients, verifier: verifier, grants: grants, people: people, now: now}
}

// Routes returns the endpoint's route.
func (h *Handler) Routes() []endpoint.Route {
	return []endpoint.Route{{Name: "introspect", Path: "/oauth/introspect", Post: h.introspect, Errors: endpoint.ErrorJSON}}
}

// inactive is the answer for anything that is not a live token, whatever the reason (RFC 7662 §2.2).
var inactive = []byte(`{"active":false}`)

// Access tokens carry no name of the person; the directory is asked for it. It may be this old, and a directory that is
// slower than this is not waited for: the name is optional (RFC 7662 §2.2), the answer is not.
const (
	nameAge     = 30 * time.Second
	namePatient = 250 * time.Millisecond
)

// introspect answers confidential clients of the domain: about every token, or, where the profile wants it, about those that are
// meant for them. The hint is only a hint: a token says itself what it is.
func (h *Handler) introspect(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := endpoint.Params(w, r)
	if err != nil {
		return err
	}
	caller, err := h.clients.Authenticate(r, d, p)
	if err != nil {
		return err
	}
	token := p.Get("token")
	switch {
	case caller.Public():
		err = clientauth.ErrMissing
	case token == "":
		err = oauth2.InvalidRequest.Errorf("Missing parameter: token")
	}
	if err == nil {
		err = h.answer(w, r, d, caller, token)
	}
	if err != nil {
		observe.Annotate(r.Context(), slog.String("client_id", caller.ClientID))
	}
	return err
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, d *domain.Domain, caller *domain.Client, token string) error {
	describe := h.access
	if state.IsRefreshToken(token) {
		describe = h.refresh
	}
	body, err := describe(r.Context(), d, caller, token)
	if err != nil {
		return err
	}
	if body == nil {
		body = inactive
	}
	if wantsJWT(r) {
		return h.signed(w, d, caller, body)
	}
	endpoint.JSON(w, http.StatusOK, body)
	return nil
}

// access describes an access token by its own claims and what introspection adds; nil if it is not in force, or none of the
// caller's business.
func (h *Handler) access(ctx context.Context, d *domain.Domain, caller *domain.Client, token string) ([]byte, error) {
	found, err := h.verifier.Verify(d, token)
	if err != nil || caller.Profile.IntrospectsOwnAudience && !tokens.Concerns(d, caller, found) {
		return nil, nil //nolint:nilerr // every reason is the same answer
	}
	c := found.Claims
	if _, err := tokens.Alive(ctx, d, c); errors.Is(err, tokens.ErrInvalid) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	body := make([]byte, 0, len(found.Payload)+128)
	body = append(body, `{"active":true,"token_type":"`...)
	body = append(body, tokenType(found)...)
	body = append(body, '"')
	if c.Subject != c.ClientID {
		known, err := h.person(ctx, d, found.Person)
		switch {
		case err != nil || known != nil && (!known.Enabled || known.Withdrew(c.ClientID, found.IssuedAt)):
			return nil, nil //nolint:nilerr // the person is gone, and so is the token
		case known != nil && known.Person.Username != "" && found.Person == c.Subject: // a name tells as much as a public subject
			name, err := json.Marshal(known.Person.Username)
			if err != nil {
				return nil, err
			}
			body = append(body, `,"username":`...)
			body = append(body, name...)
		}
	}
	body = append(body, ',')
	return append(body, found.Payload[1:]...), nil
}

// tokenType is how a token is sent (RFC 9449 §6.2).
func tokenType(found *domain.VerifiedToken) string {
	if found.JKT != "" {
		return oauth2.TokenTypeDPoP
	}
	return oauth2.TokenTypeBearer
}

// person asks the directory. Nobody means that it cannot tell just now, an error that it does not know the person.
func (h *Handler) person(ctx context.Context, d *domain.Domain, subject string) (*tokens.Known, error) {
	ctx, cancel := context.WithTimeout(ctx, namePatient)
	defer cancel()
	known, err := h.people.Find(ctx, d.ID, subject, nameAge)
	if fault.Is(err, fault.NotFound) {
		return nil, err
	}
	return known, nil
}

// refresh describes a refresh token; nil if it cannot be used, or is none of the caller's business: nobody but the client it was
// issued to has any with it, beyond what the compatible profile allows.
func (h *Handler) refresh(ctx context.Context, d *domain.Domain, caller *domain.Client, token string) ([]byte, error) {
	in, err := h.grants.Inspect(ctx, token)
	a := &in.Authorization
	switch {
	case errors.Is(err, state.ErrUnknown), err == nil && (a.Domain != d.ID || !in.Usable),
		err == nil && caller.Profile.IntrospectsOwnAudience && a.ApplicationID != caller.ID:
		return nil, nil
	case err != nil:
		return nil, err
	}
	c, err := d.Client(ctx, a.ClientID)
	switch {
	case errors.Is(err, domain.ErrNoClient), err == nil && c.ID != a.ApplicationID:
		return nil, nil
	case err != nil:
		return nil, err
	}
	known, err := h.person(ctx, d, a.Person.Subject)
	if err != nil || known != nil && !known.Upholds(a) {
		return nil, nil //nolint:nilerr // the person is gone or wants it no more, and so is the token
	}
	username := a.Person.Username
	if c.Sector != "" {
		username = ""
	}
	return json.Marshal(struct {
		Active   bool   `json:"active"`
		Type     string `json:"token_type"`
		Iss      string `json:"iss"`
		Sub      string `json:"sub"`
		Domain   string `json:"domain"`
		Iat      int64  `json:"iat"`
		Exp      int64  `json:"exp"`
		Scope    string `json:"scope,omitempty"`
		ClientID string `json:"client_id"`
		Username string `json:"username,omitempty"`

		Confirmation state.Confirmation `json:"cnf,omitzero"`
	}{
		true, oauth2.HintRefreshToken, d.Issuer, tokens.Subject(d, c, &a.Person), d.ID, a.Created / 1000, in.Expires.Unix(),
		oauth2.JoinScope(a.Scopes), a.ClientID, username, a.Confirmation,
	})
}
