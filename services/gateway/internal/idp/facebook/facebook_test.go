package facebook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/facebook"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

// site answers as the Graph API does, to applications that prove who they are.
func site(t *testing.T) *gatewaytest.Site {
	s := gatewaytest.NewSite(t)
	s.NoIss = true
	s.Claims = map[string]any{
		"id": "10158", "name": "Eve Doe", "first_name": "Eve", "last_name": "Doe", "email": "eve@partner.example",
		"picture": map[string]any{"data": map[string]any{"url": "https://graph.example/p.png"}},
	}
	s.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/userinfo" {
			return false
		}
		mac := hmac.New(sha256.New, []byte(gatewaytest.Secret))
		mac.Write([]byte("at-eve"))
		if r.URL.Query().Get("appsecret_proof") != hex.EncodeToString(mac.Sum(nil)) || r.URL.Query().Get("fields") != facebook.Fields {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		return false
	}
	return s
}

func provider(t *testing.T, s *gatewaytest.Site) *oidc.Provider {
	t.Helper()
	fetch, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := facebook.New("fb", &configv1.SocialProvider{
		ClientId: gatewaytest.SiteClient, ClientSecret: gatewaytest.Secret,
		UserAuthorizationUri: s.URL + "/authorize?x=1", AccessTokenUri: s.URL + "/token", UserProfileUri: s.URL + "/userinfo",
	}, oidc.Tools{Fetch: fetch, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSuite(t *testing.T) {
	idptest.Federation(t, func(t *testing.T) *idptest.Journeys {
		s := site(t)
		return &idptest.Journeys{Federator: provider(t, s), Source: "fb", ExternalID: "10158", Authorize: s.Authorize, Break: s.Break}
	})
}

func TestWhoSomebodyIs(t *testing.T) {
	s := site(t)
	p := provider(t, s)
	l := idp.Leg{Callback: "https://gw.example/cb?provider=fb", State: "s", Again: true}
	location, memo, err := p.Begin(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	if q := idptest.Query(t, location); q.Get("auth_type") != "reauthenticate" || q.Get("scope") != "public_profile,email" || q.Has("prompt") {
		t.Errorf("sent to %s", location)
	}
	got, err := p.Finish(t.Context(), l, idptest.Answer(t, location, s.Authorize), memo)
	if err != nil {
		t.Fatal(err)
	}
	if id := got.Identity; id.GetUsername() != "eve@partner.example" || id.GetEmailVerified() || id.GetPicture() != "https://graph.example/p.png" || id.GetFirstName() != "Eve" {
		t.Errorf("identity %v", id)
	}
}
