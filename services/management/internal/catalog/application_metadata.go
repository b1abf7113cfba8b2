package catalog

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// responseAlgorithms sign what a client receives or sends (RFC 7518 §3.1, RFC 8037 §3.1). There is no "none".
var responseAlgorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
}

// keyManagement are the algorithms that protect the key of a JWE (RFC 7518 §4.1), content those that use it (§5.1).
// RSA1_5 and RSA-OAEP are left out: the first is broken, the second has SHA-1.
var (
	keyManagement = append([]string{"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"}, sharedKeyManagement...)
	// sharedKeyManagement begins with a key that both sides know: the client secret (OpenID Connect Core §10.2).
	sharedKeyManagement = []string{
		"dir", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW",
		"PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW",
	}
	content = []string{"A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM"}
)

const defaultContent = "A128CBC-HS256"

// A signing is a member that chooses how something is signed, an encryption the pair that chooses how it is encrypted.
type (
	signing    struct{ path, what, alg string }
	encryption struct {
		path, name string
		alg, enc   *string
	}
)

// encryptions are the pairs of an application; path and name are those of the algorithm, without Alg and _alg.
func encryptions(o *configv1.OAuthSettings) []encryption {
	return []encryption{
		{"userinfoEncryptedResponse", "userinfo_encrypted_response", &o.UserinfoEncryptedResponseAlg, &o.UserinfoEncryptedResponseEnc},
		{"idTokenEncryptedResponse", "id_token_encrypted_response", &o.IdTokenEncryptedResponseAlg, &o.IdTokenEncryptedResponseEnc},
		{
			"authorizationEncryptedResponse", "authorization_encrypted_response",
			&o.AuthorizationEncryptedResponseAlg, &o.AuthorizationEncryptedResponseEnc,
		},
		{"requestObjectEncryption", "request_object_encryption", &o.RequestObjectEncryptionAlg, &o.RequestObjectEncryptionEnc},
	}
}

func signings(o *configv1.OAuthSettings) []signing {
	return []signing{
		{"idTokenSignedResponseAlg", "id_token signing", o.GetIdTokenSignedResponseAlg()},
		{"userinfoSignedResponseAlg", "userinfo signing", o.GetUserinfoSignedResponseAlg()},
		{"authorizationSignedResponseAlg", "authorization signing", o.GetAuthorizationSignedResponseAlg()},
		{"requestObjectSigningAlg", "request object signing", o.GetRequestObjectSigningAlg()},
		{"tokenEndpointAuthSigningAlg", "token_endpoint_auth_signing", o.GetTokenEndpointAuthSigningAlg()},
	}
}

// encryptByDefault completes a pair of which only the algorithm is given.
func encryptByDefault(o *configv1.OAuthSettings) {
	for _, e := range encryptions(o) {
		if *e.alg != "" && *e.enc == "" {
			*e.enc = defaultContent
		}
	}
}

// metadataRules are what is checked of client metadata by itself (OpenID Connect Registration §2), in the order of
// dynamic registration. Nothing is fetched.
var metadataRules = []func(*configv1.OAuthSettings) error{
	checkSubjectType, checkWebMembers, checkSector, checkKeys, checkAlgorithms, checkSelfSigned, checkInitiateLogin,
}

func checkMetadata(_ *Scene, _, a *configv1.Application) error {
	for _, check := range metadataRules {
		if err := check(a.GetSettings().GetOauth()); err != nil {
			return err
		}
	}
	return nil
}

// wrong is a refusal whose text is the message.
func wrong(path, text string) error { return fault.Invalidf("%s", text).At(path, text) }

func checkSubjectType(o *configv1.OAuthSettings) error {
	if t := o.GetSubjectType(); t != "" && t != "public" && t != "pairwise" {
		return wrong(oauthPath+"subjectType", "Unsupported subject type")
	}
	return nil
}

// checkWebMembers wants what people are sent to and what servers call to be on the web: a script in the place of an
// address would run on the gateway's own pages.
func checkWebMembers(o *configv1.OAuthSettings) error {
	for i, uri := range o.GetRequestUris() {
		if !onTheWeb(uri) {
			return wrong(index(requestPath, i), "request_uris: "+uri+" is not valid.")
		}
	}
	for _, m := range []struct{ path, name, value string }{
		{"logoUri", "logo_uri", o.GetLogoUri()},
		{"clientUri", "client_uri", o.GetClientUri()},
		{"policyUri", "policy_uri", o.GetPolicyUri()},
		{"tosUri", "tos_uri", o.GetTosUri()},
		{"frontchannelLogoutUri", "frontchannel_logout_uri", o.GetFrontchannelLogoutUri()},
		{"backchannelLogoutUri", "backchannel_logout_uri", o.GetBackchannelLogoutUri()},
	} {
		if m.value != "" && !onTheWeb(m.value) {
			return wrong(oauthPath+m.path, m.name+": "+m.value+" is not valid.")
		}
	}
	return checkLogoutURIs(o)
}

// checkLogoutURIs wants a page that is framed at sign-out to be one of the application's own (OpenID Connect Front-Channel
// Logout 1.0 §2), and logout tokens to be posted by https, or by http to a confidential client (Back-Channel Logout 1.0 §2.2).
func checkLogoutURIs(o *configv1.OAuthSettings) error {
	front, back := o.GetFrontchannelLogoutUri(), o.GetBackchannelLogoutUri()
	switch {
	case strings.Contains(front, "#"):
		return wrong(oauthPath+"frontchannelLogoutUri", "frontchannel_logout_uri with fragment is forbidden")
	case strings.Contains(back, "#"):
		return wrong(oauthPath+"backchannelLogoutUri", "backchannel_logout_uri with fragment is forbidden")
	case strings.HasPrefix(strings.ToLower(back), "http:") && o.GetTokenEndpointAuthMethod() == "none":
		return wrong(oauthPath+"backchannelLogoutUri", "Scheme must be https for backchannel_logout_uri : "+back)
	case front != "" && !slices.ContainsFunc(o.GetRedirectUris(), func(uri string) bool { return strings.Contains(uri, "*") || sameOrigin(front, uri) }):
		return wrong(oauthPath+"frontchannelLogoutUri", "The frontchannel_logout_uri MUST have the scheme, host and port of a redirect_uri : "+front)
	}
	return nil
}

func sameOrigin(a, b string) bool {
	u, err := url.Parse(a)
	v, otherErr := url.Parse(b)
	return err == nil && otherErr == nil && strings.EqualFold(u.Scheme, v.Scheme) && strings.EqualFold(u.Hostname(), v.Hostname()) &&
		webPort(u) == webPort(v)
}

func webPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case strings.EqualFold(u.Scheme, "https"):
		return "443"
	}
	return "80"
}

func onTheWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}

func checkSector(o *configv1.OAuthSettings) error {
	const path = oauthPath + "sectorIdentifierUri"
	uri := o.GetSectorIdentifierUri()
	u, err := url.Parse(uri)
	switch {
	case uri == "":
		return nil
	case err != nil || u.Scheme == "" || u.Hostname() == "":
		return wrong(path, "sector_identifier_uri: "+uri+" is not valid.")
	case u.Scheme != "https":
		return wrong(path, "Scheme must be https for sector_identifier_uri : "+uri)
	}
	return nil
}

func checkKeys(o *configv1.OAuthSettings) error {
	const path = oauthPath + "jwks"
	if o.GetJwks() != nil && o.GetJwksUri() != "" {
		return wrong(path, "The jwks_uri and jwks parameters MUST NOT be used together.")
	}
	if uri := o.GetJwksUri(); uri != "" && !onTheWeb(uri) {
		return wrong(oauthPath+"jwksUri", "Unable to parse jwks from "+uri)
	}
	if o.GetJwks() == nil {
		return nil
	}
	if err := checkJWKS(o.GetJwks()); err != nil {
		return fault.Invalidf("Unable to parse jwks content: %v", err).At(path, err.Error())
	}
	return nil
}

func checkJWKS(set *structpb.Struct) error {
	data, err := set.MarshalJSON()
	if err != nil {
		return err
	}
	keys, err := jose.ParseJWKS(data)
	if err == nil && keys.Len() == 0 && len(set.GetFields()["keys"].GetListValue().GetValues()) > 0 {
		return errors.New("none of the keys is of a type that can be used")
	}
	return err
}

func checkAlgorithms(o *configv1.OAuthSettings) error {
	for _, s := range signings(o) {
		if s.alg != "" && !slices.Contains(responseAlgorithms, s.alg) {
			return wrong(oauthPath+s.path, "Unsupported "+s.what+" algorithm")
		}
	}
	for _, e := range encryptions(o) {
		switch {
		case *e.alg == "" && *e.enc != "":
			return wrong(oauthPath+e.path+"Enc", "When "+e.name+"_enc is included, "+e.name+"_alg MUST also be provided")
		case *e.alg != "" && !slices.Contains(keyManagement, *e.alg):
			return wrong(oauthPath+e.path+"Alg", "Unsupported "+e.name+"_alg value")
		case *e.enc != "" && !slices.Contains(content, *e.enc):
			return wrong(oauthPath+e.path+"Enc", "Unsupported "+e.name+"_enc value")
		}
	}
	return nil
}

func checkSelfSigned(o *configv1.OAuthSettings) error {
	if o.GetTokenEndpointAuthMethod() == string(oauth2.AuthSelfSignedTLS) && len(o.GetJwks().GetFields()["keys"].GetListValue().GetValues()) == 0 && o.GetJwksUri() == "" {
		return wrong(oauthPath+"tokenEndpointAuthMethod",
			"The self_signed_tls_client_auth requires at least a jwks or a valid jwks_uri.")
	}
	return nil
}

func checkInitiateLogin(o *configv1.OAuthSettings) error {
	uri := o.GetInitiateLoginUri()
	if u, err := url.Parse(uri); uri != "" && (err != nil || u.Scheme != "https" || u.Hostname() == "") {
		return wrong(oauthPath+"initiateLoginUri", "Scheme must be https for initiate_login_uri : "+uri)
	}
	return nil
}

// The limits of the metadata that an operator may attach to an application.
const (
	maxFreeMetadata      = 100
	maxFreeMetadataName  = 255
	maxFreeMetadataValue = 4096
)

func checkFreeMetadata(metadata map[string]string) error {
	if len(metadata) > maxFreeMetadata {
		return broken("metadata", "", "must have at most 100 entries")
	}
	for name, value := range metadata {
		switch {
		case strings.TrimSpace(name) == "" || len(name) > maxFreeMetadataName:
			return broken("metadata", name, "must have names of 1 to 255 bytes")
		case len(value) > maxFreeMetadataValue:
			return broken("metadata", name, "must have values of at most 4096 bytes")
		}
	}
	return nil
}
