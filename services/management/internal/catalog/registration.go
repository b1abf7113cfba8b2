package catalog

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

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
	// Administrator says that the caller held `dcr_admin`, so administrative scopes are allowed.
	Administrator bool
}

const unknownClient = "Unknown Client"

// Registered completes an application that was asked for by dynamic client registration (RFC 7591): identifiers, a
// generated secret, defaults, the derived type, the domain's first identity provider and certificate.
func Registered(ctx context.Context, s *Scene, r Registration) (*configv1.Application, Issued, error) {
	a := copyOf(r.Application)
	if a == nil {
		a = &configv1.Application{}
	}
	ensure(&a.Settings)
	ensure(&a.Settings.Oauth)
	oauth := a.Settings.Oauth
	if !r.Administrator {
		for i, setting := range oauth.GetScopeSettings() {
			if slices.Contains(administrativeScopes, setting.GetScope()) {
				return nil, Issued{}, invalidScope(i, setting.GetScope())
			}
		}
	}

	s.Served = []oauth2.AuthMethod{oauth2.AuthBasic, oauth2.AuthPost, oauth2.AuthNone}

	enabled := true
	a.Id, a.Enabled, a.Template = secret.NewID(), &enabled, false
	a.Secrets, a.SecretSettings = nil, nil
	oauth.ClientId = secret.NewID()
	oauth.ClientIdIssuedAt = timestamppb.New(s.Now.Truncate(1e9))
	oauth.RegistrationClientUri = strings.TrimRight(r.Endpoint, "/") + "/" + oauth.ClientId
	oauth.RegistrationAccessTokenHash = ""

	textByDefault(&oauth.ClientName, unknownClient)
	a.Name = oauth.ClientName
	textByDefault(&oauth.ApplicationType, "web")
	textByDefault(&oauth.TokenEndpointAuthMethod, string(profileOf(s.Domain, a).DefaultAuthMethod()))
	if len(oauth.GetGrantTypes()) == 0 && len(oauth.GetResponseTypes()) == 0 {
		correspond(oauth)
	}
	a.Type = derivedType(oauth)

	if len(a.GetIdentityProviders()) == 0 {
		if first := firstProvider(s.Providers); first != "" {
			a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: first, Priority: -1}}
		}
	}
	if a.GetCertificate() == "" {
		if all := activeCertificates(s.Certificates); len(all) > 0 {
			a.Certificate = all[0].GetId()
		}
	}
	plain, err := firstSecret(ctx, s, a, "")
	return a, Issued{ClientSecret: plain}, err
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
