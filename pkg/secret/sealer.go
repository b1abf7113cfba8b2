package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of a Sealer. None of them tells what was sealed.
var (
	// ErrSealed says that a value cannot be opened: it was changed, was sealed for another place, or is no sealed value.
	ErrSealed = errors.New("the sealed value cannot be opened")
	// ErrUnknownKey says that a value was sealed under a key that the keyring does not hold.
	ErrUnknownKey = errors.New("the sealing key of the value is not in the keyring")
)

// sealedPrefix begins every sealed value.
const sealedPrefix = "sealed:v1:"

// sealingKeyBytes is the size of a sealing key: AES-256.
const sealingKeyBytes = 32

// Sealer encrypts secrets that must be kept readable, with AES-256-GCM under a ring of keys: the first key seals, all
// of them open, so a key is replaced by putting a new one in front and sealing anew at leisure.
//
// A sealed value is the text sealed:v1:<key id>:<base64url of nonce and ciphertext>. It opens only at the place it
// was sealed for. Nonces are random 96 bits, which is safe for 2³² values under one key (NIST SP 800-38D §8.3).
// A Sealer is safe for concurrent use.
type Sealer struct {
	first string
	// ids are the keys in their order.
	ids  []string
	keys map[string]cipher.AEAD
	// root is the key that seals; only Derive reads it.
	root []byte
}

// NewSealer returns a Sealer over keys of 32 bytes each, newest first. It needs at least one.
func NewSealer(keys ...[]byte) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("a sealer needs at least one key")
	}
	s := &Sealer{keys: make(map[string]cipher.AEAD, len(keys))}
	for i, key := range keys {
		if len(key) != sealingKeyBytes {
			return nil, fmt.Errorf("sealing key %d has %d bytes instead of %d", i+1, len(key), sealingKeyBytes)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("sealing key %d: %w", i+1, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("sealing key %d: %w", i+1, err)
		}
		id := keyID(key)
		if _, twice := s.keys[id]; twice {
			return nil, fmt.Errorf("sealing key %d stands twice in the keyring", i+1)
		}
		s.keys[id] = aead
		s.ids = append(s.ids, id)
		if i == 0 {
			s.first, s.root = id, slices.Clone(key)
		}
	}
	return s, nil
}

// Derive returns 32 bytes that follow from the key that seals and from purpose, and from which neither can be found
// (HKDF-SHA256, RFC 5869): a key for another use that every replica with the same keyring has. It changes when a new
// sealing key is put in front.
func (s *Sealer) Derive(purpose string) []byte {
	derived, err := hkdf.Key(sha256.New, s.root, nil, "gatehouse "+purpose, sealingKeyBytes)
	if err != nil {
		panic("secret: " + err.Error()) // only for more than 255 hashes of output
	}
	return derived
}

// keyID names a key without revealing it: 72 bits of a hash under a fixed prefix.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("gatehouse sealing key id\x00"), key...))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// KeyID returns the identifier of the key that seals.
func (s *Sealer) KeyID() string { return s.first }

// Keys returns the identifiers of all keys, in their order: the first one seals, all of them open.
func (s *Sealer) Keys() []string { return slices.Clone(s.ids) }

// Seal encrypts plain for a place, such as the kind and the identifier of the resource that holds it. The same place
// must be named to open it.
func (s *Sealer) Seal(place string, plain []byte) string {
	sealed := s.keys[s.first].Seal(nil, nil, plain, []byte(place))
	return sealedPrefix + s.first + ":" + base64.RawURLEncoding.EncodeToString(sealed)
}

// SealText is Seal for a text.
func (s *Sealer) SealText(place, plain string) string { return s.Seal(place, []byte(plain)) }

// Open returns what was sealed for the place. It returns ErrUnknownKey or ErrSealed.
func (s *Sealer) Open(place, sealed string) ([]byte, error) {
	id, data, ok := splitSealed(sealed)
	if !ok {
		return nil, ErrSealed
	}
	aead, ok := s.keys[id]
	if !ok {
		return nil, fmt.Errorf("%w: key %s", ErrUnknownKey, id)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(data)
	if err != nil {
		return nil, ErrSealed
	}
	plain, err := aead.Open(nil, nil, raw, []byte(place))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// OpenText is Open for a text.
func (s *Sealer) OpenText(place, sealed string) (string, error) {
	plain, err := s.Open(place, sealed)
	return string(plain), err
}

// Current reports whether the value was sealed under the key that seals now. One that was not should be opened and
// sealed again before its key leaves the ring.
func (s *Sealer) Current(sealed string) bool {
	id, _, ok := splitSealed(sealed)
	return ok && id == s.first
}

// SealedBy returns the identifier of the key under which a value was sealed, and "" for what has not the form of a sealed value.
func SealedBy(s string) string {
	id, _, _ := splitSealed(s)
	return id
}

// SealedPrefix begins every sealed value.
const SealedPrefix = sealedPrefix

// IsSealed reports whether s has the form of a sealed value.
func IsSealed(s string) bool {
	_, _, ok := splitSealed(s)
	return ok
}

func splitSealed(s string) (id, data string, ok bool) {
	rest, ok := strings.CutPrefix(s, sealedPrefix)
	if !ok {
		return "", "", false
	}
	id, data, ok = strings.Cut(rest, ":")
	if !ok || len(id) != 12 || strings.ContainsFunc(id, func(r rune) bool { return r > 0x7e || r <= ' ' }) {
		return "", "", false
	}
	return id, data, true
}
