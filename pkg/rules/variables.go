package rules

import (
	"github.com/google/cel-go/common/types"
)

// variable is a name that expressions may use. To add one: a row here, its name in the places of place.go, its value
// in activation.ResolveName, and its size in cost.go if it is a string, list or map.
type variable struct {
	typ *types.Type
	doc string
}

var (
	texts    = types.NewListType(types.StringType)
	multiMap = types.NewMapType(types.StringType, texts)
	openMap  = types.NewMapType(types.StringType, types.DynType)
)

var variables = map[string]variable{
	"login": {types.StringType,
		"The identifier typed on the login form or sent as username of the password grant, else login_hint, else empty."},
	"password": {types.StringType, "The password typed, in the request to a site that checks it."},
	"request":  {requestType.celType(), "The request being served."},
	"client":   {clientType.celType(), "The application that asks."},
	"user": {openMap, "The person signing in, where known: id, username, email, firstName, lastName, source, groups, " +
		"roles, additionalInformation. An expression that reads it too early fails."},
	"context":          {contextType.celType(), "What this login knows."},
	"identityProvider": {providerType.celType(), "The candidate."},
	"profile":          {openMap, "What the provider says about the person: claims of its ID token or user information, or attributes."},
	"response":         {responseType.celType(), "What the called site answered."},
}

// The fields of the object variables. The order of client, domain and provider fields is that of their constructors.
var (
	requestType = &objectType{
		name:  "Request",
		empty: (*requestValue)(nil),
		fields: []field{
			{"params", multiMap, "Query and form parameters together. Passwords, secrets, codes, assertions and tokens " +
				"are left out.", onRequest(func(r *requestValue) (any, error) { return multi(params(r.Params), "parameters") })},
			{"headers", multiMap, "Headers; names in lower case. Authorization and Cookie are left out.",
				onRequest(func(r *requestValue) (any, error) { return multi(headers(r.Headers), "headers") })},
			{"ip", types.StringType, "The caller's address, seen through trusted proxies.",
				onRequest(func(r *requestValue) (any, error) { return bounded("request.ip", r.IP) })},
			{"path", types.StringType, "The path of the request.",
				onRequest(func(r *requestValue) (any, error) { return bounded("request.path", r.Path) })},
			{"method", types.StringType, "The HTTP method, such as GET.",
				onRequest(func(r *requestValue) (any, error) { return bounded("request.method", r.Method) })},
			{"scheme", types.StringType, "http or https.",
				onRequest(func(r *requestValue) (any, error) { return bounded("request.scheme", r.Scheme) })},
			{"id", types.StringType, "The identifier of the request in logs and traces.",
				onRequest(func(r *requestValue) (any, error) { return bounded("request.id", r.ID) })},
		},
	}
	contextType = &objectType{
		name:  "Context",
		empty: (*contextValue)(nil),
		fields: []field{
			{"attributes", openMap, "What the login gathered so far and what flows have set.",
				func(v any) (any, error) { return v.(*contextValue).Attributes, nil }},
			{"domain", domainType.celType(), "The domain of the request.", func(v any) (any, error) {
				if d := v.(*contextValue).Domain; d != nil {
					return d, nil
				}
				return nil, unknownHere("context.domain")
			}},
		},
	}
	clientType = &objectType{
		name:  "Client",
		empty: (*Client)(nil),
		fields: []field{
			{"id", types.StringType, "The technical identifier of the application.", onClient(0)},
			{"clientId", types.StringType, "The client_id.", onClient(1)},
			{"name", types.StringType, "The name of the application.", onClient(2)},
			{"type", types.StringType, "The type of the application, such as web.", onClient(3)},
			{"grantTypes", texts, "The grant types it may use.", onClient(4)},
			{"scopes", texts, "The scopes it may ask for.", onClient(5)},
			{"metadata", openMap, "What its owner noted about it.", onClient(6)},
		},
	}
	domainType = &objectType{
		name:  "Domain",
		empty: (*Domain)(nil),
		fields: []field{
			{"id", types.StringType, "The technical identifier of the domain.", onDomain(0)},
			{"name", types.StringType, "The name of the domain.", onDomain(1)},
			{"path", types.StringType, "The path the domain is served under.", onDomain(2)},
		},
	}
	providerType = &objectType{
		name:  "IdentityProvider",
		empty: (*IdentityProvider)(nil),
		fields: []field{
			{"id", types.StringType, "The technical identifier of the provider.", onProvider(0)},
			{"name", types.StringType, "The name of the provider.", onProvider(1)},
			{"type", types.StringType, "The type of the provider.", onProvider(2)},
			{"external", types.BoolType, "Whether people sign in at another site.", onProvider(3)},
			{"domainWhitelist", texts, "The e-mail domains it accepts; empty accepts all.", onProvider(4)},
		},
	}
	responseType = &objectType{
		name:  "Response",
		empty: (*Response)(nil),
		fields: []field{
			{"status", types.IntType, "The HTTP status, such as 200.",
				func(v any) (any, error) { return int64(v.(*Response).Status), nil }},
			{"headers", multiMap, "Headers; names in lower case.",
				func(v any) (any, error) { return v.(*Response).visible() }},
			{"body", types.StringType, "The body as text.",
				func(v any) (any, error) { return v.(*Response).Body, nil }},
			{"json", types.DynType, "The body as a JSON value; null where it is none.",
				func(v any) (any, error) { return v.(*Response).JSON, nil }},
		},
	}
	objectTypes = []*objectType{requestType, contextType, clientType, domainType, providerType, responseType}
)

func onRequest(get func(*requestValue) (any, error)) func(any) (any, error) {
	return func(v any) (any, error) { return get(v.(*requestValue)) }
}

func onClient(i int) func(any) (any, error) {
	return func(v any) (any, error) { return v.(*Client).fields[i], nil }
}

func onDomain(i int) func(any) (any, error) {
	return func(v any) (any, error) { return v.(*Domain).fields[i], nil }
}

func onProvider(i int) func(any) (any, error) {
	return func(v any) (any, error) { return v.(*IdentityProvider).fields[i], nil }
}
