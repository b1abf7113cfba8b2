package scenario

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// userinfo has the goal of a machine on which a bare answer takes 13 µs: 40 µs for a token that was seen before.
func userinfo() Scenario {
	return Comparison{
		Floor:   floor.Hello,
		Goals:   []report.Goal{report.AtMostFloor(3.08), report.NoRedis()},
		Prepare: prepareUserinfo,
	}.Scenario("userinfo", "userinfo with one ES256 token again and again")
}

func prepareUserinfo(ctx context.Context, b *Bench, _ int) (*Target, error) {
	w, err := b.sharedWorld(ctx)
	if err != nil {
		return nil, err
	}
	app, err := w.newWebApp(ctx, "userinfo", w.quick, "authorization_code", "password")
	if err != nil {
		return nil, err
	}
	host := b.Platform.Gateway().Address
	user := person(quickName, 0)
	var request []byte
	var subject string
	return &Target{
		Before: func(ctx context.Context) error {
			if request != nil {
				return nil
			}
			c := load.NewConn(host)
			defer c.Close()
			var answer tokenAnswer
			err := harness.Await(ctx, firstPatience, "a person's token", func(ctx context.Context) (err error) {
				answer, err = w.passwordGrant(ctx, c, host, app, user, "openid profile email")
				return err
			})
			if err != nil {
				return err
			}
			claims, err := w.verify(ctx, answer.AccessToken, "ES256")
			if err != nil {
				return err
			}
			subject = claims.Subject
			request = load.AppendGet(nil, host, w.domain.Path+"/oidc/userinfo", load.Bearer(answer.AccessToken))
			return nil
		},
		Operation: func(int) load.Operation {
			return func(ctx context.Context, c *load.Conn, check bool) error {
				got, err := ask(ctx, c, request, 200)
				if err != nil || !check {
					return err
				}
				var who struct {
					Subject string `json:"sub"`
					Email   string `json:"email"`
				}
				if err := json.Unmarshal(got.Body, &who); err != nil {
					return err
				}
				if who.Subject != subject || who.Email != user+"@people.example" {
					return fmt.Errorf("the answer is about somebody else: %.300s", got.Body)
				}
				return nil
			}
		},
	}, nil
}
