package catalog

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// accessTokenJWT is the one form of access tokens that has a name: RFC 9068. The compatible form has none.
const accessTokenJWT = "at+jwt"

func checkAccessTokenProfile(path, form string) error {
	if form == "" || form == accessTokenJWT {
		return nil
	}
	return broken(path, form, "must be "+accessTokenJWT+" or empty")
}

func checkTokenForm(_ *Scene, _, a *configv1.Application) error {
	return checkAccessTokenProfile(oauthPath+"accessTokenProfile", a.GetSettings().GetOauth().GetAccessTokenProfile())
}

// checkDomainTokens is what is checked of the tokens of a domain.
func checkDomainTokens(o *configv1.OpenIDSettings) error {
	if err := checkAccessTokenProfile("oidc.accessTokenProfile", o.GetAccessTokenProfile()); err != nil {
		return err
	}
	audience := o.GetDefaultAudience()
	if u, err := url.Parse(audience); audience != "" && (err != nil || u.Scheme == "" || strings.Contains(audience, "#") || strings.ContainsFunc(audience, isBlankOrControl)) {
		return broken("oidc.defaultAudience", audience, "must be an absolute URI without a fragment")
	}
	return nil
}

// checkPairwise wants redirect URIs of one host, or a sector_identifier_uri, where subjects are pairwise: the host says which
// clients share them (OpenID Connect Core §8.1). Only what is new in a change has to be right.
func checkPairwise(_ *Scene, old, a *configv1.Application) error {
	o, before := a.GetSettings().GetOauth(), old.GetSettings().GetOauth()
	same := before.GetSubjectType() == o.GetSubjectType() && before.GetSectorIdentifierUri() == o.GetSectorIdentifierUri() &&
		slices.Equal(before.GetRedirectUris(), o.GetRedirectUris())
	if o.GetSubjectType() != "pairwise" || o.GetSectorIdentifierUri() != "" || same {
		return nil
	}
	hosts := map[string]bool{}
	for _, uri := range o.GetRedirectUris() {
		if u, err := url.Parse(uri); err == nil {
			hosts[strings.ToLower(u.Hostname())] = true
		}
	}
	if len(hosts) > 1 {
		return wrong(oauthPath+"sectorIdentifierUri", "sector_identifier_uri is required for pairwise subjects, because redirect_uris have several hosts.")
	}
	return nil
}

// subjectForm is the form of people's subjects: UUIDs that follow from a name (versions 3 and 5) or, pairwise ones, from a secret
// (version 8). A client_id of that form could be somebody's, and a token of the client be taken for theirs (RFC 9700 §4.15).
var subjectForm = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[358][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
