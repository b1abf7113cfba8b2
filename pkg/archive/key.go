package archive

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Errors of keys. None of them tells anything of the key.
var (
	// ErrKey says that a key is no key: neither a passphrase of a decent length nor 32 bytes.
	ErrKey = errors.New("the key must be a passphrase of 12 to 1024 bytes, or 32 bytes")
	// ErrKeyNeeded says that secrets are sealed and no key was given.
	ErrKeyNeeded = errors.New("the secrets of this archive are sealed: its key is needed")
	// ErrWrongKey says that the archive was not made with this key, or that its first line was changed.
	ErrWrongKey = errors.New("the key is not the one of this archive, or the first line was changed")
	// ErrNotSealed says that a key was given for an archive that has none.
	ErrNotSealed = errors.New("this archive has no secrets and no key: without one it proves nothing of where it comes from")
)

// Bounds of a passphrase, in bytes.
const (
	minPassphrase = 12
	maxPassphrase = 1024
	keyBytes      = 32
)

// Key is what an archive is sealed under. The zero value is none: secrets are left out.
type Key struct {
	passphrase string
	bytes      []byte
}

// Passphrase returns the key that follows from a passphrase of 12 to 1024 bytes.
func Passphrase(p string) (Key, error) {
	if len(p) < minPassphrase || len(p) > maxPassphrase {
		return Key{}, ErrKey
	}
	return Key{passphrase: p}, nil
}

// Bytes returns the key of 32 bytes.
func Bytes(b []byte) (Key, error) {
	if len(b) != keyBytes {
		return Key{}, ErrKey
	}
	return Key{bytes: append([]byte{}, b...)}, nil
}

// None reports whether there is no key.
func (k Key) None() bool { return k.passphrase == "" && k.bytes == nil }

// String keeps a key from being printed.
func (k Key) String() string { return "an archive's key" }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// Derivation says how the keys of an archive follow from the caller's.
type Derivation struct {
	// Name is argon2id for a passphrase and hkdf-sha256 for a key of 32 bytes.
	Name string `json:"name"`
	// Salt are 16 random bytes in base64.
	Salt string `json:"salt"`
	// MemoryKiB, Passes and Lanes are those of argon2id.
	MemoryKiB uint32 `json:"memoryKiB,omitempty"`
	Passes    uint32 `json:"passes,omitempty"`
	Lanes     uint8  `json:"lanes,omitempty"`
}

// Names of derivations.
const (
	fromPassphrase = "argon2id"
	fromBytes      = "hkdf-sha256"
)

// The parameters of new archives (RFC 9106 §4, second recommendation), and the most that is accepted of others: what an archive
// asks for is spent before anything of it can be trusted.
const (
	memoryKiB    = 64 << 10
	passes       = 3
	lanes        = 4
	maxMemoryKiB = 256 << 10
	maxPasses    = 16
	maxLanes     = 16
	saltBytes    = 16
)

// derivation returns how the keys of a new archive follow from k.
func (k Key) derivation() *Derivation {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	d := &Derivation{Name: fromBytes, Salt: base64.StdEncoding.EncodeToString(salt)}
	if k.bytes == nil {
		d.Name, d.MemoryKiB, d.Passes, d.Lanes = fromPassphrase, memoryKiB, passes, lanes
	}
	return d
}

// keys are those of one archive.
type keys struct {
	tag    []byte
	sealer *secret.Sealer
}

// turn lets one derivation from a passphrase run at a time: each takes up to 256 MiB for a moment.
var turn = make(chan struct{}, 1)

// derive returns the keys of an archive. A derivation that asks for more than is accepted is ErrFormat, a key of the other kind
// ErrWrongKey.
func (k Key) derive(d *Derivation) (*keys, error) {
	salt, err := base64.StdEncoding.Strict().DecodeString(d.Salt)
	if err != nil || len(salt) != saltBytes {
		return nil, fmt.Errorf("%w: the salt of the key", ErrFormat)
	}
	root := k.bytes
	switch d.Name {
	case fromBytes:
		if k.bytes == nil {
			return nil, ErrWrongKey
		}
	case fromPassphrase:
		if d.MemoryKiB < 8*uint32(max(d.Lanes, 1)) || d.MemoryKiB > maxMemoryKiB || d.Passes < 1 || d.Passes > maxPasses ||
			d.Lanes < 1 || d.Lanes > maxLanes {
			return nil, fmt.Errorf("%w: the derivation of its key asks for too much or too little", ErrFormat)
		}
		if k.bytes != nil {
			return nil, ErrWrongKey
		}
		turn <- struct{}{}
		root = argon2.IDKey([]byte(k.passphrase), salt, d.Passes, d.MemoryKiB, d.Lanes, keyBytes)
		<-turn
	default:
		return nil, fmt.Errorf("%w: the derivation %.20q of its key is not known", ErrFormat, d.Name)
	}
	tag, err := hkdf.Key(sha256.New, root, salt, "gatehouse archive tags", keyBytes)
	if err != nil {
		return nil, err
	}
	seal, err := hkdf.Key(sha256.New, root, salt, "gatehouse archive secrets", keyBytes)
	if err != nil {
		return nil, err
	}
	sealer, err := secret.NewSealer(seal)
	if err != nil {
		return nil, err
	}
	return &keys{tag: tag, sealer: sealer}, nil
}
