package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// forms is the directive form-action of a page with forms of our own, to append to its policy. They are sent to the domain, which
// sends people on to other sites by a page between (Onward), and to apps directly: to those of the given redirect URIs that
// have schemes of their own. It is empty for requests that do not say what they are for: such a browser, or a page that came
// over plain http, would not tell either that the next request began at our page, and would be held up.
func forms(r *http.Request, d *domain.Domain, targets ...string) string {
	if len(r.Header["Sec-Fetch-Mode"]) == 0 {
		return ""
	}
	policy := "; form-action 'self'"
	if d == nil {
		return policy
	}
	if base, err := url.Parse(d.Base); err == nil && base.Host != "" && !strings.EqualFold(base.Host, r.Host) {
		policy += " " + formAction(d.Base)
	}
	var schemes []string
	for _, target := range targets {
		scheme, _, ok := strings.Cut(target, ":")
		scheme = strings.ToLower(scheme)
		if ok && scheme != "http" && scheme != "https" && isScheme(scheme) && !slices.Contains(schemes, scheme) {
			schemes = append(schemes, scheme)
			policy += " " + scheme + ":"
		}
	}
	return policy
}

// actionOf returns the directive form-action of a policy as it is appended to another.
func actionOf(policy string) string {
	_, rest, ok := strings.Cut(policy, "; form-action ")
	if !ok {
		return ""
	}
	sources, _, _ := strings.Cut(rest, ";")
	return "; form-action " + sources
}

// noForms is the directive of pages without forms.
const noForms = "; form-action 'none'"

// formsOf is like forms, for a page on which an application waits.
func formsOf(r *http.Request, d *domain.Domain, c *domain.Client) string {
	if c == nil {
		return forms(r, d)
	}
	return forms(r, d, c.Application.GetSettings().GetOauth().GetRedirectUris()...)
}

// isScheme reports whether a text has only the characters of a scheme, in lower case (RFC 3986 §3.1).
func isScheme(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

// answerAction is the directive form-action of the page that posts an answer to a redirect URI (OAuth 2.0 Form Post Response
// Mode). The client may send the person on to another origin from there, and browsers hold those redirects to this directive as well:
// so it names the target's origin, and for one on the web every site that is reached as safely. The page holds nothing but
// that form, and is there for a moment.
func answerAction(target string) string {
	source := formAction(target)
	switch scheme, _, _ := strings.Cut(source, ":"); {
	case scheme == "http":
		return "http: https:" // a client on this machine
	case scheme == "https":
		return "https:"
	}
	return source
}

// formAction is the source of form-action that covers a target (Content Security Policy Level 3 §2.3.1): its scheme, host and
// port. It is the scheme alone for private-use schemes, of which browsers know no hosts, and where a source cannot name the host:
// for IPv6 addresses and names that are not plain ASCII. A host is never copied before its characters are known, so that none ends the directive.
func formAction(target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil || u.Scheme == "":
		return "'none'"
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(strings.ToLower(u.Host), "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "":
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}
