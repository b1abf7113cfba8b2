package keystore

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestOpen reads files that keytool and openssl made.
func TestOpen(t *testing.T) {
	for _, tt := range []struct {
		name, file, password, keyPassword, alias string
		found, key, signature                    string
	}{
		{"a key with a password of its own", "rs512.jks", "storepass", "keypass1", "mykey", "mykey", "*rsa.PrivateKey", "RS512"},
		{"an alias in another case", "rs512.jks", "storepass", "keypass1", "MyKEY", "mykey", "*rsa.PrivateKey", "RS512"},
		{"another key of the file", "rs512.jks", "storepass", "keypass2", "second", "second", "*ecdsa.PrivateKey", "ES256"},
		{"a PKCS #12 file of Java", "java.p12", "storepass", "", "java12", "java12", "*rsa.PrivateKey", "RS384"},
		{"another key of it", "java.p12", "storepass", "storepass", "OTHER", "other", "*ecdsa.PrivateKey", "ES384"},
		{"a type of key that has no alias", "ed25519.p12", "storepass", "", "any", "", "ed25519.PrivateKey", "EdDSA"},
		{"a file whose only key has no name", "nameless.p12", "storepass", "", "chosen", "", "*rsa.PrivateKey", "RS256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Open(file(t, tt.file), tt.password, tt.keyPassword, tt.alias)
			if err != nil {
				t.Fatal(err)
			}
			certificate, err := jose.ParseCertificate(got.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			if got.Alias != tt.found || fmt.Sprintf("%T", got.Key) != tt.key || string(certificate.Algorithm) != tt.signature {
				t.Errorf("alias %q, key %T, signature %s", got.Alias, got.Key, certificate.Algorithm)
			}
			key, err := jose.NewKey(got.Key, tt.alias, certificate.Algorithm)
			if err != nil || !certificate.Certifies(key) {
				t.Errorf("the certificate is of another key: %v", err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	jks, p12 := file(t, "rs512.jks"), file(t, "java.p12")
	for _, tt := range []struct {
		name                         string
		file                         []byte
		password, keyPassword, alias string
		part                         Part
		want                         string
	}{
		{"a wrong password of a key store", jks, "wrong", "keypass1", "mykey", Password, "is wrong, or the file is damaged"},
		{"a wrong password of a key", jks, "storepass", "wrong", "mykey", KeyPass, "is wrong"},
		{"the store's password where the key has another", jks, "storepass", "", "mykey", KeyPass, "is wrong"},
		{"an unknown alias", jks, "storepass", "keypass1", "nobody", Alias, "names no private key in the file: the file has "},
		{"the alias of a certificate", jks, "storepass", "keypass1", "trusted", Alias, "names no private key in the file: the file has "},
		{"a key store without a key", file(t, "trust.jks"), "storepass", "", "trusted", Alias, "names no private key in the file: the file has no private key"},
		{"a wrong password of a PKCS #12 file", p12, "wrong", "", "java12", Password, "is wrong"},
		{"another password of its key", p12, "storepass", "other", "java12", KeyPass, "must be that of the file"},
		{"an unknown alias in it", p12, "storepass", "", "nobody", Alias, "names no private key in the file: the file has "},
		{"a PKCS #12 file without a key", file(t, "nokey.p12"), "storepass", "", "x", Content, "is neither a Java key store nor a PKCS #12 file with one private key"},
		{"nothing", nil, "", "", "", Content, "is neither"},
		{"something else", []byte("-----BEGIN"), "", "", "", Content, "is neither"},
		{"a damaged file", append(bytes.Clone(jks[:len(jks)-1]), jks[len(jks)-1]^1), "storepass", "keypass1", "mykey", Password, "is wrong, or the file is damaged"},
		{"half a file", p12[:len(p12)/2], "storepass", "", "java12", Content, "is neither"},
		{"a huge file", make([]byte, MaxSize+1), "", "", "", Content, "must be at most 512 KiB"},
		{"lengths that lie", sealed("\x00\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x01\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"), "storepass", "", "k", Content, "is no key store"},
		{"a number of certificates that lies", sealed("\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01a\xff\xff\xff\xff"), "storepass", "", "k", Content, "is no key store"},
		{"an unknown version", sealed("\x00\x00\x00\x09\x00\x00\x00\x00"), "storepass", "", "k", Content, "is no key store"},
		{"an unknown entry", sealed("\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x07\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x00"), "storepass", "", "k", Content, "is no key store"},
		{"a key that is too short", sealed("\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x16" +
			"\x30\x14\x30\x0e\x06\x0a\x2b\x06\x01\x04\x01\x2a\x02\x11\x01\x01\x05\x00\x04\x02ab" + "\x00\x00\x00\x00"), "storepass", "", "k", Content, "holds a key that is cut off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(tt.file, tt.password, tt.keyPassword, tt.alias)
			var e *Error
			if !errors.As(err, &e) || e.Part != tt.part || !strings.HasPrefix(e.Detail, tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// sealed makes a key store of an invented body, with the right digest.
func sealed(body string) []byte {
	h := sha1.New()
	h.Write(javaText("storepass"))
	h.Write([]byte(whitener))
	whole := append(bytes.Clone(magicJKS), body...)
	h.Write(whole)
	return h.Sum(whole)
}

// TestCostlyPasswords has a PKCS #12 file that asks for two thousand million iterations.
func TestCostlyPasswords(t *testing.T) {
	p12 := file(t, "java.p12")
	at := bytes.LastIndex(p12, []byte{0x02, 0x02, 0x27, 0x10}) // 10000
	if at < 0 {
		t.Fatal("the file has no iteration count of 10000")
	}
	if n := iterations(p12); n < 20_000 || n > 100_000 {
		t.Errorf("%d iterations counted", n)
	}
	// The count of the digest over the file stands at its end, so that only the outermost length changes.
	costly := append(bytes.Clone(p12[:at]), 0x02, 0x04, 0x7f, 0xff, 0xff, 0xff)
	costly = append(costly, p12[at+4:]...)
	if costly[1] != 0x82 {
		t.Fatal("the length is not written in two bytes")
	}
	binary.BigEndian.PutUint16(costly[2:], binary.BigEndian.Uint16(costly[2:])+2)
	mac := at
	for !(p12[mac] == 0x30 && int(p12[mac+1]) == len(p12)-mac-2) { // the sequence that reaches the end of the file
		mac--
	}
	costly[mac+1] += 2
	_, err := Open(costly, "storepass", "", "java12")
	var e *Error
	if !errors.As(err, &e) || e.Part != Content || !strings.Contains(e.Detail, "iterations") {
		t.Errorf("error %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"rs512.jks", "java.p12", "ed25519.p12", "nameless.p12", "trust.jks"} {
		f.Add(file(f, name), "storepass", "keypass1", "mykey")
	}
	f.Add(sealed("\x00\x00\x00\x02\x00\x00\x00\x01"), "storepass", "", "k")
	f.Fuzz(func(t *testing.T, data []byte, password, keyPassword, alias string) {
		got, err := Open(data, password, keyPassword, alias)
		var e *Error
		if err != nil && !errors.As(err, &e) || err == nil && got.Key == nil {
			t.Errorf("entry %v, error %v", got, err)
		}
	})
}
