// Package operator decides who may call the management API, and what they may do where: operators sign in with name and
// password and receive a signed bearer token, or send a token of their own making, and are looked up again at every request.
//
//	POST /management/auth/token ──▶ SignIn ──▶ throttle · password ──▶ token (JWT of management's own key)
//	every other request         ──▶ Authenticate ──▶ signature · expiry · revoked? · operator still in order? ──▶ Operator
//	                            ──▶ At ──▶ roles at the place of the request ──▶ Permissions
//
// A role is a set of permissions, and a membership gives an operator a role at a place: the organization, an environment, a
// domain or an application. It holds there and everywhere below. permissions.go is the one table of what there is to be
// permitted and of the roles that are built in.
//
// What an operator may do follows from what is stored, never from the token, so a change counts from the next request on.
// Nobody can give away more than they have, act on somebody who has more, or take away the last owner.
package operator
