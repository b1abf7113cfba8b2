package idp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest name and password in bytes that are anybody's.
const (
	MaxUsername = 512
	MaxPassword = 1024
)

// Plausible reports whether a name and a password can be anybody's. What is empty, too long, not UTF-8 or has control
// characters in its name is refused by providers that hand it on, before they do: an empty password in particular is a valid
// request to an LDAP server, which authenticates nobody and succeeds (RFC 4513 §5.1.2).
func (c Credentials) Plausible() bool {
	return c.Username != "" && len(c.Username) <= MaxUsername && utf8.ValidString(c.Username) &&
		!strings.ContainsFunc(c.Username, unicode.IsControl) &&
		c.Password != "" && len(c.Password) <= MaxPassword && utf8.ValidString(c.Password) && !strings.ContainsRune(c.Password, 0)
}
