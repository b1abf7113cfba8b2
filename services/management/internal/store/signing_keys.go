package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	signingKeysCollection = "signing_keys"
	signingKeysPlace      = "gatehouse.signing_keys"
)

// SigningKeys are the keys of one purpose, the one that signs first.
type SigningKeys struct {
	Purpose  string       `bson:"_id"`
	Keys     []SigningKey `bson:"keys"`
	Revision int64        `bson:"revision"`
}

// SigningKey is one private key. In the database it is sealed.
type SigningKey struct {
	ID string `bson:"id"`
	// PEM is the key in PKCS #8.
	PEM       []byte    `bson:"-"`
	Sealed    string    `bson:"sealed"`
	CreatedAt time.Time `bson:"createdAt"`
	// ExpiresAt is when the key stops verifying; zero for the one that signs.
	ExpiresAt time.Time `bson:"expiresAt"`
}

func (s *Store) signingKeys() documents[SigningKeys] {
	return documents[SigningKeys]{s, signingKeysCollection}
}

// SigningKeysOf returns the keys of a purpose, or ErrNotFound.
func (s *Store) SigningKeysOf(ctx context.Context, purpose string) (*SigningKeys, error) {
	found, err := s.signingKeys().get(ctx, purpose)
	if err != nil {
		return nil, err
	}
	for i := range found.Keys {
		k := &found.Keys[i]
		if k.PEM, err = s.opts.Sealer.Open(signingKeysPlace, k.Sealed); err != nil {
			return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
		}
	}
	return found, nil
}

// PutSigningKeys stores keys that are new, or that were read and changed since. It returns ErrStale where somebody else
// was faster.
func (s *Store) PutSigningKeys(ctx context.Context, keys *SigningKeys) error {
	fresh := &SigningKeys{Purpose: keys.Purpose, Revision: keys.Revision + 1}
	for _, k := range keys.Keys {
		k.Sealed = s.opts.Sealer.Seal(signingKeysPlace, k.PEM)
		fresh.Keys = append(fresh.Keys, k)
	}
	var err error
	if keys.Revision == 0 {
		err = s.signingKeys().insert(ctx, keys.Purpose, fresh)
	} else {
		err = s.signingKeys().replace(ctx, bson.M{"_id": keys.Purpose, "revision": keys.Revision}, fresh)
	}
	if errors.Is(err, ErrDuplicate) {
		return ErrStale
	}
	if err == nil {
		keys.Revision = fresh.Revision
	}
	return err
}
