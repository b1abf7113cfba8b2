package grants_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const (
	exchangeGrant = string(oauth2.GrantTokenExchange)
	accessType    = string(oauth2.TypeAccessToken)
	refreshType   = string(oauth2.TypeRefreshToken)
	idType        = string(oauth2.TypeIDToken)
	jwtType       = string(oauth2.TypeJWT)
)

// exchangeRig is a gateway whose domain exchanges tokens of every kind, with what else a test changes.
func exchangeRig(t *testing.T, partners []*configv1.TrustedIssuer, change ...func(*gatewaytest.Config)) *rig {
	t.Helper()
	all := []string{accessType, refreshType, idType, jwtType}
	open := func(a *configv1.Application) { // its access tokens are for all of them
		a.Settings.Oauth.TokenCustomClaims = []*configv1.CustomClaim{
			{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "aud", ClaimValue: "{#['web','backend','wide','tight']}"},
		}
	}
	grants := func(a *configv1.Application) {
		open(a)
		a.Settings.Oauth.GrantTypes = append(a.Settings.Oauth.GrantTypes, exchangeGrant)
	}
	r := newRigOf(t, func(c *gatewaytest.Config) {
		c.Domain.TokenExchangeSettings = &configv1.TokenExchangeSettings{
			Enabled: true, AllowedSubjectTokenTypes: all, AllowedRequestedTokenTypes: all, AllowedActorTokenTypes: []string{accessType, jwtType},
			AllowImpersonation: true, AllowDelegation: true, MaxDelegationDepth: 2,
		}
		c.Domain.Oidc.TrustedIssuers = partners
		c.Domain.Oidc.Resources = []*configv1.ProtectedResource{
			{Identifier: "https://api.example", Servers: []string{"web"}}, {Identifier: "https://files.example", Scopes: []string{"read"}},
			{Identifier: "https://ledger.example", Restricted: true},
		}
		c.App("web", grants)
		c.App("backend", grants, func(a *configv1.Application) { a.Settings.Oauth.ScopeSettings = a.Settings.Oauth.ScopeSettings[4:] })
		c.App("wide", grants, func(a *configv1.Application) {
			inherited := false
			a.Settings.Oauth.TokenExchangeOauthSettings = &configv1.TokenExchangeOAuthSettings{Inherited: &inherited, ScopeHandling: "permissive"}
		})
		c.App("tight", grants, func(a *configv1.Application) {
			inherited := false
			a.Settings.Oauth.TokenExchangeOauthSettings = &configv1.TokenExchangeOAuthSettings{Inherited: &inherited, ScopeHandling: "permissive"}
			a.Settings.Oauth.SecurityProfile = profile.OAuth21
		})
		c.App("public", grants, func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "none" })
		c.App("stranger", grants)
		c.App("service", open, func(a *configv1.Application) { a.Settings.Oauth.GrantTypes = []string{"client_credentials"} })
		for _, f := range change {
			f(c)
		}
	})
	r.meets("ann", "bob")
	return r
}

func (r *rig) exchange(client, token, kind string, more ...string) gatewaytest.Answer {
	r.t.Helper()
	return r.token(client, append([]string{"grant_type", exchangeGrant, "subject_token", token, "subject_token_type", kind}, more...)...)
}

// exchanged is a successful answer.
type exchanged struct {
	Token     string `json:"access_token"`
	Issued    string `json:"issued_token_type"`
	Type      string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"`
	Scope     string `json:"scope"`
	Refresh   string `json:"refresh_token"`
	ID        string `json:"id_token"`
}

func (r *rig) made(a gatewaytest.Answer) exchanged {
	r.t.Helper()
	var got exchanged
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return got
}

func TestT20TokensThatCanBeExchanged(t *testing.T) {
	staff, guests := newPartner(t, "https://staff.example"), newPartner(t, "https://guests.example")
	r := exchangeRig(t, []*configv1.TrustedIssuer{
		staff.trusted(func(m *configv1.TrustedIssuer) { m.IdentityProvider = "staff" }), guests.trusted(),
	})
	now := r.Clock.Now()
	first := r.redeemed("web")
	ann := gatewaytest.Subject("staff", "ann")
	own := r.granted(r.token("service", "grant_type", "client_credentials", "scope", "read"))
	api := r.made(r.exchange("backend", first.AccessToken, accessType, "resource", "https://api.example")).Token
	const invalid = "invalid_request | The subject_token is invalid"
	for _, tt := range []struct{ name, client, token, kind, subject, want string }{
		{"an access token", "web", first.AccessToken, accessType, ann, ""},
		{"an access token as a JWT", "web", first.AccessToken, jwtType, ann, ""},
		{"an access token of another client", "backend", first.AccessToken, accessType, ann, ""},
		{"an access token of another client that is not for this one", "stranger", first.AccessToken, accessType, "", invalid},
		{"an access token for a resource that the client serves", "web", api, accessType, ann, ""},
		{"an access token for a resource that others serve", "stranger", api, accessType, "", invalid},
		{"an access token of a client that acts for itself", "backend", own.AccessToken, accessType, "service", ""},
		{"a refresh token of the client", "web", first.RefreshToken, refreshType, ann, ""},
		{"a refresh token of another client", "backend", first.RefreshToken, refreshType, "", invalid},
		{"an ID token of the client", "web", first.IDToken, idType, ann, ""},
		{"an ID token as a JWT", "web", first.IDToken, jwtType, ann, ""},
		{"an ID token of another client", "backend", first.IDToken, idType, "", invalid},
		{"an ID token that is called an access token", "web", first.IDToken, accessType, "", invalid},
		{"an access token that is called an ID token", "web", first.AccessToken, idType, "", invalid},
		{"an access token that is called a refresh token", "web", first.AccessToken, refreshType, "", invalid},
		{"a JWT of a trusted issuer", "backend", staff.sign(now, nil), jwtType, ann, ""},
		{"a JWT that is meant for the client", "backend", staff.sign(now, map[string]any{"aud": "backend"}), jwtType, ann, ""},
		{"a JWT that is meant for others", "backend", staff.sign(now, map[string]any{"aud": "web"}), jwtType, "", invalid},
		{"a JWT about nobody", "backend", staff.sign(now, map[string]any{"sub": "eve"}), jwtType, "", invalid},
		{"a JWT that has ended", "backend", staff.sign(now, map[string]any{"exp": now.Add(-time.Minute).Unix()}), jwtType, "", invalid},
		{"a JWT of somebody else", "backend", newPartner(t, "https://evil.example").sign(now, nil), jwtType, "", invalid},
		{"garbage", "web", "garbage", accessType, "", invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := r.exchange(tt.client, tt.token, tt.kind)
			if tt.want != "" {
				r.refused(a, badRequest+tt.want)
				return
			}
			claims := r.claims(r.made(a).Token)
			if claims["sub"] != tt.subject || claims["client_id"] != tt.client {
				t.Errorf("claims %v", claims)
			}
		})
	}
	t.Run("what came of an exchange is exchanged again", func(t *testing.T) {
		for token, want := range map[string]string{first.AccessToken: ann, own.AccessToken: "service"} {
			second := r.made(r.exchange("backend", token, accessType))
			if claims := r.claims(r.made(r.exchange("web", second.Token, accessType)).Token); claims["sub"] != want {
				t.Errorf("claims %v", claims)
			}
		}
	})
	t.Run("the refresh token stays as it is", func(t *testing.T) {
		r.granted(r.refresh("web", first.RefreshToken))
	})
	t.Run("a public client exchanges its own tokens alone", func(t *testing.T) {
		post := func(token string) gatewaytest.Answer {
			return r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", exchangeGrant, "client_id", "public", "subject_token", token, "subject_token_type", accessType))
		}
		r.refused(post(first.AccessToken), badRequest+invalid)
		code := r.Code(r.domain, "public", "ann", func(a *state.Authorization) { a.Challenge, a.ChallengeMethod = challenge, "S256" })
		mine := r.granted(r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "client_id", "public", "code", code, "code_verifier", verifier)))
		r.made(post(mine.AccessToken))
		r.refused(r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", exchangeGrant, "client_id", "public", "subject_token", mine.IDToken, "subject_token_type", idType)), badRequest+invalid)
	})
	t.Run("a client's own token keeps its key, as the subject's and as the actor's", func(t *testing.T) {
		key, another := gatewaytest.NewProver(t), gatewaytest.NewProver(t)
		post := func(client string, held *gatewaytest.Prover, pairs ...string) gatewaytest.Answer {
			changes := []gatewaytest.Change{gatewaytest.Basic(client)}
			if held != nil {
				changes = append(changes, r.Proof(held))
			}
			return r.Post("/acme/oauth/token", gatewaytest.Form(pairs...), changes...)
		}
		bound := r.made(post("web", key, "grant_type", "authorization_code", "code", r.Code(r.domain, "web", "ann"))).Token
		subject := []string{"grant_type", exchangeGrant, "subject_token", bound, "subject_token_type", accessType}
		actor := []string{"grant_type", exchangeGrant, "subject_token", first.AccessToken, "subject_token_type", accessType, "actor_token", bound, "actor_token_type", accessType}
		for _, held := range []*gatewaytest.Prover{nil, another} {
			r.refused(post("web", held, subject...), badRequest+invalid)
			r.refused(post("web", held, actor...), badRequest+"invalid_request | The actor_token is invalid")
		}
		if got := r.made(post("web", key, subject...)); got.Type != "DPoP" {
			t.Errorf("answer %+v", got)
		}
		r.made(post("web", key, actor...))
		r.refused(post("stranger", another, subject...), badRequest+invalid)
		strangers := r.made(post("stranger", nil, "grant_type", "client_credentials")).Token
		r.refused(post("stranger", nil, append([]string{"grant_type", exchangeGrant, "subject_token", strangers, "subject_token_type", accessType}, actor[6:]...)...), badRequest+"invalid_request | The actor_token is invalid")
		r.made(post("backend", nil, subject...)) // it is for this one, which was called with it
	})
	t.Run("an ID token is exchanged for no refresh token", func(t *testing.T) {
		r.refused(r.exchange("web", first.IDToken, idType, "requested_token_type", refreshType), badRequest+"invalid_request | An ID token cannot be exchanged for a refresh token")
		r.refused(r.exchange("web", first.IDToken, jwtType, "requested_token_type", refreshType), badRequest+"invalid_request | An ID token cannot be exchanged for a refresh token")
	})
	for what, end := range map[string]func() error{
		"everything of the person": func() error { return r.Store.RevokeSubject(t.Context(), r.domain, ann, r.Clock.Now().Add(time.Hour)) },
		"the consent": func() error {
			return r.Store.RevokeConsent(t.Context(), r.domain, ann, "web", r.Clock.Now().Add(time.Hour))
		},
		"the session": func() error {
			_, err := r.Store.CloseSession(t.Context(), "", &state.Session{ID: "sid-ann", Domain: r.domain}, state.SessionClients{}, nil)
			return err
		},
	} {
		t.Run("an ID token ends with "+what, func(t *testing.T) {
			old := r.redeemed("web").IDToken
			r.made(r.exchange("web", old, idType))
			r.Clock.Forward(time.Second)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			r.Clock.Forward(time.Second)
			r.refused(r.exchange("web", old, idType), badRequest+invalid)
			r.made(r.exchange("web", r.redeemed("web").IDToken, idType))
		})
	}
	t.Run("what was revoked cannot be exchanged", func(t *testing.T) {
		gone := r.redeemed("web")
		if a := r.Post("/acme/oauth/revoke", gatewaytest.Form("token", gone.RefreshToken), gatewaytest.Basic("web")); a.Status != 200 {
			t.Fatal(a)
		}
		r.refused(r.exchange("backend", gone.AccessToken, accessType), badRequest+invalid)
		r.refused(r.exchange("web", gone.RefreshToken, refreshType), badRequest+invalid)
	})
	t.Run("what is missing is named", func(t *testing.T) {
		r.refused(r.token("web", "grant_type", exchangeGrant), badRequest+"invalid_request | Missing parameter: subject_token")
		r.refused(r.exchange("web", "x", ""), badRequest+"invalid_request | Missing parameter: subject_token_type")
		r.refused(r.exchange("web", "x", "urn:x"), badRequest+"invalid_request | Unsupported subject_token_type: urn:x")
		r.refused(r.exchange("web", first.AccessToken, accessType, "requested_token_type", "urn:x"), badRequest+"invalid_request | Unsupported requested_token_type: urn:x")
		r.refused(r.exchange("service", first.AccessToken, accessType), badRequest+"unsupported_grant_type | Unsupported grant type: "+exchangeGrant)
	})
	t.Run("a domain that has switched it off", func(t *testing.T) {
		off := exchangeRig(t, nil, func(c *gatewaytest.Config) { c.Domain.TokenExchangeSettings.Enabled = false })
		off.refused(off.exchange("web", "x", accessType), badRequest+"unsupported_grant_type | Unsupported grant type: "+exchangeGrant)
	})
}

func TestT21AnExchangeGivesNoMoreThanThereWas(t *testing.T) {
	guests := newPartner(t, "https://guests.example")
	r := exchangeRig(t, []*configv1.TrustedIssuer{guests.trusted()})
	first := r.redeemed("web") // openid profile read
	for _, tt := range []struct {
		name, client string
		more         []string
		scope, want  string
	}{
		{"all scopes that both have", "web", nil, "openid profile read", ""},
		{"without those that the other client has not", "backend", nil, "read", ""},
		{"fewer scopes", "web", []string{"scope", "read"}, "read", ""},
		{"a scope that the subject's token has not", "web", []string{"scope", "read write"}, "", "invalid_scope | Invalid scope(s): write"},
		{"a scope that the client has not", "backend", []string{"scope", "profile"}, "", "invalid_scope | Invalid scope(s): profile"},
		{"a wide application has its own scopes", "wide", []string{"scope", "read write"}, "read write", ""},
		{"and no others", "wide", []string{"scope", "nope"}, "", "invalid_scope | Invalid scope(s): nope"},
		{"under a strict profile no application is wide", "tight", []string{"scope", "read write"}, "", "invalid_scope | Invalid scope(s): write"},
		{"a resource", "backend", []string{"resource", "https://api.example"}, "read", ""},
		{"a resource that takes fewer scopes", "web", []string{"resource", "https://files.example"}, "read", ""},
		{"a resource by its name", "backend", []string{"audience", "https://api.example"}, "read", ""},
		{"the client's own audience", "backend", []string{"audience", "backend"}, "read", ""},
		{"a resource that nobody knows", "backend", []string{"resource", "https://x.example"}, "", "invalid_target | The resource [ https://x.example ] is not one that this client can ask for"},
		{"an audience that nobody knows", "backend", []string{"audience", "x"}, "", "invalid_target | The audience [ x ] is not one that this client can ask for"},
		{"a resource for others", "backend", []string{"resource", "https://ledger.example"}, "", "invalid_target | The resource [ https://ledger.example ] is not one that this client can ask for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := r.exchange(tt.client, first.AccessToken, accessType, tt.more...)
			if tt.want != "" {
				r.refused(a, badRequest+tt.want)
			} else if got := r.made(a); got.Scope != tt.scope {
				t.Errorf("answer %+v", got)
			}
		})
	}
	t.Run("a token for a resource is not exchanged for another one", func(t *testing.T) {
		narrow := r.made(r.exchange("backend", first.AccessToken, accessType, "resource", "https://api.example"))
		if aud := r.claims(narrow.Token)["aud"]; aud != "https://api.example" {
			t.Errorf("audience %v", aud)
		}
		kept := r.made(r.exchange("web", narrow.Token, accessType))
		if aud := r.claims(kept.Token)["aud"]; aud != "https://api.example" {
			t.Errorf("audience %v", aud)
		}
		r.refused(r.exchange("web", narrow.Token, accessType, "resource", "https://files.example"), badRequest+"invalid_target | The subject_token is not for the resource [ https://files.example ]")
	})
	t.Run("it ends when the subject's token does", func(t *testing.T) {
		r.Clock.Forward(7000 * time.Second)
		got := r.made(r.exchange("backend", first.AccessToken, accessType))
		if got.ExpiresIn != 200 || r.claims(got.Token)["exp"] != r.claims(first.AccessToken)["exp"] {
			t.Errorf("answer %+v", got)
		}
		brief := r.made(r.exchange("web", guests.sign(r.Clock.Now(), nil), jwtType))
		if brief.ExpiresIn != 60 {
			t.Errorf("answer %+v", brief)
		}
		r.Clock.Forward(200 * time.Second)
		r.refused(r.exchange("backend", first.AccessToken, accessType), badRequest+"invalid_request | The subject_token is invalid")
	})
	t.Run("and with its grant", func(t *testing.T) {
		first := r.redeemed("web")
		second := r.made(r.exchange("backend", first.AccessToken, accessType))
		third := r.made(r.exchange("web", second.Token, accessType, "requested_token_type", refreshType))
		fourth := r.granted(r.refresh("web", third.Token))
		other := r.made(r.exchange("backend", r.redeemed("web").AccessToken, accessType))
		if a := r.Post("/acme/oauth/revoke", gatewaytest.Form("token", first.RefreshToken), gatewaytest.Basic("web")); a.Status != 200 {
			t.Fatal(a)
		}
		if r.alive(second.Token) || r.alive(fourth.AccessToken) {
			t.Error("a token of the exchange is alive")
		}
		r.refused(r.refresh("web", fourth.RefreshToken), badRequest+"invalid_grant | Refresh token is invalid")
		if !r.alive(other.Token) {
			t.Error("a token of another grant ended too")
		}
	})
	t.Run("of a client's token with that token", func(t *testing.T) {
		own := r.granted(r.token("service", "grant_type", "client_credentials", "scope", "read"))
		second := r.made(r.exchange("backend", own.AccessToken, accessType))
		if a := r.Post("/acme/oauth/revoke", gatewaytest.Form("token", own.AccessToken), gatewaytest.Basic("service")); a.Status != 200 || r.alive(second.Token) {
			t.Errorf("status %d, alive %t", a.Status, r.alive(second.Token))
		}
	})
	t.Run("a refresh token of an exchange does not outlive the subject's token", func(t *testing.T) {
		first := r.redeemed("web")
		got := r.made(r.exchange("web", first.AccessToken, accessType, "requested_token_type", refreshType))
		if got.ExpiresIn != 7200 {
			t.Errorf("answer %+v", got)
		}
		r.Clock.Forward(7000 * time.Second)
		next := r.short(r.refresh("web", got.Token))
		if next.ExpiresIn != 200 {
			t.Errorf("answer %+v", next)
		}
		r.Clock.Forward(200 * time.Second)
		r.refused(r.refresh("web", next.RefreshToken), badRequest+"invalid_grant | Refresh token is expired")
	})
}

// short is granted for tokens that live for less than usual.
func (r *rig) short(a gatewaytest.Answer) answer {
	r.t.Helper()
	var got answer
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return got
}

func TestT22WhatAnExchangeAnswersAndWhoActs(t *testing.T) {
	guests := newPartner(t, "https://guests.example")
	r := exchangeRig(t, []*configv1.TrustedIssuer{guests.trusted()})
	first := r.redeemed("web")
	service := r.granted(r.token("service", "grant_type", "client_credentials", "scope", "read")).AccessToken
	for _, tt := range []struct {
		name, kind string
		want       exchanged
	}{
		{"an access token, where nothing else is asked for", "", exchanged{Issued: accessType, Type: "bearer", ExpiresIn: 7200, Scope: "openid profile read"}},
		{"an access token", accessType, exchanged{Issued: accessType, Type: "bearer", ExpiresIn: 7200, Scope: "openid profile read"}},
		{"a JWT, which is an access token", jwtType, exchanged{Issued: jwtType, Type: "bearer", ExpiresIn: 7200, Scope: "openid profile read"}},
		{"an ID token", idType, exchanged{Issued: idType, Type: "N_A", ExpiresIn: 7200}},
		{"a refresh token", refreshType, exchanged{Issued: refreshType, Type: "N_A", ExpiresIn: 7200, Scope: "openid profile read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := r.made(r.exchange("web", first.AccessToken, accessType, "requested_token_type", tt.kind))
			token := got.Token
			got.Token = ""
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			switch tt.kind {
			case refreshType:
				r.granted(r.refresh("web", token))
			case idType:
				if claims := r.claims(token); claims["aud"] != "web" || claims["sub"] != gatewaytest.Subject("staff", "ann") || claims["jti"] != nil || claims["nonce"] != nil {
					t.Errorf("claims %v", claims)
				}
			default:
				if !r.alive(token) {
					t.Error("it is no access token")
				}
			}
		})
	}
	t.Run("an ID token needs a person and openid", func(t *testing.T) {
		const want = badRequest + "invalid_scope | An ID token is about a person, and needs the scope openid"
		r.refused(r.exchange("web", first.AccessToken, accessType, "requested_token_type", idType, "scope", "read"), want)
		r.refused(r.exchange("web", service, accessType, "requested_token_type", idType), want)
	})
	actor := func(token string) []string { return []string{"actor_token", token, "actor_token_type", accessType} }
	var delegated exchanged
	t.Run("the actor stands in the token", func(t *testing.T) {
		delegated = r.made(r.exchange("backend", first.AccessToken, accessType, actor(service)...))
		if diff := cmp.Diff(map[string]any{"sub": "service"}, r.claims(delegated.Token)["act"]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a person who acts is named with their client", func(t *testing.T) {
		bob := r.granted(r.token("web", "grant_type", "authorization_code", "code", r.Code(r.domain, "web", "bob")))
		got := r.made(r.exchange("backend", first.AccessToken, accessType, actor(bob.AccessToken)...))
		if diff := cmp.Diff(map[string]any{"sub": gatewaytest.Subject("staff", "bob"), "client_id": "web"}, r.claims(got.Token)["act"]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("so does the chain of those before", func(t *testing.T) {
		web := r.granted(r.token("web", "grant_type", "client_credentials")).AccessToken
		got := r.made(r.exchange("backend", delegated.Token, accessType, actor(web)...))
		want := map[string]any{"sub": "web", "act": map[string]any{"sub": "service"}}
		if diff := cmp.Diff(want, r.claims(got.Token)["act"]); diff != "" {
			t.Error(diff)
		}
		r.refused(r.exchange("backend", got.Token, accessType, actor(service)...), badRequest+"invalid_request | The chain of actors would have more than 2 members")
		r.refused(r.exchange("backend", first.AccessToken, accessType, actor(got.Token)...), badRequest+"invalid_request | The actor_token is itself used by somebody else")
	})
	t.Run("and stays without a new actor, through refreshes as well", func(t *testing.T) {
		got := r.made(r.exchange("web", delegated.Token, accessType, "requested_token_type", refreshType))
		next := r.granted(r.refresh("web", got.Token))
		if diff := cmp.Diff(map[string]any{"sub": "service"}, r.claims(next.AccessToken)["act"]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("introspection shows it", func(t *testing.T) {
		a := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", delegated.Token), gatewaytest.Basic("backend"))
		if diff := cmp.Diff(map[string]any{"sub": "service"}, a.JSON(t)["act"]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("may_act names who may", func(t *testing.T) {
		subject := func(mayAct map[string]any) string {
			return guests.sign(r.Clock.Now(), map[string]any{"may_act": mayAct})
		}
		const client, party = badRequest + "invalid_request | The subject_token does not let this client act", badRequest + "invalid_request | The subject_token does not let this actor act"
		r.made(r.exchange("backend", subject(map[string]any{"sub": "service"}), jwtType, actor(service)...))
		r.made(r.exchange("backend", subject(map[string]any{"sub": "service", "iss": "https://gw.example/acme/oidc"}), jwtType, actor(service)...))
		r.refused(r.exchange("backend", subject(map[string]any{"sub": "service", "iss": "https://x.example"}), jwtType, actor(service)...), party)
		r.refused(r.exchange("backend", subject(map[string]any{"sub": "web"}), jwtType, actor(service)...), party)
		r.refused(r.exchange("backend", subject(map[string]any{}), jwtType, actor(service)...), party)
		r.made(r.exchange("backend", subject(map[string]any{"client_id": "backend"}), jwtType))
		r.refused(r.exchange("web", subject(map[string]any{"client_id": "backend"}), jwtType), client)
	})
	t.Run("what is missing is named", func(t *testing.T) {
		r.refused(r.exchange("web", first.AccessToken, accessType, "actor_token", service), badRequest+"invalid_request | Missing parameter: actor_token_type")
		r.refused(r.exchange("web", first.AccessToken, accessType, "actor_token_type", accessType), badRequest+"invalid_request | Missing parameter: actor_token")
		r.refused(r.exchange("web", first.AccessToken, accessType, "actor_token", service, "actor_token_type", idType), badRequest+"invalid_request | Unsupported actor_token_type: "+idType)
		r.refused(r.exchange("web", first.AccessToken, accessType, "actor_token", "x", "actor_token_type", accessType), badRequest+"invalid_request | The actor_token is invalid")
	})
	t.Run("a domain may want an actor, or none", func(t *testing.T) {
		alone := exchangeRig(t, nil, func(c *gatewaytest.Config) { c.Domain.TokenExchangeSettings.AllowDelegation = false })
		token := alone.redeemed("web").AccessToken
		alone.refused(alone.exchange("web", token, accessType, actor(token)...), badRequest+"invalid_request | Delegation is not allowed here: actor_token must not be sent")
		never := exchangeRig(t, nil, func(c *gatewaytest.Config) { c.Domain.TokenExchangeSettings.AllowImpersonation = false })
		never.refused(never.exchange("web", never.redeemed("web").AccessToken, accessType), badRequest+"invalid_request | Missing parameter: actor_token. A client cannot act as the subject here")
	})
	t.Run("the token is bound to the key of the request", func(t *testing.T) {
		prover := gatewaytest.NewProver(t)
		a := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", exchangeGrant, "subject_token", first.AccessToken, "subject_token_type", accessType),
			gatewaytest.Basic("backend"), r.Proof(prover))
		got := r.made(a)
		if got.Type != "DPoP" || r.claims(got.Token)["cnf"].(map[string]any)["jkt"] != prover.Thumbprint() {
			t.Errorf("answer %+v", got)
		}
	})
}
