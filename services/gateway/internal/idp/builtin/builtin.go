// Package builtin lists the types of identity provider that a gateway can run.
package builtin

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/azuread"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/directory"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/facebook"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/generic"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/github"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/google"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/http"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/inline"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/ldap"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/mapping"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

// Tools are what providers work with.
type Tools struct {
	Hasher    *secret.Hasher
	Directory directory.Client
	// Fetch goes to other sites, Now is the clock.
	Fetch *outbound.Client
	Now   func() time.Time
	// Failures is told of mappers that cannot be evaluated; may be nil.
	Failures *ruleerrors.Reporter
	// Asked is told of everything that a provider is asked; may be nil.
	Asked func(Question)
}

// Open makes a provider from its configuration. A type this gateway does not know is an error: the provider is left out
// and reported, the rest of its domain works. The error is idp.ErrWaiting where the contract itself says that nothing
// runs the type yet; then there is nothing to report.
func (t Tools) Open(p *configv1.IdentityProvider) (*idp.Provider, error) {
	made := &idp.Provider{ID: p.GetId(), Name: p.GetName(), External: p.GetExternal(), Config: p}
	switch config := p.GetConfig().(type) {
	case *configv1.IdentityProvider_Inline:
		provider, err := inline.New(p.GetId(), config.Inline, t.Hasher)
		if err != nil {
			return nil, err
		}
		made.Password = provider
	case *configv1.IdentityProvider_Directory:
		made.Password = directory.New(p.GetDomain(), p.GetId(), t.Directory)
	case *configv1.IdentityProvider_Http:
		provider, err := http.New(p.GetId(), config.Http, t.Fetch)
		if err != nil {
			return nil, err
		}
		made.Password = provider
	case *configv1.IdentityProvider_Ldap:
		provider, err := ldap.New(p.GetId(), config.Ldap, t.Fetch)
		if err != nil {
			return nil, err
		}
		made.Password = provider
	default:
		federation, err := t.federation(p)
		switch {
		case err != nil:
			return nil, err
		case federation != nil:
			made.Federation, made.External = federation, true
		case selection.Waits(p):
			return nil, idp.ErrWaiting
		default:
			return nil, fmt.Errorf("identity provider type %T is not known to this gateway", config)
		}
	}
	made.Type, made.Rules = selection.TypeOf(p), selection.ProviderOf(p)
	mappers, err := mapping.New(p, made.Rules, func(ctx context.Context, place string, err error) {
		t.Failures.Report(ctx, ruleerrors.Expression{
			Domain: p.GetDomain(), Kind: ruleerrors.IdentityProvider, ID: p.GetId(), Revision: p.GetRevision(), Place: ruleerrors.Mapper, Name: place,
		}, err)
	})
	if err != nil {
		return nil, err
	}
	if mappers != nil {
		made.Mapping = mappers
	}
	t.guard(made)
	return made, nil
}

// federation opens a provider that sends people to another site; nil for other types.
func (t Tools) federation(p *configv1.IdentityProvider) (idp.Federator, error) {
	id, tools := p.GetId(), oidc.Tools{Fetch: t.Fetch, Now: t.Now}
	var made *oidc.Provider
	var err error
	switch config := p.GetConfig().(type) {
	case *configv1.IdentityProvider_Oauth2:
		made, err = generic.New(id, config.Oauth2, tools)
	case *configv1.IdentityProvider_Google:
		made, err = google.New(id, config.Google, tools)
	case *configv1.IdentityProvider_Github:
		made, err = github.New(id, config.Github, tools)
	case *configv1.IdentityProvider_AzureAd:
		made, err = azuread.New(id, config.AzureAd, tools)
	case *configv1.IdentityProvider_Facebook:
		made, err = facebook.New(id, config.Facebook, tools)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}
