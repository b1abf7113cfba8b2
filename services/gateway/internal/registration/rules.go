package registration

import (
	"net/url"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// request is what rules look at. They may complete its metadata.
type request struct {
	domain        *domain.Core
	meta          clientmeta.Metadata
	administrator bool
}

// rules are the rules of registration; the first one that is broken is the answer. Management checks afterwards what
// holds for every application: redirect URIs, grants that fit together, scopes that exist, methods of authentication.
var rules = []func(*request) error{
	redirectURIsGiven,
	scopes,
	grantTypes,
	responseTypes,
	idTokenSigning,
	pages,
	administrativeScopes,
}

func check(r *request) error {
	for _, rule := range rules {
		if err := rule(r); err != nil {
			return err
		}
	}
	return nil
}

// redirectURIsGiven wants the member to be there, be it empty or null: a client without one says so.
func redirectURIsGiven(r *request) error {
	if !r.meta.Given.Has("redirect_uris") {
		return oauth2.InvalidRedirectURI.Errorf("Missing or invalid redirect_uris.")
	}
	return nil
}

func grantTypes(r *request) error {
	if !r.meta.Given.Has("grant_types") {
		return nil
	}
	grants := r.meta.OAuth.GetGrantTypes()
	unknown := func(g string) bool { return !clientmeta.KnownGrantType(g) }
	if len(grants) == 0 || slices.ContainsFunc(grants, unknown) {
		return oauth2.InvalidClientMetadata.Errorf("Missing or invalid grant type.")
	}
	return nil
}

// responseTypes brings the words of each one into their usual order, which has no meaning (RFC 6749 §3.1.1).
func responseTypes(r *request) error {
	for i, t := range r.meta.OAuth.GetResponseTypes() {
		known, ok := oauth2.ParseResponseType(t)
		if !ok {
			return oauth2.InvalidClientMetadata.Errorf("Invalid response type.")
		}
		r.meta.OAuth.ResponseTypes[i] = string(known)
	}
	return nil
}

// idTokenSigning accepts the algorithms for which the domain has a key, the ones that discovery lists.
func idTokenSigning(r *request) error {
	alg := r.meta.OAuth.GetIdTokenSignedResponseAlg()
	if alg != "" && !slices.Contains(r.domain.Keys.Algorithms(), jose.Algorithm(alg)) {
		return oauth2.InvalidClientMetadata.Errorf("Unsupported id_token signing algorithm")
	}
	return nil
}

// pages wants pages that people are sent to, and pictures they are shown, to be on the web: a script in the place of an
// address would run on the gateway's own pages.
func pages(r *request) error {
	o := r.meta.OAuth
	for _, m := range []struct{ name, value string }{
		{"logo_uri", o.GetLogoUri()},
		{"client_uri", o.GetClientUri()},
		{"policy_uri", o.GetPolicyUri()},
		{"tos_uri", o.GetTosUri()},
	} {
		if m.value != "" && !onTheWeb(m.value) {
			return oauth2.InvalidClientMetadata.Errorf("%s: %s is not valid.", m.name, m.value)
		}
	}
	return nil
}

func onTheWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}
