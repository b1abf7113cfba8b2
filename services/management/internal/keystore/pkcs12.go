package keystore

import (
	"crypto"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// maxIterations bounds how often all passwords of a file together are hashed. Java does it 10,000 times, others up to a
// million; a file that asks for more wants to keep the server busy.
const maxIterations = 5_000_000

func openPKCS12(file []byte, password, keyPassword, alias string) (entry Entry, err error) {
	if iterations(file) > maxIterations {
		return Entry{}, fail(Content, "asks for more than %d iterations of its passwords", maxIterations)
	}
	if keyPassword != password {
		return Entry{}, fail(KeyPass, "must be that of the file: a PKCS #12 file has one password")
	}
	blocks, err := pkcs12.ToPEM(file, password) //nolint:staticcheck // nothing else tells aliases; its odd blocks are read by signer
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return Entry{}, fail(Password, "is wrong")
	}
	if err != nil {
		// ToPEM gives up at attributes and types of keys that it does not know. Without it there are no aliases.
		return openOnlyKey(file, password)
	}
	var aliases []string
	var certificates [][]byte
	var found, nameless *pem.Block
	keys := 0
	for _, b := range blocks {
		if b.Type == "CERTIFICATE" {
			certificates = append(certificates, b.Bytes)
			continue
		}
		keys++
		name := b.Headers["friendlyName"]
		switch {
		case name == "":
			nameless = b
			continue
		case strings.EqualFold(name, alias):
			found = b
		}
		aliases = append(aliases, name)
	}
	if found == nil && keys == 1 {
		found = nameless
	}
	if found == nil {
		return Entry{}, fail(Alias, "names no private key in the file: %s", names(aliases))
	}
	key, err := signer(found.Bytes)
	if err != nil {
		return Entry{}, fail(Alias, "names %v", err)
	}
	return Entry{Alias: found.Headers["friendlyName"], Key: key, Certificate: certificateOf(key, certificates)}, nil
}

// openOnlyKey reads a file with one key.
func openOnlyKey(file []byte, password string) (Entry, error) {
	key, certificate, others, err := pkcs12.DecodeChain(file, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return Entry{}, fail(Password, "is wrong")
	case err != nil:
		return Entry{}, fail(Content, "is neither a Java key store nor a PKCS #12 file with one private key and its certificate")
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return Entry{}, fail(Content, "holds a key that does not sign")
	}
	all := [][]byte{certificate.Raw}
	for _, c := range others {
		all = append(all, c.Raw)
	}
	return Entry{Key: s, Certificate: certificateOf(s, all)}, nil
}

// iterations returns the sum of the iteration counts in a file: every whole number that stands behind an octet string,
// the salt, in a sequence. It looks into octet strings too. What is encrypted is not seen; there is no count in it that
// a file from a usual program has.
func iterations(der []byte) int64 {
	const deepest = 24
	var sum int64
	var walk func(der []byte, depth int)
	walk = func(der []byte, depth int) {
		salt := false
		for len(der) > 0 && depth < deepest && sum <= maxIterations {
			var v asn1.RawValue
			rest, err := asn1.Unmarshal(der, &v)
			if err != nil || len(rest) >= len(der) {
				return
			}
			der = rest
			universal := v.Class == asn1.ClassUniversal
			switch {
			case universal && v.Tag == asn1.TagInteger && salt:
				sum += count(v.Bytes)
			case v.IsCompound, universal && v.Tag == asn1.TagOctetString:
				walk(v.Bytes, depth+1)
			}
			salt = universal && v.Tag == asn1.TagOctetString
		}
	}
	walk(der, 0)
	return sum
}

// count reads a whole number; one that is negative or too large is more than anybody may ask for.
func count(b []byte) int64 {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 || !n.IsInt64() || n.Int64() > maxIterations {
		return maxIterations + 1
	}
	return n.Int64()
}
