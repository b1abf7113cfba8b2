package scenario

import (
	"context"
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// refresh has the goal of a machine on which a form, a signature and a round trip to Redis take 95 µs: 250 µs.
func refresh() Scenario {
	return Comparison{
		Floor: floor.Refresh,
		Goals: []report.Goal{report.AtMostFloor(2.63), report.RedisTrips(1.1)},
		Prepare: func(ctx context.Context, b *Bench, connections int) (*Target, error) {
			r, err := newRefreshing(ctx, b, connections)
			if err != nil {
				return nil, err
			}
			return &Target{Before: r.before, Operation: r.operation, After: r.reuse}, nil
		},
	}.Scenario("refresh", "refresh token with rotation, ES256 access token, no ID token")
}

// refreshing keeps the current refresh token of each worker.
type refreshing struct {
	world  *world
	app    *harness.Application
	host   string
	basic  string
	tokens []string
}

func newRefreshing(ctx context.Context, b *Bench, connections int) (*refreshing, error) {
	w, err := b.sharedWorld(ctx)
	if err != nil {
		return nil, err
	}
	app, err := w.newWebApp(ctx, "refresh", w.quick, "authorization_code", "password", "refresh_token")
	if err != nil {
		return nil, err
	}
	return &refreshing{
		world: w, app: app, host: b.Platform.Gateway().Address, basic: load.Basic(app.ClientID, app.Secret), tokens: make([]string, connections),
	}, nil
}

// before signs a person in for every worker that has none.
func (r *refreshing) before(ctx context.Context) error {
	for i, token := range r.tokens {
		if token != "" {
			continue
		}
		made, err := r.family(ctx, i)
		if err != nil {
			return err
		}
		r.tokens[i] = made
	}
	return nil
}

func (r *refreshing) family(ctx context.Context, worker int) (token string, err error) {
	c := load.NewConn(r.host)
	defer c.Close()
	err = harness.Await(ctx, firstPatience, "a refresh token", func(ctx context.Context) error {
		answer, err := r.world.passwordGrant(ctx, c, r.host, r.app, person(quickName, worker%quickPeople), "profile read")
		if err == nil && answer.RefreshToken == "" {
			err = fmt.Errorf("no refresh token came with the password grant")
		}
		token = answer.RefreshToken
		return err
	})
	return token, err
}

func (r *refreshing) operation(worker int) load.Operation {
	var request []byte
	return func(ctx context.Context, c *load.Conn, check bool) error {
		request = r.request(request[:0], r.tokens[worker])
		got, err := ask(ctx, c, request, 200)
		if err != nil {
			r.tokens[worker] = "" // whatever became of it
			return err
		}
		next, err := member(got.Body, "refresh_token")
		if err == nil && next == r.tokens[worker] {
			err = fmt.Errorf("the refresh token was not rotated")
		}
		if err != nil {
			return err
		}
		r.tokens[worker] = next
		if !check {
			return nil
		}
		answer, err := decodeToken(got.Body)
		if err != nil {
			return err
		}
		return r.world.check(ctx, answer.AccessToken, expected{
			alg: jose.ES256, issuer: r.world.domain.Issuer, audience: r.app.ClientID, scope: "profile read",
		})
	}
}

func (r *refreshing) request(dst []byte, token string) []byte {
	return load.AppendForm(dst, r.host, r.world.domain.Path+"/oauth/token", "grant_type=refresh_token&refresh_token="+token, r.basic)
}

// reuse proves that speed does not come from forgetting: a refresh token whose successor was used is refused, and takes
// the whole family with it.
func (r *refreshing) reuse(ctx context.Context) error {
	c := load.NewConn(r.host)
	defer c.Close()
	first, err := r.family(ctx, 0)
	if err != nil {
		return err
	}
	token := first
	for range 2 {
		got, err := ask(ctx, c, r.request(nil, token), 200)
		if err != nil {
			return err
		}
		if token, err = member(got.Body, "refresh_token"); err != nil {
			return err
		}
	}
	for _, spent := range []string{first, token} {
		got, err := ask(ctx, c, r.request(nil, spent), 400)
		if err != nil {
			return fmt.Errorf("a refresh token was presented again: %w", err)
		}
		if code, _ := member(got.Body, "error"); code != "invalid_grant" {
			return fmt.Errorf("a refresh token was presented again: %.200s", got.Body)
		}
	}
	return nil
}
