package registration

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
)

// sectorIdentifier wants every redirect URI in the list that sector_identifier_uri names (OpenID Connect Registration §5),
// when either of the two is decided: otherwise a client could learn the names that people have for others.
func sectorIdentifier(r *request) error {
	uri := r.oauth.GetSectorIdentifierUri()
	if uri == "" || !r.decides("sector_identifier_uri", "redirect_uris") {
		return nil
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "" || u.Hostname() == "":
		return refuse("sector_identifier_uri: %s is not valid.", uri)
	case u.Scheme != "https":
		return refuse("Scheme must be https for sector_identifier_uri : %s", uri)
	}
	listed, err := r.list(uri)
	if err != nil {
		return oauth2.InvalidClientMetadata.Errorf("Unable to parse sector_identifier_uri : %s", uri).WithCause(err)
	}
	var missing []string
	for _, redirect := range r.oauth.GetRedirectUris() {
		if !slices.Contains(listed, redirect) {
			missing = append(missing, redirect)
		}
	}
	if len(missing) > 0 {
		return oauth2.InvalidRedirectURI.Errorf("redirect uris are not allowed according to sector_identifier_uri: %s", strings.Join(missing, " "))
	}
	return nil
}

// list fetches a JSON array of strings.
func (r *request) list(address string) ([]string, error) {
	answer, err := r.fetch.Get(r.Context, address, outbound.Sector)
	if err != nil {
		return nil, err
	}
	var all []string
	return all, json.Unmarshal(answer.Body, &all)
}

// keySets refuses two places of keys, and a place where there are none.
func keySets(r *request) error {
	uri := r.oauth.GetJwksUri()
	switch {
	case r.oauth.GetJwks() != nil && uri != "":
		return refuse("The jwks_uri and jwks parameters MUST NOT be used together.")
	case uri == "" || !r.decides("jwks_uri"):
		return nil
	}
	if !onTheWeb(uri) {
		return refuse("Unable to parse jwks from %s", uri)
	}
	answer, err := r.fetch.Get(r.Context, uri, outbound.JWKS)
	if err != nil {
		return oauth2.InvalidClientMetadata.Errorf("Unable to parse jwks from %s", uri).WithCause(err)
	}
	set, err := jose.ParseJWKS(bytes.TrimSpace(answer.Body))
	switch {
	case err != nil:
		return oauth2.InvalidClientMetadata.Errorf("Unable to parse jwks from %s", uri).WithCause(err)
	case set.Len() == 0:
		return refuse("No JWK found behind jws uri%s", uri)
	}
	return nil
}
