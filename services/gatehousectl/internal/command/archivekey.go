package command

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
)

// Variables with the key of an archive.
const (
	passphraseVariable = "GATEHOUSECTL_PASSPHRASE"
	keyVariable        = "GATEHOUSECTL_ARCHIVE_KEY"
)

const aboutKeys = `The secrets in an archive are sealed under a key that is yours: a passphrase of 12 to 1024 bytes, in --passphrase-file, as
GATEHOUSECTL_PASSPHRASE or typed at the terminal, or 32 bytes in base64, in --key-file or as GATEHOUSECTL_ARCHIVE_KEY
("openssl rand -base64 32" makes some). It is never an argument, which others on this machine could see.`

// archiveKey is the key of an archive as management takes it and as it is verified here.
type archiveKey struct {
	archive.Key
	sent client.ArchiveKey
}

// keyFiles are the flags that name it.
type keyFiles struct{ passphrase, key string }

func (k *keyFiles) flags(c *cobra.Command) {
	c.Flags().StringVar(&k.passphrase, "passphrase-file", "", "file with the passphrase of the archive; - is standard input")
	c.Flags().StringVar(&k.key, "key-file", "", "file with the key of the archive, 32 bytes in base64, instead of a passphrase; - is standard input")
	c.MarkFlagsMutuallyExclusive("passphrase-file", "key-file")
}

// readsInput reports whether the key comes from the standard input.
func (k *keyFiles) readsInput() bool { return k.passphrase == "-" || k.key == "-" }

// errNoKey says that no key was given and nobody can be asked.
var errNoKey = errors.New("the key of the archive is missing: there is no terminal to ask at, give it with --passphrase-file or --key-file, or as " +
	passphraseVariable + " or " + keyVariable)

// archiveKey reads the key. A flag wins over variables, and where there is neither, the terminal is asked; twice where the key is new.
func (a *App) archiveKey(files keyFiles, fresh bool) (archiveKey, error) {
	text, encoded := "", false
	var err error
	switch {
	case files.passphrase != "":
		text, err = a.secretFile(files.passphrase)
	case files.key != "":
		encoded = true
		text, err = a.secretFile(files.key)
	case a.Getenv(passphraseVariable) != "" && a.Getenv(keyVariable) != "":
		err = fmt.Errorf("%s and %s are both given, and an archive has one key", passphraseVariable, keyVariable)
	case a.Getenv(passphraseVariable) != "":
		text = a.Getenv(passphraseVariable)
	case a.Getenv(keyVariable) != "":
		text, encoded = a.Getenv(keyVariable), true
	case !a.asks():
		err = errNoKey
	default:
		text, err = a.askPassphrase(fresh)
	}
	if err != nil {
		return archiveKey{}, err
	}
	if !encoded {
		key, err := archive.Passphrase(text)
		if err != nil {
			return archiveKey{}, errors.New("the passphrase of an archive has 12 to 1024 bytes")
		}
		return archiveKey{key, client.ArchiveKey{Passphrase: &text}}, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 32 {
		return archiveKey{}, errors.New("the key of an archive is 32 bytes in base64, such as openssl rand -base64 32 prints")
	}
	key, err := archive.Bytes(raw)
	return archiveKey{key, client.ArchiveKey{Key: &text}}, err
}

func (a *App) askPassphrase(fresh bool) (string, error) {
	text, err := a.secret("", passphraseVariable, "Passphrase of the archive: ")
	if err != nil || !fresh {
		return text, err
	}
	again, err := a.secret("", passphraseVariable, "Again: ")
	if err == nil && again != text {
		err = errors.New("these are two different passphrases")
	}
	return text, err
}

// line is the key as it stands before an archive that is sent.
func (k archiveKey) line() ([]byte, error) {
	if k.None() {
		return nil, nil
	}
	text, err := json.Marshal(k.sent)
	return append(text, '\n'), err
}
