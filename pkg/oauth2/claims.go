package oauth2

// ClaimSealed is the claim of our access tokens that only the gateways of the domain can read.
const ClaimSealed = "sealed"

// ReservedClaim reports whether no custom claim of a token may have this name: the claims that the protocols check
// (RFC 7519 §4.1, RFC 7800, RFC 8693, RFC 9068, OpenID Connect Core §2), and those that introspection adds to a token's
// own (RFC 7662 §2.2). The claim aud is not among them: a custom aud adds audiences to the client's own.
func ReservedClaim(name string) bool {
	switch name {
	case "iss", "sub", "exp", "nbf", "iat", "jti", "scope", "client_id", "domain", "gis",
		"cnf", "act", "may_act", "nonce", "auth_time", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "sid", "events",
		"active", "token_type", "username", ClaimSealed:
		return true
	}
	return false
}
