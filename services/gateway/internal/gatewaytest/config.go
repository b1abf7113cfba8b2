package gatewaytest

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

const (
	// PublicURL is where the gateway of every test is reached.
	PublicURL = "https://gw.example"
	// Secret is the client secret of every application.
	Secret = "a-secret-of-a-client"
	// Password is the password of every person.
	Password = "correct horse"
)

// epoch is when everything was created; parts made later are younger.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// Config is the configuration of one domain as messages.
type Config struct {
	t testing.TB
	// Domain is the domain's own message.
	Domain *configv1.Domain
	// Keys are the signing keys by the certificate's id.
	Keys map[string]*jose.Key

	parts []resource.Resource
}

// NewConfig returns an enabled domain under a path, with nothing in it.
func NewConfig(t testing.TB, id, path string) *Config {
	return &Config{t: t, Keys: map[string]*jose.Key{}, Domain: &configv1.Domain{
		Id: id, Domain: id, Name: id, Path: path, Enabled: true, Secret: secret.NewKey(), Oidc: &configv1.OpenIDSettings{},
		CreatedAt: timestamppb.New(epoch),
	}}
}

// NewAcme returns the domain that most tests use: under /acme, with an ES256 and an RS256 certificate (the former is the
// default), the usual scopes, and the inline provider `staff` with ann and bob.
func NewAcme(t testing.TB) *Config {
	c := NewConfig(t, "acme-"+secret.NewID(), "/acme")
	c.Certificate("es", jose.ES256)
	c.Certificate("rs", jose.RS256)
	c.Scopes("openid", "profile", "email", "address", "phone", "groups", "roles", "full_profile", "offline_access", "dcr", "dcr_admin", "read", "write")
	c.Inline("staff", "ann", "bob")
	return c
}

var generated sync.Map // keys by id and algorithm: RSA keys are slow to make

// Certificate adds a signing key under its id as kid. Equal ids and algorithms have equal keys in all tests.
func (c *Config) Certificate(id string, alg jose.Algorithm, change ...func(*configv1.Certificate)) *configv1.Certificate {
	c.t.Helper()
	made, _ := generated.LoadOrStore(id+" "+string(alg), sync.OnceValues(func() (*jose.Key, error) { return jose.GenerateKey(alg, id) }))
	key, err := made.(func() (*jose.Key, error))()
	if err != nil {
		c.t.Fatal(err)
	}
	private, err := key.MarshalPKCS8()
	if err != nil {
		c.t.Fatal(err)
	}
	c.Keys[id] = key
	cert := &configv1.Certificate{
		Id: id, Domain: c.Domain.GetId(), Name: id, System: true, Kid: id, Algorithm: string(alg), PrivateKey: private,
		CreatedAt: timestamppb.New(epoch.Add(time.Duration(len(c.parts)) * time.Second)),
	}
	apply(cert, change)
	c.parts = append(c.parts, cert)
	return cert
}

// Scopes adds scopes that discovery lists.
func (c *Config) Scopes(keys ...string) {
	for _, key := range keys {
		c.Scope(key, func(s *configv1.Scope) { s.Discovery = true })
	}
}

// Scope adds one scope.
func (c *Config) Scope(key string, change ...func(*configv1.Scope)) *configv1.Scope {
	s := &configv1.Scope{Id: "scope-" + key, Domain: c.Domain.GetId(), Key: key, Name: key, Description: key}
	apply(s, change)
	c.parts = append(c.parts, s)
	return s
}

var passwordHash = sync.OnceValues(func() (string, error) { return secret.NewHasher().Password(context.Background(), Password) })

// Inline adds a provider with people whose password is Password.
func (c *Config) Inline(id string, names ...string) *configv1.IdentityProvider {
	c.t.Helper()
	hash, err := passwordHash()
	if err != nil {
		c.t.Fatal(err)
	}
	users := make([]*configv1.InlineUser, len(names))
	for i, name := range names {
		users[i] = &configv1.InlineUser{Username: name, Password: hash, Email: name + "@acme.example", Firstname: name, Lastname: "Doe"}
	}
	p := &configv1.IdentityProvider{
		Id: id, Domain: c.Domain.GetId(), Name: id,
		Config: &configv1.IdentityProvider_Inline{Inline: &configv1.InlineProvider{Users: users}},
	}
	c.parts = append(c.parts, p)
	return p
}

// Waiting adds a provider of a type that is configured and does not run yet.
func (c *Config) Waiting(id string) {
	c.parts = append(c.parts, &configv1.IdentityProvider{
		Id: id, Domain: c.Domain.GetId(), Name: id, External: true,
		Config: &configv1.IdentityProvider_Saml2{Saml2: &configv1.SAML2Provider{EntityId: id}},
	})
}

// App adds an application that authenticates by Basic with Secret, may use every grant, has the scopes openid, profile,
// email, offline_access, read and write, and lets the people of `staff` in. Its id is the client_id with "app-" before it.
func (c *Config) App(clientID string, change ...func(*configv1.Application)) *configv1.Application {
	app := NewApp(c.Domain.GetId(), clientID, change...)
	c.parts = append(c.parts, app)
	return app
}

// NewApp is App for another day: the application is returned and added nowhere.
func NewApp(domain, clientID string, change ...func(*configv1.Application)) *configv1.Application {
	o := &configv1.OAuthSettings{
		ClientId: clientID, TokenEndpointAuthMethod: "client_secret_basic",
		GrantTypes:    []string{"authorization_code", "refresh_token", "client_credentials", "password"},
		ResponseTypes: []string{"code"}, RedirectUris: []string{"https://" + clientID + ".example/cb"},
	}
	for _, s := range []string{"openid", "profile", "email", "offline_access", "read", "write"} {
		o.ScopeSettings = append(o.ScopeSettings, &configv1.ScopeSetting{Scope: s})
	}
	app := &configv1.Application{
		Id: "app-" + clientID, Domain: domain, Name: clientID, Type: configv1.Application_WEB,
		Settings:          &configv1.ApplicationSettings{Oauth: o},
		Secrets:           []*configv1.ClientSecret{{Id: "s1", Hash: secret.Generated(Secret)}},
		IdentityProviders: []*configv1.ApplicationIdentityProvider{{Identity: "staff"}},
	}
	apply(app, change)
	return app
}

// Add adds any resource.
func (c *Config) Add(r resource.Resource) { c.parts = append(c.parts, r) }

// Batch returns everything as a batch that begins anew.
func (c *Config) Batch(revision int64) configsync.Batch {
	b := Upserts(revision, append([]resource.Resource{c.Domain}, c.parts...)...)
	b.Reset = true
	return b
}

// Upserts returns a batch that brings resources at a revision.
func Upserts(revision int64, parts ...resource.Resource) configsync.Batch {
	b := configsync.Batch{Installation: "test", Revision: revision}
	for _, r := range parts {
		resource.Stamp(r, resource.Stamps{Revision: revision})
		b.Upserts = append(b.Upserts, resource.Wrap(r))
	}
	return b
}

// Deletes returns a batch that deletes resources at a revision.
func Deletes(revision int64, parts ...resource.Resource) configsync.Batch {
	b := configsync.Batch{Installation: "test", Revision: revision}
	for _, r := range parts {
		b.Deletes = append(b.Deletes, resource.KeyOf(r).Proto())
	}
	return b
}

func apply[T any](v T, change []func(T)) {
	for _, f := range change {
		if f != nil {
			f(v)
		}
	}
}
