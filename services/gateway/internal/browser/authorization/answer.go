package authorization

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Answer is what goes back to the client by way of the browser.
type Answer struct {
	RedirectURI string
	Mode        oauth2.ResponseMode
	Params      []Param

	client *domain.Client
	issuer string
}

// Param is one parameter of an answer; their order is kept.
type Param struct{ Name, Value string }

// Granted is what a positive answer carries. What is empty is left out.
type Granted struct {
	Code string
	// Tokens are those of implicit and hybrid answers. Refresh tokens never come from the authorization endpoint.
	Tokens tokens.Response
	// SessionState is the parameter session_state (OpenID Connect Session Management 1.0 §3.1).
	SessionState string
}

// Success answers with what was granted (RFC 6749 §4.1.2, §4.2.2; OpenID Connect Core §3.2.2.5, §3.3.2.5). The issuer comes
// last (RFC 9207 §2).
func (r *Request) Success(issuer string, g Granted) Answer {
	params := make([]Param, 0, 9)
	add := func(name, value string) {
		if value != "" {
			params = append(params, Param{name, value})
		}
	}
	add("code", g.Code)
	if t := g.Tokens; t.AccessToken != "" {
		add("access_token", t.AccessToken)
		add("token_type", oauth2.TokenTypeBearer)
		add("expires_in", strconv.FormatInt(int64(t.ExpiresIn/time.Second), 10))
		add("scope", oauth2.JoinScope(t.Scopes))
	}
	add("id_token", g.Tokens.IDToken)
	return r.answer(issuer, g.SessionState, params)
}

// Failure answers with an error (RFC 6749 §4.1.2.1), in the same response mode as success. The session state may be empty.
func (r *Request) Failure(issuer, sessionState string, e *oauth2.Error) Answer {
	params := []Param{{"error", string(e.Code)}}
	if e.Description != "" {
		params = append(params, Param{"error_description", oauth2.Describe(e.Description)})
	}
	return r.answer(issuer, sessionState, params)
}

func (r *Request) answer(issuer, sessionState string, params []Param) Answer {
	if r.State != "" {
		params = append(params, Param{"state", r.State})
	}
	if sessionState != "" {
		params = append(params, Param{"session_state", sessionState})
	}
	return Answer{
		RedirectURI: r.RedirectURI, Mode: r.Mode, Params: append(params, Param{"iss", issuer}), client: r.Client, issuer: issuer,
	}
}

// Client is whom the answer is for.
func (a Answer) Client() *domain.Client { return a.client }

// Location is the redirect URI with the parameters in its query or fragment. What the query held before stays
// (RFC 6749 §3.1.2).
func (a Answer) Location() string {
	var b strings.Builder
	b.WriteString(a.RedirectURI)
	switch {
	case a.Mode == oauth2.ModeFragment:
		b.WriteByte('#')
	case !strings.Contains(a.RedirectURI, "?"):
		b.WriteByte('?')
	case !strings.HasSuffix(a.RedirectURI, "?") && !strings.HasSuffix(a.RedirectURI, "&"):
		b.WriteByte('&')
	}
	for i, p := range a.Params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.Name)
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.Value))
	}
	return b.String()
}
