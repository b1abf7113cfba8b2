// Package registration lets clients register themselves, and read and delete their registration (RFC 7591, RFC 7592).
//
//	POST   /oidc/register              register: anybody if registration is open, else a token with dcr_admin
//	GET    /oidc/register/{client_id}  read: the client's registration access token, or dcr_admin
//	DELETE /oidc/register/{client_id}  delete: the same
//
// A registration goes through four steps: who asks (access.go), what the body says (pkg/clientmeta), the domain's rules in
// their order (rules.go), and one call to management, which applies the rules that all applications share, chooses
// identifiers and secrets and keeps their hashes. The gateway that registered a client serves it in the next request.
package registration
