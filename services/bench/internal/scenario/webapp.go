package scenario

import (
	"context"
	"fmt"
	"net/url"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
)

// redirectURI is that of every application of people.
const redirectURI = "https://client.example/callback"

// webScopes are what an application of people may ask for.
var webScopes = []string{"openid", "profile", "email", "read"}

// newWebApp creates an application whose people are those of one provider. Its tokens and ID tokens are signed with ES256;
// nobody is asked for consent.
func (w *world) newWebApp(ctx context.Context, name, provider string, grants ...string) (*harness.Application, error) {
	scopes := make([]harness.Object, len(webScopes))
	for i, s := range webScopes {
		scopes[i] = harness.Object{"scope": s}
	}
	return w.domain.NewApplication(ctx, name, "web", []string{redirectURI}, harness.Object{
		"certificate":       w.certificate,
		"identityProviders": []harness.Object{{"identity": provider, "selectionRule": "", "priority": 0}},
		"settings": harness.Object{
			"advanced": harness.Object{"skipConsent": true},
			"oauth": harness.Object{
				"grantTypes":            grants,
				"accessTokenSigningAlg": jose.ES256,
				"scopeSettings":         scopes,
			},
		},
	})
}

// passwordGrant asks for tokens with a person's name and password.
func (w *world) passwordGrant(ctx context.Context, c *load.Conn, host string, app *harness.Application, user, scope string) (tokenAnswer, error) {
	form := url.Values{"grant_type": {"password"}, "username": {user}, "password": {password}, "scope": {scope}}
	got, err := ask(ctx, c, load.AppendForm(nil, host, w.domain.Path+"/oauth/token", form.Encode(), load.Basic(app.ClientID, app.Secret)), 200)
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("sign in %s: %w", user, err)
	}
	return decodeToken(got.Body)
}
