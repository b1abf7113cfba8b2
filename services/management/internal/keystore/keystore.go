// Package keystore takes a private key and its certificate out of an uploaded file: a Java key store (JKS) or a PKCS #12
// file. Which of the two a file is shows in its first bytes, as it does for Java itself.
//
// Files are hostile until they have been read: sizes inside of them are not believed, and the work that a password costs
// is bounded. An error never shows what is in a file, except the aliases.
package keystore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 512 << 10

// Part says what of an upload is at fault.
type Part uint8

// The parts.
const (
	Content  Part = iota // the file
	Password             // the password of the file
	KeyPass              // the password of the key
	Alias                // the name of the key in the file
)

// Error says why a key could not be taken out of a file.
type Error struct {
	Part Part
	// Detail is to be read after the name of the part: "is not in the file".
	Detail string
}

func (e *Error) Error() string {
	return [...]string{"the file ", "the password of the file ", "the password of the key ", "the alias "}[e.Part] + e.Detail
}

func fail(p Part, format string, args ...any) error {
	return &Error{Part: p, Detail: fmt.Sprintf(format, args...)}
}

// Entry is a private key with its certificate.
type Entry struct {
	// Alias is the name of the key in the file; empty where it has none.
	Alias string
	Key   crypto.Signer
	// Certificate is in DER; nil where the file has none of this key.
	Certificate []byte
}

// Open returns the entry with an alias, which is compared in any case, as Java does. A file whose only key has no name
// gives that key under any alias. An empty password of the key means that of the file. Every error is an *Error.
func Open(file []byte, password, keyPassword, alias string) (Entry, error) {
	if len(file) > MaxSize {
		return Entry{}, fail(Content, "must be at most %d KiB", MaxSize>>10)
	}
	if keyPassword == "" {
		keyPassword = password
	}
	if bytes.HasPrefix(file, magicJKS) {
		return openJKS(file, password, keyPassword, alias)
	}
	return openPKCS12(file, password, keyPassword, alias)
}

// names lists aliases for an error text.
func names(aliases []string) string {
	if len(aliases) == 0 {
		return "the file has no private key"
	}
	const most = 8
	if len(aliases) > most {
		aliases = append(aliases[:most:most], "…")
	}
	return "the file has " + strings.Join(aliases, ", ")
}

// signer reads a key in PKCS #8, or in one of the two older forms.
func signer(der []byte) (crypto.Signer, error) {
	var key any
	var err error
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
		func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
	} {
		if key, err = parse(der); err == nil {
			break
		}
	}
	if err != nil {
		return nil, errors.New("a key of a type that is not supported")
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("a key that does not sign")
	}
	return s, nil
}

// certificateOf returns the certificate of a key among several, nil if there is none.
func certificateOf(key crypto.Signer, all [][]byte) []byte {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil
	}
	for _, der := range all {
		if c, err := x509.ParseCertificate(der); err == nil && public.Equal(c.PublicKey) {
			return der
		}
	}
	return nil
}
