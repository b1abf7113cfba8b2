package state

import "strings"

// A refresh token is <grant>.<family>.<token>. The family part proves that the presenter once held a token of this
// grant: only then may an old token revoke it. The grant's identifier alone, which access tokens carry in their jti,
// proves nothing.
type refreshToken struct{ grant, family, token string }

// The lengths of the parts in characters of base64url: 132, 132 and 256 bits of which 128, 132 and 256 are random.
const (
	partLength  = 22
	tokenLength = 43
)

func (t refreshToken) String() string { return t.grant + "." + t.family + "." + t.token }

func parseRefreshToken(s string) (refreshToken, bool) {
	if len(s) != partLength+1+partLength+1+tokenLength || s[partLength] != '.' || s[2*partLength+1] != '.' {
		return refreshToken{}, false
	}
	t := refreshToken{s[:partLength], s[partLength+1 : 2*partLength+1], s[2*partLength+2:]}
	return t, !strings.ContainsFunc(t.grant+t.family+t.token, outsideBase64URL)
}

// IsRefreshToken reports whether a token has the form of a refresh token. No JWT has it.
func IsRefreshToken(s string) bool {
	_, ok := parseRefreshToken(s)
	return ok
}

func outsideBase64URL(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
