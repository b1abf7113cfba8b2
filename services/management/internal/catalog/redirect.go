package catalog

import (
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

const (
	redirectPath   = oauthPath + "redirectUris"
	postLogoutPath = oauthPath + "postLogoutRedirectUris"
	requestPath    = oauthPath + "requestUris"
)

func checkImplicit(_ *Scene, _, a *configv1.Application) error {
	oauth := a.GetSettings().GetOauth()
	if slices.Contains(oauth.GetGrantTypes(), "implicit") && len(oauth.GetRedirectUris()) == 0 {
		return fault.Invalidf("Missing or invalid redirect_uris.").At(redirectPath, "is missing")
	}
	return nil
}

func checkRedirectURIs(s *Scene, _, a *configv1.Application) error {
	settings := s.Domain.GetOidc().GetClientRegistrationSettings()
	for i, uri := range a.GetSettings().GetOauth().GetRedirectUris() {
		literal := uri
		if settings.GetAllowRedirectUriParamsExpressionLanguage() {
			literal = withoutExpressions(uri)
		}
		if text := uriFault(literal, settings); text != "" {
			if text == malformed {
				text = "redirect_uri : " + uri + malformed
			}
			return fault.Invalidf("%s", text).At(index(redirectPath, i), text)
		}
	}
	return nil
}

const oneRedirect = "Only one redirect URI with the same hostname and path is allowed."

// checkDistinctRedirects keeps redirect URIs apart by host and path where their queries are made for each request.
func checkDistinctRedirects(s *Scene, _, a *configv1.Application) error {
	if !s.Domain.GetOidc().GetClientRegistrationSettings().GetAllowRedirectUriParamsExpressionLanguage() {
		return nil
	}
	if i := sharedRedirect(a); i >= 0 {
		return fault.Invalidf(oneRedirect).At(index(redirectPath, i), "has the host and path of another one")
	}
	return nil
}

// sharedRedirect returns the place of the first redirect URI that has the host and path of an earlier one, or -1.
func sharedRedirect(a *configv1.Application) int {
	seen := map[string]bool{}
	for i, uri := range a.GetSettings().GetOauth().GetRedirectUris() {
		u, err := url.Parse(withoutExpressions(uri))
		if err != nil {
			continue
		}
		place := strings.ToLower(u.Hostname()) + u.EscapedPath()
		if seen[place] {
			return i
		}
		seen[place] = true
	}
	return -1
}

// withoutExpressions puts a letter in the place of every {#…} in the query, so that the rest can be read as a URI.
func withoutExpressions(uri string) string {
	before, query, found := strings.Cut(uri, "?")
	if !found || strings.Contains(before, "#") {
		return uri
	}
	return before + "?" + rules.Literal(query, "x")
}

// checkRedirectExpressions compiles the query values of redirect URIs as a gateway will.
func checkRedirectExpressions(s *Scene, uris []string) error {
	if !s.Domain.GetOidc().GetClientRegistrationSettings().GetAllowRedirectUriParamsExpressionLanguage() {
		return nil
	}
	for i, uri := range uris {
		if _, query, found := strings.Cut(uri, "?"); found {
			if _, err := rules.CompileTemplate(rules.RedirectParam, query); err != nil {
				return badExpression(index(redirectPath, i), err)
			}
		}
	}
	return nil
}

// checkHasRedirectURI exempts a change that touches nothing but the type.
func checkHasRedirectURI(s *Scene, _, a *configv1.Application) error {
	if s.TypeChange || a.GetType() == configv1.Application_SERVICE || len(a.GetSettings().GetOauth().GetRedirectUris()) > 0 {
		return nil
	}
	const text = "At least one redirect_uri is required"
	return fault.Invalidf(text).At(redirectPath, text)
}

func checkPostLogout(s *Scene, _, a *configv1.Application) error {
	return checkPostLogoutURIs(postLogoutPath, a.GetSettings().GetOauth().GetPostLogoutRedirectUris(),
		s.Domain.GetOidc().GetClientRegistrationSettings())
}

func checkPostLogoutURIs(path string, uris []string, settings *configv1.ClientRegistrationSettings) error {
	for i, uri := range uris {
		if text := uriFault(uri, settings); text != "" {
			if text == malformed {
				text = uri + malformed
			}
			text = "post_logout_redirect_uri : " + text
			return fault.Invalidf("%s", text).At(index(path, i), text)
		}
	}
	return nil
}

// checkRequestURIs holds request_uris to the rules of redirect URIs, except that they may have a fragment: it tells a
// client's versions apart (OpenID Connect Core §6.2).
func checkRequestURIs(s *Scene, _, a *configv1.Application) error {
	return checkRequestURIList(requestPath, a.GetSettings().GetOauth().GetRequestUris(),
		s.Domain.GetOidc().GetClientRegistrationSettings())
}

func checkRequestURIList(path string, uris []string, settings *configv1.ClientRegistrationSettings) error {
	for i, uri := range uris {
		text := uriFault(uri, settings)
		switch text {
		case "", fragmented:
			continue
		case malformed:
			text = uri + malformed
		}
		text = "request_uri : " + text
		return fault.Invalidf("%s", text).At(index(path, i), text)
	}
	return nil
}

// malformed is the fault whose text names the URI.
const malformed = " is malformed"

// fragmented is the fault that comes after all others.
const fragmented = "redirect_uri with fragment is forbidden"

// uriFault returns the first documented rule that a URI breaks, or nothing. What a domain may allow is in its settings.
func uriFault(uri string, settings *configv1.ClientRegistrationSettings) string {
	u, err := url.Parse(uri)
	if err != nil || strings.ContainsFunc(uri, isBlankOrControl) || u.Scheme == "" || unsafeScheme(u.Scheme) {
		return malformed
	}
	web := u.Scheme == "http" || u.Scheme == "https"
	if web && u.Hostname() == "" {
		return malformed
	}
	host := strings.ToLower(u.Hostname())
	if web && (host == "localhost" || host == "127.0.0.1") && !settings.GetAllowLocalhostRedirectUri() {
		return "localhost is forbidden"
	}
	if u.Scheme == "http" && !settings.GetAllowHttpSchemeRedirectUri() {
		return "Unsecured http scheme is forbidden"
	}
	if (strings.Contains(u.Host, "*") || strings.Contains(u.Path, "*")) && !settings.GetAllowWildCardRedirectUri() {
		return "Wildcard are forbidden"
	}
	if strings.Contains(uri, "#") {
		return fragmented
	}
	return ""
}

// isBlankOrControl reports what no URI contains (RFC 3986 §2), and what is easily overlooked.
func isBlankOrControl(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// unsafeScheme reports schemes that a browser executes or opens in place of going to an application.
func unsafeScheme(scheme string) bool {
	switch strings.ToLower(scheme) {
	case "javascript", "data", "vbscript", "file", "blob", "about":
		return true
	}
	return false
}
