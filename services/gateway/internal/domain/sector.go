package domain

import (
	"net/netip"
	"net/url"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// SubjectPairwise is the subject_type of clients that know a person by a name of their own.
const SubjectPairwise = "pairwise"

// sectorOf returns whom the clients' names of people are for: clients of one sector know a person by the same name, others
// cannot compare (OpenID Connect Core §8.1). It is empty for clients that know people by their public names. The sector is
// the host of sector_identifier_uri, else that of all redirect URIs. Where these have no host, several, or one that is every
// device's own, a client is its own sector: to share one by accident is what pairwise names are against.
func sectorOf(o *configv1.OAuthSettings) string {
	if o.GetSubjectType() != SubjectPairwise {
		return ""
	}
	own := "client " + o.GetClientId() // no host has a space
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
