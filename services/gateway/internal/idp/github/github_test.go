package github_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/github"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

// server speaks what GitHub documents: errors of the token endpoint with status 200, users and their addresses by the API.
type server struct {
	*gatewaytest.Site
	emails any
	status int
}

func newServer(t *testing.T) *server {
	s := &server{Site: gatewaytest.NewSite(t), status: http.StatusOK}
	s.NoIss = true
	s.Claims = map[string]any{
		"id": 583231, "login": "octocat", "name": "The Octocat", "avatar_url": "https://github.example/a.png", "html_url": "https://github.example/octocat",
		"blog": "https://octocat.example", "email": "shown@octocat.example",
	}
	s.emails = []map[string]any{
		{"email": "old@octocat.example", "primary": false, "verified": true},
		{"email": "octocat@octocat.example", "primary": true, "verified": true},
	}
	s.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/userinfo/emails" {
			return false
		}
		if r.Header.Get("Authorization") != "Bearer at-eve" {
			s.status = http.StatusUnauthorized
		}
		w.WriteHeader(s.status)
		_ = json.NewEncoder(w).Encode(s.emails)
		return true
	}
	return s
}

func (s *server) provider(t *testing.T, scopes ...string) *oidc.Provider {
	t.Helper()
	fetch, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := github.New("gh", &configv1.SocialProvider{
		ClientId: gatewaytest.SiteClient, ClientSecret: gatewaytest.Secret, Scopes: scopes,
		UserAuthorizationUri: s.URL + "/authorize?x=1", AccessTokenUri: s.URL + "/token", UserProfileUri: s.URL + "/userinfo",
	}, oidc.Tools{Fetch: fetch, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *server) signIn(t *testing.T, p *oidc.Provider) (*idp.Assertion, error) {
	t.Helper()
	l := idp.Leg{Callback: "https://gw.example/cb?provider=gh", State: "s"}
	location, memo, err := p.Begin(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return p.Finish(t.Context(), l, idptest.Answer(t, location, s.Authorize), memo)
}

func TestSuite(t *testing.T) {
	idptest.Federation(t, func(t *testing.T) *idptest.Journeys {
		s := newServer(t)
		return &idptest.Journeys{Federator: s.provider(t), Source: "gh", ExternalID: "583231", Authorize: s.Authorize, Break: s.Break}
	})
}

func TestWhoSomebodyIs(t *testing.T) {
	s := newServer(t)
	got, err := s.signIn(t, s.provider(t))
	if err != nil {
		t.Fatal(err)
	}
	want := &idp.Identity{
		Source: "gh", ExternalId: "583231", Username: "octocat", DisplayName: "The Octocat", Picture: "https://github.example/a.png",
		Profile: "https://github.example/octocat", Website: "https://octocat.example", Email: "octocat@octocat.example", EmailVerified: true,
	}
	if diff := cmp.Diff(want, got.Identity, protocmp.Transform()); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		name     string
		setup    func(*server)
		scopes   []string
		email    string
		verified bool
		fails    bool
	}{
		{"a primary address that is not verified", func(s *server) {
			s.emails = []map[string]any{{"email": "a@b.example", "primary": true, "verified": false}}
		}, nil, "a@b.example", false, false},
		{"no address at all", func(s *server) { s.emails, s.Claims["email"] = []any{}, nil }, nil, "", false, false},
		{"a permission that the person took away", func(s *server) { s.status = http.StatusNotFound }, nil, "shown@octocat.example", false, false},
		{"no permission asked for", nil, []string{"read:user"}, "shown@octocat.example", false, false},
		{"addresses that are no list", func(s *server) { s.emails = "x" }, nil, "", false, true},
		{"trouble with addresses", func(s *server) { s.status = http.StatusBadGateway }, nil, "", false, true},
		{"nobody", func(s *server) { s.Claims["id"] = nil }, nil, "", false, true},
		{"a name in the place of a number", func(s *server) { s.Claims["id"] = "1" }, nil, "", false, true},
		{"half a number", func(s *server) { s.Claims["id"] = 1.5 }, nil, "", false, true},
	} {
		s := newServer(t)
		if tt.setup != nil {
			tt.setup(s)
		}
		got, err := s.signIn(t, s.provider(t, tt.scopes...))
		switch {
		case (err != nil) != tt.fails:
			t.Errorf("%s: %v", tt.name, err)
		case err == nil && (got.Identity.GetEmail() != tt.email || got.Identity.GetEmailVerified() != tt.verified):
			t.Errorf("%s: %v", tt.name, got.Identity)
		}
	}
}

func TestErrorsWithStatus200(t *testing.T) {
	s := newServer(t)
	s.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			_, _ = w.Write([]byte(`{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired."}`))
		}
		return r.URL.Path == "/token"
	}
	if got, err := s.signIn(t, s.provider(t)); err == nil {
		t.Errorf("it names %v", got.Identity)
	}
}
