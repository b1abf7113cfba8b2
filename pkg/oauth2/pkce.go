package oauth2

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// ChallengeMethod is a value of code_challenge_method.
type ChallengeMethod string

// The PKCE methods (RFC 7636 §4.2).
const (
	ChallengePlain ChallengeMethod = "plain"
	ChallengeS256  ChallengeMethod = "S256"
)

// The lengths of verifiers and challenges in characters (RFC 7636 §4.1, §4.2).
const (
	minVerifier = 43
	maxVerifier = 128
)

// ParseChallengeMethod returns the method with this name; an empty name is plain (RFC 7636 §4.3).
func ParseChallengeMethod(s string) (ChallengeMethod, bool) {
	switch m := ChallengeMethod(s); m {
	case "":
		return ChallengePlain, true
	case ChallengePlain, ChallengeS256:
		return m, true
	}
	return "", false
}

// ValidChallenge reports whether s has the form of a code challenge: 43 to 128 unreserved characters (RFC 7636 §4.2).
func ValidChallenge(s string) bool { return validVerifier(s) }

// ValidVerifier reports whether s has the form of a code verifier: 43 to 128 unreserved characters (RFC 7636 §4.1).
func ValidVerifier(s string) bool { return validVerifier(s) }

func validVerifier(s string) bool {
	if len(s) < minVerifier || len(s) > maxVerifier {
		return false
	}
	for i := range len(s) {
		if !unreserved(s[i]) {
			return false
		}
	}
	return true
}

func unreserved(c byte) bool {
	switch {
	case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '.' || c == '_' || c == '~'
}

// Challenge returns the S256 challenge of a verifier (RFC 7636 §4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Verify checks a PKCE verifier against the challenge of the authorization request (RFC 7636 §4.6).
// An empty challenge accepts only an empty verifier, so a client cannot smuggle one in afterwards (RFC 9700 §2.1.1).
// The comparison takes constant time. The error's code is invalid_request for a missing or malformed verifier and
// invalid_grant for a wrong one.
func Verify(method ChallengeMethod, challenge, verifier string) error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return InvalidGrant.Errorf("Invalid code_verifier")
	case verifier == "":
		return InvalidRequest.Errorf("Missing parameter: code_verifier")
	case !ValidVerifier(verifier):
		return InvalidRequest.Errorf("Invalid parameter: code_verifier")
	}
	got := verifier
	switch method {
	case ChallengeS256:
		got = Challenge(verifier)
	case ChallengePlain, "":
	default:
		return InvalidGrant.Errorf("Invalid code_verifier")
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(challenge)) != 1 {
		return InvalidGrant.Errorf("Invalid code_verifier")
	}
	return nil
}
