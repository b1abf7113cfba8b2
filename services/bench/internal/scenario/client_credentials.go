package scenario

import (
	"context"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

func clientCredentialsES256() Scenario {
	return Comparison{
		Floor:   floor.TokenES256,
		Goals:   []report.Goal{report.AtMostFloor(1.35), report.NoRedis()},
		Prepare: clientCredentials(jose.ES256),
	}.Scenario("client-credentials-es256", "token for a client, client_secret_basic, JWT signed with ES256")
}

func clientCredentialsRS256() Scenario {
	return Comparison{
		Floor:   floor.TokenRS256,
		Goals:   []report.Goal{report.AtMostFloor(1.05), report.NoRedis()},
		Prepare: clientCredentials(jose.RS256),
	}.Scenario("client-credentials-rs256", "token for a client, client_secret_basic, JWT signed with RS256 and 2048 bits")
}

// serviceLifetime is how long the tokens of services live.
const serviceLifetime = 2 * time.Hour

// newService creates an application that may have tokens of its own.
func (w *world) newService(ctx context.Context, name string, alg jose.Algorithm) (*harness.Application, error) {
	return w.domain.NewApplication(ctx, name, "service", nil, harness.Object{"settings": harness.Object{"oauth": harness.Object{
		"accessTokenSigningAlg":      alg,
		"accessTokenValiditySeconds": int(serviceLifetime.Seconds()),
		"scopeSettings":              []harness.Object{{"scope": "read", "defaultScope": true}},
	}}})
}

func clientCredentials(alg jose.Algorithm) func(context.Context, *Bench, int) (*Target, error) {
	return func(ctx context.Context, b *Bench, _ int) (*Target, error) {
		w, err := b.sharedWorld(ctx)
		if err != nil {
			return nil, err
		}
		app, err := w.newService(ctx, "service "+string(alg), alg)
		if err != nil {
			return nil, err
		}
		request := load.AppendForm(nil, b.Platform.Gateway().Address, w.domain.Path+"/oauth/token",
			"grant_type=client_credentials", load.Basic(app.ClientID, app.Secret))
		return &Target{Operation: func(int) load.Operation {
			return func(ctx context.Context, c *load.Conn, check bool) error {
				got, err := ask(ctx, c, request, 200)
				if err != nil {
					return err
				}
				if !check {
					_, err := member(got.Body, "access_token")
					return err
				}
				return w.checkService(ctx, got.Body, app, alg)
			}
		}}, nil
	}
}

// checkService checks the answer to client_credentials.
func (w *world) checkService(ctx context.Context, body []byte, app *harness.Application, alg jose.Algorithm) error {
	a, err := decodeToken(body)
	if err != nil {
		return err
	}
	return w.check(ctx, a.AccessToken, expected{
		alg: alg, issuer: w.domain.Issuer, audience: app.ClientID, subject: app.ClientID, scope: "read",
		lifetime: time.Duration(a.ExpiresIn) * time.Second,
	})
}
