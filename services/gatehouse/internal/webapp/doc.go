// Package webapp is the demonstration's web application: an ordinary OpenID Connect client in its simplest form. A person
// signs in, sees what the tokens say, refreshes them and signs out.
//
//	GET  /          who is signed in, and the claims; or how to begin
//	GET  /login     to the authorization endpoint, with state, nonce and PKCE
//	GET  /callback  back from there: code for tokens, ID token checked
//	POST /refresh   new tokens for the refresh token
//	POST /logout    forgets the tokens and signs out at the gateway too
package webapp
