package scenario

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
)

// world is what most scenarios share: a domain with a scope, an ES256 certificate and people.
type world struct {
	domain      *harness.Domain
	certificate string // ES256
	// quick has people whose passwords are checked almost for nothing, so that a sign-in can be measured without the
	// hash; slow has people with passwords as management hashes them.
	quick, slow string

	mu   sync.Mutex
	keys *jose.KeySet
}

// The people, user0, user1, …, and what they type. quickHash is an argon2id hash of password with the smallest cost that
// the algorithm has.
const (
	quickPeople = 64
	slowPeople  = 4
	password    = "correct horse battery staple"
	quickHash   = "$argon2id$v=19$m=8,t=1,p=1$YmVuY2hzYWx0YmVuY2hzYQ$vhpwa72zvt7wHDqO1i2+nCxtl3H5GsETb2mGzIUTrro"
)

func person(prefix string, n int) string { return prefix + strconv.Itoa(n) }

const (
	quickName = "quick"
	slowName  = "slow"
)

// sharedWorld returns the shared domain and makes it first if need be.
func (b *Bench) sharedWorld(ctx context.Context) (*world, error) {
	if b.world != nil {
		return b.world, nil
	}
	d, err := b.Platform.NewDomain(ctx, "bench", nil)
	if err != nil {
		return nil, err
	}
	if b.world, err = furnish(ctx, d); err != nil {
		b.world = nil
		return nil, err
	}
	return b.world, b.Platform.AwaitDomain(ctx, d.ID)
}

// furnish gives a domain what worlds have.
func furnish(ctx context.Context, d *harness.Domain) (*world, error) {
	w := &world{domain: d}
	if _, err := d.Create(ctx, "scopes", harness.Object{"key": "read", "name": "Read", "description": "Reading"}); err != nil {
		return nil, err
	}
	var err error
	w.certificate, err = d.Create(ctx, "certificates", harness.Object{
		"type": "generated-am-certificate", "name": "es256", "configuration": `{"algorithm":"ES256","alias":"es256"}`,
	})
	if err != nil {
		return nil, err
	}
	if w.quick, err = d.NewProvider(ctx, quickName, people(quickName, quickPeople, quickHash)); err != nil {
		return nil, err
	}
	w.slow, err = d.NewProvider(ctx, slowName, people(slowName, slowPeople, password))
	return w, err
}

func people(prefix string, n int, password string) []harness.User {
	users := make([]harness.User, n)
	for i := range users {
		users[i] = harness.User{Name: person(prefix, i), Password: password}
	}
	return users
}

// verify checks a signature with the domain's keys, which are read again once if the token's is not among them.
func (w *world) verify(ctx context.Context, token string, alg jose.Algorithm) (*jose.Claims, error) {
	verified, err := w.verifyWith(ctx, false, token, alg)
	if errors.Is(err, jose.ErrUnknownKey) {
		verified, err = w.verifyWith(ctx, true, token, alg)
	}
	if err != nil {
		return nil, fmt.Errorf("the token's signature: %w", err)
	}
	return verified.Claims()
}

func (w *world) verifyWith(ctx context.Context, anew bool, token string, alg jose.Algorithm) (*jose.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keys == nil || anew {
		keys, err := w.domain.Keys(ctx)
		if err != nil {
			return nil, err
		}
		w.keys = keys
	}
	return w.keys.Verify(token, jose.Check{Algorithms: []jose.Algorithm{alg}})
}

// expected is what a token must say.
type expected struct {
	alg      jose.Algorithm
	issuer   string
	audience string
	subject  string // "" for anybody who is not the client
	scope    string
	lifetime time.Duration // 0 for any
}

// check verifies a token and compares what it says.
func (w *world) check(ctx context.Context, token string, want expected) error {
	c, err := w.verify(ctx, token, want.alg)
	if err != nil {
		return err
	}
	if err := c.Validate(time.Now(), 2*time.Second); err != nil {
		return err
	}
	switch {
	case c.Issuer != want.issuer:
		return fmt.Errorf("the token's issuer is %q", c.Issuer)
	case !c.HasAudience(want.audience):
		return fmt.Errorf("the token's audience is %q", c.Audience)
	case want.subject != "" && c.Subject != want.subject:
		return fmt.Errorf("the token's subject is %q", c.Subject)
	case want.subject == "" && (c.Subject == "" || c.Subject == want.audience):
		return fmt.Errorf("the token's subject %q is no person", c.Subject)
	case want.scope != "" && c.Scope != want.scope:
		return fmt.Errorf("the token's scope is %q", c.Scope)
	case want.lifetime != 0 && c.ExpiresAt.Sub(c.IssuedAt) != want.lifetime:
		return fmt.Errorf("the token lives for %v", c.ExpiresAt.Sub(c.IssuedAt))
	}
	return nil
}
