package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// The goals are those of a machine on which the form floor takes 21 µs and the verification of a signature 68: 60 µs for
// a token that was seen before, 150 µs for a new one.

func introspectionHot() Scenario {
	return Comparison{
		Floor: floor.Form,
		Goals: []report.Goal{report.AtMostFloor(2.86), report.NoRedis()},
		Prepare: func(ctx context.Context, b *Bench, _ int) (*Target, error) {
			i, err := newIntrospection(ctx, b)
			if err != nil {
				return nil, err
			}
			token := ""
			return &Target{
				Before: func(ctx context.Context) error {
					if token != "" {
						return nil
					}
					minted, err := i.mint(ctx, 1)
					if err == nil {
						token = minted[0]
					}
					return err
				},
				Operation: func(int) load.Operation {
					request := i.request(nil, token)
					return func(ctx context.Context, c *load.Conn, check bool) error { return i.ask(ctx, c, request, check) }
				},
			}, nil
		},
	}.Scenario("introspection-hot", "introspection of one ES256 token again and again")
}

func introspectionCold() Scenario {
	return Comparison{
		Floor: floor.FormVerify,
		Goals: []report.Goal{report.AtMostFloor(1.69), report.NoRedis()},
		Prepare: func(ctx context.Context, b *Bench, _ int) (*Target, error) {
			i, err := newIntrospection(ctx, b)
			if err != nil {
				return nil, err
			}
			var tokens []string
			var next atomic.Int64
			return &Target{
				Before: func(ctx context.Context) (err error) {
					next.Store(0)
					tokens, err = i.mint(ctx, b.Length.ColdTokens)
					return err
				},
				Operation: func(int) load.Operation {
					var request []byte
					return func(ctx context.Context, c *load.Conn, check bool) error {
						n := int(next.Add(1)) - 1
						if n >= len(tokens) {
							return load.ErrDone
						}
						request = i.request(request[:0], tokens[n])
						return i.ask(ctx, c, request, check)
					}
				},
			}, nil
		},
	}.Scenario("introspection-cold", "introspection of ES256 tokens that were never seen before")
}

// introspection is a service that has tokens and asks about them.
type introspection struct {
	world   *world
	app     *harness.Application
	gateway string
	basic   string
}

func newIntrospection(ctx context.Context, b *Bench) (*introspection, error) {
	w, err := b.sharedWorld(ctx)
	if err != nil {
		return nil, err
	}
	app, err := w.newService(ctx, b.current, jose.ES256)
	if err != nil {
		return nil, err
	}
	return &introspection{w, app, b.Platform.Gateway().Address, load.Basic(app.ClientID, app.Secret)}, nil
}

func (i *introspection) request(dst []byte, token string) []byte {
	return load.AppendForm(dst, i.gateway, i.world.domain.Path+"/oauth/introspect", "token="+token, i.basic)
}

func (i *introspection) ask(ctx context.Context, c *load.Conn, request []byte, check bool) error {
	got, err := ask(ctx, c, request, 200)
	if err != nil {
		return err
	}
	// {"active":false} and nothing else is what a token that is worth nothing gets.
	if !check {
		if len(got.Body) < 100 {
			return fmt.Errorf("the token is not active: %.100s", got.Body)
		}
		return nil
	}
	var answer struct {
		Active   bool   `json:"active"`
		ClientID string `json:"client_id"`
		Subject  string `json:"sub"`
		Expires  int64  `json:"exp"`
		Scope    string `json:"scope"`
	}
	if err := json.Unmarshal(got.Body, &answer); err != nil {
		return err
	}
	if !answer.Active || answer.ClientID != i.app.ClientID || answer.Subject != i.app.ClientID || answer.Scope != "read" ||
		time.Until(time.Unix(answer.Expires, 0)) <= 0 {
		return fmt.Errorf("the answer is wrong: %.300s", got.Body)
	}
	return nil
}

// mintConnections is how many connections ask for tokens that a scenario needs.
const mintConnections = 16

// mint asks for n tokens.
func (i *introspection) mint(ctx context.Context, n int) ([]string, error) {
	tokens := make([]string, n)
	var next atomic.Int64
	request := load.AppendForm(nil, i.gateway, i.world.domain.Path+"/oauth/token", "grant_type=client_credentials", i.basic)
	one := func(ctx context.Context, c *load.Conn, _ bool) error {
		at := int(next.Add(1)) - 1
		if at >= n {
			return load.ErrDone
		}
		// The first ones may come before the application has reached the gateway, or before the change that gave it its scope.
		return harness.Await(ctx, firstPatience, "a token", func(ctx context.Context) error {
			got, err := ask(ctx, c, request, 200)
			if err != nil {
				return err
			}
			if scope, err := member(got.Body, "scope"); err != nil || scope != "read" {
				return fmt.Errorf("the token's scope is %q instead of read", scope)
			}
			tokens[at], err = member(got.Body, "access_token")
			return err
		})
	}
	made, err := load.Run(ctx, load.Plan{
		Address: i.gateway, Connections: min(n, mintConnections), Duration: 5 * time.Minute,
		Operation: func(int) load.Operation { return one },
	})
	if err == nil {
		err = made.FirstError
	}
	return tokens, err
}
