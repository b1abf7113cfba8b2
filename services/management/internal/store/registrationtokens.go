package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
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
	// Pending are the identifiers of the applications that were counted and may not be there: their registrations are under way,
	// or ended with their process.
	Pending []string `bson:"pending,omitempty"`
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

// Take counts the registration of an application, once, and keeps it pending until Settle or GiveBack. It reports false where the
// token has none left or is gone: no more than the quota, however many are under way at once.
func (t *RegistrationTokens) Take(ctx context.Context, token *RegistrationToken, application string, now time.Time) (bool, error) {
	result, err := t.docs.collection().UpdateOne(ctx,
		bson.M{
			"_id": token.ID, "used": bson.M{"$lt": token.Quota}, "expiresAt": bson.M{"$gt": now.UTC()},
			"pending": bson.M{"$ne": application},
		},
		bson.M{
			"$inc": bson.M{"used": int32(1)}, "$set": bson.M{"lastUsedAt": now.UTC()}, "$push": bson.M{"pending": application},
		})
	if err != nil {
		return false, t.docs.s.fail(ctx, err)
	}
	if result.MatchedCount > 0 {
		return true, nil
	}
	// Whoever began to register the application before this one, and died, has counted it.
	_, err = t.docs.one(ctx, bson.M{"_id": token.ID, "pending": application})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Settle says that an application was registered that was counted.
func (t *RegistrationTokens) Settle(ctx context.Context, id, application string) error {
	_, err := t.docs.collection().UpdateOne(ctx, bson.M{"_id": id, "pending": application}, bson.M{"$pull": bson.M{"pending": application}})
	return t.docs.s.fail(ctx, err)
}

// GiveBack takes back a registration that was counted and came to nothing, once.
func (t *RegistrationTokens) GiveBack(ctx context.Context, id, application string) error {
	_, err := t.docs.collection().UpdateOne(ctx, bson.M{"_id": id, "pending": application},
		bson.M{"$inc": bson.M{"used": int32(-1)}, "$pull": bson.M{"pending": application}})
	return t.docs.s.fail(ctx, err)
}

// Unsettled returns tokens with registrations that are pending.
func (t *RegistrationTokens) Unsettled(ctx context.Context) ([]*RegistrationToken, error) {
	found, _, err := t.docs.find(ctx, bson.M{"pending": bson.M{"$gt": ""}}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	return found, err
}

// Reconcile settles a registration that has been pending for long: it stays counted if its application was made, also where that is
// gone since.
func (t *RegistrationTokens) Reconcile(ctx context.Context, id, application string) error {
	made, err := t.docs.s.stamps(ctx, traitsOf(catalog.Applications), bson.M{"_id": application})
	switch {
	case err != nil:
		return err
	case len(made) > 0:
		return t.Settle(ctx, id, application)
	}
	return t.GiveBack(ctx, id, application)
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
