package registration

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
)

// defaultContent is how content is encrypted where only the algorithm of the key was registered (OpenID Connect
// Registration §2).
const defaultContent = string(jose.A128CBCHS256)

// defaultAnswerAlgorithm signs answers of the authorization endpoint where nothing was registered (JARM §3).
const defaultAnswerAlgorithm = jose.RS256

func userinfoAlgorithms(r *request) error {
	o := r.oauth
	if !r.signs(o.GetUserinfoSignedResponseAlg()) {
		return refuse("Unsupported userinfo signing algorithm")
	}
	return r.encrypts("userinfo_encrypted_response", &o.UserinfoEncryptedResponseAlg, &o.UserinfoEncryptedResponseEnc)
}

// idTokenAlgorithms accepts what any domain can have a key for: management makes the key of an algorithm when it is first
// registered.
func idTokenAlgorithms(r *request) error {
	o := r.oauth
	alg := o.GetIdTokenSignedResponseAlg()
	if !r.signs(alg) && (r.profile.Strict() || !slices.Contains(r.domain.Keys.Algorithms(), jose.Algorithm(alg))) {
		return refuse("Unsupported id_token signing algorithm")
	}
	return r.encrypts("id_token_encrypted_response", &o.IdTokenEncryptedResponseAlg, &o.IdTokenEncryptedResponseEnc)
}

// authorizationAlgorithms chooses, on every write, how answers are signed where the client does not say.
func authorizationAlgorithms(r *request) error {
	o := r.oauth
	const member = "authorization_signed_response_alg"
	switch {
	case o.GetAuthorizationSignedResponseAlg() != "" || !clientmeta.Registered(member) || r.template && !r.given.Has(member):
	case r.profile.Signs(defaultAnswerAlgorithm):
		o.AuthorizationSignedResponseAlg = string(defaultAnswerAlgorithm)
	default:
		o.AuthorizationSignedResponseAlg = string(jose.PS256)
	}
	if !r.signs(o.GetAuthorizationSignedResponseAlg()) {
		return refuse("Unsupported authorization signing algorithm")
	}
	return r.encrypts("authorization_encrypted_response", &o.AuthorizationEncryptedResponseAlg, &o.AuthorizationEncryptedResponseEnc)
}

func requestObjectAlgorithms(r *request) error {
	o := r.oauth
	if !r.signs(o.GetRequestObjectSigningAlg()) {
		return refuse("Unsupported request object signing algorithm")
	}
	return r.encrypts("request_object_encryption", &o.RequestObjectEncryptionAlg, &o.RequestObjectEncryptionEnc)
}

// signs reports whether something may be signed with an algorithm; none is the gateway's choice.
func (r *request) signs(alg string) bool {
	return alg == "" || r.profile.Signs(jose.Algorithm(alg))
}

// encrypts checks a pair of algorithms and completes it. Name is that of the members without _alg and _enc. A client that gives up
// encryption need not name how content was encrypted, which it may never have said; and what a request changes of a template's pair
// is judged by management, which knows the other half.
func (r *request) encrypts(name string, alg, enc *string) error {
	switch {
	case *alg == "" && r.merge && r.given.Has(name+"_alg") && !r.given.Has(name+"_enc"):
		*enc = ""
		return nil
	case *alg == "" && *enc != "" && !r.template:
		return refuse("When %s_enc is included, %s_alg MUST also be provided", name, name)
	}
	if *alg != "" {
		if _, known := jose.ParseKeyManagement(*alg); !known {
			return refuse("Unsupported %s_alg value", name)
		}
		if *enc == "" && !r.template {
			*enc = defaultContent
		}
	}
	if *enc != "" {
		if _, known := jose.ParseContentEncryption(*enc); !known {
			return refuse("Unsupported %s_enc value", name)
		}
	}
	return nil
}
