package domain

import (
	"bytes"
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
)

// encryptionPurpose names the derived key and its version: another text is another key, with another kid.
const encryptionPurpose = "gatehouse domain encryption P-256 v1"

// compileDecrypter makes the private keys of the domain: one on P-256 that follows from its secret, so that every gateway
// has it, and the RSA key that management made. A domain from before there were such keys has the first one alone.
func (core *Core) compileDecrypter(old *Core) error {
	stored := core.Settings.GetEncryptionKey()
	if old != nil && bytes.Equal(old.Secret, core.Secret) && bytes.Equal(old.Settings.GetEncryptionKey(), stored) {
		core.decrypter = old.decrypter
		return nil
	}
	curve, err := jose.DeriveDecryptionKey(core.Secret, encryptionPurpose)
	if err != nil {
		return err
	}
	keys := []*jose.DecryptionKey{curve}
	if len(stored) > 0 {
		rsa, err := jose.ParseDecryptionKey(stored, "")
		if err != nil {
			return fmt.Errorf("encryption key: %w", err)
		}
		keys = append(keys, rsa)
	}
	core.decrypter = jose.NewDecrypter(keys...)
	return nil
}

// Decrypter decrypts what clients encrypted for the domain, such as request objects. Use WithSecrets for what a client may
// have encrypted with its secret.
func (core *Core) Decrypter() *jose.Decrypter { return core.decrypter }

// DecryptionAlgs are the key management algorithms that clients may choose for what they encrypt: those of the domain's keys,
// and those with a client secret where the profile allows them.
func (core *Core) DecryptionAlgs() []jose.KeyManagement {
	all := core.decrypter.Algorithms()
	if core.Profile.EncryptsBySecret {
		for _, alg := range jose.KeyManagements() {
			if alg.Symmetric() {
				all = append(all, alg)
			}
		}
	}
	return all
}
