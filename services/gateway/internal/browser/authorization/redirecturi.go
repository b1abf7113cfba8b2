package authorization

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Matching says how far a redirect URI may differ from a registered one. The zero value is equality (RFC 9700 §2.1).
type Matching struct {
	// Prefix lets the path begin with the registered path; query strings are ignored.
	Prefix bool
	// Patterns makes a registered URI with `*` a pattern for host and path.
	Patterns bool
	// LoopbackPort lets the port of a loopback IP literal differ (RFC 8252 §7.3).
	LoopbackPort bool
}

// MatchingOf returns the rules for a client of a domain.
func MatchingOf(d *domain.Domain, c *domain.Client) Matching {
	if c.Profile.ExactRedirect {
		return Matching{LoopbackPort: native(c)}
	}
	oidc := d.Settings.GetOidc()
	return Matching{
		Prefix:       oidc != nil && oidc.RedirectUriStrictMatching != nil && !oidc.GetRedirectUriStrictMatching(),
		Patterns:     d.Registration.GetAllowWildCardRedirectUri(),
		LoopbackPort: native(c),
	}
}

// native reports whether a client runs on the person's own device (RFC 8252).
func native(c *domain.Client) bool {
	return c.Type == configv1.Application_NATIVE || c.Application.GetSettings().GetOauth().GetApplicationType() == "native"
}

// MayAnswerTo reports whether an answer may travel to a redirect URI of a client as far as its scheme is concerned: over
// https everywhere; over http to native clients on the same machine (RFC 8252 §7.3, §8.3), where the domain allows the scheme,
// and in development, where the gateway itself is reached by http; and to private-use schemes, which profiles beyond `none`
// leave to native clients (RFC 8252 §7.1).
func MayAnswerTo(d *domain.Domain, c *domain.Client, uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	switch strings.ToLower(scheme) {
	case "https":
		return true
	case "http":
	default:
		return !c.Profile.ExactRedirect || native(c)
	}
	if !d.SecureCookies || !c.Profile.ExactRedirect && d.Registration.GetAllowHttpSchemeRedirectUri() {
		return true
	}
	u, err := url.Parse(uri)
	return err == nil && native(c) && (isLoopback(u.Hostname()) || u.Hostname() == "localhost")
}

// mayBringRedirect reports whether a pushed request may name a redirect URI that is not registered: the domain says so, and the client
// proved who it is (RFC 9126 §2.4).
func (r Resolved) mayBringRedirect(d *domain.Domain, c *domain.Client, uri string) bool {
	if !r.Pushed || c.Public() || !d.Settings.GetOidc().GetAllowUnregisteredPushedRedirectUris() {
		return false
	}
	u, ok := parseRedirect(uri)
	return ok && (u.Scheme == "https" || u.Scheme == "http")
}

// maxURI is the longest redirect URI in bytes.
const maxURI = 8 << 10

// Match reports whether uri is one of the registered URIs. A URI with user information, a fragment, a script's scheme or
// characters that programs read differently never is.
func (m Matching) Match(uri string, registered []string) bool {
	u, ok := parseRedirect(uri)
	return ok && slices.ContainsFunc(registered, func(want string) bool {
		return uri == want || m.loosely(u, want)
	})
}

// loosely is everything but equality.
func (m Matching) loosely(u *url.URL, registered string) bool {
	pattern := m.Patterns && strings.Contains(registered, "*")
	if !pattern && !m.Prefix && !m.LoopbackPort {
		return false
	}
	want, err := url.Parse(registered)
	if err != nil || u.Scheme != want.Scheme || (u.Scheme != "http" && u.Scheme != "https") || want.User != nil {
		return false
	}
	loopback := m.LoopbackPort && u.Scheme == "http" && isLoopback(want.Hostname()) && u.Hostname() == want.Hostname()
	if !loopback && port(u) != port(want) {
		return false
	}
	sameQuery := u.RawQuery == want.RawQuery && u.ForceQuery == want.ForceQuery
	switch {
	case pattern:
		return (m.Prefix || sameQuery) && plainPath(u) && matchHost(want.Hostname(), u.Hostname()) && matchPath(path(want), path(u))
	case !strings.EqualFold(u.Hostname(), want.Hostname()):
		return false
	case m.Prefix:
		return plainPath(u) && strings.HasPrefix(path(u), path(want))
	}
	return loopback && sameQuery && u.EscapedPath() == want.EscapedPath()
}

// parseRedirect reads a URI to which a browser may be sent.
func parseRedirect(uri string) (*url.URL, bool) {
	if uri == "" || len(uri) > maxURI {
		return nil, false
	}
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' || c == '"' || c == '<' || c == '>' {
			return nil, false
		}
	}
	u, err := url.Parse(uri)
	if err != nil || u.User != nil {
		return nil, false
	}
	switch u.Scheme {
	case "", "javascript", "data", "vbscript", "file", "blob", "about", "view-source":
		return nil, false
	case "http", "https":
		return u, u.Host != "" && u.Hostname() != ""
	}
	return u, true
}

// plainPath refuses paths that mean another place once somebody resolves them.
func plainPath(u *url.URL) bool {
	escaped := strings.ToLower(u.EscapedPath())
	if strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") {
		return false
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func path(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// matchHost compares label by label; a `*` stands for part of one label, never for a dot.
func matchHost(pattern, host string) bool {
	want, got := strings.Split(strings.ToLower(pattern), "."), strings.Split(strings.ToLower(host), ".")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if got[i] == "" || !wild(split(want[i]), split(got[i]), "*", equal) {
			return false
		}
	}
	return true
}

// matchPath compares segment by segment: `*` stands for part of one segment, `**` for any number of segments.
func matchPath(pattern, path string) bool {
	return wild(strings.Split(pattern, "/"), strings.Split(path, "/"), "**", func(want, got string) bool {
		return wild(split(want), split(got), "*", equal)
	})
}

func split(s string) []string { return strings.Split(s, "") }

func equal(a, b string) bool { return a == b }

// wild matches a text against a pattern in which star stands for any number of elements. It takes at most as many steps
// as the product of both lengths.
func wild(pattern, text []string, star string, same func(want, got string) bool) bool {
	p, t, mark, retry := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == star:
			mark, retry = p, t
			p++
		case p < len(pattern) && same(pattern[p], text[t]):
			p++
			t++
		case mark >= 0:
			retry++
			p, t = mark+1, retry
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == star {
		p++
	}
	return p == len(pattern)
}
