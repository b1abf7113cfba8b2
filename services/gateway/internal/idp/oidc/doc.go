// Package oidc signs people in at other sites: OpenID Providers (OpenID Connect Core §3.1), and OAuth 2.0 servers that tell
// who the owner of an access token is (RFC 6749 §4.1). The types of such sites that administrators choose from are packages
// beside it; each says in a [Site] where its endpoints are and what is special about it.
//
//	Begin   authorization URL with state, nonce, PKCE challenge
//	Finish  answer ── state, iss, error ──▶ code ──▶ token endpoint ──▶ ID token verified ──▶ UserInfo, same sub ──▶ Assertion
//
// All requests go by the guarded client, which may reach the hosts that the administrator wrote down. Metadata and keys are
// kept as long as their headers say, between five minutes and a day; keys are fetched again for one that is not among them, at
// most once in ten seconds.
package oidc
