// Code generated from proto/openapi/management.yaml by generate. DO NOT EDIT.

package kinds

import (
	"context"
	"io"
	"net/http"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
)

var operations = map[string]Operations{
	"/domains": {
		Create: func(ctx context.Context, c *client.Client, _ []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateDomainWithBody(ctx, &client.CreateDomainParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteDomain(ctx, at[0], &client.DeleteDomainParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, _ []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListDomains(ctx, &client.ListDomainsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchDomainWithBody(ctx, at[0], &client.PatchDomainParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetDomain(ctx, at[0], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutDomainWithBody(ctx, at[0], &client.PutDomainParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"dataPlaneId", "description", "name"},
		Kept:     []string{"accessSettings", "accountSettings", "branding", "certificateSettings", "corsSettings", "createdAt", "dataPlaneId", "description", "enabled", "environment", "hrid", "id", "loginSettings", "master", "name", "notices", "oidc", "organization", "passwordSettings", "path", "portalSettings", "revision", "saml", "scim", "secretSettings", "selfServiceAccountManagementSettings", "sessionSettings", "tags", "tokenExchangeSettings", "uma", "updatedAt", "version", "vhostMode", "vhosts", "webAuthnSettings"},
		ReadOnly: []string{"createdAt", "environment", "hrid", "id", "notices", "organization", "revision", "updatedAt", "version"},
	},
	"/domains/{domain}/scopes": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateScopeWithBody(ctx, at[0], &client.CreateScopeParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteScope(ctx, at[0], at[1], &client.DeleteScopeParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListScopes(ctx, at[0], &client.ListScopesParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchScopeWithBody(ctx, at[0], at[1], &client.PatchScopeParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetScope(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutScopeWithBody(ctx, at[0], at[1], &client.PutScopeParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"createdAt", "description", "discovery", "domain", "expiresIn", "iconUri", "id", "key", "name", "notices", "parameterized", "revision", "system", "updatedAt"},
		Kept:     []string{"createdAt", "description", "discovery", "domain", "expiresIn", "iconUri", "id", "key", "name", "notices", "parameterized", "revision", "system", "updatedAt"},
		ReadOnly: []string{"createdAt", "domain", "id", "notices", "revision", "system", "updatedAt"},
	},
	"/domains/{domain}/certificates": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateCertificateWithBody(ctx, at[0], &client.CreateCertificateParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteCertificate(ctx, at[0], at[1], &client.DeleteCertificateParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListCertificates(ctx, at[0], edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchCertificateWithBody(ctx, at[0], at[1], &client.PatchCertificateParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetCertificate(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutCertificateWithBody(ctx, at[0], at[1], &client.PutCertificateParams{}, "application/json", body, edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Made:     []string{"activeSince", "algorithm", "configuration", "createdAt", "domain", "dueAt", "expiresAt", "id", "kid", "name", "notices", "revision", "status", "system", "type", "updatedAt"},
		Kept:     []string{"activeSince", "algorithm", "configuration", "createdAt", "domain", "dueAt", "expiresAt", "id", "kid", "name", "notices", "revision", "status", "system", "type", "updatedAt"},
		ReadOnly: []string{"activeSince", "algorithm", "createdAt", "domain", "dueAt", "expiresAt", "id", "kid", "notices", "revision", "status", "system", "updatedAt"},
		Secret:   []string{"jks", "keypass", "pkcs12", "privateKey", "storepass"},
	},
	"/domains/{domain}/identities": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateIdentityWithBody(ctx, at[0], &client.CreateIdentityParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteIdentity(ctx, at[0], at[1], &client.DeleteIdentityParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListIdentities(ctx, at[0], edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchIdentityWithBody(ctx, at[0], at[1], &client.PatchIdentityParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetIdentity(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutIdentityWithBody(ctx, at[0], at[1], &client.PutIdentityParams{}, "application/json", body, edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Made:     []string{"accountLinking", "configuration", "createdAt", "domain", "domainWhitelist", "external", "groupMapper", "id", "mappers", "name", "notices", "passwordPolicy", "revision", "roleMapper", "system", "type", "updatedAt"},
		Kept:     []string{"accountLinking", "configuration", "createdAt", "domain", "domainWhitelist", "external", "groupMapper", "id", "mappers", "name", "notices", "passwordPolicy", "revision", "roleMapper", "system", "type", "updatedAt"},
		ReadOnly: []string{"createdAt", "domain", "id", "notices", "revision", "system", "updatedAt"},
		Secret:   []string{"clientSecret", "contextSourcePassword", "password", "value"},
	},
	"/domains/{domain}/roles": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateRoleWithBody(ctx, at[0], &client.CreateRoleParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteRole(ctx, at[0], at[1], &client.DeleteRoleParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListRoles(ctx, at[0], &client.ListRolesParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchRoleWithBody(ctx, at[0], at[1], &client.PatchRoleParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetRole(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutRoleWithBody(ctx, at[0], at[1], &client.PutRoleParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"createdAt", "description", "domain", "id", "name", "notices", "oauthScopes", "revision", "updatedAt"},
		Kept:     []string{"createdAt", "description", "domain", "id", "name", "notices", "oauthScopes", "revision", "updatedAt"},
		ReadOnly: []string{"createdAt", "domain", "id", "notices", "revision", "updatedAt"},
	},
	"/domains/{domain}/groups": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateGroupWithBody(ctx, at[0], &client.CreateGroupParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteGroup(ctx, at[0], at[1], &client.DeleteGroupParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListGroups(ctx, at[0], &client.ListGroupsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchGroupWithBody(ctx, at[0], at[1], &client.PatchGroupParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetGroup(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutGroupWithBody(ctx, at[0], at[1], &client.PutGroupParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"attributes", "createdAt", "description", "direct", "domain", "groups", "id", "members", "name", "notices", "parents", "revision", "roles", "updatedAt", "via"},
		Kept:     []string{"attributes", "createdAt", "description", "direct", "domain", "groups", "id", "members", "name", "notices", "parents", "revision", "roles", "updatedAt", "via"},
		ReadOnly: []string{"createdAt", "direct", "domain", "id", "notices", "parents", "revision", "updatedAt", "via"},
	},
	"/domains/{domain}/policies": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreatePolicyWithBody(ctx, at[0], &client.CreatePolicyParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeletePolicy(ctx, at[0], at[1], &client.DeletePolicyParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListPolicies(ctx, at[0], &client.ListPoliciesParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchPolicyWithBody(ctx, at[0], at[1], &client.PatchPolicyParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetPolicy(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutPolicyWithBody(ctx, at[0], at[1], &client.PutPolicyParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"configuration", "createdAt", "description", "domain", "expression", "id", "inputs", "message", "name", "notices", "revision", "situational", "type", "updatedAt"},
		Kept:     []string{"configuration", "createdAt", "description", "domain", "expression", "id", "inputs", "message", "name", "notices", "revision", "situational", "type", "updatedAt"},
		ReadOnly: []string{"createdAt", "domain", "expression", "id", "inputs", "notices", "revision", "situational", "updatedAt"},
	},
	"/domains/{domain}/claim-mappings": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateClaimMappingWithBody(ctx, at[0], &client.CreateClaimMappingParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteClaimMapping(ctx, at[0], at[1], &client.DeleteClaimMappingParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListClaimMappings(ctx, at[0], &client.ListClaimMappingsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchClaimMappingWithBody(ctx, at[0], at[1], &client.PatchClaimMappingParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetClaimMapping(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutClaimMappingWithBody(ctx, at[0], at[1], &client.PutClaimMappingParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"createdAt", "default", "description", "domain", "enabled", "expression", "id", "name", "notices", "onError", "order", "revision", "scope", "targets", "updatedAt"},
		Kept:     []string{"createdAt", "default", "description", "domain", "enabled", "expression", "id", "name", "notices", "onError", "order", "revision", "scope", "targets", "updatedAt"},
		ReadOnly: []string{"createdAt", "domain", "id", "notices", "revision", "updatedAt"},
	},
	"/domains/{domain}/application-groups": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationGroupWithBody(ctx, at[0], &client.CreateApplicationGroupParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationGroup(ctx, at[0], at[1], &client.DeleteApplicationGroupParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListApplicationGroups(ctx, at[0], &client.ListApplicationGroupsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchApplicationGroupWithBody(ctx, at[0], at[1], &client.PatchApplicationGroupParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationGroup(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationGroupWithBody(ctx, at[0], at[1], &client.PutApplicationGroupParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"createdAt", "description", "domain", "id", "name", "notices", "order", "revision", "updatedAt"},
		Kept:     []string{"createdAt", "description", "domain", "id", "name", "notices", "order", "revision", "updatedAt"},
		ReadOnly: []string{"createdAt", "domain", "id", "notices", "revision", "updatedAt"},
	},
	"/domains/{domain}/applications": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationWithBody(ctx, at[0], &client.CreateApplicationParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplication(ctx, at[0], at[1], &client.DeleteApplicationParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListApplications(ctx, at[0], &client.ListApplicationsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchApplicationWithBody(ctx, at[0], at[1], &client.PatchApplicationParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplication(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationWithBody(ctx, at[0], at[1], &client.PutApplicationParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"access", "certificate", "claimMappings", "clientId", "clientSecret", "description", "enabled", "group", "hidden", "identityProviders", "launchUrl", "metadata", "name", "openInNewTab", "publisher", "redirectUris", "slug", "type"},
		Kept:     []string{"access", "certificate", "claimMappings", "createdAt", "description", "domain", "enabled", "factors", "group", "hidden", "icon", "id", "identityProviders", "launchUrl", "metadata", "name", "notices", "openInNewTab", "publisher", "registration", "revision", "secretSettings", "secrets", "settings", "slug", "template", "type", "updatedAt", "visibility", "warnings"},
		ReadOnly: []string{"access.open", "access.people", "createdAt", "domain", "icon", "id", "notices", "registration", "revision", "secretSettings", "secrets", "settings.oauth.clientIdIssuedAt", "settings.oauth.clientSecret", "settings.oauth.clientSecretExpiresAt", "settings.oauth.registrationClientUri", "settings.oauth.softwareStatementVerdict", "updatedAt", "visibility", "warnings"},
		Secret:   []string{"clientSecret"},
	},
	"/domains/{domain}/providers": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateProviderWithBody(ctx, at[0], &client.CreateProviderParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteProvider(ctx, at[0], at[1], &client.DeleteProviderParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListProviders(ctx, at[0], &client.ListProvidersParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchProviderWithBody(ctx, at[0], at[1], &client.PatchProviderParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetProvider(ctx, at[0], at[1], edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"application", "assigned", "authorizationFlow", "configuration", "createdAt", "domain", "id", "name", "notices", "revision", "type", "updatedAt"},
		Kept:     []string{"application", "assigned", "authorizationFlow", "configuration", "createdAt", "domain", "id", "name", "notices", "revision", "type", "updatedAt"},
		ReadOnly: []string{"application", "assigned", "configuration.clientIdIssuedAt", "configuration.clientSecret", "configuration.clientSecretExpiresAt", "configuration.registrationClientUri", "configuration.softwareStatementVerdict", "createdAt", "domain", "id", "notices", "revision", "updatedAt"},
		Secret:   []string{"clientSecret"},
	},
	"/domains/{domain}/flows": {
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteFlow(ctx, at[0], at[1], &client.DeleteFlowParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListFlows(ctx, at[0], edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchFlowWithBody(ctx, at[0], at[1], &client.PatchFlowParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetFlow(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutFlowWithBody(ctx, at[0], at[1], &client.PutFlowParams{}, "application/json", body, edit...)
		},
		ReplaceAll: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutFlowsWithBody(ctx, at[0], &client.PutFlowsParams{}, "application/json", body, edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Kept:     []string{"application", "condition", "createdAt", "domain", "enabled", "id", "name", "notices", "order", "post", "pre", "revision", "type", "updatedAt"},
		ReadOnly: []string{"application", "createdAt", "domain", "id", "notices", "order", "revision", "updatedAt"},
		Secret:   []string{"value"},
	},
	"/domains/{domain}/forms": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateFormWithBody(ctx, at[0], &client.CreateFormParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteForm(ctx, at[0], at[1], &client.DeleteFormParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetForms(ctx, at[0], &client.GetFormsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchFormWithBody(ctx, at[0], at[1], &client.PatchFormParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetForm(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutFormWithBody(ctx, at[0], at[1], &client.PutFormParams{}, "application/json", body, edit...)
		},
		Templates: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.TemplatesForms(ctx, at[0], edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Made:     []string{"application", "assets", "content", "createdAt", "domain", "enabled", "id", "notices", "revision", "template", "updatedAt"},
		Kept:     []string{"application", "assets", "content", "createdAt", "domain", "enabled", "id", "notices", "revision", "template", "updatedAt"},
		ReadOnly: []string{"application", "createdAt", "domain", "id", "notices", "revision", "updatedAt"},
	},
	"/domains/{domain}/emails": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateEmailWithBody(ctx, at[0], &client.CreateEmailParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteEmail(ctx, at[0], at[1], &client.DeleteEmailParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetEmails(ctx, at[0], &client.GetEmailsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchEmailWithBody(ctx, at[0], at[1], &client.PatchEmailParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetEmail(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutEmailWithBody(ctx, at[0], at[1], &client.PutEmailParams{}, "application/json", body, edit...)
		},
		Templates: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.TemplatesEmails(ctx, at[0], edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Made:     []string{"application", "content", "createdAt", "domain", "enabled", "expiresAfter", "from", "fromName", "id", "notices", "revision", "subject", "template", "updatedAt"},
		Kept:     []string{"application", "content", "createdAt", "domain", "enabled", "expiresAfter", "from", "fromName", "id", "notices", "revision", "subject", "template", "updatedAt"},
		ReadOnly: []string{"application", "createdAt", "domain", "id", "notices", "revision", "updatedAt"},
	},
	"/domains/{domain}/registration-tokens": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateRegistrationTokenWithBody(ctx, at[0], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteRegistrationToken(ctx, at[0], at[1], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListRegistrationTokens(ctx, at[0], &client.ListRegistrationTokensParams{}, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ReadRegistrationToken(ctx, at[0], at[1], edit...)
		},
		Paged: true, Search: false, DryRun: false,
		Made: []string{"expiresAt", "name", "quota", "scopes", "template"},
	},
	"/domains/{domain}/registrations": {
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListRegistrations(ctx, at[0], &client.ListRegistrationsParams{}, edit...)
		},
		Paged: true, Search: true, DryRun: true,
	},
	"/domains/{domain}/members": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateMemberWithBody(ctx, at[0], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteMember(ctx, at[0], at[1], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListMembers(ctx, at[0], &client.ListMembersParams{}, edit...)
		},
		Paged: true, Search: false, DryRun: false,
		Made: []string{"memberId", "memberType", "role"},
	},
	"/domains/{domain}/users": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateUserWithBody(ctx, at[0], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteUser(ctx, at[0], at[1], &client.DeleteUserParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListUsers(ctx, at[0], &client.ListUsersParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchUserWithBody(ctx, at[0], at[1], &client.PatchUserParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetUser(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutUserWithBody(ctx, at[0], at[1], &client.PutUserParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: false,
		Made:     []string{"additionalInformation", "addresses", "birthdate", "client", "displayName", "email", "emailVerified", "enabled", "firstName", "gender", "lastName", "locale", "middleName", "nickName", "password", "passwordHash", "phoneNumbers", "picture", "preRegistration", "preferredLanguage", "profile", "source", "title", "username", "website", "zoneInfo"},
		Kept:     []string{"accountLockedAt", "accountLockedUntil", "accountNonLocked", "additionalInformation", "addresses", "birthdate", "client", "createdAt", "direct", "displayName", "domain", "email", "emailVerified", "enabled", "externalId", "firstName", "gender", "groups", "id", "identities", "lastName", "lastPasswordReset", "locale", "loggedAt", "loginsCount", "middleName", "nickName", "notices", "phoneNumbers", "picture", "preRegistration", "preferredLanguage", "profile", "registrationCompleted", "revision", "roles", "source", "title", "updatedAt", "username", "via", "website", "zoneInfo"},
		ReadOnly: []string{"accountLockedAt", "accountLockedUntil", "accountNonLocked", "createdAt", "direct", "domain", "externalId", "groups", "id", "identities", "lastPasswordReset", "loggedAt", "loginsCount", "notices", "preRegistration", "registrationCompleted", "revision", "roles", "updatedAt", "via"},
		Secret:   []string{"password", "passwordHash"},
	},
	"/domains/{domain}/applications/{application}/bindings": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationBindingWithBody(ctx, at[0], at[1], &client.CreateApplicationBindingParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationBinding(ctx, at[0], at[1], at[2], &client.DeleteApplicationBindingParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListApplicationBindings(ctx, at[0], at[1], &client.ListApplicationBindingsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchApplicationBindingWithBody(ctx, at[0], at[1], at[2], &client.PatchApplicationBindingParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationBinding(ctx, at[0], at[1], at[2], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationBindingWithBody(ctx, at[0], at[1], at[2], &client.PutApplicationBindingParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"createdAt", "effect", "enabled", "expiresAt", "failureResult", "group", "id", "message", "name", "negate", "order", "orphaned", "policy", "reportOnly", "timeoutSeconds", "user", "warnings"},
		Kept:     []string{"createdAt", "effect", "enabled", "expiresAt", "failureResult", "group", "id", "message", "name", "negate", "order", "orphaned", "policy", "reportOnly", "timeoutSeconds", "user", "warnings"},
		ReadOnly: []string{"createdAt", "id", "name", "orphaned", "warnings"},
	},
	"/domains/{domain}/applications/{application}/access": {
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationAccess(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationAccessWithBody(ctx, at[0], at[1], &client.PutApplicationAccessParams{}, "application/json", body, edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Kept:     []string{"bindings", "entitlementsGrant", "message", "mode", "notices", "onDenied", "open", "people", "revision", "sentence", "warnings"},
		ReadOnly: []string{"notices", "open", "people", "revision", "sentence", "warnings"},
	},
	"/domains/{domain}/applications/{application}/entitlements": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationEntitlementWithBody(ctx, at[0], at[1], &client.CreateApplicationEntitlementParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationEntitlement(ctx, at[0], at[1], at[2], &client.DeleteApplicationEntitlementParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListApplicationEntitlements(ctx, at[0], at[1], &client.ListApplicationEntitlementsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchApplicationEntitlementWithBody(ctx, at[0], at[1], at[2], &client.PatchApplicationEntitlementParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationEntitlement(ctx, at[0], at[1], at[2], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationEntitlementWithBody(ctx, at[0], at[1], at[2], &client.PutApplicationEntitlementParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"attributes", "createdAt", "description", "id", "name", "updatedAt"},
		Kept:     []string{"attributes", "createdAt", "description", "id", "name", "updatedAt"},
		ReadOnly: []string{"createdAt", "id", "updatedAt"},
	},
	"/domains/{domain}/applications/{application}/entitlements/{entitlement}/bindings": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationEntitlementBindingWithBody(ctx, at[0], at[1], at[2], &client.CreateApplicationEntitlementBindingParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationEntitlementBinding(ctx, at[0], at[1], at[2], at[3], &client.DeleteApplicationEntitlementBindingParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListApplicationEntitlementBindings(ctx, at[0], at[1], at[2], &client.ListApplicationEntitlementBindingsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchApplicationEntitlementBindingWithBody(ctx, at[0], at[1], at[2], at[3], &client.PatchApplicationEntitlementBindingParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationEntitlementBinding(ctx, at[0], at[1], at[2], at[3], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationEntitlementBindingWithBody(ctx, at[0], at[1], at[2], at[3], &client.PutApplicationEntitlementBindingParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: true,
		Made:     []string{"createdAt", "enabled", "expiresAt", "group", "id", "name", "negate", "orphaned", "user"},
		Kept:     []string{"createdAt", "enabled", "expiresAt", "group", "id", "name", "negate", "orphaned", "user"},
		ReadOnly: []string{"createdAt", "id", "name", "orphaned"},
	},
	"/domains/{domain}/applications/{application}/secrets": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationSecretWithBody(ctx, at[0], at[1], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationSecret(ctx, at[0], at[1], at[2], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListApplicationSecrets(ctx, at[0], at[1], edit...)
		},
		Paged: false, Search: false, DryRun: false,
		Made: []string{"name"},
	},
	"/domains/{domain}/applications/{application}/flows": {
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationFlow(ctx, at[0], at[1], at[2], &client.DeleteApplicationFlowParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListApplicationFlows(ctx, at[0], at[1], edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchApplicationFlowWithBody(ctx, at[0], at[1], at[2], &client.PatchApplicationFlowParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationFlow(ctx, at[0], at[1], at[2], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationFlowWithBody(ctx, at[0], at[1], at[2], &client.PutApplicationFlowParams{}, "application/json", body, edit...)
		},
		ReplaceAll: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationFlowsWithBody(ctx, at[0], at[1], &client.PutApplicationFlowsParams{}, "application/json", body, edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Kept:     []string{"application", "condition", "createdAt", "domain", "enabled", "id", "name", "notices", "order", "post", "pre", "revision", "type", "updatedAt"},
		ReadOnly: []string{"application", "createdAt", "domain", "id", "notices", "order", "revision", "updatedAt"},
		Secret:   []string{"value"},
	},
	"/domains/{domain}/applications/{application}/forms": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationFormWithBody(ctx, at[0], at[1], &client.CreateApplicationFormParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationForm(ctx, at[0], at[1], at[2], &client.DeleteApplicationFormParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationForms(ctx, at[0], at[1], &client.GetApplicationFormsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchApplicationFormWithBody(ctx, at[0], at[1], at[2], &client.PatchApplicationFormParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationForm(ctx, at[0], at[1], at[2], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationFormWithBody(ctx, at[0], at[1], at[2], &client.PutApplicationFormParams{}, "application/json", body, edit...)
		},
		Templates: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.TemplatesApplicationForms(ctx, at[0], at[1], edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Made:     []string{"application", "assets", "content", "createdAt", "domain", "enabled", "id", "notices", "revision", "template", "updatedAt"},
		Kept:     []string{"application", "assets", "content", "createdAt", "domain", "enabled", "id", "notices", "revision", "template", "updatedAt"},
		ReadOnly: []string{"application", "createdAt", "domain", "id", "notices", "revision", "updatedAt"},
	},
	"/domains/{domain}/applications/{application}/emails": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationEmailWithBody(ctx, at[0], at[1], &client.CreateApplicationEmailParams{}, "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationEmail(ctx, at[0], at[1], at[2], &client.DeleteApplicationEmailParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationEmails(ctx, at[0], at[1], &client.GetApplicationEmailsParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchApplicationEmailWithBody(ctx, at[0], at[1], at[2], &client.PatchApplicationEmailParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetApplicationEmail(ctx, at[0], at[1], at[2], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutApplicationEmailWithBody(ctx, at[0], at[1], at[2], &client.PutApplicationEmailParams{}, "application/json", body, edit...)
		},
		Templates: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.TemplatesApplicationEmails(ctx, at[0], at[1], edit...)
		},
		Paged: false, Search: false, DryRun: true,
		Made:     []string{"application", "content", "createdAt", "domain", "enabled", "expiresAfter", "from", "fromName", "id", "notices", "revision", "subject", "template", "updatedAt"},
		Kept:     []string{"application", "content", "createdAt", "domain", "enabled", "expiresAfter", "from", "fromName", "id", "notices", "revision", "subject", "template", "updatedAt"},
		ReadOnly: []string{"application", "createdAt", "domain", "id", "notices", "revision", "updatedAt"},
	},
	"/domains/{domain}/applications/{application}/members": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateApplicationMemberWithBody(ctx, at[0], at[1], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteApplicationMember(ctx, at[0], at[1], at[2], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListApplicationMembers(ctx, at[0], at[1], &client.ListApplicationMembersParams{}, edit...)
		},
		Paged: true, Search: false, DryRun: false,
		Made: []string{"memberId", "memberType", "role"},
	},
	"/domains/{domain}/groups/{group}/members": {
		Add: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.AddGroupMember(ctx, at[0], at[1], at[2], edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteGroupMember(ctx, at[0], at[1], at[2], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListGroupMembers(ctx, at[0], at[1], &client.ListGroupMembersParams{}, edit...)
		},
		Paged: true, Search: false, DryRun: false,
		ReadOnly: []string{"accountLockedAt", "accountLockedUntil", "accountNonLocked", "createdAt", "direct", "domain", "externalId", "groups", "id", "identities", "lastPasswordReset", "loggedAt", "loginsCount", "notices", "preRegistration", "registrationCompleted", "revision", "roles", "updatedAt", "via"},
	},
	"/domains/{domain}/users/{user}/consents": {
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteUserConsent(ctx, at[0], at[1], at[2], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListUserConsents(ctx, at[0], at[1], &client.ListUserConsentsParams{}, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetUserConsent(ctx, at[0], at[1], at[2], edit...)
		},
		Paged: false, Search: false, DryRun: false,
		ReadOnly: []string{"clientId", "expiresAt", "id", "scope", "status", "updatedAt", "userId"},
	},
	"/domains/{domain}/users/{user}/identities": {
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteUserIdentity(ctx, at[0], at[1], at[2], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListUserIdentities(ctx, at[0], at[1], edit...)
		},
		Paged: false, Search: false, DryRun: false,
		ReadOnly: []string{"id", "linkedAt", "providerId", "providerName", "userId", "username"},
	},
	"/organizations/{organization}/roles": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateOrganizationRoleWithBody(ctx, at[0], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteOrganizationRole(ctx, at[0], at[1], &client.DeleteOrganizationRoleParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListOrganizationRoles(ctx, at[0], &client.ListOrganizationRolesParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchOrganizationRoleWithBody(ctx, at[0], at[1], &client.PatchOrganizationRoleParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetOrganizationRole(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutOrganizationRoleWithBody(ctx, at[0], at[1], &client.PutOrganizationRoleParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: false,
		Made:     []string{"assignableType", "createdAt", "description", "id", "name", "notices", "organization", "permissions", "revision", "system", "updatedAt"},
		Kept:     []string{"assignableType", "createdAt", "description", "id", "name", "notices", "organization", "permissions", "revision", "system", "updatedAt"},
		ReadOnly: []string{"createdAt", "id", "notices", "organization", "revision", "system", "updatedAt"},
	},
	"/organizations/{organization}/users": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateOrganizationUserWithBody(ctx, at[0], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteOrganizationUser(ctx, at[0], at[1], &client.DeleteOrganizationUserParams{}, edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListOrganizationUsers(ctx, at[0], &client.ListOrganizationUsersParams{}, edit...)
		},
		Patch: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PatchOrganizationUserWithBody(ctx, at[0], at[1], &client.PatchOrganizationUserParams{}, "application/json", body, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetOrganizationUser(ctx, at[0], at[1], edit...)
		},
		Replace: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.PutOrganizationUserWithBody(ctx, at[0], at[1], &client.PutOrganizationUserParams{}, "application/json", body, edit...)
		},
		Paged: true, Search: true, DryRun: false,
		Made:     []string{"email", "enabled", "firstName", "lastName", "password", "serviceAccount", "username"},
		Kept:     []string{"createdAt", "displayName", "email", "enabled", "firstName", "id", "lastName", "locked", "loggedAt", "loginsCount", "notices", "organization", "revision", "serviceAccount", "updatedAt", "username"},
		ReadOnly: []string{"createdAt", "displayName", "id", "locked", "loggedAt", "loginsCount", "notices", "organization", "revision", "updatedAt"},
		Secret:   []string{"password"},
	},
	"/organizations/{organization}/users/{user}/tokens": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateOrganizationUserTokenWithBody(ctx, at[0], at[1], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteOrganizationUserToken(ctx, at[0], at[1], at[2], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListOrganizationUserTokens(ctx, at[0], at[1], edit...)
		},
		Paged: false, Search: false, DryRun: false,
		Made: []string{"expiresAt", "expiresIn", "name"},
	},
	"/organizations/{organization}/members": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateOrganizationMemberWithBody(ctx, at[0], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteOrganizationMember(ctx, at[0], at[1], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListOrganizationMembers(ctx, at[0], &client.ListOrganizationMembersParams{}, edit...)
		},
		Paged: true, Search: false, DryRun: false,
		Made: []string{"memberId", "memberType", "role"},
	},
	"/organizations/{organization}/environments/{environment}/members": {
		Create: func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.CreateOrganizationEnvironmentMemberWithBody(ctx, at[0], at[1], "application/json", body, edit...)
		},
		Delete: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.DeleteOrganizationEnvironmentMember(ctx, at[0], at[1], at[2], edit...)
		},
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListOrganizationEnvironmentMembers(ctx, at[0], at[1], &client.ListOrganizationEnvironmentMembersParams{}, edit...)
		},
		Paged: true, Search: false, DryRun: false,
		Made: []string{"memberId", "memberType", "role"},
	},
	"/organizations/{organization}/token-keys": {
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListOrganizationTokenKeys(ctx, at[0], edit...)
		},
		Paged: false, Search: false, DryRun: true,
	},
	"/organizations": {
		List: func(ctx context.Context, c *client.Client, _ []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListOrganizations(ctx, edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetOrganization(ctx, at[0], edit...)
		},
		Paged: false, Search: false, DryRun: true,
	},
	"/organizations/{organization}/environments": {
		List: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.ListOrganizationEnvironments(ctx, at[0], edit...)
		},
		Read: func(ctx context.Context, c *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
			return c.GetOrganizationEnvironment(ctx, at[0], at[1], edit...)
		},
		Paged: false, Search: false, DryRun: true,
	},
}
