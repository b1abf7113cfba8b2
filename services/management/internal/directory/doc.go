// Package directory keeps a domain's people: their accounts and passwords, the identities that providers assert, what
// they consented to, and who is in which group. Gateways reach it over gRPC, administrators over REST.
//
//	Authenticate  name and password → identity      people of the directory itself
//	SignIn        identity → user                   everybody; made on first sight, each login is counted
//	Consents      user and client → decisions
//	Standing      groups and roles → what they come to
//	Import        lines → users, as a stream
//
// People go with their domain, decisions with the person, the client or the scope; the editor and the store see to that.
// A person outlives the identity provider they came from, and cannot sign in without it.
package directory
