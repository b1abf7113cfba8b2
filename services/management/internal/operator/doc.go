// Package operator decides who may call the management API: operators sign in with name and password, receive a signed
// bearer token, and are looked up again at every request.
//
//	POST /management/auth/token ──▶ SignIn ──▶ throttle · password ──▶ token (JWT of management's own key)
//	every other request         ──▶ Authenticate ──▶ signature · expiry · revoked? · operator still enabled? ──▶ Operator
//
// What an operator may do follows from the stored operator, never from the token, so a change counts from the next
// request on.
package operator
