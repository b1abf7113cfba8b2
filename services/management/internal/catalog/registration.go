package catalog

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Registration is what a gateway asks for when a client registers itself.
type Registration struct {
	// Application holds client metadata and what the domain's rules made of it. Identifiers and secrets in it are
	// ignored. It is not changed.
	Application *configv1.Application
	// Endpoint is the registration endpoint; the client's own URI is this, a slash and its client_id.
	Endpoint string
	// ID is the identifier that the application gets; empty for one that is chosen here.
	ID string
	// Pending says that an operator has to accept the client, which is disabled until then.
	Pending bool
	// InitialAccessToken is the identifier of the token that allowed the registration; empty for none.
	InitialAccessToken string
	// ScopeLimit are the scopes that the token allows; nil for any. They limit what a copy has of its template, unless Bound says that the
	// token is for this template alone.
	ScopeLimit *configv1.Strings
	Bound      bool
	// Administrator says that the caller held `dcr_admin`, so administrative scopes are allowed.
	Administrator bool
	// Template is the application whose copy the client becomes, nil for none, and Given the registered names of what the
	// request carried; the rest is the template's. It is not changed.
	Template *configv1.Application
	Given    []string
}

const unknownClient = "Unknown Client"

// Registered completes an application that was asked for by dynamic client registration (RFC 7591): identifiers, a
// generated secret, the derived type, the domain's first identity provider and certificate, which a copy has from its template, none among
// them. Defaults of metadata are the business of whoever reads the request, and knows what it left out and what it set to nothing.
func Registered(ctx context.Context, s *Scene, r Registration) (*configv1.Application, Issued, error) {
	a := copyOf(r.Application)
	if a == nil {
		a = &configv1.Application{}
	}
	ensure(&a.Settings)
	ensure(&a.Settings.Oauth)
	if r.Template != nil {
		a = fromTemplate(r.Template, a, r.Given)
		completeCopy(s.Domain, a)
		r.limitScopes(a.Settings.Oauth)
	}
	if err := administered(r.Administrator, nil, a.Settings.Oauth); err != nil {
		return nil, Issued{}, err
	}
	s.Registering = true

	oauth, enabled := a.Settings.Oauth, true
	a.Id, a.Enabled, a.Template = r.ID, &enabled, false
	if a.Id == "" {
		a.Id = secret.NewID()
	}
	// Nobody chose these names: what strangers register appears in nobody's portal until somebody shows it.
	a.Slug, a.Hidden, a.FormerSlugs, a.Part, a.ProviderId = a.Id, true, nil, configv1.Application_PART_UNSPECIFIED, ""
	a.Bindings, a.Entitlements = renewed(a.GetBindings(), a.GetEntitlements())
	a.Secrets, a.SecretSettings = nil, nil
	a.Registration = &configv1.ClientRegistration{
		Status: configv1.ClientRegistration_ACTIVE, Template: r.Template.GetId(), InitialAccessToken: r.InitialAccessToken, ScopeLimit: r.ScopeLimit,
	}
	if r.Pending {
		enabled, a.Registration.Status = false, configv1.ClientRegistration_PENDING
	}
	oauth.ClientId = secret.NewID()
	oauth.ClientIdIssuedAt = timestamppb.New(s.Now.Truncate(1e9))
	oauth.RegistrationClientUri = clientURI(r.Endpoint, oauth.ClientId)
	oauth.RegistrationAccessTokenHash = ""

	oauth.ClientName = clientName(oauth)
	a.Name = oauth.ClientName
	if hasNoTypes(oauth) {
		correspond(oauth)
	}
	if r.Template == nil || derives(r.Template.GetSettings().GetOauth(), oauth) {
		a.Type = derivedType(oauth)
	}

	if len(a.GetIdentityProviders()) == 0 && r.Template == nil {
		if first := firstProvider(s.Providers); first != "" {
			a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: first, Priority: -1}}
		}
	}
	if a.GetCertificate() == "" && r.Template == nil {
		if all := activeCertificates(s.Certificates); len(all) > 0 {
			a.Certificate = all[0].GetId()
		}
	}
	plain, err := firstSecret(ctx, s, a, "")
	return a, Issued{ClientSecret: plain}, err
}

// Reregistered gives an application the client metadata and scopes of another one, and changes nothing else of it. The
// type follows what it is derived from.
func Reregistered(s *Scene, a *configv1.Application, r Registration) error {
	asked := r.Application.GetSettings().GetOauth()
	if asked == nil {
		asked = &configv1.OAuthSettings{}
	}
	ensure(&a.Settings)
	ensure(&a.Settings.Oauth)
	oauth := a.Settings.Oauth
	if err := administered(r.Administrator, oauth, asked); err != nil {
		return err
	}
	s.Registering = true
	before := copyOf(oauth)
	clientmeta.Overlay(oauth, asked, nil)
	oauth.ScopeSettings, oauth.StandardScopes = copyOf(asked).GetScopeSettings(), asked.GetStandardScopes()
	if verdict := asked.GetSoftwareStatementVerdict(); verdict != nil {
		oauth.SoftwareStatementVerdict = copyOf(verdict)
	}
	oauth.ClientName = clientName(oauth)
	if oauth.GetClientName() != before.GetClientName() {
		a.Name = oauth.ClientName
	}
	if derives(before, oauth) {
		a.Type = derivedType(oauth)
	}
	oauth.RegistrationClientUri = clientURI(r.Endpoint, oauth.GetClientId())
	return nil
}

// RenewRegisteredSecret replaces the value of the secret that registration gave out, the application's first, and returns
// it in plain.
func RenewRegisteredSecret(ctx context.Context, s *Scene, a *configv1.Application, endpoint string) (string, error) {
	s.Unjudged = true
	a.Settings.Oauth.RegistrationClientUri = clientURI(endpoint, ClientID(a))
	if len(a.GetSecrets()) == 0 {
		return firstSecret(ctx, s, a, "")
	}
	_, plain, err := RenewSecret(s, a, a.GetSecrets()[0].GetId())
	return plain, err
}

// administered refuses administrative scopes that an application did not have before, unless an administrator asks.
func administered(administrator bool, had, asked *configv1.OAuthSettings) error {
	for i, setting := range asked.GetScopeSettings() {
		key := setting.GetScope()
		if !administrator && slices.Contains(administrativeScopes, key) &&
			!slices.ContainsFunc(had.GetScopeSettings(), func(s *configv1.ScopeSetting) bool { return s.GetScope() == key }) {
			return invalidScope(i, key)
		}
	}
	return nil
}

// fromTemplate copies a template, except what belongs to one client alone, and gives the copy what a request carried.
func fromTemplate(template, asked *configv1.Application, given []string) *configv1.Application {
	a := copyOf(template)
	ensure(&a.Settings)
	ensure(&a.Settings.Oauth)
	a.Revision, a.CreatedAt, a.UpdatedAt, a.TokensValidFrom = 0, nil, nil, nil
	oauth := a.Settings.Oauth
	oauth.ClientName, oauth.RedirectUris, oauth.SectorIdentifierUri = "", nil, ""
	oauth.Jwks, oauth.JwksUri = nil, ""
	oauth.ClientSecretExpiresAt = nil
	if given == nil {
		given = []string{}
	}
	clientmeta.Overlay(oauth, asked.GetSettings().GetOauth(), given)
	if slices.Contains(given, "scope") {
		oauth.ScopeSettings = copyOf(asked).GetSettings().GetOauth().GetScopeSettings()
		oauth.StandardScopes = asked.GetSettings().GetOauth().GetStandardScopes()
	}
	// What the template's statement was accepted for is the template, not whoever copies it.
	oauth.SoftwareStatementVerdict = clientmeta.NewVerdict(oauth.GetSoftwareStatement(), "")
	if slices.Contains(given, "software_statement") {
		oauth.SoftwareStatementVerdict = copyOf(asked.GetSettings().GetOauth().GetSoftwareStatementVerdict())
	}
	return a
}

// limitScopes takes from a copy what the initial access token does not allow: who holds the token chose the template.
func (r *Registration) limitScopes(o *configv1.OAuthSettings) {
	if r.ScopeLimit == nil || r.Bound {
		return
	}
	o.StandardScopes = false
	o.ScopeSettings = slices.DeleteFunc(o.ScopeSettings, func(s *configv1.ScopeSetting) bool {
		return !slices.Contains(r.ScopeLimit.GetValues(), s.GetScope())
	})
}

// completeCopy chooses how answers of the authorization endpoint are signed where neither the template nor the request said so. Every
// write of a registered client does (JARM §3); what else a registration completes, a template has from its own making.
func completeCopy(d *configv1.Domain, a *configv1.Application) {
	o := a.GetSettings().GetOauth()
	switch {
	case o == nil || o.GetAuthorizationSignedResponseAlg() != "":
	case profileOf(d, a).Signs(jose.RS256):
		o.AuthorizationSignedResponseAlg = string(jose.RS256)
	default:
		o.AuthorizationSignedResponseAlg = string(jose.PS256)
	}
}

// derives reports whether two states of a client differ in what its type is derived from.
func derives(old, fresh *configv1.OAuthSettings) bool {
	return old.GetApplicationType() != fresh.GetApplicationType() || !slices.Equal(old.GetGrantTypes(), fresh.GetGrantTypes()) ||
		!slices.Equal(old.GetResponseTypes(), fresh.GetResponseTypes())
}

func clientURI(endpoint, clientID string) string {
	return strings.TrimRight(endpoint, "/") + "/" + clientID
}

func clientName(o *configv1.OAuthSettings) string {
	if strings.TrimSpace(o.GetClientName()) == "" {
		return unknownClient
	}
	return o.GetClientName()
}

func textByDefault(p *string, value string) {
	if strings.TrimSpace(*p) == "" {
		*p = value
	}
}

// derivedType is the type that is stored for a registered client. It looks at the grant types that will be left once
// they follow the response types.
func derivedType(oauth *configv1.OAuthSettings) configv1.Application_Type {
	oauth = copyOf(oauth)
	if len(oauth.GetGrantTypes()) > 0 {
		correspond(oauth)
	}
	only := func(grant oauth2.GrantType) bool {
		return !slices.ContainsFunc(oauth.GetGrantTypes(), func(g string) bool { return g != string(grant) })
	}
	switch {
	case only(oauth2.GrantClientCredentials): // also if there is none
		return configv1.Application_SERVICE
	case only(oauth2.GrantImplicit):
		return configv1.Application_BROWSER
	}
	switch oauth.GetApplicationType() {
	case "web":
		return configv1.Application_WEB
	case "native":
		return configv1.Application_NATIVE
	case "browser":
		return configv1.Application_BROWSER
	}
	return configv1.Application_SERVICE
}

// firstProvider returns the identifier of the provider that was made first.
func firstProvider(all []*configv1.IdentityProvider) string {
	if len(all) == 0 {
		return ""
	}
	return slices.MinFunc(all, func(a, b *configv1.IdentityProvider) int {
		if c := a.GetCreatedAt().AsTime().Compare(b.GetCreatedAt().AsTime()); c != 0 {
			return c
		}
		return strings.Compare(a.GetId(), b.GetId())
	}).GetId()
}
