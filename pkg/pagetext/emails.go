package pagetext

import "slices"

var (
	user = group("user", "Who receives the message.",
		text("username", "Their name at sign-in.", "ann"), text("firstName", "Their first name.", "Ann"),
		text("lastName", "Their last name.", "Example"), text("email", "Their address.", "ann@example.com"))
	url = link("url", "The link that carries on. It can be used once.", "https://auth.example.com/acme/resetPassword?token=sample")
	// expiresAfter is in seconds, as {{duration .expiresAfter}} takes it.
	expiresAfter = integer("expiresAfter", "The seconds for which the link or code can be used.", 86400)
	code         = text("code", "The code that the person enters.", "482913")
	expiresAt    = integer("expiresAt", "When it ends, in milliseconds since 1970.", 1893456000000)
)

// emails are the vocabularies of e-mails, in the order of their documentation.
var emails = []*Vocabulary{
	linked("registration_confirmation", url, expiresAfter),
	linked("registration_verify", url, expiresAfter),
	linked("forgot_password", url, expiresAfter),
	linked("reset_password", url, expiresAfter),
	linked("blocked_account", url, expiresAfter),
	email("certificate_expiration", "expiry", "A certificate of {{.domain.name}} ends",
		text("name", "The name of the certificate.", "Signing key"), expiresAt),
	email("client_secret_expiration", "expiry", "A client secret of {{.application.name}} ends",
		text("name", "The name of the secret.", "Default"), expiresAt),
	email("mfa_challenge", "code", "{{.code}} is your code for {{.domain.name}}", code, expiresAfter),
	email("verify_attempt", "notice", "Somebody tried to enter codes for your account at {{.domain.name}}",
		integer("attempts", "How often a wrong code was entered.", 5)),
	linked("magic_link", url, expiresAfter),
	linked("registration_taken",
		link("url", "Where a new password, or another name, can be chosen.", "https://auth.example.com/acme/forgotPassword"),
		truth("existing", "Whether there is an account with the address; otherwise the name belongs to somebody else.", true)),
}

// Email returns the vocabulary of the e-mail with a template's name, such as "forgot_password", or nil.
func Email(name string) *Vocabulary { return named(emails, name) }

// Emails returns the vocabularies of e-mails there are.
func Emails() []*Vocabulary { return slices.Clone(emails) }

// linked is an e-mail that is said in several languages.
func linked(name string, more ...Member) *Vocabulary {
	content, subject, ok := standardIn(name, languages[0])
	if !ok {
		panic("pagetext: no text of " + name) // a mistake of the program
	}
	return &Vocabulary{
		Name: name, Members: append([]Member{theDomain, theApplication, user}, more...), standard: content, subject: subject,
	}
}

func email(name, file, subject string, more ...Member) *Vocabulary {
	return &Vocabulary{
		Name:    name,
		Members: append([]Member{theDomain, theApplication, user}, more...), standard: standard("email-" + file), subject: subject,
	}
}
