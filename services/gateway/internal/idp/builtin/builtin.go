// Package builtin lists the types of identity provider that a gateway can run.
package builtin

import (
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/directory"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/inline"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/ldap"
)

// Tools are what providers work with.
type Tools struct {
	Hasher    *secret.Hasher
	Directory directory.Client
	// Fetch is the way to sites and servers that administrators name.
	Fetch *outbound.Client
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
	case *configv1.IdentityProvider_Ldap:
		provider, err := ldap.New(p.GetId(), config.Ldap, t.Fetch)
		if err != nil {
			return nil, err
		}
		made.Password = provider
	default:
		if selection.Waits(p) {
			return nil, idp.ErrWaiting
		}
		return nil, fmt.Errorf("identity provider type %T is not known to this gateway", config)
	}
	made.Type, made.Rules = selection.TypeOf(p), selection.ProviderOf(p)
	return made, nil
}
