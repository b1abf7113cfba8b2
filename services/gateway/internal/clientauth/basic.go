package clientauth

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// basicMethod is client_secret_basic.
var basicMethod = method{
	name:      oauth2.AuthBasic,
	presented: usesBasic,
	read: func(r *http.Request, _ oauth2.Params) (tried, other attempt, err error) {
		_, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		return basic(credentials)
	},
	prove: proveSecret,
}

func usesBasic(r *http.Request, _ oauth2.Params) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "basic")
}

// basic reads the credentials of client_secret_basic (RFC 6749 §2.3.1, RFC 7617). They are percent-decoded, and a plus
// stays a plus; only where that reading fails is it a space.
func basic(credentials string) (tried, other attempt, err error) {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(credentials))
	if err != nil {
		return tried, other, errFailed
	}
	id, secret, ok := strings.Cut(string(decoded), ":")
	if !ok || id == "" {
		return tried, other, errFailed
	}
	tried = attempt{method: oauth2.AuthBasic, clientID: percentDecode(id), secret: percentDecode(secret)}
	spaced := func(s string) string { return percentDecode(strings.ReplaceAll(s, "+", " ")) }
	if strings.Contains(secret, "+") {
		tried.otherwise = spaced(secret)
	}
	if strings.Contains(id, "+") {
		other = attempt{method: oauth2.AuthBasic, clientID: spaced(id), secret: spaced(secret)}
	}
	return tried, other, nil
}

// percentDecode reverses the form encoding of Basic credentials, leaving a plus as it is. A value that is not encoded is
// itself.
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	decoded, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return decoded
}
