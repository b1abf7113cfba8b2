package catalog

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// The families of response types, in the order in which they are written.
var (
	codeFamily     = []string{"code", "code id_token token", "code id_token", "code token"}
	implicitFamily = []string{"id_token token", "id_token", "token"}
)

// typeDefaults are what a type of application starts with.
type typeDefaults struct {
	grants          []string
	responses       []string
	method          oauth2.AuthMethod
	applicationType string
	forcesPKCE      bool
	scopes          []string
}

var defaultsOfType = map[configv1.Application_Type]typeDefaults{
	configv1.Application_WEB: {
		grants:          []string{"authorization_code", "password"},
		responses:       codeFamily,
		method:          oauth2.AuthBasic,
		applicationType: "web",
	},
	configv1.Application_NATIVE: {
		grants:          []string{"authorization_code"},
		responses:       codeFamily,
		method:          oauth2.AuthNone,
		applicationType: "native",
		forcesPKCE:      true,
	},
	configv1.Application_BROWSER: {
		grants:          []string{"authorization_code"},
		responses:       codeFamily,
		method:          oauth2.AuthNone,
		applicationType: "web",
		forcesPKCE:      true,
	},
	configv1.Application_SERVICE: {
		grants:          []string{"client_credentials"},
		method:          oauth2.AuthBasic,
		applicationType: "web",
	},
	configv1.Application_RESOURCE_SERVER: {
		grants:          []string{"authorization_code", "password", "client_credentials"},
		responses:       codeFamily,
		method:          oauth2.AuthBasic,
		applicationType: "web",
		scopes:          []string{"uma_protection"},
	},
}

// SetType changes the type of an application and forces the defaults of the new one.
func SetType(s *Scene, a *configv1.Application, t configv1.Application_Type) {
	a.Type = t
	ensure(&a.Settings)
	ensure(&a.Settings.Oauth)
	applyType(s, a, true)
}

// applyType sets the defaults of the application's type if they are forced or no grant type is chosen, and then lets
// the response types follow the grant types. What the security profile does not serve or accept is no default.
func applyType(s *Scene, a *configv1.Application, force bool) {
	oauth, p := a.GetSettings().GetOauth(), profileOf(s.Domain, a)
	if d, ok := defaultsOfType[a.GetType()]; ok && (force || len(oauth.GetGrantTypes()) == 0) {
		oauth.GrantTypes = slices.DeleteFunc(slices.Clone(d.grants), func(g string) bool { return !p.ServesGrant(oauth2.GrantType(g)) })
		oauth.ResponseTypes = served(p, d.responses)
		oauth.TokenEndpointAuthMethod = string(d.method)
		if !p.Accepts(d.method) {
			oauth.TokenEndpointAuthMethod = string(p.DefaultAuthMethod())
		}
		oauth.ApplicationType = d.applicationType
		oauth.ForcePkce = d.forcesPKCE
		oauth.ForceS256CodeChallengeMethod = d.forcesPKCE
		for _, scope := range d.scopes {
			addScope(oauth, scope)
		}
	}
	followGrants(p, oauth, "authorization_code", codeFamily)
	followGrants(p, oauth, "implicit", implicitFamily)
}

// served returns the response types that a profile serves.
func served(p *profile.Profile, responses []string) []string {
	return slices.DeleteFunc(slices.Clone(responses), func(r string) bool { return !p.ServesResponse(oauth2.ResponseType(r)) })
}

func addScope(oauth *configv1.OAuthSettings, scope string) {
	if !slices.ContainsFunc(oauth.GetScopeSettings(), func(s *configv1.ScopeSetting) bool { return s.GetScope() == scope }) {
		oauth.ScopeSettings = append(oauth.ScopeSettings, &configv1.ScopeSetting{Scope: scope})
	}
}

// followGrants adds the whole family of response types where the grant has none of it, and drops it with the grant.
func followGrants(p *profile.Profile, oauth *configv1.OAuthSettings, grant string, family []string) {
	inFamily := func(r string) bool { return slices.Contains(family, r) }
	has := slices.ContainsFunc(oauth.GetResponseTypes(), inFamily)
	switch granted := slices.Contains(oauth.GetGrantTypes(), grant); {
	case granted && !has:
		oauth.ResponseTypes = append(oauth.ResponseTypes, served(p, family)...)
	case !granted && has:
		oauth.ResponseTypes = slices.DeleteFunc(oauth.ResponseTypes, inFamily)
	}
}

// writtenFirst is the order of a list of grant types that correspond changed.
var writtenFirst = []string{"implicit", "refresh_token", "password", "client_credentials", "authorization_code"}

// correspond lets the grant types follow the response types, which stay as they are.
func correspond(oauth *configv1.OAuthSettings) {
	if hasNoTypes(oauth) {
		oauth.GrantTypes, oauth.ResponseTypes = []string{"authorization_code"}, []string{"code"}
		return
	}
	changed := followResponses(oauth, "authorization_code", codeFamily)
	if followResponses(oauth, "implicit", implicitFamily) || changed {
		oauth.GrantTypes = inWrittenOrder(oauth.GetGrantTypes())
	}
}

// followResponses adds or removes a grant type; it reports whether it did.
func followResponses(oauth *configv1.OAuthSettings, grant string, family []string) bool {
	wanted := slices.ContainsFunc(oauth.GetResponseTypes(), func(r string) bool { return slices.Contains(family, r) })
	granted := slices.Contains(oauth.GetGrantTypes(), grant)
	switch {
	case wanted && !granted:
		oauth.GrantTypes = append(oauth.GrantTypes, grant)
	case !wanted && granted:
		oauth.GrantTypes = slices.DeleteFunc(oauth.GrantTypes, func(g string) bool { return g == grant })
	}
	return wanted != granted
}

func inWrittenOrder(grants []string) []string {
	ordered := make([]string, 0, len(grants))
	for _, g := range writtenFirst {
		if slices.Contains(grants, g) {
			ordered = append(ordered, g)
		}
	}
	for _, g := range grants {
		if !slices.Contains(writtenFirst, g) {
			ordered = append(ordered, g)
		}
	}
	return ordered
}
