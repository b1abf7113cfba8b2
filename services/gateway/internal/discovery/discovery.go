// Package discovery publishes what a domain's provider can do (OpenID Connect Discovery 1.0, RFC 8414) and its keys
// (RFC 7517). Both documents are rendered when a domain is compiled; a request copies bytes.
package discovery

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Capabilities are what the endpoints of this gateway do; the document says nothing else.
type Capabilities struct {
	GrantTypes    []oauth2.GrantType
	ResponseTypes []oauth2.ResponseType
	ResponseModes []oauth2.ResponseMode
	AuthMethods   []oauth2.AuthMethod
	// Certificates says that clients can show certificates.
	Certificates bool
	Prompts      []string
	ACRValues    []string
	Claims       []string
}

// Metadata returns the function that renders a domain's document.
func Metadata(can Capabilities) func(*domain.Core) []byte {
	return func(d *domain.Core) []byte {
		oauth, oidc := d.Base+"/oauth", d.Base+"/oidc"
		doc := map[string]any{
			"issuer":                                         d.Issuer,
			"authorization_endpoint":                         oauth + "/authorize",
			"token_endpoint":                                 oauth + "/token",
			"userinfo_endpoint":                              oidc + "/userinfo",
			"revocation_endpoint":                            oauth + "/revoke",
			"device_authorization_endpoint":                  oauth + "/device_authorization",
			"introspection_endpoint":                         oauth + "/introspect",
			"jwks_uri":                                       oidc + "/.well-known/jwks.json",
			"end_session_endpoint":                           d.Base + "/logout",
			"registration_endpoint":                          oidc + "/register",
			"registration_renew_secret_endpoint":             oidc + "/register/:client_id/renew_secret", // as it stands
			"scopes_supported":                               list(d.DiscoveryScopes),
			"grant_types_supported":                          sorted(slices.DeleteFunc(slices.Clone(can.GrantTypes), func(g oauth2.GrantType) bool { return !d.Serves(g) })),
			"claim_types_supported":                          []string{"normal"},
			"claims_supported":                               sorted(claims(can, d)),
			"authorization_response_iss_parameter_supported": true,
		}
		if r := d.Registration; r.GetDynamicClientRegistrationEnabled() && r.GetClientTemplateEnabled() {
			doc["registration_templates_endpoint"] = oidc + "/register_templates"
		}
		for _, channel := range []string{"frontchannel", "backchannel"} {
			doc[channel+"_logout_supported"], doc[channel+"_logout_session_supported"] = true, true
		}
		addTokens(doc, d)
		addAuthorization(doc, can, d)
		requests(doc, d)
		if d.WatchesSessions {
			doc["check_session_iframe"] = oidc + "/check_session"
		}
		addClients(doc, can, d)
		body, err := json.Marshal(doc)
		if err != nil {
			return nil // cannot happen: the document consists of strings, booleans and lists of strings
		}
		return body
	}
}

// claims are those that tokens and UserInfo of a domain can carry.
func claims(can Capabilities, d *domain.Core) []string {
	if slices.Contains(d.DiscoveryScopes, tokens.ScopeEntitlements) {
		return append(slices.Clone(can.Claims), tokens.ScopeEntitlements)
	}
	return can.Claims
}

// Routes returns the two documents' routes.
func Routes() []endpoint.Route {
	return []endpoint.Route{
		{Name: "discovery", Path: "/oidc/.well-known/openid-configuration", Errors: endpoint.ErrorJSON, CORS: true,
			Get: func(w http.ResponseWriter, r *http.Request, d *domain.Domain) error { return serve(w, r, &d.Metadata) }},
		{Name: "jwks", Path: "/oidc/.well-known/jwks.json", Errors: endpoint.ErrorJSON, CORS: true,
			Get: func(w http.ResponseWriter, r *http.Request, d *domain.Domain) error { return serve(w, r, &d.JWKS) }},
	}
}

// WellKnown is where RFC 8414 §3 puts the document of an issuer with a path: before the path, on the server's root.
const WellKnown = "/.well-known/oauth-authorization-server"

// Root serves WellKnown and hands every other path on.
func Root(set *domain.Set, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, WellKnown)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		d, tail := set.Lookup(rest)
		switch {
		case d == nil || strings.TrimRight(tail, "/") != "/oidc":
			next.ServeHTTP(w, r)
		case endpoint.CORS(w, r, d, methods):
		case !slices.Contains(methods, r.Method):
			w.Header().Set("Allow", strings.Join(methods, ", "))
			endpoint.ErrorJSON(w, r, d, oauth2.MethodNotAllowed.Errorf("The document is read by GET"))
		default:
			_ = serve(w, r, &d.Metadata)
		}
	})
}

var methods = []string{http.MethodGet, http.MethodHead}

var (
	typeJSON = []string{"application/json"}
	// A minute at most, so that a rotated key is known everywhere a minute after it was published.
	cacheControl = []string{"public, max-age=60"}
)

// serve answers a document, or 304 to somebody who holds it already.
func serve(w http.ResponseWriter, r *http.Request, doc *domain.Document) error {
	h := w.Header()
	h["Cache-Control"] = cacheControl
	h["Etag"] = doc.Header
	if held := r.Header["If-None-Match"]; held != nil && matches(held, doc.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Content-Type"] = typeJSON
	h["Content-Length"] = doc.Length
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(doc.Body)
	}
	return nil
}

// matches compares entity tags weakly (RFC 9110 §13.1.2).
func matches(fields []string, tag string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}

func list[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

func sorted[S ~string](values []S) []string {
	out := list(values)
	slices.Sort(out)
	return out
}

func without[S ~string](values []S, one S) []string {
	return slices.DeleteFunc(list(values), func(v string) bool { return v == string(one) })
}
