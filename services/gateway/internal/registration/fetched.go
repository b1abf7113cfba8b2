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
	if err := r.begin(); err != nil {
		return err
	}
	listed, err := r.list(uri)
	if err != nil {
		return oauth2.InvalidClientMetadata.Errorf("Unable to parse sector_identifier_uri : %s", uri).WithCause(err)
	}
	known := make(map[string]bool, len(listed))
	for _, l := range listed {
		known[l] = true
	}
	missing := slices.DeleteFunc(slices.Clone(r.oauth.GetRedirectUris()), func(redirect string) bool { return known[redirect] })
	if len(missing) > 0 {
		return oauth2.InvalidRedirectURI.Errorf("redirect uris are not allowed according to sector_identifier_uri: %s", strings.Join(missing, " "))
	}
	return nil
}

// mayFetch reports whether the metadata name anything that rules fetch.
func (r *request) mayFetch() bool {
	return r.oauth.GetSectorIdentifierUri() != "" || r.oauth.GetJwksUri() != ""
}

// begin says that another site is about to be asked.
func (r *request) begin() error {
	if !r.fetched && r.beforeFetch != nil {
		if err := r.beforeFetch(); err != nil {
			return err
		}
	}
	r.fetched = true
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
	if err := r.begin(); err != nil {
		return err
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
