package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const leasesCollection = "leases"

// Lease is the right of one holder to do something that only one may do at a time.
type Lease struct {
	Name   string `bson:"_id"`
	Holder string `bson:"holder"`
	// Fence rises with every change of holder. Who is given it can refuse what comes from an earlier holder.
	Fence     int64     `bson:"fence"`
	ExpiresAt time.Time `bson:"expiresAt"`
	Revision  int64     `bson:"revision"`
}

// Leases keeps leases. They are judged by the clocks of those who ask, so a time to live has to be far longer than the
// clocks differ.
type Leases struct{ docs documents[Lease] }

// Leases returns the leases.
func (s *Store) Leases() *Leases { return &Leases{documents[Lease]{s, leasesCollection}} }

// Acquire takes a lease that is free or expired, or prolongs the holder's own. It reports false if another one holds it.
func (l *Leases) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (Lease, bool, error) {
	now := l.docs.s.now().UTC()
	old, err := l.docs.get(ctx, name)
	if errors.Is(err, ErrNotFound) {
		fresh := &Lease{Name: name, Holder: holder, Fence: 1, ExpiresAt: now.Add(ttl), Revision: 1}
		err := l.docs.insert(ctx, name, fresh)
		return won(fresh, err, ErrDuplicate)
	}
	if err != nil {
		return Lease{}, false, err
	}
	if old.Holder != holder && now.Before(old.ExpiresAt) {
		return Lease{}, false, nil
	}
	fresh := *old
	fresh.Revision++
	fresh.Holder, fresh.ExpiresAt = holder, now.Add(ttl)
	if old.Holder != holder {
		fresh.Fence++
	}
	err = l.docs.replace(ctx, bson.M{"_id": name, "revision": old.Revision}, &fresh)
	return won(&fresh, err, ErrStale)
}

// Prolong prolongs a lease that has not expired. It reports false where it had, even if nobody took it meanwhile: whoever relies on
// having held it all the time has not.
func (l *Leases) Prolong(ctx context.Context, lease Lease, ttl time.Duration) (Lease, bool, error) {
	now := l.docs.s.now().UTC()
	fresh := lease
	fresh.Revision++
	fresh.ExpiresAt = now.Add(ttl)
	err := l.docs.replace(ctx, bson.M{"_id": lease.Name, "holder": lease.Holder, "expiresAt": bson.M{"$gt": now}}, &fresh)
	return won(&fresh, err, ErrStale)
}

func won(l *Lease, err, lost error) (Lease, bool, error) {
	if errors.Is(err, lost) {
		return Lease{}, false, nil
	}
	if err != nil {
		return Lease{}, false, err
	}
	return *l, true, nil
}

// Release gives a lease back early, so that another holder need not wait.
func (l *Leases) Release(ctx context.Context, lease Lease) error {
	freed := lease
	freed.Revision++
	freed.ExpiresAt = l.docs.s.now().UTC()
	err := l.docs.replace(ctx, bson.M{"_id": lease.Name, "revision": lease.Revision}, &freed)
	if errors.Is(err, ErrStale) {
		return nil // somebody else has it by now
	}
	return err
}
