package conformance_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// sites are HTTP providers: each knows everybody with a password that is its own id, and everybody whose name begins with "locked"
// as locked. They note in which order they are asked; what a channel is kept for stalls until it is closed.
type sites struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
	stall map[string]chan struct{}
}

func newSites(t *testing.T) *sites {
	t.Helper()
	s := &sites{stall: map[string]chan struct{}{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *sites) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/")
	var in struct{ Name, Password string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, id)
	stalled := s.stall[id]
	s.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-r.Context().Done():
		}
	}
	switch {
	case in.Password != id:
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasPrefix(in.Name, "locked"):
		w.WriteHeader(http.StatusLocked)
	default:
		_ = json.NewEncoder(w).Encode(map[string]string{"sub": in.Name + " of " + id, "preferred_username": in.Name})
	}
}

// since returns which sites were asked since the last time, in order.
func (s *sites) since() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := strings.Join(s.asked, " ")
	s.asked = nil
	return asked
}

// provider is a site as a provider.
func (s *sites) provider(c *gatewaytest.Config, id string) {
	c.Add(&configv1.IdentityProvider{
		Id: id, Domain: c.Domain.GetId(), Name: id, Config: &configv1.IdentityProvider_Http{Http: &configv1.HTTPProvider{
			AuthenticationResource: &configv1.HTTPResource{
				BaseUrl: s.URL + "/" + id, HttpBody: `{"name": "{#login}", "password": "{#password}"}`,
				HttpResponseErrorConditions: []*configv1.HTTPErrorCondition{{Value: "response.status == 423", Exception: "AccountLocked"}},
			},
		}},
	})
}

func lists(entries ...*configv1.ApplicationIdentityProvider) func(*configv1.Application) {
	return func(a *configv1.Application) { a.IdentityProviders = entries }
}

func entry(id string, priority int32, rule string) *configv1.ApplicationIdentityProvider {
	return &configv1.ApplicationIdentityProvider{Identity: id, Priority: priority, SelectionRule: rule}
}

// TestWhichInternalProvidersAreAsked is the documentation of applications' identity providers, sentence by sentence, at the login
// page and for the password grant.
func TestWhichInternalProvidersAreAsked(t *testing.T) {
	const refused = "The credentials entered are invalid"
	const nobody = "No identity provider found for client : client"
	s := newSites(t)
	for _, tt := range []struct {
		name      string
		providers []*configv1.ApplicationIdentityProvider
		username  string
		password  string // the id of the provider that accepts it
		asked     string
		refusal   string // "" = signed in
	}{
		{"if the rule is empty, the provider is taken into account", []*configv1.ApplicationIdentityProvider{entry("a", 0, "")}, "ann", "a", "a", ""},
		{"a rule of blanks is empty", []*configv1.ApplicationIdentityProvider{entry("a", 0, "  ")}, "ann", "a", "a", ""},
		{"a rule that is true takes the provider into account", []*configv1.ApplicationIdentityProvider{entry("a", 0, "true")}, "ann", "a", "a", ""},
		{"a rule may be written inside {#…}", []*configv1.ApplicationIdentityProvider{entry("a", 0, "{#true}")}, "ann", "a", "a", ""},
		{"a rule that is false leaves it out", []*configv1.ApplicationIdentityProvider{entry("a", 0, "false"), entry("b", 1, "true")}, "ann", "b", "b", ""},
		{"priority is ascending", []*configv1.ApplicationIdentityProvider{entry("a", 2, ""), entry("b", 1, ""), entry("c", 0, "")}, "ann", "a", "c b a", ""},
		{"equal priorities keep the given order", []*configv1.ApplicationIdentityProvider{entry("b", 1, ""), entry("a", 1, ""), entry("c", 0, "")}, "ann", "a", "c b a", ""},
		{"a negative priority is unset, and comes last", []*configv1.ApplicationIdentityProvider{entry("a", -1, ""), entry("b", -5, ""), entry("c", 7, "")}, "ann", "b", "c a b", ""},
		{"the first that accepts ends the search", []*configv1.ApplicationIdentityProvider{entry("a", 0, ""), entry("b", 1, "")}, "ann", "a", "a", ""},
		{"a wrong password at one falls through to the next", []*configv1.ApplicationIdentityProvider{entry("a", 0, ""), entry("b", 1, ""), entry("c", 2, "")}, "ann", "b", "a b", ""},
		{"the first whose rule matches ends the search if it accepts", []*configv1.ApplicationIdentityProvider{entry("a", 0, "true"), entry("b", 1, "true")}, "ann", "a", "a", ""},
		{"also among those whose rule is true", []*configv1.ApplicationIdentityProvider{entry("a", 0, "true"), entry("b", 1, "true")}, "ann", "b", "a b", ""},
		{"all that stay are tried before anybody is refused", []*configv1.ApplicationIdentityProvider{entry("a", 0, ""), entry("b", 1, "false"), entry("c", 2, "true")}, "ann", "b", "a c", refused},
		{"a provider that the application does not use is not asked", []*configv1.ApplicationIdentityProvider{entry("a", 0, "")}, "ann", "b", "a", refused},
		{"a locked account stops the search", []*configv1.ApplicationIdentityProvider{entry("a", 0, ""), entry("b", 1, "")}, "locked ann", "a", "a", "The account is disabled"},
		{"no providers are an error of their own", nil, "ann", "a", "", nobody},
		{"external ones do not count", []*configv1.ApplicationIdentityProvider{entry("elsewhere", 0, "")}, "ann", "a", "", nobody},
		{"if no rule is true, nobody is asked", []*configv1.ApplicationIdentityProvider{entry("a", 0, "false"), entry("b", 1, "false")}, "ann", "a", "", nobody},
		{"a rule that cannot be evaluated is false", []*configv1.ApplicationIdentityProvider{entry("a", 0, "request.params['tenant'][0] == 'x'"), entry("b", 1, "")}, "ann", "b", "b", ""},
		{"a rule that reads the person is too early", []*configv1.ApplicationIdentityProvider{entry("a", 0, "user.username == 'ann'"), entry("b", 1, "")}, "ann", "b", "b", ""},
		{"an e-mail domain, any case", []*configv1.ApplicationIdentityProvider{entry("a", 0, `login.lowerAscii().endsWith("@acme.example")`), entry("b", 1, "true")}, "ann@ACME.example", "a", "a", ""},
		{"exactly this name", []*configv1.ApplicationIdentityProvider{entry("a", 0, `request.params["username"][0].matches("^user$")`), entry("b", 1, "")}, "user2", "b", "b", ""},
		{"one kind of application", []*configv1.ApplicationIdentityProvider{entry("a", 0, `client.clientId == "client"`), entry("b", 1, "")}, "ann", "a", "a", ""},
		{"the candidate itself", []*configv1.ApplicationIdentityProvider{entry("a", 0, `identityProvider.id == "b"`), entry("b", 1, `identityProvider.id == "b" && identityProvider.type == "http-am-idp"`)}, "ann", "b", "b", ""},
		{"a provider that cannot be asked ends the search", []*configv1.ApplicationIdentityProvider{entry("away", 0, ""), entry("b", 1, "")}, "ann", "b", "", "a part that is needed to answer is not available, try again shortly"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			for _, id := range []string{"a", "b", "c"} {
				s.provider(c, id)
			}
			c.Waiting("elsewhere")
			c.Add(&configv1.IdentityProvider{Id: "away", Domain: c.Domain.GetId(), Name: "away", Config: &configv1.IdentityProvider_Http{Http: &configv1.HTTPProvider{
				AuthenticationResource: &configv1.HTTPResource{BaseUrl: "http://127.0.0.1:1/"},
			}}})
			c.App("client", lists(tt.providers...))
			h := gatewaytest.New(t, gatewaytest.Options{}, c)
			s.since()

			got := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", tt.username, "password", tt.password), gatewaytest.Basic("client"))
			if asked := s.since(); asked != tt.asked {
				t.Errorf("password grant: asked %q, want %q", asked, tt.asked)
			}
			if tt.refusal == "" && got.Status != http.StatusOK || tt.refusal != "" && !strings.HasSuffix(got.Error(t), tt.refusal) {
				t.Errorf("password grant: %d %s", got.Status, got.Body)
			}

			b := h.Browser("/acme")
			page := b.Follow(b.Get("/oauth/authorize?client_id=client&response_type=code&scope=read&redirect_uri=" + url.QueryEscape("https://client.example/cb")))
			res := b.SignIn(page, tt.username, tt.password)
			if asked := s.since(); asked != tt.asked {
				t.Errorf("login page: asked %q, want %q", asked, tt.asked)
			}
			switch where := res.Location(); {
			case tt.refusal == "" && !strings.HasPrefix(where, gatewaytest.PublicURL+"/acme/oauth/authorize?"):
				t.Errorf("login page: %d %s", res.StatusCode, where)
			case (tt.refusal == refused || tt.refusal == nobody) && (!strings.Contains(where, "/acme/login?") ||
				!strings.Contains(where, "error=login_failed&error_code=invalid_user&error_description=Invalid+or+unknown+user")):
				t.Errorf("login page: %d %s", res.StatusCode, where)
			case tt.refusal != "" && strings.HasPrefix(where, gatewaytest.PublicURL+"/acme/oauth/authorize?"):
				t.Errorf("login page: signed in: %s", where)
			}
		})
	}
}

// TestAnOutageAffectsOnlyLoginsThatNeedTheProvider: while one provider stalls, people of another sign in at once, and those of the
// first are answered in time.
func TestAnOutageAffectsOnlyLoginsThatNeedTheProvider(t *testing.T) {
	s, other := newSites(t), newSites(t)
	c := gatewaytest.NewAcme(t)
	s.provider(c, "a")
	other.provider(c, "b")
	c.App("both", lists(entry("a", 0, `login.startsWith("a-")`), entry("b", 1, `login.startsWith("b-")`)))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	s.mu.Lock()
	stalled := make(chan struct{})
	s.stall["a"] = stalled
	s.mu.Unlock()
	try := func(name, password string) (int, time.Duration) {
		begin := time.Now()
		got := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", name, "password", password), gatewaytest.Basic("both"))
		return got.Status, time.Since(begin)
	}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if status, took := try(fmt.Sprintf("a-%d", i), "a"); status != http.StatusServiceUnavailable || took > 12*time.Second {
				t.Errorf("a login at the provider that stalls: %d after %s", status, took)
			}
		})
	}
	for i := range 20 {
		if status, took := try(fmt.Sprintf("b-%d", i), "b"); status != http.StatusOK || took > 4*time.Second {
			t.Errorf("a login at another provider: %d after %s", status, took)
		}
	}
	group.Wait()
	close(stalled)
	s.mu.Lock()
	delete(s.stall, "a")
	s.mu.Unlock()
	if status, _ := try("a-again", "a"); status != http.StatusOK {
		t.Errorf("when it answers again: %d", status)
	}
}

// TestMappersOfInternalProviders: what a provider says becomes the person's profile, by its mappers.
func TestMappersOfInternalProviders(t *testing.T) {
	s := newSites(t)
	c := gatewaytest.NewAcme(t)
	p := &configv1.IdentityProvider{
		Id: "a", Domain: c.Domain.GetId(), Name: "a",
		Config: &configv1.IdentityProvider_Http{Http: &configv1.HTTPProvider{AuthenticationResource: &configv1.HTTPResource{
			BaseUrl: s.URL + "/a", HttpBody: `{"name": "{#login}", "password": "{#password}"}`,
		}}},
		Mappers: map[string]string{"given_name": "preferred_username", "family_name": "{#'of ' + identityProvider.name}", "email": "{#profile.nothing}"},
	}
	c.Add(p)
	c.App("client", lists(entry("a", 0, "")), func(a *configv1.Application) { a.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(true)} })
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	token := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", "ann", "password", "a", "scope", "openid profile email"),
		gatewaytest.Basic("client")).JSON(t)["access_token"].(string)
	claims := h.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+token)).JSON(t)
	if claims["given_name"] != "ann" || claims["family_name"] != "of a" || claims["email"] != nil {
		t.Errorf("claims %v", claims)
	}
}
