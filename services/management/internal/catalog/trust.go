package catalog

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// How many of each a domain may have, and how long their names may be in bytes.
const (
	maxTrustedIssuers = 50
	maxResources      = 500
	maxURI            = 2048
)

// issuerGrants are the grants for which somebody can be trusted.
var issuerGrants = []string{string(oauth2.GrantJWTBearer), string(oauth2.GrantTokenExchange)}

// checkTrustedIssuers holds whom a domain trusts to rules by which their signatures can be checked.
func checkTrustedIssuers(d *configv1.Domain) error {
	const list = "oidc.trustedIssuers"
	issuers := d.GetOidc().GetTrustedIssuers()
	if len(issuers) > maxTrustedIssuers {
		return broken(list, "", "must have at most 50 entries")
	}
	seen := map[string]bool{}
	for i, issuer := range issuers {
		path := index(list, i)
		if err := checkSigner(path, issuer, seen); err != nil {
			return err
		}
		for j, grant := range issuer.GetGrantTypes() {
			if !slices.Contains(issuerGrants, grant) {
				return broken(index(path+".grantTypes", j), grant, "must be one of "+strings.Join(issuerGrants, ", "))
			}
		}
	}
	return nil
}

// checkStatementIssuers is checkTrustedIssuers for those who sign software statements.
func checkStatementIssuers(d *configv1.Domain) error {
	const list = "oidc.clientRegistrationSettings.softwareStatementIssuers"
	settings := d.GetOidc().GetClientRegistrationSettings()
	issuers := settings.GetSoftwareStatementIssuers()
	switch {
	case len(issuers) > maxTrustedIssuers:
		return broken(list, "", "must have at most 50 entries")
	case settings.GetSoftwareStatementRequired() && len(issuers) == 0:
		return broken(list, "", "must not be empty where isSoftwareStatementRequired is true: nobody could register")
	}
	seen := map[string]bool{}
	for i, issuer := range issuers {
		if err := checkSigner(index(list, i), issuer, seen); err != nil {
			return err
		}
	}
	return nil
}

// signer is somebody whose signatures a domain accepts.
type signer interface {
	GetIssuer() string
	GetJwksUri() string
	GetJwks() *structpb.Struct
	GetAlgorithms() []string
}

// checkSigner wants a name that nobody before has, keys, and algorithms that there are.
func checkSigner(path string, s signer, seen map[string]bool) error {
	name := s.GetIssuer()
	switch {
	case strings.TrimSpace(name) == "" || len(name) > maxURI:
		return broken(path+".issuer", name, "must have 1 to 2048 bytes and not be blank")
	case seen[name]:
		return broken(path+".issuer", name, "must be unique")
	}
	seen[name] = true
	if err := checkIssuerKeys(path, s); err != nil {
		return err
	}
	for j, alg := range s.GetAlgorithms() {
		if !slices.Contains(signingAlgorithms(), alg) {
			return broken(index(path+".algorithms", j), alg, "must be one of "+strings.Join(signingAlgorithms(), ", "))
		}
	}
	return nil
}

// checkIssuerKeys wants the keys by value or their address, and not both.
func checkIssuerKeys(path string, issuer signer) error {
	uri := issuer.GetJwksUri()
	switch {
	case uri == "" && issuer.GetJwks() == nil:
		return broken(path+".jwksUri", "", "must not be empty where there is no jwks")
	case uri != "" && issuer.GetJwks() != nil:
		return broken(path+".jwksUri", uri, "must be empty where there is a jwks")
	case uri != "":
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || len(uri) > maxURI {
			return broken(path+".jwksUri", uri, "must be an https URL without user and fragment")
		}
		return nil
	}
	body, err := json.Marshal(issuer.GetJwks().AsMap())
	if err != nil {
		return broken(path+".jwks", "", "must be a JWK set (RFC 7517)")
	}
	keys, err := jose.ParseJWKS(body)
	switch {
	case err != nil:
		return broken(path+".jwks", "", "must be a JWK set (RFC 7517): "+err.Error())
	case keys.Len() == 0:
		return broken(path+".jwks", "", "must have at least one key that can be used")
	}
	return nil
}

// checkResources holds protected resources to RFC 8707 §2: absolute URIs without a fragment, each once.
func checkResources(d *configv1.Domain) error {
	const list = "oidc.resources"
	resources := d.GetOidc().GetResources()
	if len(resources) > maxResources {
		return broken(list, "", "must have at most 500 entries")
	}
	for i, r := range resources {
		path, name := index(list, i)+".identifier", r.GetIdentifier()
		u, err := url.Parse(name)
		switch {
		case err != nil || !u.IsAbs() || strings.Contains(name, "#") || len(name) > maxURI || strings.ContainsFunc(name, isBlankOrControl):
			return broken(path, name, "must be an absolute URI without a fragment")
		case slices.IndexFunc(resources, func(o *configv1.ProtectedResource) bool { return o.GetIdentifier() == name }) < i:
			return broken(path, name, "must be unique")
		}
	}
	return nil
}
