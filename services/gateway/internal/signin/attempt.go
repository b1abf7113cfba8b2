package signin

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// How many attempts may fail from one network within failurePeriod: in one domain, and in all of them together. A carrier puts
// some thousands of people behind one address, of whom a few in a hundred mistype a password in a quarter of an hour; somebody
// who guesses makes ten thousand attempts a day at most.
const (
	maxFailures      = 100
	maxFailuresInAll = 300
	failurePeriod    = 15 * time.Minute
)

// windows are those in which failures from an address count; nil for the zero address.
func windows(d *domain.Domain, from netip.Addr) []state.Window {
	if !from.IsValid() {
		return nil
	}
	network := observe.Network(from).String()
	return []state.Window{
		{Purpose: "sign-in", Domain: d.ID, By: network, Max: maxFailures, Period: failurePeriod},
		{Purpose: "sign-in", By: network, Max: maxFailuresInAll, Period: failurePeriod},
	}
}

// attempt is one attempt to sign in as it is counted: at every provider that is asked, and where it comes from. It is counted
// before a password is looked at: however many guesses are under way at once, no more are looked at than may be.
type attempt struct {
	s        *Service
	d        *domain.Domain
	c        *domain.Client
	accounts []state.Account
	windows  []state.Window
	// locks are the accounts that are locked if the attempt fails.
	locks []state.Account
}

func (a *attempt) limit() state.AttemptLimit {
	l := limitOf(a.c.Lockout)
	if a.d.Portal != nil && !a.c.Everywhere && l.Max > 0 && a.d.Portal.Lockout != nil {
		everywhere := limitOf(a.d.Portal.Lockout)
		l.Domain = &everywhere
	}
	return l
}

func limitOf(l *domain.Lockout) state.AttemptLimit {
	if l == nil {
		return state.AttemptLimit{}
	}
	return state.AttemptLimit{Max: l.Max, Reset: l.Reset, Block: l.Block}
}

// begin counts the attempt at a provider, and for the first of them where it comes from.
func (a *attempt) begin(ctx context.Context, i int) error {
	var windows []state.Window
	if i == 0 {
		windows = a.windows
	}
	if a.c.Lockout == nil && len(windows) == 0 {
		return nil
	}
	begun, err := a.s.attempts.BeginAttemptFrom(ctx, a.accounts[i], a.limit(), windows...)
	switch {
	case err != nil:
		return fmt.Errorf("attempts to sign in: %w", err)
	case begun.Wait > 0:
		return refuse(ErrTooMany, "Too many attempts have failed, try again later")
	case begun.Locked:
		a.fail(ctx)
		return refuse(ErrLocked, "The account is locked")
	case begun.Last:
		a.locks = append(a.locks, a.accounts[i])
	}
	return nil
}

// succeed forgets the failures of the account that was signed in to. The providers before it refused somebody who is not
// theirs.
func (a *attempt) succeed(ctx context.Context, i int) error {
	done := state.Settlement{Leave: a.windows}
	if a.c.Lockout != nil {
		done.Forget, done.Return = a.accounts[i:i+1], a.accounts[:i]
	}
	if err := a.s.attempts.SettleAttempts(ctx, done); err != nil {
		return fmt.Errorf("attempts to sign in: %w", err)
	}
	return nil
}

// abandon takes back an attempt that came to nothing for reasons that are not the person's: an outage must not lock
// everybody who tries. If it cannot be taken back it counts as one that failed.
func (a *attempt) abandon(ctx context.Context, i int) {
	done := state.Settlement{Leave: a.windows}
	if a.c.Lockout != nil {
		done.Return = a.accounts[i : i+1]
	}
	if err := a.s.attempts.SettleAttempts(context.WithoutCancel(ctx), done); err != nil {
		a.s.log.WarnContext(ctx, "attempt to sign in not taken back", "domain", a.d.ID, "idp", a.accounts[i].Provider, "err", err)
	}
}

// fail tells the owners of accounts that the attempt has locked. The link that they get leads to no authorization request:
// this one may be the guesser's.
func (a *attempt) fail(ctx context.Context) {
	if !a.c.Account.GetSendRecoverAccountEmail() {
		return
	}
	for _, account := range a.locks {
		sender := &directoryv1.Sender{BaseUrl: a.d.Base, Application: a.c.ID}
		if err := a.s.directory.NotifyLocked(ctx, a.d.ID, account.Provider, account.Username, sender); err != nil {
			a.s.log.WarnContext(ctx, "owner of locked account not told", "domain", a.d.ID, "idp", account.Provider, "err", err)
		}
	}
}
