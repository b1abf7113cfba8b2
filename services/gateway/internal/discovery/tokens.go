package discovery

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// addTokens adds what tokens, UserInfo and introspection say, and in which forms.
func addTokens(doc map[string]any, d *domain.Core) {
	doc["subject_types_supported"] = []string{"public", domain.SubjectPairwise}
	// Introspection answers are signed by the keys that sign access tokens, of which a secret is none.
	doc["introspection_signing_alg_values_supported"] = list(slices.DeleteFunc(d.Keys.Algorithms(), func(a jose.Algorithm) bool {
		return !d.Profile.Signs(a)
	}))
}
