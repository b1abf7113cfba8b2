package secret

import (
	"encoding/base64"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	sha256Prefix = "$sha256$"
	argonPrefix  = "$argon2id$"
)

// Limits of hashes that come from elsewhere. They keep a hostile or mistyped record from taking the machine's memory
// or time: a slot of a Hasher needs no more than 64 MiB (the second recommendation of RFC 9106 §4) and about half a second.
const (
	maxEncoded    = 512
	minMemory     = 8         // KiB per lane
	maxMemory     = 64 * 1024 // KiB
	maxTime       = 16
	maxThreads    = 16
	maxWork       = 256 * 1024 // KiB × passes
	minSalt       = 8
	maxSalt       = 64
	minKey        = 16
	maxKey        = 64
	maxBcryptCost = 12
)

type hashKind uint8

const (
	kindUnknown hashKind = iota
	kindSHA256
	kindArgon
	kindBcrypt
)

func kindOf(encoded string) hashKind {
	switch {
	case len(encoded) > maxEncoded:
		return kindUnknown
	case strings.HasPrefix(encoded, sha256Prefix):
		return kindSHA256
	case strings.HasPrefix(encoded, argonPrefix):
		return kindArgon
	case strings.HasPrefix(encoded, "$2a$"), strings.HasPrefix(encoded, "$2b$"), strings.HasPrefix(encoded, "$2y$"):
		return kindBcrypt
	}
	return kindUnknown
}

// Known reports whether Verify can read the encoded hash, for checking an import before it is stored.
func Known(encoded string) bool {
	switch kindOf(encoded) {
	case kindSHA256:
		_, err := verifyGenerated(encoded, "")
		return err == nil
	case kindArgon:
		_, _, _, err := decodeArgon(encoded)
		return err == nil
	case kindBcrypt:
		return knownBcrypt(encoded)
	}
	return false
}

// knownBcrypt checks $2x$NN$ and 53 characters of salt and hash.
func knownBcrypt(encoded string) bool {
	if len(encoded) != 60 || encoded[6] != '$' {
		return false
	}
	cost, err := strconv.Atoi(encoded[4:6])
	if err != nil || cost < 4 || cost > maxBcryptCost {
		return false
	}
	for i := 7; i < len(encoded); i++ {
		c := encoded[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '/') {
			return false
		}
	}
	return true
}

// argonParams are the cost parameters of argon2id; memory is in KiB.
type argonParams struct {
	memory  uint32
	time    uint32
	threads uint8
}

func (p argonParams) allowed() bool {
	return p.time >= 1 && p.time <= maxTime &&
		p.threads >= 1 && p.threads <= maxThreads &&
		p.memory >= minMemory*uint32(p.threads) && p.memory <= maxMemory &&
		p.memory*p.time <= maxWork
}

func encodeArgon(p argonParams, salt, key []byte) string {
	b := make([]byte, 0, 128)
	b = append(b, argonPrefix...)
	b = append(b, "v="...)
	b = strconv.AppendUint(b, argon2.Version, 10)
	b = append(b, "$m="...)
	b = strconv.AppendUint(b, uint64(p.memory), 10)
	b = append(b, ",t="...)
	b = strconv.AppendUint(b, uint64(p.time), 10)
	b = append(b, ",p="...)
	b = strconv.AppendUint(b, uint64(p.threads), 10)
	b = append(b, '$')
	b = base64.RawStdEncoding.AppendEncode(b, salt)
	b = append(b, '$')
	b = base64.RawStdEncoding.AppendEncode(b, key)
	return string(b)
}

// decodeArgon reads $argon2id$v=19$m=…,t=…,p=…$salt$key within the limits above.
func decodeArgon(encoded string) (p argonParams, salt, key []byte, err error) {
	bad := func() (argonParams, []byte, []byte, error) { return argonParams{}, nil, nil, ErrEncoding }
	if len(encoded) > maxEncoded {
		return bad()
	}
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" {
		return bad()
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return bad()
	}
	var n [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, found := strings.CutPrefix(costs[i], name)
		if !found {
			return bad()
		}
		if n[i], err = strconv.ParseUint(digits, 10, 24); err != nil {
			return bad()
		}
	}
	if n[1] > maxTime || n[2] > maxThreads {
		return bad()
	}
	p = argonParams{memory: uint32(n[0]), time: uint32(n[1]), threads: uint8(n[2])}
	if !p.allowed() {
		return bad()
	}
	if salt, err = decode64(parts[4]); err != nil || len(salt) < minSalt || len(salt) > maxSalt {
		return bad()
	}
	if key, err = decode64(parts[5]); err != nil || len(key) < minKey || len(key) > maxKey {
		return bad()
	}
	return p, salt, key, nil
}

// decode64 reads base64 without padding in the standard or the URL alphabet, as PHC strings and our own hashes use.
func decode64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.Strict().DecodeString(s)
	}
	return base64.RawStdEncoding.Strict().DecodeString(s)
}
