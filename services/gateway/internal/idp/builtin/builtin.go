// Package builtin lists the types of identity provider that a gateway can run.
package builtin

import (
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/directory"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/inline"
)

// Tools are what providers work with.
type Tools struct {
	Hasher    *secret.Hasher
	Directory directory.Client
}

// Open makes a provider from its configuration. A type this gateway does not know is an error: the provider is left out
// and reported, the rest of its domain works. The error is idp.ErrWaiting where the contract itself says that nothing
// runs the type yet; then there is nothing to report.
func (t Tools) Open(p *configv1.IdentityProvider) (*idp.Provider, error) {
	made := &idp.Provider{ID: p.GetId(), Name: p.GetName(), External: p.GetExternal()}
	switch config := p.GetConfig().(type) {
	case *configv1.IdentityProvider_Inline:
		made.Type = "inline-am-idp"
		provider, err := inline.New(p.GetId(), config.Inline, t.Hasher)
		if err != nil {
			return nil, err
		}
		made.Password = provider
	case *configv1.IdentityProvider_Directory:
		made.Type = "mongo-am-idp"
		made.Password = directory.New(p.GetDomain(), p.GetId(), t.Directory)
	default:
		if waiting(p) {
			return nil, idp.ErrWaiting
		}
		return nil, fmt.Errorf("identity provider type %T is not known to this gateway", config)
	}
	made.Rules = rules.NewIdentityProvider(rules.IdentityProviderFields{
		ID: made.ID, Name: made.Name, Type: made.Type, External: made.External, DomainWhitelist: p.GetDomainWhitelist(),
	})
	return made, nil
}

// waiting reports whether the contract says that nothing acts on the provider's type yet.
func waiting(p *configv1.IdentityProvider) bool {
	m := p.ProtoReflect()
	arm := m.WhichOneof(m.Descriptor().Oneofs().ByName("config"))
	return arm != nil && prototree.MarksOf(arm).Waiting
}
