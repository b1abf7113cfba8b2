// Package github signs people in with GitHub accounts, or those of a GitHub Enterprise server. GitHub speaks OAuth 2.0 without
// OpenID Connect: who somebody is, its API tells.
package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/generic"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

// The addresses of github.com. A server of one's own has others: https://HOST/login/oauth/authorize,
// https://HOST/login/oauth/access_token, https://HOST/api/v3/user.
const (
	authorize = "https://github.com/login/oauth/authorize"
	token     = "https://github.com/login/oauth/access_token"
	user      = "https://api.github.com/user"
)

const accept = "application/vnd.github+json, application/json;q=0.9"

// New returns the provider.
func New(id string, c *configv1.SocialProvider, t oidc.Tools) (*oidc.Provider, error) {
	scopes := c.GetScopes()
	if len(scopes) == 0 {
		scopes = []string{"read:user", "user:email"}
	}
	profile := generic.First(c.GetUserProfileUri(), user)
	site := oidc.Site{
		Provider: id, ClientID: c.GetClientId(), ClientSecret: c.GetClientSecret(),
		ClientAuth:    generic.First(generic.ClientAuth(c), "client_secret_post"), // the documented one
		Authorization: generic.First(c.GetUserAuthorizationUri(), authorize), Token: generic.First(c.GetAccessTokenUri(), token), UserInfo: profile,
		Scopes: scopes, Method: c.GetCodeChallengeMethod(), Timeout: generic.Timeout(c), Accept: accept,
		Anew: url.Values{"prompt": {"select_account"}},
	}
	mayReadAddresses := slices.Contains(scopes, "user:email") || slices.Contains(scopes, "user")
	site.Describe = func(ctx context.Context, ask *oidc.Asker, claims map[string]any) (*idp.Identity, error) {
		return describe(ctx, ask, claims, strings.TrimSuffix(profile, "/")+"/emails", mayReadAddresses)
	}
	return oidc.New(site, t)
}

// describe reads a user of the API. The address that the profile shows is one that the person chose to show; the one that counts
// is the primary one of the account, which GitHub says it has verified or not.
func describe(ctx context.Context, ask *oidc.Asker, claims map[string]any, emails string, mayReadAddresses bool) (*idp.Identity, error) {
	number, ok := claims["id"].(float64)
	if !ok || number < 1 || number != float64(int64(number)) || number > 1<<53 {
		return nil, fmt.Errorf("%w: the site names nobody", idp.ErrRefused)
	}
	id := &idp.Identity{
		ExternalId: strconv.FormatInt(int64(number), 10), Username: oidc.Text(claims, "login"), DisplayName: oidc.Text(claims, "name"),
		Picture: oidc.Text(claims, "avatar_url"), Profile: oidc.Text(claims, "html_url"), Website: oidc.Text(claims, "blog"),
		Email: oidc.Text(claims, "email"),
	}
	if mayReadAddresses {
		address, verified, err := primary(ctx, ask, emails)
		if err != nil {
			return nil, err
		}
		if address != "" {
			id.Email, id.EmailVerified = address, verified
			claims["email"], claims["email_verified"] = address, verified
		}
	}
	return oidc.Named(id)
}

// primary asks for the primary address of an account. A person may have taken that permission away; then there is none.
func primary(ctx context.Context, ask *oidc.Asker, address string) (email string, verified bool, err error) {
	body, err := ask.Get(ctx, address, accept)
	switch {
	case oidc.Status(err) == http.StatusNotFound, oidc.Status(err) == http.StatusForbidden:
		return "", false, nil
	case err != nil:
		return "", false, err
	}
	var list []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return "", false, errors.New("the addresses are not JSON of the documented form")
	}
	for _, e := range list {
		if e.Primary {
			return oidc.Text(map[string]any{"email": e.Email}, "email"), e.Verified, nil
		}
	}
	return "", false, nil
}
