package catalog

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/keystore"
)

// moved stands in a stored configuration where an upload had a file or a password. Reads mask it, so that a body that
// was read shows what had been given and can be sent back. The values themselves are kept nowhere.
const moved = "moved"

// storedKey is what an uploaded file of keys and its passwords are called in a configuration, and what they are.
type storedKey struct {
	path                      string // of the file
	file, password, keyPasswd *string
	alias                     string
}

// pkcs12Upload reads a configuration whose file may go by the name of a key store's.
func pkcs12Upload(in *configv1.PKCS12Certificate) (storedKey, error) {
	up := storedKey{"configuration.pkcs12", &in.Pkcs12, &in.Storepass, &in.Keypass, in.GetAlias()}
	if in.GetJks() != "" {
		if in.GetPkcs12() != "" {
			return up, broken("configuration.jks", "", "can not be given together with pkcs12")
		}
		up.path, up.file = "configuration.jks", &in.Jks
	}
	return up, nil
}

// uploadStore takes the key out of an uploaded file. What is left in the configuration is the alias.
func uploadStore(s *Scene, c *configv1.Certificate, in storedKey) error {
	if err := required(in.path, *in.file, "configuration.storepass", *in.password, "configuration.alias", in.alias); err != nil {
		return err
	}
	alias, err := chooseAlias(s, c, in.alias)
	if err != nil {
		return err
	}
	key, certificate, err := in.open()
	if err != nil {
		return err
	}
	for _, member := range []*string{in.file, in.password, in.keyPasswd} {
		if *member != "" {
			*member = moved
		}
	}
	return setKey(s, c, key.WithID(alias), certificate)
}

// open reads the file. The algorithm of the key is that of the signature of its certificate, where it is one that the key
// can make, and the usual one of its type otherwise.
func (in storedKey) open() (*jose.Key, string, error) {
	file, err := in.content()
	if err != nil {
		return nil, "", err
	}
	entry, err := keystore.Open(file, *in.password, *in.keyPasswd, in.alias)
	if err != nil {
		return nil, "", in.refuse(err)
	}
	usual, err := jose.NewKey(entry.Key, in.alias, "")
	if err != nil {
		return nil, "", broken(in.path, "", err.Error())
	}
	if entry.Certificate == nil {
		return usual, "", nil
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: entry.Certificate}))
	parsed, err := jose.ParseCertificate(entry.Certificate)
	if err != nil {
		return nil, "", broken(in.path, "", err.Error())
	}
	if key, err := usual.WithAlgorithm(parsed.Algorithm); err == nil && parsed.Algorithm != "" {
		return key, certificate, nil
	}
	return usual, certificate, nil
}

// content returns the bytes of the uploaded file, whose text says what it is called, too.
func (in storedKey) content() ([]byte, error) {
	file, err := prototree.Parse([]byte(*in.file))
	if err != nil {
		return nil, broken(in.path, "", "must be the JSON text of a file: {name, type, size, content}")
	}
	text, ok := file["content"].(string)
	if !ok || text == "" {
		return nil, broken(in.path, "", "must have the content of the file in base64 as the member content")
	}
	if base64.StdEncoding.DecodedLen(len(text)) > keystore.MaxSize+2 {
		return nil, broken(in.path, "", fmt.Sprintf("must be at most %d KiB", keystore.MaxSize>>10))
	}
	// Line breaks are skipped by the decoder; padding is not asked for.
	content, failed := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=\r\n"))
	if failed != nil {
		return nil, broken(in.path, "", "must have its content in base64")
	}
	return content, nil
}

// refuse names the member that is at fault.
func (in storedKey) refuse(err error) error {
	var e *keystore.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Part {
	case keystore.Password:
		return broken("configuration.storepass", "", e.Detail)
	case keystore.KeyPass:
		return broken("configuration.keypass", "", e.Detail)
	case keystore.Alias:
		return broken("configuration.alias", in.alias, e.Detail)
	}
	return broken(in.path, "", e.Detail)
}

// keepStored accepts a configuration that was read, and one that brings the same key once more.
func keepStored(old *configv1.Certificate, in storedKey, alias string) error {
	if in.alias != "" && in.alias != alias {
		return keyStays("configuration.alias")
	}
	if *in.file == "" || *in.file == moved {
		return nil
	}
	in.alias = alias
	for _, password := range []*string{in.password, in.keyPasswd} {
		if *password == moved {
			*password = ""
		}
	}
	if err := required("configuration.storepass", *in.password); err != nil {
		return err
	}
	key, _, err := in.open()
	if err != nil {
		return err
	}
	if certificateKey(old, key) {
		return nil
	}
	return keyStays(in.path)
}

// certificateKey reports whether a certificate has a key.
func certificateKey(c *configv1.Certificate, key *jose.Key) bool {
	own, err := jose.ParsePrivateKey(c.GetPrivateKey(), c.GetKid(), jose.Algorithm(c.GetAlgorithm()))
	return err == nil && own.Thumbprint() == key.Thumbprint()
}
