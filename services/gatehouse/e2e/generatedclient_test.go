package e2e

import (
	"errors"
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
)

// TestGeneratedClient administers a domain through the client that is generated from the OpenAPI document, from nothing
// to people who sign in at two providers, and takes everything away again.
func TestGeneratedClient(t *testing.T) {
	ctx := t.Context()
	g := proc.StartGatehouse(t, "--demo=false")
	operator := g.Operator()

	var refused *client.Refused
	if _, err := client.SignIn(ctx, g.ManagementURL, "admin", "not the password"); !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %v", err)
	}
	api, err := client.SignIn(ctx, g.ManagementURL, "admin", "adminadmin")
	if err != nil {
		t.Fatal(err)
	}

	made := check(client.Check(api.CreateDomainWithResponse(ctx, &client.CreateDomainParams{}, client.NewDomain{Name: new("Generated")})))(t).JSON201
	domain := *made.Id
	if *made.Path != "/generated" || *made.Enabled {
		t.Errorf("created %s, enabled %t", *made.Path, *made.Enabled)
	}
	changed := check(client.Check(api.PatchDomainWithResponse(ctx, domain, &client.PatchDomainParams{}, client.Domain{
		Enabled: new(true),
		Oidc: &client.OpenIDSettings{ClientRegistrationSettings: &client.ClientRegistrationSettings{
			AllowLocalhostRedirectUri: new(true), AllowHttpSchemeRedirectUri: new(true),
		}},
	})))(t).JSON200
	if _, err := client.Check(api.PatchDomainWithResponse(ctx, domain, &client.PatchDomainParams{IfMatch: new(`"1"`)}, client.Domain{Name: new("x")})); !errors.As(err, &refused) ||
		refused.Status != http.StatusPreconditionFailed || refused.Problem.Message == "" {
		t.Errorf("a change of an old revision: %v (now %d)", err, *changed.Revision)
	}

	provider := check(client.Check(api.CreateIdentityWithResponse(ctx, domain, &client.CreateIdentityParams{}, client.IdentityProvider{
		Name: new("Inline"), Type: new(client.InlineAmIdp),
		Configuration: client.InlineProvider{Users: []client.InlineUser{{
			Username: new("alice"), Password: new("Alice-likes-2-sign-in!"), Firstname: new("Alice"), Email: new("alice@example.com"),
		}}},
	})))(t).JSON201
	check(client.Check(api.CreateUserWithResponse(ctx, domain, client.NewUser{
		Username: new("bob"), Password: new(bobPassword), Email: new(bobEmail), FirstName: new("Bob"), LastName: new("Builder"),
	})))(t)
	application := check(client.Check(api.CreateApplicationWithResponse(ctx, domain, &client.CreateApplicationParams{}, client.NewApplication{
		Name: new("Web"), Type: new(client.NewApplicationTypeWeb), RedirectUris: []string{callback},
	})))(t).JSON201
	check(client.Check(api.PatchApplicationWithResponse(ctx, domain, *application.Id, &client.PatchApplicationParams{}, client.Application{
		IdentityProviders: []client.ApplicationIdentityProvider{
			{Identity: provider.Id, Priority: new(int32(1)), SelectionRule: new(`login == "alice"`)},
			{Identity: new("default-idp-" + domain), Priority: new(int32(2))},
		},
		Settings: &client.ApplicationSettings{Oauth: &client.OAuthSettings{
			GrantTypes:    []string{"authorization_code"},
			ScopeSettings: []client.ScopeSetting{{Scope: new("openid")}, {Scope: new("email")}},
		}},
	})))(t)
	operator.Settle(domain, g.TechnicalURL)

	issuer, err := oidc.NewProvider(ctx, g.GatewayURL+*made.Path+"/oidc")
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: *application.Settings.Oauth.ClientId, ClientSecret: *application.Settings.Oauth.ClientSecret,
		Endpoint: issuer.Endpoint(), RedirectURL: callback, Scopes: []string{oidc.ScopeOpenID, "email"},
	}
	for name, secret := range map[string]string{"alice": "Alice-likes-2-sign-in!", "bob": bobPassword} {
		back, err := proc.NewVisitor(callback).LogIn(ctx, config.AuthCodeURL("state"), name, secret)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tokens, err := config.Exchange(ctx, back.Query().Get("code"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		info, err := issuer.UserInfo(ctx, config.TokenSource(ctx, tokens))
		if err != nil || info.Email != name+"@example.com" {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	users := check(client.Check(api.ListUsersWithResponse(ctx, domain, &client.ListUsersParams{Q: new("al*")})))(t).JSON200
	if users.TotalCount != 1 || *users.Data[0].Username != "alice" {
		t.Errorf("%d users, among them %v", users.TotalCount, users.Data)
	}

	check(client.Check(api.DeleteDomainWithResponse(ctx, domain, &client.DeleteDomainParams{})))(t)
	if _, err := client.Check(api.GetDomainWithResponse(ctx, domain)); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("a domain that was deleted: %v", err)
	}
}

// check ends the test where an answer is no success.
func check[A any](a A, err error) func(*testing.T) A {
	return func(t *testing.T) A {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}
