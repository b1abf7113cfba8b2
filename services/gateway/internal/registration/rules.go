package registration

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// request is what rules look at. They may complete its metadata.
type request struct {
	context.Context
	domain *domain.Core
	// profile is that of the client, or of the domain for a new one.
	profile *profile.Profile
	fetch   Fetcher
	// beforeFetch is asked whether another site may be asked, before the first one is; nil is always. Fetched says that it was.
	beforeFetch   func() error
	fetched       bool
	administrator bool
	// oauth are the metadata as they are to be stored, given and scope what the body had of them.
	oauth *configv1.OAuthSettings
	given clientmeta.Members
	scope []string
	// stored are the metadata that there are; nil for a new client. Merge says that what the body does not have stays,
	// template that it is a template's.
	stored   *configv1.OAuthSettings
	merge    bool
	template bool
	// held are members that stay as they are stored, whatever the body had of them: it is not in given.
	held []string
	// limit are the scopes that the initial access token allows, by which the client registers or once did; nil for any.
	limit *configv1.Strings
}

// decides reports whether a request says something about any of these members. One that is not merged into anything decides
// all of them but those that are held.
func (r *request) decides(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return !r.holds(name) && (!r.merge || r.given.Has(name)) })
}

// holds reports whether a member stays as it is stored.
func (r *request) holds(name string) bool { return slices.Contains(r.held, name) }

// rules are the rules of registration; the first one that is broken is the answer. A key set by value was read with the
// body. Management checks afterwards what holds for every application: redirect URIs, grants that fit together, scopes that
// exist, methods of authentication, the security profile.
var rules = []func(*request) error{
	redirectURIsGiven,
	lengths,
	scopes,
	limitScopes,
	grantTypes,
	responseTypes,
	subjectType,
	requestURIs,
	sectorIdentifier,
	keySets,
	userinfoAlgorithms,
	idTokenAlgorithms,
	certificateMembers,
	selfSigned,
	authorizationAlgorithms,
	requestObjectAlgorithms,
	backchannelAuthentication,
	initiateLogin,
	pages,
	administrativeScopes,
	heldMembers,
}

func check(r *request) error {
	for _, rule := range rules {
		if err := rule(r); err != nil {
			return err
		}
	}
	return nil
}

func refuse(format string, args ...any) error {
	return oauth2.InvalidClientMetadata.Errorf(format, args...)
}

// redirectURIsGiven wants the member to be there, be it empty or null: a client without one says so.
func redirectURIsGiven(r *request) error {
	if !r.merge && !r.template && !r.given.Has("redirect_uris") && !r.holds("redirect_uris") {
		return oauth2.InvalidRedirectURI.Errorf("Missing or invalid redirect_uris.")
	}
	return nil
}

// mostValues is how many values a member of a registration may list.
const mostValues = 100

// lengths bounds what a stranger may have stored, sent to all gateways and compared at every request.
func lengths(r *request) error {
	if r.administrator {
		return nil
	}
	o := r.oauth
	for _, m := range []struct {
		name         string
		values, most int
		code         oauth2.Code
	}{
		{"redirect_uris", len(o.GetRedirectUris()), mostValues, oauth2.InvalidRedirectURI},
		{"post_logout_redirect_uris", len(o.GetPostLogoutRedirectUris()), mostValues, invalidTargetURL},
		{"request_uris", len(o.GetRequestUris()), mostValues, oauth2.InvalidRequestURI},
		{"grant_types", len(o.GetGrantTypes()), mostValues, oauth2.InvalidClientMetadata},
		{"response_types", len(o.GetResponseTypes()), mostValues, oauth2.InvalidClientMetadata},
		{"contacts", len(o.GetContacts()), mostValues, oauth2.InvalidClientMetadata},
		{"default_acr_values", len(o.GetDefaultAcrValues()), mostValues, oauth2.InvalidClientMetadata},
		{"scope", len(r.scope), oauth2.MaxScopes, oauth2.InvalidClientMetadata},
	} {
		if m.values > m.most && r.decides(m.name) {
			return m.code.Errorf("%s: more than %d values", m.name, m.most)
		}
	}
	return nil
}

func grantTypes(r *request) error {
	if !r.given.Has("grant_types") {
		return nil
	}
	grants := r.oauth.GetGrantTypes()
	unknown := func(g string) bool { return !clientmeta.KnownGrantType(g) }
	if len(grants) == 0 || slices.ContainsFunc(grants, unknown) {
		return refuse("Missing or invalid grant type.")
	}
	return nil
}

// responseTypes brings the words of each one into their usual order, which has no meaning (RFC 6749 §3.1.1).
func responseTypes(r *request) error {
	for i, t := range r.oauth.GetResponseTypes() {
		known, ok := oauth2.ParseResponseType(t)
		if !ok {
			return refuse("Invalid response type.")
		}
		r.oauth.ResponseTypes[i] = string(known)
	}
	return nil
}

func subjectType(r *request) error {
	if t := r.oauth.GetSubjectType(); t != "" && t != "public" && t != domain.SubjectPairwise {
		return refuse("Unsupported subject type")
	}
	return nil
}

func requestURIs(r *request) error {
	for _, uri := range r.oauth.GetRequestUris() {
		if !onTheWeb(uri) {
			return refuse("request_uris: %s is not valid.", uri)
		}
	}
	return nil
}

// certificateMembers wants exactly one way to recognise the certificate of a client that authenticates by one (RFC 8705
// §2.1.2), and takes the ways away from others: nothing would look at them.
func certificateMembers(r *request) error {
	o := r.oauth
	members := []*string{
		&o.TlsClientAuthSubjectDn, &o.TlsClientAuthSanDns, &o.TlsClientAuthSanUri, &o.TlsClientAuthSanIp, &o.TlsClientAuthSanEmail,
	}
	if o.GetTokenEndpointAuthMethod() != string(oauth2.AuthTLS) {
		if !r.template || r.given.Has("token_endpoint_auth_method") {
			for _, m := range members {
				*m = ""
			}
		}
		return nil
	}
	given := 0
	for _, m := range members {
		if *m != "" {
			given++
		}
	}
	switch {
	case given == 0 && !r.template:
		return refuse("Missing TLS parameter for tls_client_auth.")
	case given > 1:
		return refuse("The tls_client_auth must use exactly one of the TLS parameters.")
	}
	return nil
}

func selfSigned(r *request) error {
	o := r.oauth
	keys := o.GetJwks().GetFields()["keys"].GetListValue().GetValues()
	if o.GetTokenEndpointAuthMethod() == string(oauth2.AuthSelfSignedTLS) && len(keys) == 0 && o.GetJwksUri() == "" {
		return refuse("The self_signed_tls_client_auth requires at least a jwks or a valid jwks_uri.")
	}
	return nil
}

func backchannelAuthentication(r *request) error {
	if slices.ContainsFunc(r.oauth.GetGrantTypes(), func(g string) bool {
		base, _, _ := strings.Cut(g, "~")
		return base == string(oauth2.GrantCIBA)
	}) {
		return refuse("CIBA flow not supported")
	}
	return nil
}

func initiateLogin(r *request) error {
	uri := r.oauth.GetInitiateLoginUri()
	if u, err := url.Parse(uri); uri != "" && (err != nil || u.Scheme != "https" || u.Hostname() == "") {
		return refuse("Scheme must be https for initiate_login_uri : %s", uri)
	}
	return nil
}

// pages wants pages that people are sent to, and pictures they are shown, to be on the web: a script in the place of an
// address would run on the gateway's own pages.
func pages(r *request) error {
	o := r.oauth
	for _, m := range []struct{ name, value string }{
		{"logo_uri", o.GetLogoUri()},
		{"client_uri", o.GetClientUri()},
		{"policy_uri", o.GetPolicyUri()},
		{"tos_uri", o.GetTosUri()},
	} {
		if m.value != "" && !onTheWeb(m.value) {
			return refuse("%s: %s is not valid.", m.name, m.value)
		}
	}
	return nil
}

func onTheWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}
