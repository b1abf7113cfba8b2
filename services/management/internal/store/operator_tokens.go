package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const personalTokensCollection = "personal_tokens"

// PersonalToken is a token that an operator has made for a program. The token itself is not kept.
type PersonalToken struct {
	// Hash of the token finds it.
	Hash string `bson:"_id"`
	ID   string `bson:"id"`
	// Operator is the identifier of who it stands for, and OperatorName the name.
	Operator     string `bson:"operator"`
	OperatorName string `bson:"operatorName"`
	Name         string `bson:"name"`
	// Epoch is the TokenEpoch of the operator in which it was made, and with which it ends.
	Epoch int64 `bson:"epoch,omitempty"`
	// ExpiresAt is zero where it never does.
	ExpiresAt  time.Time `bson:"expiresAt"`
	LastUsedAt time.Time `bson:"lastUsedAt"`
	CreatedAt  time.Time `bson:"createdAt"`
}

// PersonalTokens keeps operators' own tokens under their hashes.
type PersonalTokens struct{ docs documents[PersonalToken] }

// PersonalTokens returns the tokens that operators have made.
func (s *Store) PersonalTokens() *PersonalTokens {
	return &PersonalTokens{documents[PersonalToken]{s, personalTokensCollection}}
}

// Get returns the token with a hash, or ErrNotFound.
func (p *PersonalTokens) Get(ctx context.Context, hash string) (*PersonalToken, error) {
	return p.docs.get(ctx, hash)
}

// Insert stores a new token.
func (p *PersonalTokens) Insert(ctx context.Context, t *PersonalToken) error {
	return p.docs.insert(ctx, t.Hash, t)
}

// Used notes when a token was used last. One that is gone stays so.
func (p *PersonalTokens) Used(ctx context.Context, hash string, at time.Time) error {
	_, err := p.docs.collection().UpdateOne(ctx, bson.M{"_id": hash}, bson.M{"$set": bson.M{"lastUsedAt": at.UTC()}})
	return p.docs.s.fail(ctx, err)
}

// List returns the tokens of an operator, the oldest first.
func (p *PersonalTokens) List(ctx context.Context, operator string) ([]*PersonalToken, error) {
	all, _, err := p.docs.find(ctx, bson.M{"operator": operator}, bson.D{{Key: "createdAt", Value: 1}, {Key: "_id", Value: 1}}, 0, 0)
	return all, err
}

// Delete removes a token of an operator, or returns ErrNotFound.
func (p *PersonalTokens) Delete(ctx context.Context, operator, id string) error {
	removed, err := p.docs.remove(ctx, bson.M{"operator": operator, "id": id})
	if err == nil && !removed {
		return ErrNotFound
	}
	return err
}

// RemoveOperator deletes all tokens of an operator.
func (p *PersonalTokens) RemoveOperator(ctx context.Context, operator string) error {
	return p.docs.removeMany(ctx, bson.M{"operator": operator})
}
