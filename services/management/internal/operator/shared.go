package operator

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// What the throttle counts in memory, replicas also count together, in the database: whoever is sent from one replica to the
// next is slowed down all the same. Only failures are counted here, after the fact; attempts at the same time are the
// business of the throttle of each replica.

// sharedKeys are the ways in which an attempt is counted, each with its limit.
func (s *Service) sharedKeys(ctx context.Context, account, address string) ([]count, error) {
	keys, err := s.keys.current(ctx)
	if err != nil {
		return nil, err
	}
	// People type passwords into the wrong field, so names are not kept, nor what could be searched for them.
	mac := sha256.Sum256(keys.stored.Keys[len(keys.stored.Keys)-1].PEM)
	all := s.throttle.ways(account, address)
	for i, c := range all {
		h := hmac.New(sha256.New, mac[:])
		h.Write([]byte(c.key))
		all[i].key = base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	}
	return all, nil
}

// sharedWait is how long an attempt has to wait because of failures on any replica.
func (s *Service) sharedWait(ctx context.Context, ways []count) (time.Duration, error) {
	var wait time.Duration
	for _, c := range ways {
		a, err := s.Store.Attempts().Get(ctx, c.key)
		if err != nil {
			return 0, err
		}
		wait = max(wait, a.Until.Sub(s.Now()))
	}
	return wait, nil
}

// sharedFailure counts a failure.
func (s *Service) sharedFailure(ctx context.Context, ways []count) error {
	for _, c := range ways {
		err := s.countShared(ctx, c.key, func(a *store.Attempt, now time.Time) {
			a.Count++
			a.Until = c.limit.until(a.Count, now)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sharedSuccess forgets the mistakes of the account at its address.
func (s *Service) sharedSuccess(ctx context.Context, ways []count) error {
	pair := ways[0].key
	a, err := s.Store.Attempts().Get(ctx, pair)
	if err != nil || a.Count == 0 {
		return err
	}
	return s.countShared(ctx, pair, func(a *store.Attempt, _ time.Time) { a.Count, a.Until = 0, time.Time{} })
}

func (s *Service) countShared(ctx context.Context, key string, edit func(a *store.Attempt, now time.Time)) error {
	for range races {
		a, err := s.Store.Attempts().Get(ctx, key)
		if err != nil {
			return err
		}
		now := s.now()
		if now.Sub(a.Last) > forgetAfter {
			a.Count = 0
		}
		a.Last, a.ExpiresAt = now, now.Add(forgetAfter+max(pairLimit.longest, addressLimit.longest))
		edit(&a, now)
		if err := s.Store.Attempts().Put(ctx, a); !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return nil // many at once: enough of them are counted
}
