package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

func discovery() Scenario {
	return Comparison{
		Floor: floor.Hello,
		Goals: []report.Goal{report.AtMostFloor(1.7), report.NoRedis()},
		Prepare: document("/oidc/.well-known/openid-configuration", func(w *world, body []byte) error {
			var d struct {
				Issuer string `json:"issuer"`
				Token  string `json:"token_endpoint"`
				Keys   string `json:"jwks_uri"`
			}
			if err := json.Unmarshal(body, &d); err != nil {
				return err
			}
			if d.Issuer != w.domain.Issuer || d.Token == "" || d.Keys == "" {
				return fmt.Errorf("the document is of %q, with token endpoint %q and keys at %q", d.Issuer, d.Token, d.Keys)
			}
			return nil
		}),
	}.Scenario("discovery", "the discovery document of a domain")
}

func jwks() Scenario {
	return Comparison{
		Floor: floor.Hello,
		Goals: []report.Goal{report.AtMostFloor(1.7), report.NoRedis()},
		Prepare: document("/oidc/.well-known/jwks.json", func(_ *world, body []byte) error {
			keys, err := jose.ParseJWKS(body)
			if err != nil {
				return err
			}
			if keys.Len() < 2 {
				return errors.New("the key set lacks the RS256 or the ES256 key")
			}
			return nil
		}),
	}.Scenario("jwks", "the public keys of a domain")
}

// document asks for one path of the domain again and again.
func document(path string, check func(*world, []byte) error) func(context.Context, *Bench, int) (*Target, error) {
	return func(ctx context.Context, b *Bench, _ int) (*Target, error) {
		w, err := b.sharedWorld(ctx)
		if err != nil {
			return nil, err
		}
		request := load.AppendGet(nil, b.Platform.Gateway().Address, w.domain.Path+path)
		return &Target{Operation: func(int) load.Operation {
			return func(ctx context.Context, c *load.Conn, checked bool) error {
				got, err := ask(ctx, c, request, 200)
				if err != nil || !checked {
					return err
				}
				return check(w, got.Body)
			}
		}}, nil
	}
}
