package endpoint

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// BearerToken returns the token of an Authorization header with scheme Bearer or DPoP, "" if there is no such header. Another
// scheme is invalid_token; a header without a space is invalid_request. Whether the scheme is right for the token, and its
// sender the holder of its key, says possession.Verifier, which every protected endpoint asks.
func BearerToken(r *http.Request) (string, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", nil
	}
	scheme, token, ok := strings.Cut(header, " ")
	switch {
	case !ok:
		return "", oauth2.InvalidRequest.Errorf("The Authorization header has no credentials")
	case !strings.EqualFold(scheme, "bearer") && !strings.EqualFold(scheme, "dpop"):
		return "", oauth2.InvalidToken.Errorf("The access token must be sent with the scheme Bearer or DPoP")
	}
	return strings.TrimSpace(token), nil
}

// AccessToken returns the access token of a request to a protected endpoint: that of the header, else the parameter
// access_token of a form body or the query (RFC 6750 §2). No token is invalid_token, two are invalid_request. The answer
// to a token in a query is marked private (§2.3).
func AccessToken(w http.ResponseWriter, r *http.Request) (string, error) {
	header, err := BearerToken(r)
	if err != nil {
		return "", err
	}
	var p oauth2.Params
	switch {
	case r.Method == http.MethodPost && (header == "" || IsForm(r)):
		p, err = Params(w, r)
	case r.URL.RawQuery != "":
		p, err = oauth2.ParseParams(r.URL.RawQuery, "")
	}
	if err != nil {
		return "", err
	}
	parameter := p.Get("access_token")
	switch {
	case header != "" && parameter != "":
		return "", oauth2.InvalidRequest.Errorf("The access token was sent twice")
	case header != "":
		return header, nil
	case parameter == "":
		return "", oauth2.InvalidToken.Errorf("Missing access token")
	}
	r.Form = url.Values{"access_token": {""}} // ErrorChallenge asks whether a token was sent
	if p.InQuery("access_token") {
		w.Header()["Cache-Control"] = noStorePrivate
	}
	return parameter, nil
}

// Needs refuses a token without a scope, which the challenge names (RFC 6750 §3).
func Needs(scope string) error {
	return oauth2.InsufficientScope.Errorf("Invalid access token scopes. The access token should have at least '%s' scope", scope).
		WithCause(neededScope(scope))
}

// neededScope is the cause that carries the scope to the challenge.
type neededScope string

func (s neededScope) Error() string { return "the token does not have the scope " + string(s) }
