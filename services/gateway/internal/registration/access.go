package registration

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

var (
	errForbidden  = oauth2.RegistrationForbidden.Errorf("Not allowed to access to this resource.")
	errMissing    = oauth2.InvalidToken.Errorf("Missing access token. It must be sent in the Authorization header, with the scheme Bearer or DPoP")
	errTwice      = oauth2.InvalidRequest.Errorf("The access token was sent twice")
	errInvalid    = oauth2.InvalidToken.Errorf("The access token is invalid")
	errNotAClient = oauth2.InvalidToken.Errorf("The access token was not issued for a Client")
	errScope      = endpoint.Needs(oauth2.ScopeDCRAdmin)
	errSuperseded = oauth2.RegistrationForbidden.Errorf("Non matching registration_access_token")
	errPending    = oauth2.RegistrationForbidden.Errorf("The client waits for approval: it can be read and deleted")
	errDisabled   = oauth2.RegistrationForbidden.Errorf("The client is disabled: it can be read and deleted")
	errNoClient   = oauth2.NotFound.Errorf("client not found")
)

// skew is how far the clock of management, which signs registration access tokens, may be ahead of this gateway's.
const skew = time.Minute

// caller is who makes a request.
type caller struct {
	// client is whom the token was issued to.
	client *domain.Client
	// person is the subject of whom the token stands for, and issued when it was made, in milliseconds since the epoch; empty where the
	// client acts for itself.
	person string
	issued int64
	// scopes are those of the token.
	scopes []string
	// token is a registration access token and tokenHash its hash, both empty for an access token.
	token, tokenHash string
	// pending is in the place of client where that waits for approval.
	pending *configv1.Application
}

// administrator reports whether the caller holds dcr_admin: by the token, and by what the client may ask for today.
func (c *caller) administrator() bool {
	return c.tokenHash == "" && slices.Contains(c.scopes, oauth2.ScopeDCRAdmin) && c.client.Scopes[oauth2.ScopeDCRAdmin] != nil
}

// mayRegister returns who registers: where registration is not open to everybody, a client that holds dcr_admin, or the holder of
// an initial access token. A token that is not needed is not looked at, and the caller is nobody.
func (h *Handler) mayRegister(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*registrar, error) {
	switch {
	case !d.Registration.GetDynamicClientRegistrationEnabled():
		return nil, errForbidden
	case d.Registration.GetOpenDynamicClientRegistrationEnabled():
		return &registrar{}, nil
	}
	if holder, err := h.initialToken(r, d); err != nil || holder != nil {
		return holder, err
	}
	c, err := h.caller(w, r, d)
	switch {
	case err != nil:
		return nil, err
	case c.person != "":
		return nil, errNotAClient
	case !c.administrator():
		return nil, errScope
	}
	return &registrar{administrator: c.client.ClientID}, nil
}

// manager is a caller who may read and change one client.
type manager struct {
	target *domain.Client
	// token is the client's own registration access token and tokenHash its hash, empty for an administrator.
	token, tokenHash string
	// administrator is the client_id of one who holds dcr_admin, and person the subject of whom it acts for, empty for itself.
	administrator, person string
	// disabled is the client in the place of target where it serves nobody: it can be read and deleted, by itself only while it waits
	// for approval.
	disabled *configv1.Application
}

// mayChange refuses a change of a client that is disabled.
func (m *manager) mayChange() error {
	switch {
	case m.disabled == nil:
		return nil
	case m.disabled.GetRegistration().GetStatus() == configv1.ClientRegistration_PENDING:
		return errPending
	}
	return errDisabled
}

// applicationID is the identifier of the application.
func (m *manager) applicationID() string {
	if m.disabled != nil {
		return m.disabled.GetId()
	}
	return m.target.ID
}

// mayManage lets in the client itself, by its current registration access token, and administrators.
func (h *Handler) mayManage(w http.ResponseWriter, r *http.Request, d *domain.Domain, clientID string) (*manager, error) {
	if !d.Registration.GetDynamicClientRegistrationEnabled() {
		return nil, errForbidden
	}
	c, err := h.caller(w, r, d)
	switch {
	case err != nil:
		return nil, err
	case c.administrator():
		return h.administered(r, d, c, clientID)
	case c.pending != nil && c.pending.GetSettings().GetOauth().GetClientId() != clientID:
		return nil, errScope
	case c.pending != nil:
		if !secret.Equal(c.tokenHash, c.pending.GetSettings().GetOauth().GetRegistrationAccessTokenHash()) {
			return nil, errSuperseded
		}
		return &manager{disabled: c.pending, token: c.token, tokenHash: c.tokenHash}, nil
	case c.tokenHash == "" || c.client.ClientID != clientID:
		return nil, errScope
	}
	if !secret.Equal(c.tokenHash, c.client.RegistrationTokenHash) {
		// Another gateway may have given this token a moment ago, and the stream has not said so yet.
		fresh, err := h.present(r, d, clientID)
		switch {
		case fault.Is(err, fault.NotFound):
			return nil, errInvalid.WithCause(err)
		case err != nil:
			return nil, translate(err)
		}
		if c.client = fresh; !secret.Equal(c.tokenHash, fresh.RegistrationTokenHash) {
			return nil, errSuperseded
		}
	}
	return &manager{target: c.client, token: c.token, tokenHash: c.tokenHash}, nil
}

// unserved asks management for a client that is disabled and waits for approval, or where any counts, for whatever reason. One that was
// enabled a moment ago is returned as this gateway serves it. It is domain.ErrNoClient if there is none.
func (h *Handler) unserved(r *http.Request, d *domain.Domain, clientID string, anyOf bool) (*domain.Client, *configv1.Application, error) {
	about, resolve := "waiting client "+clientID, h.Management.ResolvePending
	if anyOf {
		about, resolve = "disabled client "+clientID, h.Management.ResolveDisabled
	}
	switch allowed, err := h.Clients.MayAsk(d.ID, about); {
	case err != nil:
		return nil, nil, err
	case !allowed:
		return nil, nil, domain.ErrNoClient
	}
	app, err := resolve(r.Context(), d.ID, clientID)
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		h.Clients.Refused(d.ID, about)
		return nil, nil, domain.ErrNoClient
	case err != nil:
		return nil, nil, translate(err)
	case app.Enabled == nil || app.GetEnabled():
		h.Clients.Learn(r.Context(), app, nil)
		target, err := h.learned(r, d, clientID)
		return target, nil, err
	}
	return nil, app, nil
}

// learned returns a client that this gateway has learned since the request began.
func (h *Handler) learned(r *http.Request, d *domain.Domain, clientID string) (*domain.Client, error) {
	if d = h.Clients.Domain(d.ID); d == nil {
		return nil, domain.ErrNoClient
	}
	return d.Client(r.Context(), clientID)
}

// present asks management for a client as it is now; fault.NotFound if there is none.
func (h *Handler) present(r *http.Request, d *domain.Domain, clientID string) (*domain.Client, error) {
	app, err := h.Management.Resolve(r.Context(), d.ID, clientID)
	if err != nil {
		return nil, err
	}
	h.Clients.Learn(r.Context(), app, nil)
	if d = h.Clients.Domain(d.ID); d == nil {
		return nil, fault.NotFoundf("the domain is gone")
	}
	c, err := d.Client(r.Context(), clientID)
	if errors.Is(err, domain.ErrNoClient) {
		return nil, fault.NotFoundf("client %q is gone", clientID).Because(err)
	}
	return c, err
}

// refresh brings a manager's target up to date: another gateway may have changed it a moment ago, and ended the token by which it is
// read here. While management is away, what this gateway knows is the answer.
func (h *Handler) refresh(r *http.Request, d *domain.Domain, m *manager) error {
	fresh, err := h.present(r, d, m.target.ClientID)
	switch {
	case fault.Is(err, fault.NotFound):
		if err = h.missing(r, d, m, err); m.disabled != nil {
			return nil
		}
		return err
	case err != nil:
		return nil
	case m.tokenHash != "" && !secret.Equal(m.tokenHash, fresh.RegistrationTokenHash):
		return errSuperseded
	}
	m.target = fresh
	return nil
}

// missing says why management does not have a client that this gateway serves: it is gone, or it was disabled a moment ago, which
// administrators are told.
func (h *Handler) missing(r *http.Request, d *domain.Domain, m *manager, err error) error {
	if m.administrator != "" && fault.Is(err, fault.NotFound) {
		if _, app, failed := h.unserved(r, d, m.target.ClientID, true); failed == nil && app != nil {
			m.disabled = app
			return m.mayChange()
		}
	}
	return m.translate(err)
}

// translate says what a refusal by management means to this caller: it knows the client better than this gateway.
func (m *manager) translate(err error) error {
	switch {
	case fault.Is(err, fault.NotFound) && m.tokenHash == "":
		return errNoClient.WithCause(err)
	case fault.Is(err, fault.NotFound):
		return errInvalid.WithCause(err)
	case fault.Is(err, fault.Denied):
		return errSuperseded.WithCause(err)
	}
	return translate(err)
}

// caller finds out whose token a request carries. A token whose client is gone is no token.
func (h *Handler) caller(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*caller, error) {
	token, err := presented(r, d)
	switch {
	case err != nil:
		return nil, err
	case token == "":
		return nil, errMissing
	}
	c := &caller{}
	if found, verifyErr := h.Verifier.Verify(d, token); verifyErr == nil {
		if found.Claims.Subject != found.Claims.ClientID {
			c.person, c.issued = cmp.Or(found.Person, found.Claims.Subject), found.IssuedAt
		}
		c.scopes = oauth2.SplitScope(found.Claims.Scope)
		if err := h.Holders.Holder(w, r, d, found, token); err != nil {
			return nil, err
		}
		c.client, err = tokens.Alive(r.Context(), d, found.Claims)
	} else {
		claims := h.registrationToken(d, token)
		if claims == nil {
			return nil, errInvalid.WithCause(verifyErr)
		}
		c.token, c.tokenHash = token, secret.HashToken(token)
		c.client, err = d.Client(r.Context(), claims.Subject)
		if errors.Is(err, domain.ErrNoClient) {
			c.client, c.pending, err = h.unserved(r, d, claims.Subject, false)
		}
	}
	if errors.Is(err, tokens.ErrInvalid) || errors.Is(err, domain.ErrNoClient) {
		return nil, errInvalid.WithCause(err)
	}
	return c, err
}

// registrationToken returns the claims of a registration access token: signed by the domain for itself, not expired, with
// the scope dcr and one client as subject and audience. Anything else is nil. Whether it is the client's current one says
// its hash. The issuer is not compared: the token outlives a change of the domain's address, and its `domain` does not
// change.
func (h *Handler) registrationToken(d *domain.Domain, token string) *jose.Claims {
	checked, err := d.Keys.Verify(token, jose.Check{Types: []string{jose.TypeJWT}})
	if err != nil {
		return nil
	}
	c, err := checked.Claims()
	if err != nil || c.Validate(h.Now(), skew) != nil {
		return nil
	}
	if c.Domain != d.ID || c.Has("client_id") || c.ID == "" || c.Subject == "" ||
		len(c.Audience) != 1 || c.Audience[0] != c.Subject || !oauth2.HasScope(c.Scope, oauth2.ScopeDCR) {
		return nil
	}
	return c
}

// presented returns the token of a request: that of the header, or the query parameter access_token (RFC 6750 §2.1, §2.3).
// Both at once are invalid_request.
func presented(r *http.Request, d *domain.Domain) (string, error) {
	header, err := endpoint.BearerToken(r)
	if err != nil || r.URL.RawQuery == "" {
		return header, err
	}
	p, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return "", err
	}
	parameter := p.Get("access_token")
	switch {
	case parameter != "" && d.Profile.RefusesQuery:
		return "", oauth2.InvalidRequest.Errorf("The access token must not be sent in the query")
	case parameter == "":
		return header, nil
	case header != "":
		return "", errTwice
	}
	// What answers errors looks here for a token that is not in the header.
	r.Form = p.Values()
	return parameter, nil
}
