package browser

import (
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// StateCookie is the cookie that the page check_session reads (OpenID Connect Session Management 1.0 §3.2). A script can read
// it, so it holds a value that follows from the session and signs nobody in.
const StateCookie = "GATEHOUSE_SESSION_STATE"

// SessionState returns the parameter session_state of an answer to a client (OpenID Connect Session Management 1.0 §3.1): a
// hash over the client, the origin of its redirect URI, the session and a salt, and the salt after a dot. It is empty where
// nobody is signed in, where the domain has session management switched off, and for redirect URIs that no page has as its
// origin.
func SessionState(d *domain.Domain, clientID, redirectURI string, s *state.Session) string {
	if s == nil || !d.WatchesSessions {
		return ""
	}
	origin := originOf(redirectURI)
	if origin == "" {
		return ""
	}
	salt := secret.NewID()
	return hashState(clientID, origin, browserState(d, s), salt) + "." + salt
}

// hashState is what the script of the page check_session computes as well.
func hashState(clientID, origin, browserState, salt string) string {
	sum := sha256.Sum256([]byte(clientID + " " + origin + " " + browserState + " " + salt))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// browserState is the value of StateCookie: it stays as long as the same person is signed in.
func browserState(d *domain.Domain, s *state.Session) string { return seal(d, "browser state", s.ID) }

// originOf is the origin of a web page as browsers write it (RFC 6454 §6.2); empty if a URI is none of a web page.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return ""
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	switch {
	case scheme != "https" && scheme != "http":
		return ""
	case port != "" && !(scheme == "https" && port == "443") && !(scheme == "http" && port == "80"):
		return scheme + "://" + net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		return scheme + "://[" + host + "]"
	}
	return scheme + "://" + host
}

// stateHeader is the Set-Cookie field by which the browser learns the state of its session; "" if there is nothing to tell.
// The state is forgotten only once somebody has looked for the session and found none.
func (v *Visit) stateHeader() string {
	switch {
	case !v.d.WatchesSessions:
		return ""
	case v.Session != nil:
		return v.readable(StateCookie, browserState(v.d, v.Session), "")
	case v.looked && v.watched:
		return v.readable(StateCookie, "", "; Max-Age=0")
	}
	return ""
}

// readable is header for a cookie that scripts may read.
func (v *Visit) readable(name, value, more string) string {
	return strings.Replace(v.header(name, value, more), "; HttpOnly", "", 1)
}

func watched(r *http.Request) bool {
	_, err := r.Cookie(StateCookie)
	return err == nil
}
