package grants_test

import (
	"net/http"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestRefreshToken(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	begin := func(client string) answer {
		t.Helper()
		return r.granted(r.token(client, "grant_type", "authorization_code", "code", r.Code(r.domain, client, "ann")))
	}
	refresh := func(client, token string, more ...string) gatewaytest.Answer {
		t.Helper()
		return r.token(client, append(more, "grant_type", "refresh_token", "refresh_token", token)...)
	}
	const invalid = badRequest + "invalid_grant | Refresh token is invalid"
	t.Run("it is exchanged for the same person's tokens", func(t *testing.T) {
		first := begin("web")
		before := r.claims(first.IDToken)
		r.Clock.Forward(time.Minute)
		second := r.granted(refresh("web", first.RefreshToken))
		after := r.claims(second.IDToken)
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid", "acr"} {
			if after[name] != before[name] {
				t.Errorf("%s went from %v to %v", name, before[name], after[name])
			}
		}
		if after["nonce"] != nil || after["iat"] == before["iat"] || second.RefreshToken == "" || second.RefreshToken == first.RefreshToken || second.Scope != "openid profile read" {
			t.Errorf("ID token %v, answer %+v", after, second)
		}
		if !r.alive(first.AccessToken) {
			t.Error("the refresh ended the earlier access token")
		}
	})
	t.Run("without rotation none is sent and the old one stays", func(t *testing.T) {
		first := begin("fixed")
		for range 3 {
			if got := r.granted(refresh("fixed", first.RefreshToken)); got.RefreshToken != "" {
				t.Errorf("answer %+v", got)
			}
		}
	})
	t.Run("the scope may be narrowed for one access token", func(t *testing.T) {
		first := begin("web")
		second := r.granted(refresh("web", first.RefreshToken, "scope", "read write nope"))
		if second.Scope != "read" || second.IDToken != "" || r.claims(second.AccessToken)["scope"] != "read" {
			t.Errorf("answer %+v", second)
		}
		third := r.granted(refresh("web", second.RefreshToken))
		if third.Scope != "openid profile read" {
			t.Errorf("the grant lost scopes: %+v", third)
		}
		if fourth := r.granted(refresh("web", third.RefreshToken, "scope", "nope")); fourth.Scope != "" {
			t.Errorf("answer %+v", fourth)
		}
	})
	t.Run("a lost answer is repeated", func(t *testing.T) {
		first := begin("web")
		r.granted(refresh("web", first.RefreshToken))
		second := r.granted(refresh("web", first.RefreshToken))
		r.granted(refresh("web", second.RefreshToken))
	})
	t.Run("a reuse ends the family and its access tokens", func(t *testing.T) {
		first := begin("web")
		second := r.granted(refresh("web", first.RefreshToken))
		third := r.granted(refresh("web", second.RefreshToken))
		r.refused(refresh("web", first.RefreshToken), invalid)
		r.refused(refresh("web", third.RefreshToken), invalid)
		for _, got := range []answer{first, second, third} {
			if r.alive(got.AccessToken) {
				t.Error("an access token of the family is alive")
			}
		}
	})
	t.Run("another client cannot use it and changes nothing", func(t *testing.T) {
		first := begin("web")
		r.refused(refresh("other", first.RefreshToken), badRequest+"invalid_grant | Refresh token was issued to another client")
		r.granted(refresh("web", first.RefreshToken))
	})
	t.Run("the person is asked for once in a while, and not at every refresh", func(t *testing.T) {
		got := r.granted(refresh("web", begin("web").RefreshToken))
		before := r.Directory.Calls()
		for range 5 {
			got = r.granted(refresh("web", got.RefreshToken))
		}
		if n := r.Directory.Calls() - before; n != 0 {
			t.Errorf("%d questions", n)
		}
	})
	for name, lose := range map[string]func(user *directoryv1.User){
		"deleted": func(u *directoryv1.User) { r.Directory.Remove(r.domain, u.GetSubject()) },
		"disabled": func(u *directoryv1.User) {
			u.Enabled = proto.Bool(false)
			r.Directory.Put(r.domain, u)
		},
	} {
		t.Run("of a person who was "+name+" it ends with its grant", func(t *testing.T) {
			first := begin("web")
			ann, err := r.Directory.User(t.Context(), r.domain, gatewaytest.Subject("staff", "ann"))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Directory.Put(r.domain, proto.CloneOf(ann))
			second := r.granted(refresh("web", first.RefreshToken))
			lose(ann)
			r.Clock.Forward(30 * time.Second)
			r.Directory.Away(fault.Unavailablef("away"))
			third := r.granted(refresh("web", second.RefreshToken)) // a directory that is away stops nobody
			r.Directory.Away(nil)
			r.Clock.Forward(5 * time.Second)
			r.refused(refresh("web", third.RefreshToken), invalid)
			for _, got := range []answer{first, second, third} {
				if r.alive(got.AccessToken) {
					t.Error("an access token of the grant is alive")
				}
			}
			r.Clock.Forward(30 * time.Second)
		})
	}
	t.Run("goes on while the directory has never answered", func(t *testing.T) {
		first := r.granted(r.token("web", "grant_type", "authorization_code", "code", r.Code(r.domain, "web", "bob")))
		r.Directory.Away(fault.Unavailablef("away"))
		defer r.Directory.Away(nil)
		r.granted(refresh("web", first.RefreshToken))
		r.Clock.Forward(time.Second)
	})
	t.Run("is nothing to an application that takes over the client_id", func(t *testing.T) {
		first := begin("other")
		code := r.Code(r.domain, "other", "ann")
		r.Apply(gatewaytest.Deletes(2, gatewaytest.NewApp(r.domain, "other")))
		again := gatewaytest.NewApp(r.domain, "other", func(a *configv1.Application) { a.Id = "app-other-2" })
		r.Apply(gatewaytest.Upserts(3, again))
		r.refused(refresh("other", first.RefreshToken), badRequest+"invalid_grant | Refresh token was issued to another client")
		r.refused(r.token("other", "grant_type", "authorization_code", "code", code), badRequest+"invalid_grant | The authorization code is invalid")
	})
	t.Run("ends when its application is disabled, also once that is enabled again", func(t *testing.T) {
		first := begin("other2")
		r.Clock.Forward(time.Second)
		r.Apply(gatewaytest.Upserts(4, gatewaytest.NewApp(r.domain, "other2", func(a *configv1.Application) {
			a.TokensValidFrom = timestamppb.New(r.Clock.Now())
		})))
		r.Clock.Forward(time.Second)
		r.refused(refresh("other2", first.RefreshToken), invalid)
	})
	t.Run("an expired one is told so", func(t *testing.T) {
		first := begin("web")
		r.Clock.Forward(4 * time.Hour)
		r.refused(refresh("web", first.RefreshToken), badRequest+"invalid_grant | Refresh token is expired")
	})
	t.Run("anything else is invalid", func(t *testing.T) {
		r.refused(refresh("web", "garbage"), invalid)
		r.refused(refresh("web", begin("web").AccessToken), invalid)
		r.refused(refresh("web", ""), badRequest+"invalid_request | A refresh token must be supplied.")
	})
}

func TestT8ARefreshTokenIsItsClientsAlone(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	first := r.redeemed("web")
	r.refused(r.refresh("other", first.RefreshToken), badRequest+"invalid_grant | Refresh token was issued to another client")
	if got := r.granted(r.refresh("web", first.RefreshToken, "scope", "read write")); got.Scope != "read" {
		t.Errorf("answer %+v", got)
	}
}

func TestT9PublicClientsRotateAndAReuseEndsTheFamily(t *testing.T) {
	r := newRigOf(t, func(c *gatewaytest.Config) {
		strict(c, profile.OAuth21)
		c.App("public", func(a *configv1.Application) {
			a.Settings.Oauth.TokenEndpointAuthMethod = "none"
			a.Settings.Oauth.DisableRefreshTokenRotation = true // the profile lets no public client have that
		})
	})
	post := func(pairs ...string) gatewaytest.Answer {
		return r.Post("/acme/oauth/token", gatewaytest.Form(append(pairs, "client_id", "public")...))
	}
	code := r.Code(r.domain, "public", "ann", func(a *state.Authorization) { a.Challenge, a.ChallengeMethod = challenge, "S256" })
	first := r.granted(post("grant_type", "authorization_code", "code", code, "code_verifier", verifier))
	second := r.granted(post("grant_type", "refresh_token", "refresh_token", first.RefreshToken))
	if second.RefreshToken == "" || second.RefreshToken == first.RefreshToken {
		t.Fatalf("answer %+v", second)
	}
	third := r.granted(post("grant_type", "refresh_token", "refresh_token", second.RefreshToken))
	r.refused(post("grant_type", "refresh_token", "refresh_token", first.RefreshToken), badRequest+"invalid_grant | Refresh token is invalid")
	r.refused(post("grant_type", "refresh_token", "refresh_token", third.RefreshToken), badRequest+"invalid_grant | Refresh token is invalid")
	for _, got := range []answer{first, second, third} {
		if r.alive(got.AccessToken) {
			t.Error("an access token of the family is alive")
		}
	}
}

func TestT10ARefreshNarrowsAndNeverWidens(t *testing.T) {
	r := newRigOf(t, func(c *gatewaytest.Config) {
		c.App("web")
		c.App("own", func(a *configv1.Application) { a.Settings.Oauth.SecurityProfile = profile.OAuth21 })
	})
	t.Run("scopes that were not granted are dropped", func(t *testing.T) {
		second := r.granted(r.refresh("web", r.redeemed("web").RefreshToken, "scope", "read write"))
		if second.Scope != "read" || r.granted(r.refresh("web", second.RefreshToken)).Scope != "openid profile read" {
			t.Errorf("answer %+v", second)
		}
	})
	t.Run("and refused under a strict profile, without using the token up", func(t *testing.T) {
		first := r.redeemed("own")
		for range 3 {
			r.refused(r.refresh("own", first.RefreshToken, "scope", "write read email"), badRequest+"invalid_scope | Invalid scope(s): write email")
		}
		second := r.granted(r.refresh("own", first.RefreshToken, "scope", "read"))
		third := r.granted(r.refresh("own", second.RefreshToken))
		if second.Scope != "read" || third.Scope != "openid profile read" {
			t.Errorf("answers %+v and %+v", second, third)
		}
	})
}

func TestT11ARefreshedIDTokenIsAboutTheSameSignIn(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	first := r.redeemed("web")
	before := r.claims(first.IDToken)
	r.Clock.Forward(time.Minute)
	after := r.claims(r.granted(r.refresh("web", first.RefreshToken)).IDToken)
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid", "acr"} {
		if after[name] != before[name] || after[name] == nil {
			t.Errorf("%s went from %v to %v", name, before[name], after[name])
		}
	}
	if before["nonce"] == nil || after["nonce"] != nil || after["iat"] == before["iat"] {
		t.Errorf("ID token %v", after)
	}
}

func TestT12RefreshTokensAreForClientsWithTheGrant(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	if got := r.redeemed("norefresh"); got.RefreshToken != "" {
		t.Errorf("answer %+v", got)
	}
	if got := r.redeemed("web"); got.RefreshToken == "" {
		t.Errorf("answer %+v", got)
	}
}

// TestT13LinesOfRefreshTokensEnd at their age, when they are idle, and when the password that they began with is another one.
func TestT13LinesOfRefreshTokensEnd(t *testing.T) {
	const expired = badRequest + "invalid_grant | Refresh token is expired"
	const invalid = badRequest + "invalid_grant | Refresh token is invalid"
	r := newRigOf(t, func(c *gatewaytest.Config) {
		c.Domain.Oidc.RefreshTokenMaxAgeSeconds = 36_000
		c.App("web")
		c.App("short", func(a *configv1.Application) { a.Settings.Oauth.RefreshTokenMaxAgeSeconds = 6000 })
		c.App("kept", func(a *configv1.Application) {
			a.Settings.Oauth.RefreshTokenMaxAgeSeconds = 6000
			a.Settings.Oauth.DisableRefreshTokenRotation = true
		})
	})
	walk := func(t *testing.T, client string, step time.Duration, want int) {
		t.Helper()
		token, n := r.redeemed(client).RefreshToken, 0
		for ; n < 50; n++ {
			r.Clock.Forward(step)
			a := r.refresh(client, token)
			if a.Status != http.StatusOK {
				r.refused(a, expired)
				break
			}
			if next := r.granted(a).RefreshToken; next != "" {
				token = next
			}
		}
		if n != want {
			t.Errorf("%s was refreshed %d times, want %d", client, n, want)
		}
	}
	t.Run("at the domain's age, however often they are used", func(t *testing.T) { walk(t, "web", time.Hour, 9) })
	t.Run("at the application's own age", func(t *testing.T) { walk(t, "short", 1000*time.Second, 5) })
	t.Run("at that age without rotation as well", func(t *testing.T) { walk(t, "kept", 1000*time.Second, 5) })
	t.Run("when they are idle", func(t *testing.T) { walk(t, "web", 4*time.Hour, 0) })
	t.Run("a successor does not outlive the line", func(t *testing.T) {
		token := r.redeemed("short").RefreshToken
		begun := r.Clock.Now()
		r.Clock.Forward(5000 * time.Second)
		in, err := r.Store.Inspect(t.Context(), r.granted(r.refresh("short", token)).RefreshToken)
		if err != nil || in.Expires.After(begun.Add(6000*time.Second)) {
			t.Errorf("expires %v, error %v", in.Expires, err)
		}
	})
	t.Run("when the age is shortened", func(t *testing.T) {
		first := r.redeemed("web")
		r.Clock.Forward(time.Hour)
		r.Apply(gatewaytest.Upserts(2, gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) {
			a.Settings.Oauth.RefreshTokenMaxAgeSeconds = 3000
		})))
		r.refused(r.refresh("web", first.RefreshToken), expired)
	})
	t.Run("when the password is changed, and not for one that was changed before", func(t *testing.T) {
		ann, err := r.Directory.User(t.Context(), r.domain, gatewaytest.Subject("staff", "ann"))
		if err != nil {
			t.Fatal(err)
		}
		ann.LastPasswordReset = timestamppb.New(r.Clock.Now())
		r.Directory.Put(r.domain, ann)
		r.Clock.Forward(time.Minute)
		first := r.redeemed("short")
		second := r.granted(r.refresh("short", first.RefreshToken))
		r.Clock.Forward(time.Minute)
		ann.LastPasswordReset = timestamppb.New(r.Clock.Now())
		r.Directory.Put(r.domain, ann)
		r.Clock.Forward(time.Minute)
		r.refused(r.refresh("short", second.RefreshToken), invalid)
		if r.alive(first.AccessToken) || r.alive(second.AccessToken) {
			t.Error("an access token of the line is alive")
		}
	})
}

func TestTheGraceForALostAnswerIsTheDomains(t *testing.T) {
	r := newRigOf(t, func(c *gatewaytest.Config) {
		c.Domain.Oidc.RefreshTokenGraceSeconds = proto.Int32(0)
		c.App("web")
	})
	first := r.redeemed("web")
	r.granted(r.refresh("web", first.RefreshToken))
	r.refused(r.refresh("web", first.RefreshToken), badRequest+"invalid_grant | Refresh token is invalid")
	long := newRigOf(t, func(c *gatewaytest.Config) {
		c.Domain.Oidc.RefreshTokenGraceSeconds = proto.Int32(60)
		c.App("web")
	})
	first = long.redeemed("web")
	long.granted(long.refresh("web", first.RefreshToken))
	long.Clock.Forward(60 * time.Second)
	long.granted(long.refresh("web", first.RefreshToken))
}
