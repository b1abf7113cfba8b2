package pagetext

import (
	"embed"
	"fmt"
	"slices"
)

//go:embed templates
var files embed.FS

func text(name, doc, sample string) Member {
	return Member{Name: name, Type: String, Doc: doc, sample: sample}
}
func link(name, doc, sample string) Member {
	return Member{Name: name, Type: Link, Doc: doc, sample: sample}
}
func integer(name, doc string, sample int64) Member {
	return Member{Name: name, Type: Number, Doc: doc, sample: sample}
}
func truth(name, doc string, sample bool) Member {
	return Member{Name: name, Type: Truth, Doc: doc, sample: sample}
}
func group(name, doc string, members ...Member) Member {
	return Member{Name: name, Type: Group, Doc: doc, Members: members}
}
func list(name, doc string, sample []map[string]any, members ...Member) Member {
	return Member{Name: name, Type: List, Doc: doc, Members: members, sample: sample}
}

var (
	theDomain      = group("domain", "The security domain.", text("name", "Its name.", "Acme"))
	theApplication = group("application", "The application that asks.",
		text("name", "Its name.", "Example App"),
		text("clientId", "Its client_id.", "example-app"),
		link("logoUri", "Its logo.", "https://app.example.com/logo.png"),
		link("policyUri", "Its privacy policy.", "https://app.example.com/privacy"),
		link("tosUri", "Its terms of service.", "https://app.example.com/terms"))
	tongue   = text("language", "The language to speak: what the application or the browser asks for, of en, de, fr, es and it.", "en")
	message  = text("message", "What went wrong before; empty where nothing did.", "Invalid or unknown user")
	action   = link("action", "Where the form is sent to.", "https://auth.example.com/acme/login?client_id=example-app")
	token    = text("token", "The value of the hidden input X-XSRF-TOKEN, without which a form is not accepted.", "sample-token")
	username = text("username", "The name of the person, where known.", "ann")
	ticket   = text("ticket", "The value of the hidden input token: it stands for the link of the e-mail.", "sample-ticket")
	toSignIn = link("back", "The sign-in page that the person came from; empty where there is none.", "https://auth.example.com/acme/login?client_id=example-app")
	factors  = list("factors", "The second factors to choose from.", []map[string]any{{"id": "otp", "name": "Authenticator app"}},
		text("id", "The value of the input factor.", ""), text("name", "Its name.", ""))
)

// form are the members that every page with a form has.
func form(more ...Member) []Member {
	return append([]Member{theDomain, theApplication, tongue, action, token, message}, more...)
}

// pages are the vocabularies of pages, in the order of their documentation.
var pages = []*Vocabulary{
	page("login", "login", form(username,
		text("current", "Who is signed in already, where the person may go on as them.", "ann"),
		link("back", "Where another name can be given; empty where the name was not asked for before.", "https://auth.example.com/acme/login/identifier"),
		link("forgotPassword", "Where a new password can be chosen; empty where that is switched off.", "https://auth.example.com/acme/forgotPassword"),
		link("register", "Where an account can be made; empty where that is switched off.", "https://auth.example.com/acme/register"),
		truth("remember", "Whether the person may ask to be remembered, by the input rememberMe.", true),
		truth("hideForm", "Whether only the providers are to be shown.", false),
		list("providers", "The sites where people can sign in instead.", []map[string]any{
			{"id": "partner", "name": "Partner", "type": "oauth2-generic-am-idp", "url": "https://partner.example.com/authorize"},
		}, text("id", "Its identifier.", ""), text("name", "Its name.", ""), text("type", "Its type.", ""), link("url", "Where it signs people in.", "")))...),
	page("identifier_first_login", "identifier", form(username)...),
	page("oauth2_user_consent", "consent", form(username,
		truth("choice", "Whether the person approves scopes one by one.", true),
		list("scopes", "What the application asks for.", []map[string]any{
			{"key": "openid", "name": "OpenID", "description": "Sign in", "required": true},
			{"key": "email", "name": "Email", "description": "Access to the email address of the user", "required": false},
		}, text("key", "The input is called scope. and this key.", ""), text("name", "Its name.", ""),
			text("description", "What it gives access to.", ""), truth("required", "Whether it cannot be left out.", false)))...),
	page("error", "error", theDomain, theApplication, tongue,
		text("title", "The headline.", "This request cannot be completed"),
		text("code", "The error code of OAuth 2.0.", "invalid_request"),
		text("description", "What is wrong, for the developer of the application.", "Missing parameter: client_id"),
		text("advice", "What the person can do.", "Go back to the application and try again."),
		text("requestId", "The identifier of the request in logs.", "sample-request")),
	page("registration", "registration", form(
		text("firstName", "What was entered before.", "Ann"), text("lastName", "What was entered before.", "Example"),
		text("email", "What was entered before.", "ann@example.com"), username, toSignIn)...),
	page("registration_confirmation", "password", form(username, ticket)...),
	page("forgot_password", "forgot", form(
		text("email", "What was entered before: an address or a name.", "ann@example.com"), toSignIn,
		truth("sent", "Whether a message was sent.", false))...),
	page("reset_password", "password", form(username, ticket)...),
	page("blocked_account", "password", form(username, ticket)...),
	page("mfa_enroll", "factors", form(username, factors)...),
	page("mfa_challenge", "code", form(username, factors)...),
	page("mfa_challenge_alternatives", "factors", form(username, factors)...),
	page("mfa_recovery_code", "codes", form(username, Member{
		Name: "codes", Type: List, Doc: "The codes to be written down.", sample: []string{"k3f9-2mqa", "x7td-90pz"},
	})...),
	page("webauthn_register", "continue", form(username)...),
	page("webauthn_register_success", "continue", form(username)...),
	page("webauthn_login", "continue", form(username)...),
}

// Page returns the vocabulary of the page with a template's name, such as "login", or nil.
func Page(name string) *Vocabulary { return named(pages, name) }

func named(all []*Vocabulary, name string) *Vocabulary {
	for _, v := range all {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// Pages returns the vocabularies of pages there are.
func Pages() []*Vocabulary { return slices.Clone(pages) }

func page(name, file string, members ...Member) *Vocabulary {
	return &Vocabulary{Name: name, Members: members, standard: standard("page-" + file)}
}

// standard reads one of the product's own texts.
func standard(file string) string {
	content, err := files.ReadFile("templates/" + file + ".html")
	if err != nil {
		panic(fmt.Sprintf("pagetext: %v", err)) // a file of the program is missing
	}
	return string(content)
}
