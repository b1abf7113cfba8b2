package authflow

import (
	"slices"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// whitelisted reports whether somebody belongs to one of the domains of a provider's list, in any case; everybody does where it is
// empty.
func whitelisted(c *configv1.IdentityProvider, a *idp.Assertion) bool {
	list := c.GetDomainWhitelist()
	return len(list) == 0 || slices.ContainsFunc(believed(c, a), func(name string) bool {
		at := strings.LastIndexByte(name, '@')
		return at >= 0 && slices.ContainsFunc(list, func(domain string) bool { return strings.EqualFold(domain, name[at+1:]) })
	})
}

// believed are the names of somebody that they cannot have chosen themselves.
func believed(c *configv1.IdentityProvider, a *idp.Assertion) []string {
	id := a.Identity
	told, there := a.Profile["email_verified"]
	if there && told != true && told != "true" {
		return nil
	}
	email, username := there, false
	switch {
	case oneTenant(c.GetAzureAd()):
		email, username = true, true
	case c.GetOauth2() != nil:
		o := c.GetOauth2()
		openID := o.GetUseIdTokenForUserInfo() || slices.Contains(o.GetScopes(), "openid")
		email, username = true, !there && !openID
	}
	var names []string
	if email {
		names = append(names, id.GetEmail())
	}
	if username {
		names = append(names, id.GetUsername())
	}
	return names
}

// oneTenant reports whether only the people of one directory sign in, whose names its administrators give.
func oneTenant(c *configv1.AzureADProvider) bool {
	switch strings.ToLower(c.GetTenantId()) {
	case "", "common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad": // the last are personal accounts
		return false
	}
	return true
}
