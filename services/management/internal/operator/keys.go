package operator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	signingPurpose   = "operator tokens"
	signingAlgorithm = jose.EdDSA
	// keysFresh is how long a replica uses the keys that it has read.
	keysFresh = 5 * time.Second
	// keysSpread is how long a new key waits before it signs, so that every replica knows it by then.
	keysSpread = 2 * keysFresh
)

// keyring holds management's own keys, which sign the tokens of operators. They are made at the first need and kept in the
// database, sealed, for all replicas.
type keyring struct {
	store    *store.Store
	now      func() time.Time
	lifetime time.Duration // of tokens

	mu   sync.Mutex // guards what follows
	keys *keys
	read time.Time
}

// keys are the keys at one time. They do not change.
type keys struct {
	stored   *store.SigningKeys
	parsed   []*jose.Key // in the order of stored, the newest first
	verifies *jose.KeySet
}

// signs returns the newest key that every replica knows.
func (k *keys) signs(now time.Time) *jose.Key {
	for i, one := range k.stored.Keys {
		if now.Sub(one.CreatedAt) >= keysSpread {
			return k.parsed[i]
		}
	}
	return k.parsed[len(k.parsed)-1]
}

// current returns the keys.
func (r *keyring) current(ctx context.Context) (*keys, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys != nil && r.now().Sub(r.read) < keysFresh {
		return r.keys, nil
	}
	fresh, err := r.load(ctx)
	if fault.Is(err, fault.Unavailable) && r.keys != nil {
		// Whoever asks needs the database for more than this. Until it is back, nobody waits for it in line here.
		r.read = r.now()
		return r.keys, nil
	}
	return fresh, err
}

// load reads the keys, and makes the first one where there is none. It holds r.mu.
func (r *keyring) load(ctx context.Context) (*keys, error) {
	for range races {
		stored, err := r.store.SigningKeysOf(ctx, signingPurpose)
		if errors.Is(err, store.ErrNotFound) {
			if err = r.put(ctx, &store.SigningKeys{Purpose: signingPurpose}); errors.Is(err, store.ErrStale) {
				continue
			} else if err == nil {
				stored, err = r.store.SigningKeysOf(ctx, signingPurpose)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("keys of operators' tokens: %w", err)
		}
		fresh, err := parse(stored, r.now())
		if err != nil {
			return nil, fmt.Errorf("keys of operators' tokens: %w", err)
		}
		r.keys, r.read = fresh, r.now()
		return fresh, nil
	}
	return nil, errContended
}

// put stores keys with a new one in front of them.
func (r *keyring) put(ctx context.Context, keys *store.SigningKeys) error {
	key, err := jose.GenerateKey(signingAlgorithm, "")
	if err != nil {
		return fmt.Errorf("key of operators' tokens: %w", err)
	}
	pem, err := key.MarshalPEM()
	if err != nil {
		return fmt.Errorf("key of operators' tokens: %w", err)
	}
	made := store.SigningKey{ID: key.ID(), PEM: pem, CreatedAt: r.now().UTC().Truncate(time.Millisecond)}
	keys.Keys = append([]store.SigningKey{made}, keys.Keys...)
	return r.store.PutSigningKeys(ctx, keys)
}

func parse(stored *store.SigningKeys, now time.Time) (*keys, error) {
	k := &keys{stored: &store.SigningKeys{Purpose: stored.Purpose, Revision: stored.Revision}}
	for _, one := range stored.Keys {
		if !one.ExpiresAt.IsZero() && !now.Before(one.ExpiresAt) {
			continue
		}
		key, err := jose.ParsePrivateKey(one.PEM, one.ID, signingAlgorithm)
		if err != nil {
			return nil, err
		}
		k.stored.Keys, k.parsed = append(k.stored.Keys, one), append(k.parsed, key)
	}
	if len(k.parsed) == 0 {
		return nil, errors.New("none is left")
	}
	var err error
	k.verifies, err = jose.NewKeySet(k.parsed...)
	return k, err
}

// RotateKeys makes a new key that signs operators' tokens. The keys before it go on verifying until the tokens that they
// have signed have ended, or, if revoke is set, no longer: then every token that was signed until now ends, within
// seconds on all replicas.
func (s *Service) RotateKeys(ctx context.Context, revoke bool) error {
	r := s.keys
	r.mu.Lock()
	defer r.mu.Unlock()
	for range races {
		now, err := r.load(ctx)
		if err != nil {
			return err
		}
		next := &store.SigningKeys{Purpose: signingPurpose, Revision: now.stored.Revision}
		if !revoke {
			for _, k := range now.stored.Keys {
				if k.ExpiresAt.IsZero() {
					k.ExpiresAt = s.now().Add(keysSpread + r.lifetime + skew)
				}
				next.Keys = append(next.Keys, k)
			}
		}
		err = r.put(ctx, next)
		if errors.Is(err, store.ErrStale) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := r.load(ctx); err != nil {
			return err
		}
		s.record(ctx, Change{Action: "rotate", Kind: "token_key", ID: r.keys.stored.Keys[0].ID, Name: signingPurpose, Revision: next.Revision})
		return nil
	}
	return errContended
}

// races is how often a change is begun again that lost a race against another process.
const races = 8

var errContended = fault.Conflictf("The resource is being changed by others. Try again")
