package catalog

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

const (
	redirectPath   = oauthPath + "redirectUris"
	postLogoutPath = oauthPath + "postLogoutRedirectUris"
)

func checkImplicit(_ *Scene, a *configv1.Application) error {
	oauth := a.GetSettings().GetOauth()
	if slices.Contains(oauth.GetGrantTypes(), "implicit") && len(oauth.GetRedirectUris()) == 0 {
		return fault.Invalidf("Missing or invalid redirect_uris.").At(redirectPath, "is missing")
	}
	return nil
}

func checkRedirectURIs(s *Scene, a *configv1.Application) error {
	settings := s.Domain.GetOidc().GetClientRegistrationSettings()
	for i, uri := range a.GetSettings().GetOauth().GetRedirectUris() {
		if text := uriFault(uri, settings); text != "" {
			if text == malformed {
				text = "redirect_uri : " + uri + malformed
			}
			return fault.Invalidf("%s", text).At(index(redirectPath, i), text)
		}
	}
	return nil
}

// checkHasRedirectURI exempts a change that touches nothing but the type.
func checkHasRedirectURI(s *Scene, a *configv1.Application) error {
	if s.TypeChange || a.GetType() == configv1.Application_SERVICE || len(a.GetSettings().GetOauth().GetRedirectUris()) > 0 {
		return nil
	}
	const text = "At least one redirect_uri is required"
	return fault.Invalidf(text).At(redirectPath, text)
}

func checkPostLogout(s *Scene, a *configv1.Application) error {
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

// malformed is the fault whose text names the URI.
const malformed = " is malformed"

// uriFault returns the first documented rule that a URI breaks, or nothing. What a domain may allow is in its settings.
func uriFault(uri string, settings *configv1.ClientRegistrationSettings) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || unsafeScheme(u.Scheme) {
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
		return "redirect_uri with fragment is forbidden"
	}
	return ""
}

// unsafeScheme reports schemes that a browser executes or opens in place of going to an application.
func unsafeScheme(scheme string) bool {
	switch strings.ToLower(scheme) {
	case "javascript", "data", "vbscript", "file", "blob", "about":
		return true
	}
	return false
}
