package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

const secretUsesCollection = "secret_uses"

// SecretUses keeps when and where each client secret was last used. It is no configuration: nothing is announced, and no
// gateway waits for it.
type SecretUses struct{ docs documents[SecretUse] }

// SecretUses returns the uses of client secrets.
func (s *Store) SecretUses() *SecretUses {
	return &SecretUses{documents[SecretUse]{s, secretUsesCollection}}
}

// SecretUse is the newest use of a client secret.
type SecretUse struct {
	// Secret is the secret's identifier.
	Secret      string    `bson:"_id"`
	Domain      string    `bson:"domain"`
	Application string    `bson:"application"`
	At          time.Time `bson:"at"`
	// By is the name of the gateway that saw it.
	By string `bson:"by"`
}

// Record keeps uses, the newest of each secret, and may be repeated. Uses of applications that are gone are left out.
func (u *SecretUses) Record(ctx context.Context, uses []SecretUse) error {
	there, err := u.applications(ctx, uses)
	if err != nil {
		return err
	}
	var writes []mongo.WriteModel
	for _, use := range uses {
		if there[use.Application] != use.Domain {
			continue
		}
		use.At = use.At.UTC().Truncate(time.Millisecond)
		// Where a newer one is stored, nothing matches, and the identifier refuses the insertion.
		writes = append(writes, mongo.NewReplaceOneModel().SetUpsert(true).SetReplacement(use).
			SetFilter(bson.M{"_id": use.Secret, "at": bson.M{"$lt": use.At}}))
	}
	if len(writes) == 0 {
		return nil
	}
	_, err = u.docs.collection().BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false))
	return u.docs.s.fail(ctx, withoutDuplicates(err))
}

// applications returns the domains of those applications that exist, by their identifiers.
func (u *SecretUses) applications(ctx context.Context, uses []SecretUse) (map[string]string, error) {
	ids := map[string]bool{}
	var list bson.A
	for _, use := range uses {
		if !ids[use.Application] {
			ids[use.Application] = true
			list = append(list, use.Application)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	stamps, err := u.docs.s.stamps(ctx, traitsOf(catalog.Applications), bson.M{"_id": bson.M{"$in": list}})
	if err != nil {
		return nil, err
	}
	there := make(map[string]string, len(stamps))
	for _, st := range stamps {
		if !st.Gone {
			there[st.ID] = st.Domain
		}
	}
	return there, nil
}

// withoutDuplicates returns what else went wrong in a bulk write.
func withoutDuplicates(err error) error {
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) || bulk.WriteConcernError != nil {
		return err
	}
	for _, w := range bulk.WriteErrors {
		if !mongo.IsDuplicateKeyError(w.WriteError) {
			return err
		}
	}
	return nil
}

// OfApplication returns the uses of an application's secrets, by the secret's identifier.
func (u *SecretUses) OfApplication(ctx context.Context, application string) (map[string]SecretUse, error) {
	return u.byID(ctx, bson.M{"application": application})
}

// Get returns the uses of secrets, by their identifiers.
func (u *SecretUses) Get(ctx context.Context, ids []string) (map[string]SecretUse, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return u.byID(ctx, bson.M{"_id": bson.M{"$in": ids}})
}

func (u *SecretUses) byID(ctx context.Context, filter bson.M) (map[string]SecretUse, error) {
	found, _, err := u.docs.find(ctx, filter, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	if err != nil {
		return nil, err
	}
	uses := make(map[string]SecretUse, len(found))
	for _, f := range found {
		uses[f.Secret] = *f
	}
	return uses, nil
}

// Remove forgets the use of a secret.
func (u *SecretUses) Remove(ctx context.Context, id string) error {
	return u.docs.removeMany(ctx, bson.M{"_id": id})
}

// RemoveApplication forgets the uses of an application's secrets.
func (u *SecretUses) RemoveApplication(ctx context.Context, application string) error {
	return u.docs.removeMany(ctx, bson.M{"application": application})
}
