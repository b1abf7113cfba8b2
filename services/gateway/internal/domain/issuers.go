package domain

import (
	"encoding/json"
	"fmt"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// TrustedIssuer is somebody else whose assertions (RFC 7523) or tokens (RFC 8693) the domain accepts.
type TrustedIssuer struct {
	Name string
	// Keys are the issuer's by value; nil where they are published at JWKSURI.
	Keys    *jose.KeySet
	JWKSURI string
	// Algorithms may sign; never empty, and none of them uses a shared secret.
	Algorithms []jose.Algorithm
	// Provider is the identity provider whose people its subjects are; empty where subjects stand for themselves.
	Provider string

	grants []oauth2.GrantType
}

// For reports whether the issuer is trusted for a grant.
func (i *TrustedIssuer) For(g oauth2.GrantType) bool {
	return len(i.grants) == 0 || slices.Contains(i.grants, g)
}

// TrustedIssuer returns the issuer of a name as far as it is trusted for a grant, and nil if it is not.
func (core *Core) TrustedIssuer(name string, g oauth2.GrantType) *TrustedIssuer {
	if i := core.issuers[name]; i != nil && i.For(g) {
		return i
	}
	return nil
}

// TrustsIssuers reports whether any issuer is trusted for a grant.
func (core *Core) TrustsIssuers(g oauth2.GrantType) bool {
	for _, i := range core.issuers {
		if i.For(g) {
			return true
		}
	}
	return false
}

// usualAlgorithms are those of issuers that name none.
var usualAlgorithms = []jose.Algorithm{jose.RS256, jose.PS256, jose.ES256}

// compileIssuers reads the trusted issuers. One that cannot be used is left out: nothing it signed is accepted.
func (core *Core) compileIssuers() {
	list := core.Settings.GetOidc().GetTrustedIssuers()
	if len(list) == 0 {
		return
	}
	core.issuers = make(map[string]*TrustedIssuer, len(list))
	for _, m := range list {
		i, err := core.compileIssuer(m)
		if err != nil || i.Name == "" || i.Name == core.Issuer {
			continue
		}
		i.Provider = m.GetIdentityProvider()
		for _, g := range m.GetGrantTypes() {
			i.grants = append(i.grants, oauth2.GrantType(g))
		}
		core.issuers[i.Name] = i
	}
}

// compileStatements reads the issuers of software statements. One that cannot be used is left out.
func (core *Core) compileStatements() {
	for _, m := range core.Registration.GetSoftwareStatementIssuers() {
		if i, err := core.compileIssuer(m); err == nil && i.Name != "" {
			if core.statements == nil {
				core.statements = map[string]*TrustedIssuer{}
			}
			core.statements[i.Name] = i
		}
	}
}

// ReadsStatements reports whether software statements count at all (RFC 7591 §2.3). Where the configuration names issuers they do,
// even if none of them can be used.
func (core *Core) ReadsStatements() bool {
	return len(core.Registration.GetSoftwareStatementIssuers()) > 0 || core.Registration.GetSoftwareStatementRequired()
}

// StatementIssuer returns the issuer of software statements of a name; nil if it is not trusted.
func (core *Core) StatementIssuer(name string) *TrustedIssuer { return core.statements[name] }

// signer is how the configuration names somebody who signs: for grants, or software statements.
type signer interface {
	GetIssuer() string
	GetJwksUri() string
	GetJwks() *structpb.Struct
	GetAlgorithms() []string
}

func (core *Core) compileIssuer(m signer) (*TrustedIssuer, error) {
	i := &TrustedIssuer{Name: m.GetIssuer(), JWKSURI: m.GetJwksUri()}
	names := usualAlgorithms
	if len(m.GetAlgorithms()) > 0 {
		names = nil
		for _, name := range m.GetAlgorithms() {
			names = append(names, jose.Algorithm(name))
		}
	}
	for _, name := range names {
		if alg, ok := jose.ParseAlgorithm(string(name)); ok && !alg.Symmetric() && core.Profile.Signs(alg) {
			i.Algorithms = append(i.Algorithms, alg)
		}
	}
	if m.GetJwks() != nil {
		body, err := json.Marshal(m.GetJwks().AsMap())
		if err != nil {
			return nil, fmt.Errorf("keys of the issuer %q: %w", i.Name, err)
		}
		if i.Keys, err = jose.ParseJWKS(body); err != nil {
			return nil, fmt.Errorf("keys of the issuer %q: %w", i.Name, err)
		}
	}
	if len(i.Algorithms) == 0 || i.Keys == nil && i.JWKSURI == "" {
		return nil, fmt.Errorf("the issuer %q has no keys or no algorithm that the domain's profile allows", i.Name)
	}
	return i, nil
}
