package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	operatorsCollection = "operators"
	tokensCollection    = "revoked_tokens"
)

// Operator is somebody who may call the management API.
type Operator struct {
	// Key is the name in lower case; Insert and Replace set it.
	Key  string `bson:"_id"`
	ID   string `bson:"id"`
	Name string `bson:"name"`
	// PasswordHash is an argon2id PHC string.
	PasswordHash string    `bson:"passwordHash"`
	Organization string    `bson:"organization"`
	Permissions  []string  `bson:"permissions"`
	Disabled     bool      `bson:"disabled"`
	Revision     int64     `bson:"revision"`
	CreatedAt    time.Time `bson:"createdAt"`
	UpdatedAt    time.Time `bson:"updatedAt"`
}

// Operators keeps operators under their names, in any case.
type Operators struct{ docs documents[Operator] }

// Operators returns those who may call the management API.
func (s *Store) Operators() *Operators {
	return &Operators{documents[Operator]{s, operatorsCollection}}
}

// Get returns the operator with a name in any case, or ErrNotFound.
func (o *Operators) Get(ctx context.Context, name string) (*Operator, error) {
	return o.docs.get(ctx, strings.ToLower(name))
}

// Insert stores a new operator at revision 1; a taken name is a *DuplicateError.
func (o *Operators) Insert(ctx context.Context, op *Operator) error {
	op.Key, op.Revision = strings.ToLower(op.Name), 1
	return o.docs.insert(ctx, op.Key, op)
}

// Replace stores an operator that was read before, at the next revision, or returns ErrStale. The name stays.
func (o *Operators) Replace(ctx context.Context, op *Operator) error {
	was := op.Revision
	op.Revision++
	if err := o.docs.replace(ctx, bson.M{"_id": op.Key, "revision": was}, op); err != nil {
		op.Revision = was
		return err
	}
	return nil
}

// List returns all operators in the order of their names.
func (o *Operators) List(ctx context.Context) ([]*Operator, error) {
	all, _, err := o.docs.find(ctx, bson.M{}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	return all, err
}

// RevokedTokens keeps the identifiers of tokens that ended early, until they would have ended anyway.
type RevokedTokens struct{ docs documents[revokedToken] }

type revokedToken struct {
	ID        string    `bson:"_id"`
	ExpiresAt time.Time `bson:"expiresAt"`
}

// RevokedTokens returns the operators' tokens that ended early.
func (s *Store) RevokedTokens() *RevokedTokens {
	return &RevokedTokens{documents[revokedToken]{s, tokensCollection}}
}

// Add revokes the token with an identifier until it expires.
func (r *RevokedTokens) Add(ctx context.Context, id string, expires time.Time) error {
	return r.docs.put(ctx, id, &revokedToken{ID: id, ExpiresAt: expires.UTC()})
}

// Has reports whether a token was revoked.
func (r *RevokedTokens) Has(ctx context.Context, id string) (bool, error) {
	_, err := r.docs.get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (s *Store) pruneTokens(ctx context.Context) error {
	return s.RevokedTokens().docs.removeMany(ctx, bson.M{"expiresAt": bson.M{"$lt": s.now().UTC().Truncate(time.Millisecond)}})
}
