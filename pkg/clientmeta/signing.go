package clientmeta

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// DomainKeys are the algorithms (RFC 7518 §3.1, RFC 8037 §3.1) that a client has chosen for what it receives and for which its domain
// needs a key, each once and in order: HMACs are keyed with the client's secret.
func DomainKeys(o *configv1.OAuthSettings) []string {
	var chosen []string
	for _, alg := range []string{
		o.GetAccessTokenSigningAlg(), o.GetIdTokenSignedResponseAlg(), o.GetUserinfoSignedResponseAlg(), o.GetAuthorizationSignedResponseAlg(),
	} {
		if alg != "" && !jose.Algorithm(alg).Symmetric() {
			chosen = append(chosen, alg)
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen)
}
