package domain

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// SubjectPairwise is the subject_type of clients that know a person by a name of their own.
const SubjectPairwise = "pairwise"

// sectorOf returns whom the clients' names of people are for: clients of one sector know a person by the same name, others
// cannot compare (OpenID Connect Core §8.1). It is empty for clients that know people by their public names. The sector is
// the host of sector_identifier_uri, else that of all redirect URIs. Where these have no host, several, or one that is every
// device's own, a client is its own sector: to share one by accident is what pairwise names are against. So is a client that gets
// tokens about people without being called back, by a device or an exchange for instance; one that begins to do so later sees
// people under new names.
func sectorOf(o *configv1.OAuthSettings) string {
	if o.GetSubjectType() != SubjectPairwise {
		return ""
	}
	own := "client " + o.GetClientId() // no host has a space
	if slices.ContainsFunc(o.GetGrantTypes(), withoutRedirect) {
		return own // nothing proves that redirect URIs, or the document that lists them, are the client's
	}
	if uri := o.GetSectorIdentifierUri(); uri != "" {
		if host := hostOf(uri); host != "" {
			return host
		}
		return own
	}
	sector := ""
	for _, uri := range o.GetRedirectUris() {
		host := hostOf(uri)
		if host == "" || loopback(host) || sector != "" && sector != host {
			return own
		}
		sector = host
	}
	if sector == "" {
		return own
	}
	return sector
}

// withoutRedirect reports whether a grant type brings tokens about people to a client that never receives anything at its
// redirect URIs.
func withoutRedirect(grant string) bool {
	switch base, _, _ := strings.Cut(grant, "~"); oauth2.GrantType(base) {
	case oauth2.GrantAuthorizationCode, oauth2.GrantImplicit, oauth2.GrantRefreshToken, oauth2.GrantClientCredentials:
		return false
	}
	return true
}

func hostOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
