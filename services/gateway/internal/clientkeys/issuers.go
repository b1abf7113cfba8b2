package clientkeys

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
)

// VerifyPublished checks a JWS by the keys that somebody other than a client publishes at an address: an issuer whom a domain
// trusts. The owner keeps the documents of domains apart. The check must name the algorithms, none of which uses a shared secret.
// Errors are those of Verify.
func (k *Keys) VerifyPublished(ctx context.Context, owner, address, token string, check jose.Check) (*jose.Token, error) {
	key := clientKey{"issuer of " + owner, address}
	set, err := k.published.get(ctx, key, nil)
	if err != nil {
		return nil, err
	}
	t, err := set.Verify(token, check)
	if !errors.Is(err, jose.ErrUnknownKey) {
		return t, err
	}
	fresh, fetchErr := k.published.get(ctx, key, set)
	if fetchErr != nil || fresh == set {
		return nil, err
	}
	return fresh.Verify(token, check)
}
