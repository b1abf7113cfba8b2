package keystore

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format is what it is; nothing relies on it but the reading of old files
	"crypto/subtle"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"unicode/utf16"
)

// A Java key store (sun.security.provider.JavaKeyStore), big-endian:
//
//	magic, version (1 or 2), number of entries
//	each entry: tag, alias, milliseconds, and
//	    1 a private key: EncryptedPrivateKeyInfo, number of certificates, certificates
//	    2 a certificate
//	SHA-1 of the password in UTF-16, "Mighty Aphrodite", and all of the above
//
// Lengths are 4 bytes, those of texts 2. A certificate is its type (version 2 only) and its bytes.

var (
	magicJKS = []byte{0xfe, 0xed, 0xfe, 0xed}
	// oidJKS is the encryption of keys in a JKS: com.sun.crypto.provider.KeyProtector's.
	oidJKS = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}
)

const (
	whitener   = "Mighty Aphrodite"
	tagKey     = 1
	tagTrusted = 2
)

var errTorn = errors.New("the file ends too early")

// jksReader reads the parts of a file that is in memory. No length is believed beyond what is there.
type jksReader struct {
	rest []byte
	err  error
}

func (r *jksReader) bytes(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		r.err = errTorn
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *jksReader) number(size uint64) uint64 {
	b := r.bytes(size)
	if b == nil {
		return 0
	}
	var wide [8]byte
	copy(wide[8-size:], b)
	return binary.BigEndian.Uint64(wide[:])
}

func (r *jksReader) text() string { return string(r.bytes(r.number(2))) }

func (r *jksReader) certificate(version uint64) []byte {
	if version == 2 {
		r.text()
	}
	return r.bytes(r.number(4))
}

type jksEntry struct {
	alias     string
	encrypted []byte
	chain     [][]byte
}

func openJKS(file []byte, password, keyPassword, alias string) (Entry, error) {
	if len(file) < len(magicJKS)+sha1.Size {
		return Entry{}, fail(Content, "is no key store: %v", errTorn)
	}
	body, digest := file[:len(file)-sha1.Size], file[len(file)-sha1.Size:]
	h := sha1.New() //nolint:gosec // see the import
	h.Write(javaText(password))
	h.Write([]byte(whitener))
	h.Write(body)
	if subtle.ConstantTimeCompare(h.Sum(nil), digest) != 1 {
		return Entry{}, fail(Password, "is wrong, or the file is damaged")
	}
	entries, err := readJKS(body)
	if err != nil {
		return Entry{}, fail(Content, "is no key store: %v", err)
	}
	var aliases []string
	for _, e := range entries {
		if e.encrypted == nil {
			continue
		}
		aliases = append(aliases, e.alias)
		if !strings.EqualFold(e.alias, alias) {
			continue
		}
		der, err := unprotect(e.encrypted, keyPassword)
		if err != nil {
			return Entry{}, err
		}
		key, err := signer(der)
		if err != nil {
			return Entry{}, fail(Alias, "names %v", err)
		}
		return Entry{Alias: e.alias, Key: key, Certificate: certificateOf(key, e.chain)}, nil
	}
	return Entry{}, fail(Alias, "names no private key in the file: %s", names(aliases))
}

func readJKS(body []byte) ([]jksEntry, error) {
	r := &jksReader{rest: body[len(magicJKS):]}
	version := r.number(4)
	if version != 1 && version != 2 {
		return nil, errors.New("of an unknown version")
	}
	var entries []jksEntry
	for n := r.number(4); n > 0 && r.err == nil; n-- {
		tag := r.number(4)
		e := jksEntry{alias: r.text()}
		r.number(8)
		switch tag {
		case tagKey:
			e.encrypted = r.bytes(r.number(4))
			for n := r.number(4); n > 0 && r.err == nil; n-- {
				e.chain = append(e.chain, r.certificate(version))
			}
		case tagTrusted:
			r.certificate(version)
		default:
			return nil, errors.New("with an entry of an unknown kind")
		}
		entries = append(entries, e)
	}
	if r.err == nil && len(r.rest) > 0 {
		return nil, errors.New("with something behind its last entry")
	}
	return entries, r.err
}

// unprotect decrypts a key: a salt, the key xor a stream of SHA-1, and a digest of password and key.
func unprotect(encrypted []byte, password string) ([]byte, error) {
	var info struct {
		Algorithm struct {
			OID    asn1.ObjectIdentifier
			Params asn1.RawValue `asn1:"optional"`
		}
		Data []byte
	}
	if rest, err := asn1.Unmarshal(encrypted, &info); err != nil || len(rest) > 0 || !info.Algorithm.OID.Equal(oidJKS) {
		return nil, fail(Content, "holds a key in an unknown encryption")
	}
	if len(info.Data) <= 2*sha1.Size {
		return nil, fail(Content, "holds a key that is cut off")
	}
	passphrase := javaText(password)
	digest := info.Data[:sha1.Size]
	key := slices.Clone(info.Data[sha1.Size : len(info.Data)-sha1.Size])
	for block := key; len(block) > 0; {
		next := sha1.Sum(append(slices.Clone(passphrase), digest...)) //nolint:gosec // see the import
		digest = next[:]
		n := subtle.XORBytes(block, block, digest)
		block = block[n:]
	}
	check := sha1.Sum(append(slices.Clone(passphrase), key...)) //nolint:gosec // see the import
	if !bytes.Equal(check[:], info.Data[len(info.Data)-sha1.Size:]) {
		return nil, fail(KeyPass, "is wrong")
	}
	return key, nil
}

// javaText returns a password as Java hashes it: UTF-16, big-endian.
func javaText(s string) []byte {
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units)+len(s))
	for _, u := range units {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return b
}
