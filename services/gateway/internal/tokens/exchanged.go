package tokens

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// exchanged puts the one token of an exchange where RFC 8693 §2.2.1 has it, whatever kind it is.
func (r Response) exchanged(t oauth2.TokenType) Response {
	r.Issued = t
	switch t {
	case oauth2.TypeIDToken:
		r.AccessToken, r.IDToken, r.Scopes = r.IDToken, "", nil
	case oauth2.TypeRefreshToken:
		r.AccessToken, r.RefreshToken = r.RefreshToken, ""
	}
	return r
}

// tokenType is how the token of an answer is used.
func (r *Response) tokenType() string {
	switch {
	case r.Issued == oauth2.TypeIDToken, r.Issued == oauth2.TypeRefreshToken:
		return oauth2.TokenNotApplicable
	case r.DPoP:
		return oauth2.TokenTypeDPoP
	}
	return oauth2.TokenTypeBearer
}

// limited are the scopes that an access token for resources may have: those that one of them takes. A resource that names none
// takes all (RFC 8707 §2.2).
func limited(d *domain.Domain, resources, scopes []string) []string {
	var taken []string
	for _, uri := range resources {
		of := d.Resources[uri].GetScopes()
		if len(of) == 0 {
			return scopes
		}
		taken = append(taken, of...)
	}
	if len(taken) == 0 {
		return scopes
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(taken, s) })
}
