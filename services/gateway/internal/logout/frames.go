package logout

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// frames are the pages of the clients that are to be told by the browser, each with the issuer and the name of the session
// where the client wants them (OpenID Connect Front-Channel Logout 1.0 §2).
func frames(d *domain.Domain, left []browser.Left) []string {
	var list []string
	for _, one := range left {
		o := one.Client.Application.GetSettings().GetOauth()
		u, err := url.Parse(o.GetFrontchannelLogoutUri())
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || !plainHost(u.Host) || u.User != nil {
			continue
		}
		if o.GetFrontchannelLogoutSessionRequired() {
			u.RawQuery = browser.With(u.RawQuery, "iss", d.Issuer, "sid", one.SessionID)
		}
		u.Fragment = ""
		list = append(list, u.String())
	}
	slices.SortFunc(list, strings.Compare)
	return list
}

// plainHost refuses hosts with characters that mean something where the page's policy names them.
func plainHost(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-.:[]_", c)
	})
}
