package registration

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// initialPrefix begins every initial access token (RFC 7591 §3). Nothing else that is presented here begins with it: other tokens
// are JWTs.
const initialPrefix = "gatehouse_iat_"

// registrar is who registers a client.
type registrar struct {
	// administrator is the client_id of one who holds dcr_admin.
	administrator string
	// initial is the initial access token that the caller has, and initialHash its hash; nil and empty for others.
	initial     *registrationv1.FindInitialAccessTokenResponse
	initialHash string
}

// who tells callers apart whose keys do not meet.
func (c *registrar) who(source string) string {
	switch {
	case c.administrator != "":
		return "client " + c.administrator
	case c.initial != nil:
		// Whoever else has the token may choose the same key, and must not be told the secret.
		return "token " + c.initial.GetId() + " address " + source
	}
	return "address " + source
}

// initialToken returns who registers by an initial access token; nil if the request carries none. Management knows what it is
// worth: no gateway holds such tokens.
func (h *Handler) initialToken(r *http.Request, d *domain.Domain) (*registrar, error) {
	token, err := endpoint.BearerToken(r)
	if err != nil || !strings.HasPrefix(token, initialPrefix) || strings.EqualFold(scheme(r), "dpop") {
		return nil, nil // whoever reads other tokens says what is wrong
	}
	c := &registrar{initialHash: secret.HashToken(token)}
	about := "initial access token " + c.initialHash
	switch allowed, err := h.Clients.MayAsk(d.ID, about); {
	case err != nil:
		return nil, err
	case !allowed:
		return nil, errInvalid
	}
	c.initial, err = h.Management.FindInitialAccessToken(r.Context(), d.ID, c.initialHash)
	switch {
	case fault.Is(err, fault.Unauthenticated), fault.Is(err, fault.Invalid):
		h.Clients.Refused(d.ID, about)
		return nil, errInvalid.WithCause(err)
	case err != nil:
		return nil, translate(err)
	}
	h.Clients.Found(d.ID, about)
	return c, nil
}

func scheme(r *http.Request) string {
	s, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return s
}

// limitScopes keeps the scopes that the initial access token allows, where it limits them: at the registration, and whenever the
// client changes itself later. What a copy has of its template is limited by management, which knows it, unless the token is for that
// template alone; and what a client has it keeps.
func limitScopes(r *request) error {
	if r.limit == nil || r.administrator || r.template && !r.given.Has(scopeMember) {
		return nil
	}
	r.oauth.StandardScopes = r.oauth.GetStandardScopes() && r.stored.GetStandardScopes()
	had := r.stored.GetScopeSettings()
	r.oauth.ScopeSettings = slices.DeleteFunc(r.oauth.ScopeSettings, func(s *configv1.ScopeSetting) bool {
		return !slices.Contains(r.limit.GetValues(), s.GetScope()) &&
			!slices.ContainsFunc(had, func(h *configv1.ScopeSetting) bool { return h.GetScope() == s.GetScope() })
	})
	return nil
}

// limitOf are the scopes that a token allows; nil for any.
func limitOf(token *registrationv1.FindInitialAccessTokenResponse) *configv1.Strings {
	if !token.GetScopesLimited() {
		return nil
	}
	return &configv1.Strings{Values: token.GetScopes()}
}
