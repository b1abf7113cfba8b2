package clientauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// check returns nil if any unexpired secret of the client is one of those presented, and else an *oauth2.Error. Slow
// hashes are computed only after everything that is known at once.
func (a *Authenticator) check(ctx context.Context, c *domain.Client, presented ...string) error {
	now := a.now()
	for _, compare := range []func(ctx context.Context, hash, presented string) (bool, error){a.known, a.computed} {
		for i := range c.Secrets {
			s := &c.Secrets[i]
			if !s.Expires.IsZero() && !now.Before(s.Expires) {
				continue
			}
			for _, p := range presented {
				if p == "" {
					continue
				}
				ok, err := compare(ctx, s.Hash, p)
				switch {
				case ok:
					a.used.Note(s.Meter, c.Application.GetDomain(), c.ID, s.ID, now)
					return nil
				case errors.Is(err, secret.ErrBusy) && ctx.Err() == nil:
					return oauth2.TemporarilyUnavailable.Errorf("Too many secrets are being checked, try again shortly").WithCause(err)
				case err != nil:
					return err
				}
			}
		}
	}
	return errFailed
}

// known compares with generated secrets, which are checked by one SHA-256, and with chosen ones that were right before.
func (a *Authenticator) known(_ context.Context, hash, presented string) (bool, error) {
	if secret.IsGenerated(hash) {
		return secret.VerifyGenerated(hash, presented)
	}
	return a.proven.has(hash, presented), nil
}

// computed compares with chosen secrets by their slow hash.
func (a *Authenticator) computed(ctx context.Context, hash, presented string) (bool, error) {
	if secret.IsGenerated(hash) {
		return false, nil
	}
	ok, _, err := a.hasher.Verify(ctx, hash, presented)
	if ok {
		a.proven.add(hash, presented)
	}
	return ok, err
}

// proven remembers which secret was right for a slow hash, so that a client with a chosen secret waits for its hash once
// and not at every request. It keeps an HMAC under a key that never leaves the process.
type proven struct {
	key []byte

	mu    sync.RWMutex
	known map[string][sha256.Size]byte // by hash
}

// maxProven bounds the memory. Beyond it the record begins anew.
const maxProven = 10_000

func newProven() *proven {
	return &proven{key: secret.NewKey(), known: map[string][sha256.Size]byte{}}
}

func (p *proven) digest(presented string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(presented))
	mac.Sum(sum[:0])
	return sum
}

func (p *proven) has(hash, presented string) bool {
	p.mu.RLock()
	want, ok := p.known[hash]
	p.mu.RUnlock()
	if !ok {
		return false
	}
	got := p.digest(presented)
	return hmac.Equal(got[:], want[:])
}

func (p *proven) add(hash, presented string) {
	sum := p.digest(presented)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxProven {
		clear(p.known)
	}
	p.known[hash] = sum
}
