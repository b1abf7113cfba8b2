package launch

import (
	"net/url"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Target returns where an application is opened: its launch URL; where the application begins a sign-in itself, told which
// issuer asks (OpenID Connect Core §4); or the origin of its first redirect URI that a browser can open. It returns nil if there
// is none, and the application is then neither shown nor launched. An error is that of Parse, for a template that was stored
// before a rule existed.
func Target(app *configv1.Application, issuer string) (*Template, error) {
	if template := app.GetLaunchUrl(); template != "" {
		return Parse(template)
	}
	if app.GetType() == configv1.Application_BOOKMARK {
		return nil, nil
	}
	o := app.GetSettings().GetOauth()
	if u, ok := web(o.GetInitiateLoginUri()); ok {
		query := url.Values{"iss": {issuer}}.Encode()
		if u.RawQuery != "" {
			query = u.RawQuery + "&" + query
		}
		u.RawQuery = query
		return fixed(u.String()), nil
	}
	for _, uri := range o.GetRedirectUris() {
		if u, ok := web(uri); ok {
			return fixed((&url.URL{Scheme: u.Scheme, Host: u.Host}).String()), nil
		}
	}
	return nil, nil
}

// web returns a URI if a browser can open it. Patterns of redirect URIs are none.
func web(uri string) (*url.URL, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Contains(u.Host, "*") {
		return nil, false
	}
	return u, true
}
