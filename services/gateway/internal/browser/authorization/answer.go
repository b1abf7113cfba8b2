package authorization

import (
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// Answer is what goes back to the client by way of the browser.
type Answer struct {
	RedirectURI string
	Mode        oauth2.ResponseMode
	Params      []Param
}

// Param is one parameter of an answer; their order is kept.
type Param struct{ Name, Value string }

// Success answers with a code (RFC 6749 §4.1.2). The issuer comes last (RFC 9207 §2).
func (r *Request) Success(issuer, code string) Answer {
	return r.answer(issuer, Param{"code", code})
}

// Failure answers with an error (RFC 6749 §4.1.2.1), in the same response mode as success.
func (r *Request) Failure(issuer string, e *oauth2.Error) Answer {
	params := []Param{{"error", string(e.Code)}}
	if e.Description != "" {
		params = append(params, Param{"error_description", oauth2.Describe(e.Description)})
	}
	return r.answer(issuer, params...)
}

func (r *Request) answer(issuer string, params ...Param) Answer {
	if r.State != "" {
		params = append(params, Param{"state", r.State})
	}
	return Answer{RedirectURI: r.RedirectURI, Mode: r.Mode, Params: append(params, Param{"iss", issuer})}
}

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
