package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// importPrefix begins the names of the leases of imports. What belongs to their domains is nobody's until the domain is there, and
// is left alone.
const importPrefix = "import "

// ImportLease is the name of the lease that whoever imports a domain holds.
func ImportLease(domain string) string { return importPrefix + domain }

// clearingTTL is the time to live of the lease under which what belongs to a domain that is gone is deleted.
const clearingTTL = 10 * time.Minute

// unimported does something while nobody imports a domain or begins to. Where somebody does, nothing happens: the domain is still to
// come.
func (s *Store) unimported(ctx context.Context, domain string, do func() error) error {
	lease, won, err := s.Leases().Acquire(ctx, ImportLease(domain), secret.NewID(), clearingTTL)
	if err != nil || !won {
		return err
	}
	err = do()
	_, removed := s.Leases().docs.remove(context.WithoutCancel(ctx), bson.M{"_id": lease.Name, "holder": lease.Holder})
	return errors.Join(err, removed)
}

// forgetImports deletes the leases of imports that ended long ago.
func (s *Store) forgetImports(ctx context.Context) error {
	return s.Leases().docs.removeMany(ctx, bson.M{
		"_id": bson.M{"$gt": importPrefix, "$lt": importPrefix + "\uffff"}, "expiresAt": bson.M{"$lt": s.now().UTC().Add(-24 * time.Hour)},
	})
}

// importing returns the domains that are being imported.
func (s *Store) importing(ctx context.Context) ([]string, error) {
	held, _, err := s.Leases().docs.find(ctx, bson.M{"_id": bson.M{"$gt": importPrefix, "$lt": importPrefix + "\uffff"}}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	if err != nil {
		return nil, err
	}
	var domains []string
	for _, l := range held {
		if s.now().Before(l.ExpiresAt) {
			domains = append(domains, strings.TrimPrefix(l.Name, importPrefix))
		}
	}
	return domains, nil
}

// ClearDomain deletes what belongs to a domain that does not exist: what an import has left that came to nothing. ErrDuplicate says
// that the domain is there.
func (s *Store) ClearDomain(ctx context.Context, domain string) error {
	_, err := s.GetAny(ctx, catalog.Domains, domain)
	if err == nil {
		return &DuplicateError{Kind: catalog.Domains.Arm, ID: domain, Unique: "id"}
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	var left []Op
	for _, k := range catalog.All {
		if k.Descriptor().Parent == nil {
			continue
		}
		t := traitsOf(k)
		stamps, err := s.stamps(ctx, t, bson.M{"domain": domain})
		if err != nil {
			return err
		}
		for _, st := range stamps {
			r := t.fresh()
			resource.Stamp(r, resource.Stamps{ID: st.ID, Domain: st.Domain, Revision: st.Revision})
			left = append(left, Op{Old: r})
		}
	}
	if err := s.removeResources(ctx, domain, left); err != nil {
		return err
	}
	return s.removeDirectory(ctx, domain)
}

// TakenIDs returns those of some identifiers that resources of a kind have, of domains other than the one named.
func (s *Store) TakenIDs(ctx context.Context, k catalog.Any, domain string, ids []string) ([]string, error) {
	var taken []string
	for part := range slices.Chunk(ids, keptPage) {
		stamps, err := s.stamps(ctx, traitsOf(k), bson.M{"_id": bson.M{"$in": part}})
		if err != nil {
			return nil, err
		}
		for _, st := range stamps {
			if st.Domain != domain {
				taken = append(taken, st.ID)
			}
		}
	}
	return taken, nil
}

// TakenIDs returns those of some identifiers that people of other domains have.
func (u *Users) TakenIDs(ctx context.Context, domain string, ids []string) ([]string, error) {
	return u.s.takenElsewhere(ctx, usersCollection, domain, ids)
}

// TakenKept returns the identifiers of those of some records of one kind that other domains have.
func (s *Store) TakenKept(ctx context.Context, domain string, all []Kept) ([]string, error) {
	if len(all) == 0 || keptKinds[all[0].kind].prefixed {
		return nil, nil
	}
	ids := make([]string, len(all))
	for i, one := range all {
		ids[i] = one.Member("_id")
	}
	return s.takenElsewhere(ctx, keptKinds[all[0].kind].collection, domain, ids)
}

func (s *Store) takenElsewhere(ctx context.Context, collection, domain string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	cursor, err := s.db.Collection(collection).Find(ctx, bson.M{"_id": bson.M{"$in": ids}, "domain": bson.M{"$ne": domain}},
		options.Find().SetProjection(bson.M{"_id": 1}))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	var found []struct {
		ID string `bson:"_id"`
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, s.fail(ctx, err)
	}
	taken := make([]string, len(found))
	for i, f := range found {
		taken[i] = f.ID
	}
	return taken, nil
}
