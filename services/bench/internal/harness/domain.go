package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
)

// Domain is a security domain that serves.
type Domain struct {
	ID string
	// Path is where gateways serve it: "/name".
	Path   string
	Issuer string

	management *Management
	gateway    string // the address of one, or of what stands for all
}

// NewDomain creates and enables a domain; settings are merged into it first and may be nil. It is served when NewDomain
// returns.
func (p *Platform) NewDomain(ctx context.Context, name string, settings Object) (*Domain, error) {
	d, err := newDomain(ctx, p.Management, p.Gateway().Address, p.publicURL, name, settings)
	if err != nil {
		return nil, err
	}
	return d, p.AwaitDomain(ctx, d.ID)
}

func newDomain(ctx context.Context, m *Management, gateway, publicURL, name string, settings Object) (*Domain, error) {
	var made struct{ ID, Path string }
	if err := m.Post(ctx, "/domains", Object{"name": name, "description": "for measurements"}, &made); err != nil {
		return nil, err
	}
	change := Object{"enabled": true}
	for k, v := range settings {
		change[k] = v
	}
	if err := m.Patch(ctx, "/domains/"+made.ID, change, nil); err != nil {
		return nil, err
	}
	return &Domain{ID: made.ID, Path: made.Path, Issuer: publicURL + made.Path + "/oidc", management: m, gateway: gateway}, nil
}

// Create posts to one of the domain's collections and returns the new id.
func (d *Domain) Create(ctx context.Context, collection string, body Object) (string, error) {
	var made struct{ ID string }
	err := d.management.Post(ctx, "/domains/"+d.ID+"/"+collection, body, &made)
	return made.ID, err
}

// Application is a registered client with its secret.
type Application struct {
	ID, ClientID, Secret string
	Domain               *Domain
}

// NewApplication creates an application of that type and merges change into it.
func (d *Domain) NewApplication(ctx context.Context, name, kind string, redirectURIs []string, change Object) (*Application, error) {
	var made struct {
		ID       string
		Settings struct {
			OAuth struct {
				ClientID     string `json:"clientId"`
				ClientSecret string `json:"clientSecret"`
			} `json:"oauth"`
		}
	}
	body := Object{"name": name, "type": kind}
	if len(redirectURIs) > 0 {
		body["redirectUris"] = redirectURIs
	}
	if err := d.management.Post(ctx, "/domains/"+d.ID+"/applications", body, &made); err != nil {
		return nil, err
	}
	a := &Application{ID: made.ID, ClientID: made.Settings.OAuth.ClientID, Secret: made.Settings.OAuth.ClientSecret, Domain: d}
	if a.ClientID == "" || a.Secret == "" {
		return nil, fmt.Errorf("management answered the application %q without client id or secret", name)
	}
	return a, a.Patch(ctx, change)
}

// Patch merges a change into the application.
func (a *Application) Patch(ctx context.Context, change Object) error {
	return a.Domain.management.Patch(ctx, "/domains/"+a.Domain.ID+"/applications/"+a.ID, change, nil)
}

// User is a person of an inline provider. The password may be an encoded argon2id hash.
type User struct{ Name, Password string }

// NewProvider creates an inline identity provider with these people.
func (d *Domain) NewProvider(ctx context.Context, name string, users []User) (string, error) {
	list := make([]Object, len(users))
	for i, u := range users {
		list[i] = Object{
			"firstname": "First" + u.Name, "lastname": "Last" + u.Name, "username": u.Name,
			"email": u.Name + "@people.example", "password": u.Password,
		}
	}
	configuration, err := json.Marshal(Object{"users": list})
	if err != nil {
		return "", err
	}
	return d.Create(ctx, "identities", Object{
		"name": name, "type": "inline-am-idp", "external": false, "configuration": string(configuration),
	})
}

// Keys reads the domain's public keys from the first gateway.
func (d *Domain) Keys(ctx context.Context) (*jose.KeySet, error) {
	c := load.NewConn(d.gateway)
	c.SetDeadline(time.Now().Add(callPatience))
	defer c.Close()
	got, err := c.Do(ctx, load.AppendGet(nil, d.gateway, d.Path+"/oidc/.well-known/jwks.json"))
	if err != nil {
		return nil, err
	}
	if got.Status != 200 {
		return nil, fmt.Errorf("the keys of %s: status %d", d.Path, got.Status)
	}
	return jose.ParseJWKS(got.Body)
}
