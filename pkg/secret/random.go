package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"

	"github.com/google/uuid"
)

// tokenBytes is the size of a token before encoding: 256 random bits.
const tokenBytes = 32

// NewID returns a random identifier with 122 random bits (UUID version 4, 36 unreserved characters). It is unique
// for practical purposes and may be shown; a credential is a NewToken.
func NewID() string { return uuid.Must(uuid.NewRandom()).String() }

// IsID reports whether a text has the form of what NewID and NewSortableID return: a UUID of any version in lower case.
func IsID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}

// NewSortableID returns an identifier whose text sorts by the time it was made, to the millisecond, and within one
// process strictly (UUID version 7, 36 unreserved characters).
func NewSortableID() string { return uuid.Must(uuid.NewV7()).String() }

// NewToken returns 256 random bits as 43 characters of base64url without padding.
func NewToken() string {
	var b [tokenBytes]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewKey returns 32 random bytes, a key for sealing or for an HMAC.
func NewKey() []byte {
	b := make([]byte, tokenBytes)
	rand.Read(b)
	return b
}

// HashToken returns the SHA-256 of a token as 43 characters of base64url without padding. It is meant for values of
// high entropy, such as those of NewToken, where an unsalted hash is sufficient to find and check them.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Equal compares two secrets in constant time. Only the lengths may show.
func Equal(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// NewClientSecret returns 256 random bits as 64 hexadecimal characters. A client secret may serve as an HMAC key, and
// that must have as many bytes as the hash: 64 for HS512 (RFC 7518 §3.2).
func NewClientSecret() string { return hex.EncodeToString(NewKey()) }
