package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Run clears away what dead writers left and shortens the log, now and then, until ctx ends. Every process may run it.
func (s *Store) Run(ctx context.Context) error {
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "sweep failed", "err", err)
		}
		if err := pause(ctx, nil, s.opts.SweepEvery); err != nil {
			return nil
		}
	}
}

// Sweep is one round of Run. Its parts may be repeated at any time.
func (s *Store) Sweep(ctx context.Context) error {
	return errors.Join(s.stillSealing(ctx), s.resolveSets(ctx), s.removeOrphans(ctx), s.pruneTokens(ctx), s.pruneSecretKeys(ctx), s.pruneConfirmations(ctx), s.pruneAudits(ctx),
		s.pruneTickets(ctx), s.pruneRegistrationAttempts(ctx), s.pruneMailLimits(ctx), s.pruneBindingTallies(ctx), s.pruneTouches(ctx), s.pruneGatewayStreams(ctx), s.forgetImports(ctx), s.closeChanges(ctx))
}

// closeChanges shortens the log, once everything is known that only the log says.
func (s *Store) closeChanges(ctx context.Context) error {
	if err := s.examine(ctx); err != nil {
		return err
	}
	return s.pruneChanges(ctx)
}

// resolveSets brings change sets to an end whose writers died after the last follower had passed.
func (s *Store) resolveSets(ctx context.Context) error {
	for _, k := range catalog.All {
		stamps, err := s.stamps(ctx, traitsOf(k), bson.M{memberSet: true})
		if err != nil {
			return err
		}
		done := map[int64]bool{}
		for _, st := range stamps {
			if done[st.Revision] {
				continue
			}
			done[st.Revision] = true
			if err := s.resolve(ctx, st.Revision); err != nil && !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("change set %d: %w", st.Revision, err)
			}
		}
	}
	return nil
}

// stamp is what the sweep looks at in a resource.
type stamp struct {
	ID       string `bson:"_id"`
	Domain   string `bson:"domain"`
	Revision int64  `bson:"revision"`
	Set      bool   `bson:"_set"`
	Gone     bool   `bson:"_gone"`
}

// Gone reports whether a domain had a resource that was deleted, for as long as the database remembers it.
func (s *Store) Gone(ctx context.Context, k catalog.Any, domain, id string) (bool, error) {
	found, err := s.stamps(ctx, traitsOf(k), bson.M{"_id": id})
	return err == nil && len(found) == 1 && found[0].Gone && found[0].Domain == domain, err
}

func (s *Store) stamps(ctx context.Context, t traits, filter bson.M) (all []stamp, err error) {
	err = s.eachStamp(ctx, t, filter, func(st stamp) { all = append(all, st) })
	return all, err
}

// eachStamp calls fn for the stamp of every resource that a filter selects, which may be a million.
func (s *Store) eachStamp(ctx context.Context, t traits, filter bson.M, fn func(stamp)) error {
	cursor, err := s.db.Collection(t.collection).Find(ctx, filter, options.Find().SetProjection(
		bson.M{"_id": 1, "domain": 1, "revision": 1, memberSet: 1, memberGone: 1}))
	if err != nil {
		return s.fail(ctx, err)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for next(ctx, cursor) {
		var st stamp
		if err := cursor.Decode(&st); err != nil {
			return s.fail(ctx, err)
		}
		fn(st)
	}
	return s.fail(ctx, cursor.Err())
}

// suspects are the domains that were missing at the last sweep.
type suspects struct {
	mu      sync.Mutex
	domains map[string]bool
}

// again returns those that were missing before as well, and remembers all of them for the next time.
func (s *suspects) again(missing map[string]bool) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	both := map[string]bool{}
	for d := range missing {
		if s.domains[d] {
			both[d] = true
		}
	}
	s.domains = missing
	return both
}

// removeOrphans deletes what belongs to a domain that is gone: resources that were created while their domain was being
// deleted, and people of domains whose deletion was not completed. A domain counts as gone when two sweeps in a row miss
// it, and never while there is none at all: that is what a database looks like that is just being restored.
func (s *Store) removeOrphans(ctx context.Context) error {
	missing, err := s.directoryDomains(ctx)
	if err != nil {
		return err
	}
	for _, k := range catalog.All {
		if k.Descriptor().Parent == nil {
			continue
		}
		if err := s.domainsOf(ctx, traitsOf(k), missing); err != nil {
			return err
		}
	}
	// The domains are read last, so that what is missing was missing all the time.
	stamps, err := s.stamps(ctx, traitsOf(catalog.Domains), bson.M{})
	if err != nil {
		return err
	}
	if len(stamps) == 0 {
		return nil
	}
	for _, st := range stamps {
		delete(missing, st.ID)
	}
	importing, err := s.importing(ctx)
	if err != nil {
		return err
	}
	for _, domain := range importing {
		delete(missing, domain)
	}
	for domain := range s.suspects.again(missing) {
		if err := s.removeDomain(ctx, domain); err != nil {
			return err
		}
	}
	return nil
}

// domainsAtOnce is how many resources one query of domainsOf looks at.
const domainsAtOnce = 500

// domainsOf adds the domains to which the resources of a kind belong, without looking at all of them: a domain may have a
// million. Resources of change sets do not count, because their domain may be about to appear.
func (s *Store) domainsOf(ctx context.Context, t traits, domains map[string]bool) error {
	for last := ""; ; {
		cursor, err := s.db.Collection(t.collection).Find(ctx, bson.M{"domain": bson.M{"$gt": last}}, options.Find().
			SetSort(bson.D{{Key: "domain", Value: 1}}).SetLimit(domainsAtOnce).SetProjection(bson.M{"domain": 1, memberSet: 1}))
		if err != nil {
			return s.fail(ctx, err)
		}
		var some []stamp
		if err := cursor.All(ctx, &some); err != nil {
			return s.fail(ctx, err)
		}
		for _, st := range some {
			if !st.Set {
				domains[st.Domain] = true
			}
		}
		if len(some) < domainsAtOnce {
			return nil
		}
		last = some[len(some)-1].Domain
	}
}

// RemovalSize is how many resources of a deleted domain are removed as one change. Nobody has to see them go together,
// and every follower waits for a change that is being written.
const RemovalSize = 20

func (s *Store) removeDomain(ctx context.Context, domain string) error {
	return s.unimported(ctx, domain, func() error {
		for _, k := range catalog.All {
			if k.Descriptor().Parent == nil {
				continue
			}
			if err := s.removeKind(ctx, traitsOf(k), domain); err != nil {
				return err
			}
		}
		return s.removeDirectory(ctx, domain)
	})
}

// removeKind removes the resources of one kind. That the domain is gone is made sure of once they are known.
func (s *Store) removeKind(ctx context.Context, t traits, domain string) error {
	var ops []Op
	err := s.eachStamp(ctx, t, bson.M{"domain": domain}, func(st stamp) {
		if st.Set {
			return // its domain may be about to appear
		}
		r := t.fresh()
		resource.Stamp(r, resource.Stamps{ID: st.ID, Domain: st.Domain, Revision: st.Revision})
		ops = append(ops, Op{Old: r})
	})
	if err != nil || len(ops) == 0 {
		return err
	}
	if there, err := s.stamps(ctx, traitsOf(catalog.Domains), bson.M{"_id": domain}); err != nil || len(there) > 0 {
		return err
	}
	return s.removeResources(ctx, domain, ops)
}

func (s *Store) removeResources(ctx context.Context, domain string, ops []Op) error {
	if len(ops) > 0 {
		s.log.InfoContext(ctx, "resources of a deleted domain removed", "domain", domain, "count", len(ops))
	}
	for part := range slices.Chunk(ops, RemovalSize) {
		if err := s.wholly(ctx, part); err != nil {
			return err
		}
		c := Change{Ops: part, Meant: resource.Key{Kind: catalog.Domains.Arm, Domain: domain, ID: domain}}
		// What changed or went meanwhile is for the next sweep.
		if _, err := s.Write(ctx, c); err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// wholly completes resources of which only the stamps are known: their records say what is lost. One that has changed
// meanwhile stays as it is, and the write will find out.
func (s *Store) wholly(ctx context.Context, ops []Op) error {
	for i, op := range ops {
		t, err := traitsOfKind(op.key().Kind)
		if err != nil {
			return err
		}
		r, err := s.one(ctx, t, bson.M{"_id": op.Old.GetId()})
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil && away(err):
			return err
		case err != nil:
			s.log.WarnContext(ctx, "removed resource cannot be read", "resource", op.key().String(), "err", err)
		case r.GetRevision() == op.Old.GetRevision():
			ops[i].Old = r
		}
	}
	return nil
}

// pruneChanges deletes old entries of the log. The newest one stays: it is where the next revision comes from.
func (s *Store) pruneChanges(ctx context.Context) error {
	last, err := s.LastRevision(ctx)
	if err != nil {
		return err
	}
	before := s.now().Add(-s.opts.KeepChanges).UTC().Truncate(time.Millisecond)
	if open := s.longAgo(); open.Before(before) {
		before = open // later ones have not been examined
	}
	_, err = s.db.Collection(changesCollection).DeleteMany(ctx, bson.M{"_id": bson.M{"$lt": last}, "at": bson.M{"$lt": before}})
	return s.fail(ctx, err)
}

// Missed compares an image with the database. It returns the resources that differ although no change after the image's
// revision names them: what a writer left that died at the worst moment. Held are the revisions of the image's
// resources; it takes from them what is as it should be.
func (s *Store) Missed(ctx context.Context, at int64, held map[resource.Key]int64) ([]resource.Key, error) {
	suspects := map[resource.Key]bool{}
	for _, k := range catalog.All {
		t := traitsOf(k)
		err := s.eachStamp(ctx, t, bson.M{}, func(st stamp) {
			key := resource.Key{Kind: t.kind, Domain: st.Domain, ID: st.ID}
			revision, known := held[key]
			delete(held, key)
			underWay := st.Set || st.Revision > at // or still to come
			if !underWay && (!known || revision != st.Revision) {
				suspects[key] = true
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for k := range held { // which the database has no longer
		suspects[k] = true
	}
	var missed []resource.Key
	for k := range suspects {
		later, err := s.namedLater(ctx, at, k.ID)
		if err != nil {
			return nil, err
		}
		if !later {
			missed = append(missed, k)
		}
	}
	return missed, nil
}

// Remind enters resources into the log without changing them, so that every follower reads them again.
func (s *Store) Remind(ctx context.Context, keys []resource.Key) (int64, error) {
	if len(keys) == 0 {
		return 0, errors.New("nothing to remind of")
	}
	revision, err := s.announce(context.WithoutCancel(ctx), keys, false, settled)
	if err == nil {
		s.written.ring()
	}
	return revision, err
}
