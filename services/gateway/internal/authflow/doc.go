// Package authflow serves the pages that an authorization request passes through: sign-in, consent, and the page that
// tells a person about an error.
//
//	/login/identifier   the name, where the application asks for it first ──▶ /login
//	/login              name and password ──▶ /oauth/authorize
//	/login/provider/ID  a button: away to another site ──▶ /login/callback ──▶ /oauth/authorize, or back with an error
//	/oauth/consent      approval of scopes ──▶ /oauth/authorize, or to the client with access_denied
//	/oauth/error        an error that cannot go to a client
//
// A sign-in for a device goes back to /device instead (browser.Return).
//
// Where the settings say so, the sign-in page leads to the pages of package accounts, which come back in the same ways. A step that
// asks for a second factor belongs between the password and admission.Door.Admit: in login, and nowhere else that ends at the
// door, if the factor is to be asked for after links of e-mails too.
//
// The request travels in the query of these URLs. None of the pages decides what comes next: they go back to
// /oauth/authorize, which asks authorization.Next.
package authflow
