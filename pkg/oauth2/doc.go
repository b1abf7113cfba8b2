// Package oauth2 provides the vocabulary of OAuth 2.0 and OpenID Connect: error codes, grant and response types,
// client authentication methods, prompts, scopes, PKCE and request parameters. It performs no I/O.
package oauth2
