// Package outbound is the one way out: it fetches addresses that a client, a token or a person can influence, such as a
// jwks_uri, and must not be led by them to places that only this machine can reach.
//
//	URL ── https, or http where allowed ──▶ slot of its host ──▶ name resolved ──▶ each address checked as it is
//	connected to ──▶ TLS ──▶ answer within size and time; a redirect begins anew
//
// The address is checked on the socket, after every resolution of names, so a second answer of DNS changes nothing. A proxy
// of the environment is not used, cookies and credentials are neither kept nor sent.
package outbound
