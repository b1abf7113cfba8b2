package discovery

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// addTokens adds what tokens, UserInfo and introspection say, and in which forms.
func addTokens(doc map[string]any, d *domain.Core) {
	doc["subject_types_supported"] = []string{"public", domain.SubjectPairwise}
	signs := slices.Clone(d.Profile.SigningAlgs)
	for _, a := range d.Keys.Algorithms() { // such as EdDSA, which the compatible profile offers to who has it
		if !d.Profile.Strict() && !slices.Contains(signs, a) {
			signs = append(signs, a)
		}
	}
	encryptions := slices.DeleteFunc(jose.KeyManagements(), func(a jose.KeyManagement) bool { return a.Symmetric() && !d.Profile.EncryptsBySecret })
	for _, what := range []string{"id_token", "userinfo", "authorization"} {
		// A key of an algorithm is made when the first client registers it; an HMAC needs a secret of the client's, and no key.
		doc[what+"_signing_alg_values_supported"] = list(signs)
		doc[what+"_encryption_alg_values_supported"] = list(encryptions)
		doc[what+"_encryption_enc_values_supported"] = list(jose.ContentEncryptions())
	}
	// Introspection answers are signed by the keys that sign access tokens, of which a secret is none.
	doc["introspection_signing_alg_values_supported"] = list(slices.DeleteFunc(d.Keys.Algorithms(), func(a jose.Algorithm) bool {
		return d.Profile.Strict() && !d.Profile.Signs(a)
	}))
}
