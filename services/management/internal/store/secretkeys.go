package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const secretKeysCollection = "secret_keys"

// SecretKeys keeps the values of fresh client secrets for a while, sealed, so that an application which is switched to
// using its secret as a key has it. They lie apart from the applications, so that they are gone from the database when
// their time is over: no change, no history and no stream ever held them.
type SecretKeys struct{ docs documents[secretKey] }

// SecretKeys returns the values of fresh client secrets.
func (s *Store) SecretKeys() *SecretKeys {
	return &SecretKeys{documents[secretKey]{s, secretKeysCollection}}
}

type secretKey struct {
	ID          string    `bson:"_id"`
	Domain      string    `bson:"domain"`
	Application string    `bson:"application"`
	Value       string    `bson:"value"`
	ExpiresAt   time.Time `bson:"expiresAt"`
}

// sealedAt binds a sealed value to its secret.
func sealedAt(id string) string { return "gatehouse.secret_keys/" + id }

// Put keeps the value of a secret until a moment, in the place of an earlier value.
func (k *SecretKeys) Put(ctx context.Context, domain, application, id, value string, until time.Time) error {
	return k.docs.put(ctx, id, &secretKey{
		ID: id, Domain: domain, Application: application, ExpiresAt: until.UTC(),
		Value: k.docs.s.opts.Sealer.Seal(sealedAt(id), []byte(value)),
	})
}

// Get returns the values of an application's secrets whose time is not over at a moment, by the secret's identifier.
func (k *SecretKeys) Get(ctx context.Context, application string, at time.Time) (map[string]string, error) {
	found, _, err := k.docs.find(ctx, bson.M{"application": application}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, f := range found {
		if !at.Before(f.ExpiresAt) {
			continue
		}
		value, err := k.docs.s.opts.Sealer.Open(sealedAt(f.ID), f.Value)
		if err != nil {
			return nil, fmt.Errorf("the kept value of client secret %s: %w", f.ID, err)
		}
		values[f.ID] = string(value)
	}
	return values, nil
}

// Remove forgets the values of secrets.
func (k *SecretKeys) Remove(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return k.docs.removeMany(ctx, bson.M{"_id": bson.M{"$in": ids}})
}

// RemoveApplication forgets the values of an application's secrets.
func (k *SecretKeys) RemoveApplication(ctx context.Context, application string) error {
	return k.docs.removeMany(ctx, bson.M{"application": application})
}

// pruneSecretKeys removes values whose time is over.
func (s *Store) pruneSecretKeys(ctx context.Context) error {
	return s.SecretKeys().docs.removeMany(ctx, bson.M{"expiresAt": bson.M{"$lte": s.now().UTC()}})
}

// removeSecretRecords forgets what is kept about the client secrets of a domain.
func (s *Store) removeSecretRecords(ctx context.Context, domain string) error {
	return errors.Join(
		s.SecretKeys().docs.removeMany(ctx, bson.M{"domain": domain}),
		s.SecretUses().docs.removeMany(ctx, bson.M{"domain": domain}),
	)
}
