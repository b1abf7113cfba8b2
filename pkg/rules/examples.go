package rules

// examples show what is said at each place. Every one of them compiles there.
var examples = map[Place][]Example{
	SelectionRule: {
		{`login.lowerAscii().endsWith("@acme.example")`, "an e-mail domain, in any case"},
		{`request.params["username"][0].matches("^user$")`, "exactly this name; matches finds, so it is anchored"},
		{`"tenant" in request.params && request.params["tenant"][0] == "blue"`, "a parameter that may be missing"},
		{`"x-zone" in request.headers && "intranet" in request.headers["x-zone"]`, "a header set by the front"},
		{`identityProvider.domainWhitelist.exists(d, login.endsWith("@" + d))`, "the provider's own white list"},
		{`context.attributes["partner"] == "north"`, "decided by a flow"},
		{`client.metadata["region"] == "eu"`, "one kind of application"},
		{`isIP(request.ip) && cidr("10.0.0.0/8").containsIP(request.ip)`, "people in one network"},
		{`true`, "always"},
	},
	Claim: {
		{`{#context.attributes['user']['email']}`, "what the login knows"},
		{`{#user.additionalInformation['dept']}`, "what the directory knows"},
		{`{#client.name}/{#user.username}`, "text made of parts"},
		{`gold`, "always this text"},
	},
	RedirectParam: {
		{`{#user.username}`, "who has signed in"},
		{`{#context.domain.name}`, "the name of the domain"},
	},
	FlowCondition: {
		{`request.ip.startsWith("10.")`, "people in one network"},
		{`"partner" in context.attributes`, "what an earlier step has set"},
		{`client.clientId == "portal"`, "one application"},
	},
	FlowValue: {
		{`login.split("@")[1]`, "the e-mail domain that was typed"},
		{`"north"`, "always this text"},
		{`{"country": "de", "roles": ["a"]}`, "a value made of parts"},
	},
	FlowText: {
		{`Access is closed to {#login}.`, "text with a value in it"},
	},
	Mapper: {
		{`profile.given_name + " " + profile.family_name`, "a name made of two claims"},
		{`profile.?nickname.orValue(profile.sub)`, "a claim that may be missing"},
	},
	MapperCondition: {
		{`"admins" in profile.groups`, "who is in a group at the provider"},
		{`profile.email.endsWith("@acme.example")`, "an e-mail domain"},
	},
	FlowResponse: {
		{`response.status == 200`, "whether the site agreed"},
		{`response.json.partner`, "a member of its answer"},
		{`response.headers["x-partner"][0]`, "a header of its answer"},
	},
	ProviderRequest: {
		{`https://people.example.com/check`, "always this address"},
		{`{"name": "{#login}", "password": "{#password}"}`, "a body with what was typed"},
	},
	AccessPolicy: {
		{`"ops" in user.groups && cidr("10.0.0.0/8").containsIP(request.ip)`, "a group, in the office network"},
		{`inWindow(now, "Europe/Zurich", ["mon,tue,wed,thu,fri 08:00-19:00"])`, "office hours"},
		{`user.attributes[?"level"].orValue(0) >= 3`, "an attribute that may be missing"},
		{`auth.time > now - duration("1h")`, "who signed in within the last hour"},
		{`entitlementsOf("payroll").exists(e, e.name == "approver")`, "an entitlement in another application"},
	},
	ClaimMapping: {
		{`{"limit": entitlementAttributes[?"limit"].orValue(0)}`, "one attribute of the entitlements"},
		{`{"tier": entitlements.exists(e, e.name == "admin") ? "admin" : "user"}`, "a role in the application's words"},
		{`deepMerge(user.mergedAttributes, {"source": "gatehouse"})`, "all attributes, and one more"},
		{`{"account": regexReplace(user.username, "@.*$", "")}`, "a name without its domain"},
	},
	ProviderAnswer: {
		{`response.status == 401`, "the site refuses somebody"},
		{`response.json.blocked == true`, "a member of its answer says so"},
	},
}
