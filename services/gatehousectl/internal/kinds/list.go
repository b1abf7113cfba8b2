package kinds

// All are the kinds, in the order in which what others refer to comes first: that is the order in which several are applied.
var All = []*Kind{
	{Name: "domains", One: "domain", Path: "/domains", Keys: []string{"name", "hrid"}, Columns: []string{"path", "enabled", "id"}, About: "realms with their own people, clients and keys"},
	{Name: "scopes", One: "scope", Path: "/domains/{domain}/scopes", Keys: []string{"key", "name"}, Columns: []string{"name", "discovery", "id"}, About: "what clients may ask for"},
	{Name: "certificates", One: "certificate", Aliases: []string{"keys", "key"}, Path: "/domains/{domain}/certificates", Keys: []string{"name", "kid"}, Columns: []string{"type", "algorithm", "status", "expiresAt", "id"}, About: "keys that sign and decrypt"},
	{Name: "identity-providers", One: "identity-provider", Aliases: []string{"identities", "identity", "idps", "idp"}, Path: "/domains/{domain}/identities", Keys: []string{"name"}, Columns: []string{"type", "external", "id"}, About: "where people sign in"},
	{Name: "roles", One: "role", Path: "/domains/{domain}/roles", Keys: []string{"name"}, Columns: []string{"description", "id"}, About: "what groups and people are given, with scopes"},
	{Name: "groups", One: "group", Path: "/domains/{domain}/groups", Keys: []string{"name"}, Columns: []string{"description", "id"}, About: "people together"},
	{Name: "policies", One: "policy", Path: "/domains/{domain}/policies", Keys: []string{"name"}, Columns: []string{"type", "situational", "id"}, About: "conditions on who may use an application"},
	{Name: "claim-mappings", One: "claim-mapping", Path: "/domains/{domain}/claim-mappings", Keys: []string{"name"}, Columns: []string{"scope", "enabled", "default", "id"}, About: "claims in tokens"},
	{Name: "application-groups", One: "application-group", Path: "/domains/{domain}/application-groups", Keys: []string{"name"}, Columns: []string{"order", "id"}, About: "headings in the portal"},
	{Name: "applications", One: "application", Aliases: []string{"apps", "app"}, Path: "/domains/{domain}/applications", Shown: []string{"settings.oauth.clientSecret"}, Keys: []string{"name", "clientId", "slug"}, Columns: []string{"type", "enabled", "clientId", "id"}, About: "clients, and what people open"},
	{Name: "providers", One: "provider", Path: "/domains/{domain}/providers", Shown: []string{"configuration.clientSecret"}, Keys: []string{"name"}, Columns: []string{"type", "assigned", "id"}, About: "how an application speaks, before it is given one"},
	{Name: "flows", One: "flow", Path: "/domains/{domain}/flows", Keys: []string{"name", "type"}, Columns: []string{"type", "enabled", "order", "id"}, About: "what happens at the points of a login"},
	{Name: "forms", One: "form", Path: "/domains/{domain}/forms", Keys: []string{"template"}, Columns: []string{"enabled", "id"}, About: "pages that replace the product's own"},
	{Name: "emails", One: "email", Path: "/domains/{domain}/emails", Keys: []string{"template"}, Columns: []string{"enabled", "subject", "id"}, About: "e-mails that replace the product's own"},
	{Name: "registration-tokens", One: "registration-token", Path: "/domains/{domain}/registration-tokens", Shown: []string{"token"}, Keys: []string{"name"}, Columns: []string{"status", "used", "quota", "expiresAt", "id"}, About: "initial access tokens for dynamic registration"},
	{Name: "registrations", One: "registration", Path: "/domains/{domain}/registrations", Keys: []string{"name", "clientId"}, Columns: []string{"clientId", "lastUsedAt", "id"}, About: "clients that registered themselves"},
	{Name: "members", One: "member", Path: "/domains/{domain}/members", Keys: []string{"memberName", "memberId"}, Columns: []string{"roleName", "memberType", "id"}, About: "operators with a role in a domain"},
	{Name: "users", One: "user", Path: "/domains/{domain}/users", Keys: []string{"username", "email"}, Columns: []string{"displayName", "email", "enabled", "id"}, About: "people"},

	{Name: "bindings", One: "binding", Path: "/domains/{domain}/applications/{application}/bindings", Keys: []string{"name"}, References: map[string]string{"group": "groups", "user": "users", "policy": "policies"}, Columns: []string{"group", "user", "policy", "enabled", "effect", "id"}, About: "who may use an application"},
	{Name: "access", One: "access-rule", Singleton: true, Path: "/domains/{domain}/applications/{application}/access", Columns: []string{"mode", "open", "sentence"}, About: "how the bindings of an application decide together"},
	{Name: "entitlements", One: "entitlement", Path: "/domains/{domain}/applications/{application}/entitlements", Keys: []string{"name"}, Columns: []string{"description", "id"}, About: "named rights inside an application"},
	{Name: "entitlement-bindings", One: "entitlement-binding", Path: "/domains/{domain}/applications/{application}/entitlements/{entitlement}/bindings", Keys: []string{"name"}, References: map[string]string{"group": "groups", "user": "users"}, Columns: []string{"group", "user", "enabled", "id"}, About: "who has an entitlement"},
	{Name: "secrets", One: "secret", Path: "/domains/{domain}/applications/{application}/secrets", Shown: []string{"secret"}, Keys: []string{"name"}, Columns: []string{"expiresAt", "lastUsedAt", "id"}, About: "client secrets; a value is shown when it is made"},
	{Name: "application-flows", One: "application-flow", Path: "/domains/{domain}/applications/{application}/flows", Keys: []string{"name", "type"}, Columns: []string{"type", "enabled", "order", "id"}, About: "flows of one application"},
	{Name: "application-forms", One: "application-form", Path: "/domains/{domain}/applications/{application}/forms", Keys: []string{"template"}, Columns: []string{"enabled", "id"}, About: "pages of one application"},
	{Name: "application-emails", One: "application-email", Path: "/domains/{domain}/applications/{application}/emails", Keys: []string{"template"}, Columns: []string{"enabled", "subject", "id"}, About: "e-mails of one application"},
	{Name: "application-members", One: "application-member", Path: "/domains/{domain}/applications/{application}/members", Keys: []string{"memberName", "memberId"}, Columns: []string{"roleName", "memberType", "id"}, About: "operators with a role in an application"},

	{Name: "group-members", One: "group-member", Path: "/domains/{domain}/groups/{group}/members", Keys: []string{"username"}, Columns: []string{"displayName", "email", "id"}, About: "people in a group"},
	{Name: "consents", One: "consent", Path: "/domains/{domain}/users/{user}/consents", Keys: []string{"clientId"}, Columns: []string{"scope", "status", "expiresAt", "id"}, About: "what a person allowed clients"},
	{Name: "user-identities", One: "user-identity", Path: "/domains/{domain}/users/{user}/identities", Keys: []string{"username", "providerName"}, Columns: []string{"providerName", "id"}, About: "identities of providers that a person signs in with"},

	{Name: "organization-roles", One: "organization-role", Aliases: []string{"operator-roles", "operator-role"}, Path: "/organizations/{organization}/roles", Keys: []string{"name"}, Columns: []string{"assignableType", "system", "id"}, About: "roles of operators"},
	{Name: "operators", One: "operator", Path: "/organizations/{organization}/users", Keys: []string{"username", "email"}, Columns: []string{"email", "enabled", "serviceAccount", "id"}, About: "people and programs that administer"},
	{Name: "operator-tokens", One: "operator-token", Path: "/organizations/{organization}/users/{user}/tokens", Shown: []string{"token"}, Keys: []string{"name"}, Columns: []string{"expiresAt", "lastUsedAt", "tokenId"}, About: "tokens of service accounts"},
	{Name: "organization-members", One: "organization-member", Path: "/organizations/{organization}/members", Keys: []string{"memberName", "memberId"}, Columns: []string{"roleName", "memberType", "id"}, About: "operators with a role in the organization"},
	{Name: "environment-members", One: "environment-member", Path: "/organizations/{organization}/environments/{environment}/members", Keys: []string{"memberName", "memberId"}, Columns: []string{"roleName", "memberType", "id"}, About: "operators with a role in the environment"},
	{Name: "token-keys", One: "token-key", Path: "/organizations/{organization}/token-keys", Keys: []string{"kid"}, Columns: []string{"createdAt", "expiresAt"}, About: "keys that sign operators' tokens"},
	{Name: "organizations", One: "organization", Path: "/organizations", Keys: []string{"name"}, Columns: []string{"id"}, About: "what everything belongs to"},
	{Name: "environments", One: "environment", Path: "/organizations/{organization}/environments", Keys: []string{"name"}, Columns: []string{"id"}, About: "where domains are made"},
}

// Elsewhere are collections of the document that are no kinds, and why.
var Elsewhere = map[string]string{
	"/domains/_hrid":                       "another name of a domain; names are looked up with it",
	"/domains/{domain}/applications/_slug": "another name of an application; names are looked up with it",
	"/domains/{domain}/clients":            "another name of applications",
	"/domains/{domain}/audits":             "gatehousectl audit",
	"/organizations/{organization}/audits": "gatehousectl audit",
	"/domains/{domain}/users/{user}/roles": "the member roles of a user",
	"/platform/plugins/certificates":       "descriptions of the product, not of an installation",
	"/platform/plugins/identities":         "descriptions of the product, not of an installation",
}

func init() {
	for _, k := range All {
		k.Operations = operations[k.Path]
	}
}
