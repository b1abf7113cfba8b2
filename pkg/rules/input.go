package rules

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Input is what an expression may read. Filling it costs nothing that the expression does not use: no field is copied
// or converted before it is read. The evaluation only reads it; it may be changed between evaluations, for example to
// ask the same question about the next provider.
type Input struct {
	// Login is the identifier typed, or login_hint, or empty.
	Login string
	// Password is the one typed, where an identity provider asks another site about it.
	Password string
	// Request is the request being served.
	Request Request
	// Client is the application that asks; nil where unknown.
	Client *Client
	// User is the person, of JSON values; nil where unknown. An expression that reads what is unknown fails.
	User map[string]any
	// Attributes are context.attributes, of JSON values.
	Attributes map[string]any
	// Domain is the domain of the request; nil where unknown.
	Domain *Domain
	// IdentityProvider is the candidate of a selection rule.
	IdentityProvider *IdentityProvider
	// Response is what a called site answered; nil where none was called.
	Response *Response
	// Profile is what a provider says about a person, of JSON values; nil where there is none.
	Profile map[string]any
	// Access is all that expressions of [AccessPolicy] and [ClaimMapping] read, and nothing else does.
	Access *Access
}

// Response is what a called site answered. An expression that reads more than 64 KiB of the body, 256 headers or 64
// values of one header fails.
type Response struct {
	Status int
	// Headers have canonical names or names in lower case; an http.Header can be assigned.
	Headers map[string][]string
	// Body is the body as text, JSON what it says if it is JSON.
	Body string
	JSON any
}

func (r *Response) visible() (any, error) {
	if len(r.Headers) > maxNames {
		return nil, &limitError{fmt.Sprintf("the answer has more than %d headers", maxNames)}
	}
	return headers(r.Headers), nil
}

// contextValue is an Input seen as the variable context.
type contextValue Input

// activation is an Input as CEL asks it for variables.
type activation Input

// ResolveName implements cel.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	if a.Access != nil {
		return a.Access.resolve(name)
	}
	switch name {
	case "login":
		if len(a.Login) > maxLogin {
			return types.WrapErr(&limitError{fmt.Sprintf("login is longer than %d bytes", maxLogin)}), true
		}
		return a.Login, true
	case "password":
		if len(a.Password) > maxLogin {
			return types.WrapErr(&limitError{fmt.Sprintf("password is longer than %d bytes", maxLogin)}), true
		}
		return a.Password, true
	case "request":
		return (*requestValue)(&a.Request), true
	case "client":
		if a.Client == nil {
			return types.WrapErr(unknownHere(name)), true
		}
		return a.Client, true
	case "user":
		if a.User == nil {
			return types.WrapErr(unknownHere(name)), true
		}
		return a.User, true
	case "context":
		return (*contextValue)(a), true
	case "identityProvider":
		if a.IdentityProvider == nil {
			return types.WrapErr(unknownHere(name)), true
		}
		return a.IdentityProvider, true
	case "profile":
		if a.Profile == nil {
			return types.WrapErr(unknownHere(name)), true
		}
		return a.Profile, true
	case "response":
		if a.Response == nil {
			return types.WrapErr(unknownHere(name)), true
		}
		return a.Response, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (a *activation) Parent() cel.Activation { return nil }

// Client is an application in the form expressions read, made once per configuration.
type Client struct{ fields []any }

// ClientFields are the fields of the variable client. Metadata is of JSON values.
type ClientFields struct {
	ID, ClientID, Name, Type string
	GrantTypes, Scopes       []string
	Metadata                 map[string]any
}

// NewClient prepares an application for any number of evaluations. It keeps no reference to what it is given.
func NewClient(f ClientFields) *Client {
	return &Client{fields: []any{
		types.String(f.ID), types.String(f.ClientID), types.String(f.Name), types.String(f.Type),
		prepareList(f.GrantTypes), prepareList(f.Scopes), prepareMap(f.Metadata),
	}}
}

// Domain is a domain in the form expressions read, made once per configuration.
type Domain struct{ fields []any }

// DomainFields are the fields of the variable context.domain.
type DomainFields struct {
	ID, Name, Path string
}

// NewDomain prepares a domain for any number of evaluations.
func NewDomain(f DomainFields) *Domain {
	return &Domain{fields: []any{types.String(f.ID), types.String(f.Name), types.String(f.Path)}}
}

// IdentityProvider is a provider in the form expressions read, made once per configuration.
type IdentityProvider struct{ fields []any }

// IdentityProviderFields are the fields of the variable identityProvider.
type IdentityProviderFields struct {
	ID, Name, Type  string
	External        bool
	DomainWhitelist []string
}

// NewIdentityProvider prepares a provider for any number of evaluations. It keeps no reference to what it is given.
func NewIdentityProvider(f IdentityProviderFields) *IdentityProvider {
	return &IdentityProvider{fields: []any{
		types.String(f.ID), types.String(f.Name), types.String(f.Type), types.Bool(f.External),
		prepareList(f.DomainWhitelist),
	}}
}

func prepareList(list []string) any {
	values := make([]ref.Val, len(list))
	for i, s := range list {
		values[i] = types.String(s)
	}
	return types.NewRefValList(types.DefaultTypeAdapter, values)
}

// prepareMap copies a map with its values already converted. It stays a Go map, which CEL indexes without a wrapper.
func prepareMap(m map[string]any) map[string]any {
	prepared := make(map[string]any, len(m))
	for k, v := range m {
		prepared[k] = prepare(v)
	}
	return prepared
}

func prepare(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return prepareMap(v)
	case []any:
		values := make([]ref.Val, len(v))
		for i := range v {
			values[i] = native(prepare(v[i]))
		}
		return types.NewRefValList(types.DefaultTypeAdapter, values)
	case []string:
		return prepareList(v)
	}
	return native(v)
}
