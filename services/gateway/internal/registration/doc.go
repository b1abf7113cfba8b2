// Package registration lets clients register themselves, and manage their registration (RFC 7591, RFC 7592).
//
//	POST   /oidc/register                           register: anybody if registration is open, else a token with dcr_admin or an
//	                                                initial access token
//	GET    /oidc/register/{client_id}               read: the client's registration access token, or dcr_admin
//	PUT    /oidc/register/{client_id}               overwrite all metadata: the same
//	PATCH  /oidc/register/{client_id}               change some of them, null takes one away: the same
//	POST   /oidc/register/{client_id}/renew_secret  a new secret: the same
//	DELETE /oidc/register/{client_id}               delete: the same
//	GET    /oidc/register_templates                 what can be registered a copy of, for everybody
//
// A registration goes through four steps: who asks (access.go), what the body says (pkg/clientmeta), the domain's rules in
// their order (rules.go), and one call to management, which applies the rules that all applications share, chooses
// identifiers and secrets and keeps their hashes. The gateway that registered a client serves it in the next request.
//
// A client that is disabled serves nobody and is there for administrators, who may read and delete it; one that waits for approval may do
// so itself.
//
// With the header Idempotency-Key, a registration whose answer was lost can be asked for again and makes one client.
//
// A software statement is verified when it is sent; what one claimed that was accepted is held in every change after that (stated.go).
//
// A change is made from the client as this gateway knows it. If management knows a newer one, the gateway learns it and
// begins again, with the question whether the caller may. Every change ends the registration access token before it.
package registration
