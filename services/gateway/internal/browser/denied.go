package browser

import (
	"net/url"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// PortalPage is where people find their applications.
const PortalPage = "/portal"

// PortalURL is where people of a domain find their applications; empty where the domain has switched that off.
func PortalURL(d *domain.Domain) string {
	if !d.ShowsPortal() {
		return ""
	}
	return URL(d, PortalPage, "")
}

// AccountParam tells the sign-in pages, as `other`, that somebody wants to sign in as somebody else: sites where they are signed in
// already let them choose.
const AccountParam = "account"

// OtherAccount is where somebody who is signed in signs in as somebody else, for what a query says.
func OtherAccount(d *domain.Domain, c *domain.Client, query string) string {
	return URL(d, signInPage(c), With(Without(query, AccountParam, "login_hint"), AccountParam, "other"))
}

func signInPage(c *domain.Client) string {
	if c.IdentifierFirst {
		return "/login/identifier"
	}
	return "/login"
}

// StepUpPage is where somebody signs in once more by one of some providers: the page of the only one, where that is another site, or
// the sign-in page.
func StepUpPage(curing []domain.ClientProvider) string {
	if len(curing) == 1 && curing[0].External {
		return "/login/provider/" + url.PathEscape(curing[0].ID)
	}
	return "/login"
}
