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

const (
	clientUsesCollection = "client_uses"
	keepingCollection    = "registration_keeping"
)

// ClientUses keeps when and where each client was last used. It is no configuration: nothing is announced, and no gateway waits
// for it.
type ClientUses struct{ docs documents[ClientUse] }

// ClientUses returns the uses of clients.
func (s *Store) ClientUses() *ClientUses {
	return &ClientUses{documents[ClientUse]{s, clientUsesCollection}}
}

// ClientUse is the newest use of a client.
type ClientUse struct {
	Application string    `bson:"_id"`
	Domain      string    `bson:"domain"`
	At          time.Time `bson:"at"`
	// By is the name of the gateway that saw it.
	By string `bson:"by"`
}

// Record keeps uses, the newest of each client, and may be repeated. Uses of applications that are gone are left out.
func (u *ClientUses) Record(ctx context.Context, uses []ClientUse) error {
	if len(uses) == 0 {
		return nil
	}
	ids := make(bson.A, len(uses))
	for i, use := range uses {
		ids[i] = use.Application
	}
	stamps, err := u.docs.s.stamps(ctx, traitsOf(catalog.Applications), bson.M{"_id": bson.M{"$in": ids}})
	if err != nil {
		return err
	}
	there := make(map[string]string, len(stamps))
	for _, st := range stamps {
		if !st.Gone {
			there[st.ID] = st.Domain
		}
	}
	var writes []mongo.WriteModel
	for _, use := range uses {
		if there[use.Application] != use.Domain {
			continue
		}
		use.At = use.At.UTC().Truncate(time.Millisecond)
		// Where a newer one is stored, nothing matches, and the identifier refuses the insertion.
		writes = append(writes, mongo.NewReplaceOneModel().SetUpsert(true).SetReplacement(use).
			SetFilter(bson.M{"_id": use.Application, "at": bson.M{"$lt": use.At}}))
	}
	if len(writes) == 0 {
		return nil
	}
	_, err = u.docs.collection().BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false))
	return u.docs.s.fail(ctx, withoutDuplicates(err))
}

// OfDomain returns the uses of a domain's clients, by the application's identifier.
func (u *ClientUses) OfDomain(ctx context.Context, domain string) (map[string]ClientUse, error) {
	found, _, err := u.docs.find(ctx, bson.M{"domain": domain}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	uses := make(map[string]ClientUse, len(found))
	for _, f := range found {
		uses[f.Application] = *f
	}
	return uses, err
}

// Of returns the uses of some clients of a domain, by the application's identifier.
func (u *ClientUses) Of(ctx context.Context, domain string, applications []string) (map[string]ClientUse, error) {
	uses := make(map[string]ClientUse, len(applications))
	if len(applications) == 0 {
		return uses, nil
	}
	found, _, err := u.docs.find(ctx, bson.M{"_id": bson.M{"$in": applications}}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	for _, f := range found {
		if f.Domain == domain {
			uses[f.Application] = *f
		}
	}
	return uses, err
}

// RemoveApplication forgets the use of an application.
func (u *ClientUses) RemoveApplication(ctx context.Context, application string) error {
	return u.docs.removeMany(ctx, bson.M{"_id": application})
}

// keeping says since when unused clients of a domain are looked for.
type keeping struct {
	Domain string    `bson:"_id"`
	Since  time.Time `bson:"since"`
}

// KeptSince returns since when unused clients of a domain are looked for, and begins at a moment where they were not: what nobody
// noted before then is no proof that a client was not used.
func (u *ClientUses) KeptSince(ctx context.Context, domain string, now time.Time) (time.Time, error) {
	docs := documents[keeping]{u.docs.s, keepingCollection}
	for {
		found, err := docs.get(ctx, domain)
		if !errors.Is(err, ErrNotFound) {
			if err != nil {
				return time.Time{}, err
			}
			return found.Since, nil
		}
		err = docs.insert(ctx, domain, &keeping{Domain: domain, Since: now.UTC().Truncate(time.Millisecond)})
		if err != nil && !errors.Is(err, ErrDuplicate) {
			return time.Time{}, err
		}
	}
}

// KeepingDomains returns the domains in which unused clients are looked for.
func (u *ClientUses) KeepingDomains(ctx context.Context) ([]string, error) {
	return documents[keeping]{u.docs.s, keepingCollection}.distinct(ctx, bson.M{}, "_id")
}

// EndKeeping forgets that unused clients of a domain are looked for.
func (u *ClientUses) EndKeeping(ctx context.Context, domain string) error {
	return documents[keeping]{u.docs.s, keepingCollection}.removeMany(ctx, bson.M{"_id": domain})
}
