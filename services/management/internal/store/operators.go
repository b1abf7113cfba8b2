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

// Operator is somebody, or some service, who may call the management API.
type Operator struct {
	// Key is the name in lower case; Insert and Replace set it.
	Key  string `bson:"_id"`
	ID   string `bson:"id"`
	Name string `bson:"name"`
	// PasswordHash is an argon2id PHC string; service accounts have none.
	PasswordHash   string `bson:"passwordHash"`
	Organization   string `bson:"organization"`
	Email          string `bson:"email"`
	FirstName      string `bson:"firstName"`
	LastName       string `bson:"lastName"`
	ServiceAccount bool   `bson:"serviceAccount"`
	// Disabled and Locked keep an operator out, with every token.
	Disabled bool `bson:"disabled"`
	Locked   bool `bson:"locked"`
	// Epoch rises when everything that was signed in until now has to end.
	Epoch int64 `bson:"epoch"`
	// TokenEpoch rises when the personal tokens that there are until now have to end.
	TokenEpoch int64 `bson:"tokenEpoch,omitempty"`
	// Memberships are those in the organization and its environment, one for each. What an operator is member of below
	// has no bound and is kept in OperatorMembers.
	Memberships []OperatorMembership `bson:"memberships"`
	LoggedAt    time.Time            `bson:"loggedAt"`
	Logins      int64                `bson:"logins"`
	Revision    int64                `bson:"revision"`
	CreatedAt   time.Time            `bson:"createdAt"`
	UpdatedAt   time.Time            `bson:"updatedAt"`
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

// Find returns the operator with an identifier, or ErrNotFound.
func (o *Operators) Find(ctx context.Context, id string) (*Operator, error) {
	return o.docs.one(ctx, bson.M{"id": id})
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

// Delete removes an operator that was read before, or returns ErrStale.
func (o *Operators) Delete(ctx context.Context, op *Operator) error {
	removed, err := o.docs.remove(ctx, bson.M{"_id": op.Key, "revision": op.Revision})
	if err == nil && !removed {
		return ErrStale
	}
	return err
}

// SignedIn counts a sign-in. It is no change of the operator: the revision stays.
func (o *Operators) SignedIn(ctx context.Context, key string, at time.Time) error {
	_, err := o.docs.collection().UpdateOne(ctx, bson.M{"_id": key},
		bson.M{"$set": bson.M{"loggedAt": at.UTC()}, "$inc": bson.M{"logins": int64(1)}})
	return o.docs.s.fail(ctx, err)
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
	past := bson.M{"expiresAt": bson.M{"$lt": s.now().UTC().Truncate(time.Millisecond)}}
	return errors.Join(s.RevokedTokens().docs.removeMany(ctx, past), s.Attempts().docs.removeMany(ctx, past))
}
