// Package accounts serves the pages by which people make an account, choose a password by the link of an e-mail, and see and end
// their sessions.
//
//	/register              what is asked of a new person ──▶ e-mail registration_verify
//	/forgotPassword        name or address ──▶ e-mail forgot_password
//	/confirmRegistration   the link of registration_verify (the password once more) and registration_confirmation (a first password)
//	/resetPassword         the link of forgot_password, reset_password and blocked_account (another password)
//	/account/sessions      where somebody is signed in
//
// All of them belong to an application, whose authorization request travels in their query and in the ticket of an e-mail, or to
// none. The first two exist where the application's settings, or without one the domain's, switch them on.
//
// A GET of a link uses nothing up: mail scanners follow links. The secret of a link is in the query of that one GET and in the
// body of the post after it, and in nothing that is logged; pages have no content of others and send no referrer.
//
// Nobody is told whether a name or an address has an account: the answers of /register and /forgotPassword are the same, and
// what tells is sent to the mailbox.
//
// Somebody whom a link signs in has shown that they read the mailbox, and nothing else. The session says so: no method of
// authentication (amr), and the class urn:gatehouse:acr:email.
package accounts
