package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// importPrefix begins the names of the leases of imports. What belongs to their domains is nobody's until the domain is there, and
// is left alone.
const importPrefix = "import "

// ImportLease is the name of the lease that whoever imports a domain holds.
func ImportLease(domain string) string { return importPrefix + domain }

// Importing reports whether somebody is importing a domain.
func (s *Store) Importing(ctx context.Context, domain string) (bool, error) {
	lease, err := s.Leases().docs.get(ctx, ImportLease(domain))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && s.now().Before(lease.ExpiresAt), err
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
