package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const registrationTokensCollection = "registration_tokens"

// RegistrationToken is an initial access token (RFC 7591 §3). The token itself is not kept.
type RegistrationToken struct {
	ID     string `bson:"_id"`
	Domain string `bson:"domain"`
	// Hash of the token finds it.
	Hash string `bson:"hash"`
	Name string `bson:"name"`
	// Quota is how many clients it registers, Used how many it has registered.
	Quota int32 `bson:"quota"`
	Used  int32 `bson:"used"`
	// Template is the identifier of the application whose copies it registers; empty for any client.
	Template string `bson:"template,omitempty"`
	// Scopes are what its clients may have, where ScopesLimited says that they are limited.
	ScopesLimited bool      `bson:"scopesLimited,omitempty"`
	Scopes        []string  `bson:"scopes,omitempty"`
	CreatedAt     time.Time `bson:"createdAt"`
	ExpiresAt     time.Time `bson:"expiresAt"`
	// LastUsedAt is zero where it was not used yet.
	LastUsedAt time.Time `bson:"lastUsedAt"`
}

// RegistrationTokens keeps initial access tokens.
type RegistrationTokens struct{ docs documents[RegistrationToken] }

// RegistrationTokens returns the initial access tokens.
func (s *Store) RegistrationTokens() *RegistrationTokens {
	return &RegistrationTokens{documents[RegistrationToken]{s, registrationTokensCollection}}
}

// Insert stores a new token.
func (t *RegistrationTokens) Insert(ctx context.Context, token *RegistrationToken) error {
	return t.docs.insert(ctx, token.ID, token)
}

// List returns a page of a domain's tokens, the newest first, and how many there are.
func (t *RegistrationTokens) List(ctx context.Context, domain string, page, size int) ([]*RegistrationToken, int64, error) {
	return t.docs.find(ctx, bson.M{"domain": domain}, bson.D{{Key: "createdAt", Value: -1}, {Key: "_id", Value: 1}}, page, size)
}

// Get returns a token of a domain, or ErrNotFound.
func (t *RegistrationTokens) Get(ctx context.Context, domain, id string) (*RegistrationToken, error) {
	return t.docs.one(ctx, bson.M{"_id": id, "domain": domain})
}

// Find returns the token of a domain with a hash, or ErrNotFound.
func (t *RegistrationTokens) Find(ctx context.Context, domain, hash string) (*RegistrationToken, error) {
	return t.docs.one(ctx, bson.M{"hash": hash, "domain": domain})
}

// Take counts a registration by a token, and reports false where it has none left or is gone: no more than the quota, however
// many are under way at once.
func (t *RegistrationTokens) Take(ctx context.Context, token *RegistrationToken, now time.Time) (bool, error) {
	result, err := t.docs.collection().UpdateOne(ctx,
		bson.M{"_id": token.ID, "used": bson.M{"$lt": token.Quota}, "expiresAt": bson.M{"$gt": now.UTC()}},
		bson.M{"$inc": bson.M{"used": int32(1)}, "$set": bson.M{"lastUsedAt": now.UTC()}})
	if err != nil {
		return false, t.docs.s.fail(ctx, err)
	}
	return result.MatchedCount > 0, nil
}

// GiveBack takes back a registration that was counted and came to nothing.
func (t *RegistrationTokens) GiveBack(ctx context.Context, id string) error {
	_, err := t.docs.collection().UpdateOne(ctx, bson.M{"_id": id, "used": bson.M{"$gt": int32(0)}}, bson.M{"$inc": bson.M{"used": int32(-1)}})
	return t.docs.s.fail(ctx, err)
}

// Delete ends a token of a domain and returns what it was, or ErrNotFound.
func (t *RegistrationTokens) Delete(ctx context.Context, domain, id string) (*RegistrationToken, error) {
	token, err := t.Get(ctx, domain, id)
	if err != nil {
		return nil, err
	}
	removed, err := t.docs.remove(ctx, bson.M{"_id": id, "domain": domain})
	if err == nil && !removed {
		err = ErrNotFound
	}
	return token, err
}
