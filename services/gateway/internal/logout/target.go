package logout

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Questions that a person is asked before they are signed out and sent to a target.
const (
	// unproven: the target is the client's, and nothing proves that the client asks.
	unproven = "unproven"
	// unregistered: nobody has registered any target.
	unregistered = "unregistered"
)

// judge decides about a target: an error, a question, or neither. The client's list counts if it is not empty, else the
// domain's. A hint is valid here; it proves something only about the person it names. Strict profiles send nobody to what is
// not registered, and ask before they send somebody to what the domain registered as well.
func judge(d *domain.Domain, c *domain.Client, visit *browser.Visit, hint *idToken, target string) (question string, err error) {
	u, parseErr := url.Parse(target)
	if hasUser(target, u) {
		return "", oauth2.RedirectURIMismatch.Errorf("The post_logout_redirect_uri [ %s ] MUST NOT contain userInfo part", target)
	}
	mismatch := oauth2.InvalidRequest.Errorf("The post_logout_redirect_uri MUST match the registered callback URLs")
	registered, own := d.Settings.GetOidc().GetPostLogoutRedirectUris(), false
	if c != nil && len(c.PostLogoutRedirectURIs) > 0 {
		registered, own = c.PostLogoutRedirectURIs, true
	}
	proven := hint != nil && (visit.Session == nil || hint.token.Names(&visit.Session.Person))
	switch {
	case parseErr != nil || !plain(target) || scripts(u.Scheme):
		return "", mismatch
	case len(registered) == 0 && ((u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == ""):
		return "", mismatch
	case len(registered) == 0 && strict(d, c):
		return "", mismatch
	case len(registered) == 0:
		return unregistered, nil
	case !slices.Contains(registered, target):
		return "", mismatch
	case (own || strict(d, c)) && !proven:
		return unproven, nil
	}
	return "", nil
}

// strict reports whether nobody is sent on without proof that they, or their client, want it, and then to a registered URI
// only (RP-Initiated Logout §3).
func strict(d *domain.Domain, c *domain.Client) bool {
	if c != nil {
		return c.Profile.KeepsLogoutQuestion
	}
	return d.Profile.KeepsLogoutQuestion
}

// hasUser reports whether a URL has a user-info part, also where it does not parse.
func hasUser(target string, u *url.URL) bool {
	if u != nil && u.Host != "" {
		return u.User != nil
	}
	_, rest, _ := strings.Cut(target, "://")
	authority, _, _ := strings.Cut(strings.NewReplacer("?", "/", "#", "/", `\`, "/").Replace(rest), "/")
	return strings.Contains(authority, "@")
}

// plain refuses characters that programs read differently.
func plain(target string) bool {
	return len(target) <= 8<<10 && !strings.ContainsFunc(target, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>'
	})
}

func scripts(scheme string) bool {
	return scheme == "" || slices.Contains([]string{"javascript", "data", "vbscript", "file", "blob"}, scheme)
}

// asks reports whether the domain wants its questions asked. Strict profiles leave it no choice.
func asks(d *domain.Domain, c *domain.Client) bool {
	oidc := d.Settings.GetOidc()
	return strict(d, c) || oidc == nil || oidc.LogoutConfirmation == nil || oidc.GetLogoutConfirmation()
}

// withState adds the state to the target's query.
func withState(target, state string) string {
	u, fragment, hasFragment := strings.Cut(target, "#")
	base, query, _ := strings.Cut(u, "?")
	u = base + "?" + browser.With(query, "state", state)
	if hasFragment {
		u += "#" + fragment
	}
	return u
}

// host is where a target leads, for people: the host with its port, or the scheme of an application's own.
func host(target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return ""
	case u.Host != "":
		return u.Host
	}
	return u.Scheme
}
