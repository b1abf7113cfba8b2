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

// registration has the goal of a machine on which the token floor takes 82 µs: 1,490 µs with everything but the database.
func registration() Scenario {
	return Comparison{
		Floor:   floor.TokenES256,
		Goals:   []report.Goal{report.AtMostFloor(18.2)},
		Prepare: prepareRegistration,
	}.Scenario("registration", "open dynamic registration of a client, through management into the database")
}

const registrationBody = `{"client_name":"registered","redirect_uris":["` + redirectURI + `"],` +
	`"grant_types":["authorization_code","client_credentials"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_basic"}`

// prepareRegistration uses a domain of its own, so that the clients it makes are in nobody's way.
func prepareRegistration(ctx context.Context, b *Bench, _ int) (*Target, error) {
	d, err := b.Platform.NewDomain(ctx, "registration", harness.Object{"oidc": harness.Object{
		"clientRegistrationSettings": harness.Object{
			"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true,
		},
	}})
	if err != nil {
		return nil, err
	}
	w := &world{domain: d}
	host := b.Platform.Gateway().Address
	request := load.AppendJSON(nil, host, d.Path+"/oidc/register", registrationBody)
	return &Target{Operation: func(int) load.Operation {
		return func(ctx context.Context, c *load.Conn, check bool) error {
			got, err := ask(ctx, c, request, 201)
			if err != nil || !check {
				return err
			}
			return w.checkRegistered(ctx, c, host, got.Body)
		}
	}}, nil
}

// checkRegistered uses the client that was just registered: it works in the next request (RFC 7591 §3.2.1).
func (w *world) checkRegistered(ctx context.Context, c *load.Conn, host string, body []byte) error {
	var client struct {
		ClientID          string `json:"client_id"`
		ClientSecret      string `json:"client_secret"`
		RegistrationToken string `json:"registration_access_token"`
		RegistrationURI   string `json:"registration_client_uri"`
	}
	if err := json.Unmarshal(body, &client); err != nil {
		return err
	}
	if client.RegistrationToken == "" || client.RegistrationURI != w.domain.Issuer+"/register/"+client.ClientID {
		return fmt.Errorf("the client cannot manage itself at %q", client.RegistrationURI)
	}
	request := load.AppendForm(nil, host, w.domain.Path+"/oauth/token", "grant_type=client_credentials", load.Basic(client.ClientID, client.ClientSecret))
	got, err := ask(ctx, c, request, 200)
	if err != nil {
		return fmt.Errorf("the first token of a registered client: %w", err)
	}
	answer, err := decodeToken(got.Body)
	if err != nil {
		return err
	}
	return w.check(ctx, answer.AccessToken, expected{
		alg: "RS256", issuer: w.domain.Issuer, audience: client.ClientID, subject: client.ClientID,
	})
}
