// Package browsertest runs the pages of a domain for tests: a real Redis, a domain read from configuration messages, a
// directory in memory, and browsers with a cookie jar.
package browsertest

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/builtin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// What the domain of every test is called.
const (
	DomainID  = "d1"
	PublicURL = "https://gw.example"
	Base      = PublicURL + "/acme"
	Issuer    = Base + "/oidc"
	Provider  = "staff"
	Password  = "correct horse"
)

// Env is everything behind the endpoints.
type Env struct {
	Store     *state.Store
	Domains   *domain.Set
	Directory *Directory
	Clock     *Clock
	Log       *slog.Logger
	// Key signs what the domain signs.
	Key *jose.Key
}

var inline = sync.OnceValues(func() (string, error) { return secret.NewHasher().Password(context.Background(), Password) })

// New starts what the tests of one domain need. change may adjust the domain's messages before they are read; apps are
// its applications.
func New(t testing.TB, change func(*configv1.Domain), apps ...*configv1.Application) *Env {
	t.Helper()
	return NewAt(t, PublicURL, change, apps...)
}

// NewAt is New with another public URL.
func NewAt(t testing.TB, publicURL string, change func(*configv1.Domain), apps ...*configv1.Application) *Env {
	t.Helper()
	url := os.Getenv("GATEHOUSE_TEST_REDIS_URL")
	if url == "" {
		t.Fatal("GATEHOUSE_TEST_REDIS_URL is not set: run the tests by scripts/with-backing.sh")
	}
	return NewWithRedis(t, url, publicURL, change, apps...)
}

// RedisPatience is how long tests that are not about a silent Redis let it take for an answer: the machine may have much else to do.
const RedisPatience = 20 * time.Second

// NewWithRedis is NewAt with a Redis of its own, or one that does not answer.
func NewWithRedis(t testing.TB, redisURL, publicURL string, change func(*configv1.Domain), apps ...*configv1.Application) *Env {
	t.Helper()
	e := &Env{Clock: &Clock{at: time.Now()}, Directory: &Directory{consents: map[string]*directoryv1.Consent{}}, Log: slog.New(slog.DiscardHandler)}
	store, err := state.Open(redisURL, state.Options{Now: e.Clock.Now, Logger: e.Log, Timeout: RedisPatience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	e.Store = store
	hash, err := inline()
	if err != nil {
		t.Fatal(err)
	}
	if e.Key, err = jose.GenerateKey(jose.ES256, "k1"); err != nil {
		t.Fatal(err)
	}
	private, err := e.Key.MarshalPKCS8()
	if err != nil {
		t.Fatal(err)
	}
	e.Domains = domain.NewSet(domain.Options{
		PublicURL: publicURL, Open: builtin.Tools{Hasher: secret.NewHasher()}.Open, Logger: e.Log, Now: e.Clock.Now,
	})
	d := &configv1.Domain{Id: DomainID, Domain: DomainID, Name: "Acme", Path: "/acme", Enabled: true, Secret: secret.NewKey(), Oidc: &configv1.OpenIDSettings{}}
	if change != nil {
		change(d)
	}
	messages := []resource.Resource{
		d,
		&configv1.Certificate{Id: "c1", Domain: DomainID, System: true, Kid: "k1", Algorithm: "ES256", PrivateKey: private, CreatedAt: timestamppb.New(e.Clock.Now())},
		provider(Provider, hash, "ann", "bob"),
		provider("partners", hash, "eve"),
	}
	for _, scope := range []*configv1.Scope{
		{Key: "openid", Name: "OpenID", Description: "Confirm who you are"},
		{Key: "profile", Name: "Profile", Description: "Your name and picture"},
		{Key: "email", Name: "Email", Description: "Your e-mail address", ExpiresIn: proto.Int32(600)},
		{Key: "offline_access", Name: "Offline access", Description: "Stay connected while you are away"},
		{Key: "pay", Name: "Payments", Parameterized: true},
	} {
		scope.Id, scope.Domain = scope.Key, DomainID
		messages = append(messages, scope)
	}
	for _, app := range apps {
		messages = append(messages, app)
	}
	e.Apply(t, true, messages...)
	return e
}

func provider(id, hash string, names ...string) *configv1.IdentityProvider {
	users := make([]*configv1.InlineUser, len(names))
	for i, name := range names {
		users[i] = &configv1.InlineUser{Username: name, Password: hash, Email: name + "@acme.example", Firstname: name}
	}
	return &configv1.IdentityProvider{
		Id: id, Domain: DomainID, Name: id, Config: &configv1.IdentityProvider_Inline{Inline: &configv1.InlineProvider{Users: users}},
	}
}

// Apply brings configuration, as management would.
func (e *Env) Apply(t testing.TB, reset bool, messages ...resource.Resource) {
	t.Helper()
	revision, _ := e.Domains.Revision()
	batch := configsync.Batch{Revision: revision + 1, Reset: reset}
	for _, m := range messages {
		resource.Stamp(m, resource.Stamps{Revision: revision + 1})
		batch.Upserts = append(batch.Upserts, resource.Wrap(m))
	}
	if rejected := e.Domains.Apply(t.Context(), batch); len(rejected) > 0 {
		t.Fatalf("configuration was rejected: %v", rejected)
	}
}

// Requests finds requests, without keys of clients.
func (e *Env) Requests() *authorization.Resolver {
	return authorization.NewResolver(e.Store, &authorization.Objects{Now: e.Clock.Now})
}

// Domain returns the domain.
func (e *Env) Domain() *domain.Domain { return e.Domains.Domain(DomainID) }

// App is an application with the scopes openid, profile and email, whose redirect URI is https://<id>.example/cb.
func App(id string, change ...func(*configv1.Application)) *configv1.Application {
	app := &configv1.Application{
		Id: id, Domain: DomainID, Name: "App " + id, Type: configv1.Application_WEB,
		Settings: &configv1.ApplicationSettings{
			Oauth: &configv1.OAuthSettings{
				ClientId: id, RedirectUris: []string{"https://" + id + ".example/cb"},
				GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
				ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid", DefaultScope: true}, {Scope: "profile"}, {Scope: "email"}, {Scope: "offline_access"}, {Scope: "pay"}},
			},
			Advanced: &configv1.AdvancedSettings{SkipConsent: true},
		},
		IdentityProviders: []*configv1.ApplicationIdentityProvider{{Identity: Provider}},
	}
	for _, f := range change {
		f(app)
	}
	return app
}

// OAuth adjusts an application's OAuth settings.
func OAuth(f func(*configv1.OAuthSettings)) func(*configv1.Application) {
	return func(app *configv1.Application) { f(app.Settings.Oauth) }
}

// AsksConsent makes an application ask for consent.
func AsksConsent(app *configv1.Application) { app.Settings.Advanced.SkipConsent = false }

// Clock is a clock that tests move.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Directory is management's directory, in memory.
type Directory struct {
	mu       sync.Mutex
	consents map[string]*directoryv1.Consent
	// Err is returned by every call while it is set.
	Err error
	// Gone are the subjects of people who were deleted, Disabled of those who may not sign in.
	Gone, Disabled map[string]bool
	// NewPassword is when people set another password, by subject.
	NewPassword map[string]time.Time
}

// User implements tokens.Directory: everybody is there who is not Gone.
func (d *Directory) User(_ context.Context, domain, subject string) (*directoryv1.User, error) {
	switch {
	case d.Err != nil:
		return nil, d.Err
	case d.Gone[subject]:
		return nil, fault.NotFoundf("user %q", subject)
	}
	u := &directoryv1.User{Domain: domain, Subject: subject, Enabled: proto.Bool(!d.Disabled[subject])}
	if at, ok := d.NewPassword[subject]; ok {
		u.LastPasswordReset = timestamppb.New(at)
	}
	return u, nil
}

// SignIn implements signin.Directory: a person's subject is sub- and the name.
func (d *Directory) SignIn(_ context.Context, domain, application string, id *directoryv1.Identity) (*directoryv1.User, error) {
	if d.Err != nil {
		return nil, d.Err
	}
	return &directoryv1.User{
		Id: "id-" + id.GetUsername(), Domain: domain, Subject: "sub-" + id.GetUsername(), Username: id.GetUsername(),
		Source: id.GetSource(), ExternalId: id.GetExternalId(), Email: id.GetEmail(), Client: application,
	}, nil
}

// NotifyLocked implements signin.Directory: nobody reads it.
func (d *Directory) NotifyLocked(context.Context, string, string, string, *directoryv1.Sender) error {
	return d.Err
}

// Consents returns what was saved.
func (d *Directory) Consents(_ context.Context, domain, user, clientID string) ([]*directoryv1.Consent, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Err != nil {
		return nil, d.Err
	}
	var list []*directoryv1.Consent
	for _, key := range slices.Sorted(maps.Keys(d.consents)) {
		if prefix := domain + "/" + user + "/" + clientID + "/"; len(key) > len(prefix) && key[:len(prefix)] == prefix {
			list = append(list, proto.CloneOf(d.consents[key]))
		}
	}
	return list, nil
}

// SaveConsents saves decisions.
func (d *Directory) SaveConsents(_ context.Context, domain, user, clientID string, consents []*directoryv1.Consent) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Err != nil {
		return d.Err
	}
	for _, c := range consents {
		d.consents[domain+"/"+user+"/"+clientID+"/"+c.GetScope()] = proto.CloneOf(c)
	}
	return nil
}
