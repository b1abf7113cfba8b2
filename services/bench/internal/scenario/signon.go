package scenario

import (
	"context"
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// signOn is login without the sign-in: what single sign-on costs. Neither management nor the database takes part, so it
// shows the gateway where login shows everything. It has the goal of login.
func signOn() Scenario {
	return Comparison{
		Floor: floor.Session,
		Goals: []report.Goal{report.AtMostFloor(2.41)},
		Unit:  "flow",
		Prepare: func(ctx context.Context, b *Bench, connections int) (*Target, error) {
			w, err := b.sharedWorld(ctx)
			if err != nil {
				return nil, err
			}
			f, err := newFlow(ctx, b, w, w.quick, quickName)
			if err != nil {
				return nil, err
			}
			visitors := make([]*visitor, connections)
			for i := range visitors {
				visitors[i] = &visitor{flow: f, user: person(quickName, i%quickPeople)}
			}
			return &Target{Operation: func(worker int) load.Operation { return visitors[worker].signOn }, After: f.reuse}, nil
		},
	}.Scenario("sign-on", "authorization code with PKCE to token and ID token (ES256) for somebody who is signed in already")
}

// signOn goes from authorization request to token. The first time, and after a failure, it signs in.
func (v *visitor) signOn(ctx context.Context, c *load.Conn, check bool) error {
	verifier := secret.NewToken()
	if v.browser.header() == nil {
		if _, err := v.code(ctx, c, verifier); err != nil {
			v.browser.forget()
			return err
		}
	}
	target, state := v.authorization(verifier)
	got, err := v.get(ctx, c, target, 302)
	if err != nil {
		v.browser.forget()
		return err
	}
	code, err := codeOf(got.Header("Location"), state)
	if err != nil {
		v.browser.forget()
		return fmt.Errorf("the session does not count: %w", err)
	}
	return v.exchange(ctx, c, code, verifier, check)
}
