package builtin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// patience is how long any provider may take, whatever its own limits are: a login answers by then.
const patience = 10 * time.Second

// Question is something that a provider was asked, for metrics.
type Question struct {
	// Type is the provider's, such as ldap-am-idp.
	Type string
	// Outcome is ok, refused, blocked, unavailable, or canceled where the person did not wait.
	Outcome string
	Took    time.Duration
}

// guard limits the time of whatever a provider is asked, and tells of it.
func (t Tools) guard(p *idp.Provider) {
	g := guarded{typ: p.Type, asked: t.Asked, password: p.Password, federation: p.Federation}
	if g.asked == nil {
		g.asked = func(Question) {}
	}
	if p.Password != nil {
		p.Password = g
	}
	if p.Federation != nil {
		p.Federation = g
	}
}

// guarded is a provider with a limit.
type guarded struct {
	typ        string
	asked      func(Question)
	password   idp.PasswordAuthenticator
	federation idp.Federator
}

// Authenticate implements idp.PasswordAuthenticator.
func (g guarded) Authenticate(ctx context.Context, c idp.Credentials) (a *idp.Assertion, err error) {
	err = g.ask(ctx, func(ctx context.Context) error {
		a, err = g.password.Authenticate(ctx, c)
		return err
	})
	return a, err
}

// Begin implements idp.Federator.
func (g guarded) Begin(ctx context.Context, leg idp.Leg) (redirect string, memo []byte, err error) {
	err = g.ask(ctx, func(ctx context.Context) error {
		redirect, memo, err = g.federation.Begin(ctx, leg)
		return err
	})
	return redirect, memo, err
}

// Finish implements idp.Federator.
func (g guarded) Finish(ctx context.Context, leg idp.Leg, answer url.Values, memo []byte) (a *idp.Assertion, err error) {
	err = g.ask(ctx, func(ctx context.Context) error {
		a, err = g.federation.Finish(ctx, leg, answer, memo)
		return err
	})
	return a, err
}

func (g guarded) ask(ctx context.Context, question func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begin := time.Now()
	err := question(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil && !errors.Is(err, idp.ErrUnavailable) {
		err = fmt.Errorf("%w: it takes more than %s: %w", idp.ErrUnavailable, patience, err)
	}
	g.asked(Question{Type: g.typ, Outcome: outcome(ctx, err), Took: time.Since(begin)})
	return err
}

func outcome(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, idp.ErrRefused):
		return "refused"
	case errors.Is(err, idp.ErrBlocked):
		return "blocked"
	case errors.Is(ctx.Err(), context.Canceled):
		return "canceled"
	}
	return "unavailable"
}
