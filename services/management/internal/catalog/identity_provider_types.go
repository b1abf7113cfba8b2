package catalog

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// PluginType is a type of identity provider or of certificate that can be configured.
type PluginType struct {
	// ID is what `type` says.
	ID, Name, Description string
	// External providers redirect to another site.
	External bool
	// Waiting says that the type is accepted, checked and kept, and that nothing runs it yet.
	Waiting bool
	// Required are the members that a configuration must have.
	Required []string
	// Configuration is the message of the configuration.
	Configuration protoreflect.MessageDescriptor

	check func(*configuration, *configv1.IdentityProvider)
}

// ProviderTypes returns the types of identity provider, in the order of the contract.
func ProviderTypes() []PluginType {
	return pluginTypes((&configv1.IdentityProvider{}).ProtoReflect().Descriptor(), providerTypes)
}

// CertificateTypes returns the types of certificate, in the order of the contract.
func CertificateTypes() []PluginType {
	return pluginTypes((&configv1.Certificate{}).ProtoReflect().Descriptor(), certificateTypes)
}

// pluginTypes are the arms of a message's variant, with what is known of them.
func pluginTypes(md protoreflect.MessageDescriptor, known map[protoreflect.Name]PluginType) []PluginType {
	arms := md.Oneofs().ByName("config").Fields()
	all := make([]PluginType, arms.Len())
	for i := range arms.Len() {
		arm := arms.Get(i)
		t := known[arm.Name()]
		marks := prototree.MarksOf(arm)
		t.ID, t.Waiting, t.Configuration = marks.Variant, marks.Waiting, arm.Message()
		all[i] = t
	}
	return all
}

// typeOf returns what is known of a provider's type.
func typeOf(p *configv1.IdentityProvider) (PluginType, bool) {
	m := p.ProtoReflect()
	arm := m.WhichOneof(m.Descriptor().Oneofs().ByName("config"))
	if arm == nil {
		return PluginType{}, false
	}
	t, ok := providerTypes[arm.Name()]
	return t, ok
}

// providerTypes are the types of identity provider by their arms.
var providerTypes = map[protoreflect.Name]PluginType{
	"inline": {
		Name: "Inline", Description: "A short list of people in the configuration itself.",
		check: func(c *configuration, p *configv1.IdentityProvider) { c.inline(p.GetInline()) },
	},
	"directory": {
		Name: "Directory", Description: "The people of the domain's own directory.",
	},
	"http": {
		Name: "HTTP", Description: "A site that checks names and passwords.",
		Required: []string{"authenticationResource"},
		check:    func(c *configuration, p *configv1.IdentityProvider) { c.http(p.GetHttp()) },
	},
	"ldap": {
		Name: "LDAP", Description: "An LDAP directory, such as Active Directory.",
		Required: []string{"contextSourceUrl", "contextSourceBase"},
		check:    func(c *configuration, p *configv1.IdentityProvider) { c.ldap(p.GetLdap()) },
	},
	"oauth2": {
		Name: "OpenID Connect or OAuth 2.0", Description: "Any OpenID Provider, or an OAuth 2.0 server that tells who somebody is.",
		External: true, Required: []string{"clientId"},
		check: func(c *configuration, p *configv1.IdentityProvider) { c.oauth2(p.GetOauth2()) },
	},
	"google": {
		Name: "Google", Description: "Google accounts.", External: true, Required: []string{"clientId", "clientSecret"},
		check: func(c *configuration, p *configv1.IdentityProvider) { c.social(p.GetGoogle()) },
	},
	"github": {
		Name: "GitHub", Description: "GitHub accounts, or those of a GitHub Enterprise server.", External: true,
		Required: []string{"clientId", "clientSecret"},
		check:    func(c *configuration, p *configv1.IdentityProvider) { c.social(p.GetGithub()) },
	},
	"azure_ad": {
		Name: "Microsoft Entra ID", Description: "Accounts of a Microsoft Entra ID (Azure AD) directory.", External: true,
		Required: []string{"tenantId", "clientId", "clientSecret"},
		check:    func(c *configuration, p *configv1.IdentityProvider) { c.azure(p.GetAzureAd()) },
	},
	"facebook": {
		Name: "Facebook", Description: "Facebook accounts.", External: true, Required: []string{"clientId", "clientSecret"},
		check: func(c *configuration, p *configv1.IdentityProvider) { c.social(p.GetFacebook()) },
	},
	"linkedin": {
		Name: "LinkedIn", Description: "LinkedIn accounts.", External: true, Required: []string{"clientId", "clientSecret"},
		check: func(c *configuration, p *configv1.IdentityProvider) { c.social(p.GetLinkedin()) },
	},
	"franceconnect": {
		Name: "FranceConnect", Description: "FranceConnect accounts.", External: true,
		Required: []string{"clientId", "clientSecret", "environment"},
		check: func(c *configuration, p *configv1.IdentityProvider) {
			c.social(p.GetFranceconnect())
			c.oneOf("environment", p.GetFranceconnect().GetEnvironment(), "DEVELOPMENT", "PRODUCTION")
		},
	},
	"jdbc": {
		Name: "SQL database", Description: "People in a table of an SQL database.",
		Required: []string{"host", "protocol", "database", "usersTable"},
		check:    func(c *configuration, p *configv1.IdentityProvider) { c.jdbc(p.GetJdbc()) },
	},
	"saml2": {
		Name: "SAML 2.0", Description: "A SAML 2.0 identity provider.", External: true, Required: []string{"entityId"},
		check: func(c *configuration, p *configv1.IdentityProvider) { c.saml2(p.GetSaml2()) },
	},
}

// certificateTypes are the types of certificate by their arms.
var certificateTypes = map[protoreflect.Name]PluginType{
	"generated": {Name: "Generated", Description: "The server makes the key."},
	"pem":       {Name: "PEM", Description: "A private key in PEM, with or without its certificate.", Required: []string{"privateKey"}},
	"java_keystore": {
		Name: "Java key store", Description: "A key in a Java key store (JKS).", Required: []string{"jks", "storepass", "alias"},
	},
	"pkcs12": {
		Name: "PKCS #12", Description: "A key in a PKCS #12 file.", Required: []string{"pkcs12", "storepass", "alias"},
	},
}
