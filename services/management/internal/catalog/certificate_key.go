package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// putCertificate keeps the type and the configuration where the body has none.
func putCertificate(body prototree.Object, old *configv1.Certificate) (prototree.Object, error) {
	if body["type"] != nil && body["configuration"] != nil {
		return needsConfiguration(body)
	}
	tree, err := prototree.Management.Encode(old)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", old.GetId(), err)
	}
	body = without(body)
	if body["type"] == nil {
		body["type"] = tree["type"]
	}
	if body["configuration"] == nil {
		body["configuration"] = tree["configuration"]
		if body["type"] != tree["type"] {
			body["configuration"] = prototree.Object{} // refused for its type, not for members that nobody sent
		}
	}
	return body, nil
}

func normalizeCertificate(_ context.Context, s *Scene, old, c *configv1.Certificate) error {
	if old.GetId() != "" {
		return keepKey(old, c)
	}
	switch config := c.GetConfig().(type) {
	case *configv1.Certificate_Generated:
		return generate(s, c, config.Generated)
	case *configv1.Certificate_Pem:
		return upload(s, c, config.Pem)
	case *configv1.Certificate_JavaKeystore:
		in := config.JavaKeystore
		return uploadStore(s, c, storedKey{"configuration.jks", &in.Jks, &in.Storepass, &in.Keypass, in.GetAlias()})
	case *configv1.Certificate_Pkcs12:
		in, err := pkcs12Upload(config.Pkcs12)
		if err != nil {
			return err
		}
		return uploadStore(s, c, in)
	}
	return required("type", "", "configuration", "")
}

// keyStays refuses a change of what a key was made from.
func keyStays(path string) error {
	return broken(path, "", "can not be changed; create another certificate")
}

// keepKey lets a change touch everything but the key. What is not repeated in the configuration stays.
func keepKey(old, c *configv1.Certificate) error {
	refuse := keyStays
	switch was := old.GetConfig().(type) {
	case *configv1.Certificate_Generated:
		now := c.GetGenerated()
		if now == nil {
			return refuse("type")
		}
		if now.GetAlgorithm() != "" && now.GetAlgorithm() != was.Generated.GetAlgorithm() {
			return refuse("configuration.algorithm")
		}
		if now.GetAlias() != "" && now.GetAlias() != was.Generated.GetAlias() {
			return refuse("configuration.alias")
		}
		c.Config = &configv1.Certificate_Generated{Generated: copyOf(was.Generated)}
	case *configv1.Certificate_Pem:
		now := c.GetPem()
		if now == nil {
			return refuse("type")
		}
		if now.GetPrivateKey() != "" {
			return refuse("configuration.privateKey")
		}
		if now.GetCertificate() != "" && now.GetCertificate() != was.Pem.GetCertificate() {
			return refuse("configuration.certificate")
		}
		if now.GetAlgorithm() != "" && now.GetAlgorithm() != was.Pem.GetAlgorithm() {
			return refuse("configuration.algorithm")
		}
		if now.GetAlias() != "" && now.GetAlias() != was.Pem.GetAlias() {
			return refuse("configuration.alias")
		}
		c.Config = &configv1.Certificate_Pem{Pem: copyOf(was.Pem)}
	case *configv1.Certificate_JavaKeystore:
		now := c.GetJavaKeystore()
		if now == nil {
			return refuse("type")
		}
		in := storedKey{"configuration.jks", &now.Jks, &now.Storepass, &now.Keypass, now.GetAlias()}
		if err := keepStored(old, in, was.JavaKeystore.GetAlias()); err != nil {
			return err
		}
		c.Config = &configv1.Certificate_JavaKeystore{JavaKeystore: copyOf(was.JavaKeystore)}
	case *configv1.Certificate_Pkcs12:
		now := c.GetPkcs12()
		if now == nil {
			return refuse("type")
		}
		in, err := pkcs12Upload(now)
		if err != nil {
			return err
		}
		if err := keepStored(old, in, was.Pkcs12.GetAlias()); err != nil {
			return err
		}
		c.Config = &configv1.Certificate_Pkcs12{Pkcs12: copyOf(was.Pkcs12)}
	}
	return nil
}

// generate makes the key that a certificate asks for. Algorithm and alias are written back as they were chosen.
func generate(s *Scene, c *configv1.Certificate, in *configv1.GeneratedCertificate) error {
	if in.GetAlgorithm() == "" {
		in.Algorithm = string(jose.RS256)
	}
	if err := checkSigningAlgorithm("configuration.algorithm", in.GetAlgorithm()); err != nil {
		return err
	}
	alias, err := chooseAlias(s, c, in.GetAlias())
	if err != nil {
		return err
	}
	in.Alias = alias
	key, err := jose.GenerateKey(jose.Algorithm(in.GetAlgorithm()), alias)
	if err != nil {
		return fmt.Errorf("generate the key of certificate %q: %w", alias, err)
	}
	return setKey(s, c, key, "")
}

// upload moves the key of the configuration to where it is sealed.
func upload(s *Scene, c *configv1.Certificate, in *configv1.PEMCertificate) error {
	if err := required("configuration.privateKey", in.GetPrivateKey()); err != nil {
		return err
	}
	if err := checkSigningAlgorithm("configuration.algorithm", in.GetAlgorithm()); err != nil {
		return err
	}
	alias, err := chooseAlias(s, c, in.GetAlias())
	if err != nil {
		return err
	}
	key, err := jose.ParsePrivateKey([]byte(in.GetPrivateKey()), alias, jose.Algorithm(in.GetAlgorithm()))
	if err != nil {
		return broken("configuration.privateKey", "", err.Error())
	}
	in.PrivateKey, in.Alias, in.Algorithm = "", alias, string(key.Algorithm())
	return setKey(s, c, key, in.GetCertificate())
}

// setKey fills in what follows from the key. Without a certificate in PEM one is made.
func setKey(s *Scene, c *configv1.Certificate, key *jose.Key, pem string) error {
	der, err := key.MarshalPKCS8()
	if err != nil {
		return broken("configuration.privateKey", "", "must be a key that can be stored")
	}
	if pem == "" {
		made, err := jose.SelfSigned(key, c.GetName(), s.Now.Add(-time.Minute), s.Now.AddDate(certificateYears, 0, 0))
		if err != nil {
			return fmt.Errorf("certificate of %q: %w", key.ID(), err)
		}
		pem = string(made)
	}
	parsed, err := jose.ParseCertificate([]byte(pem))
	if err != nil {
		return broken("configuration.certificate", "", err.Error())
	}
	if !parsed.Certifies(key) {
		return broken("configuration.certificate", "", "must belong to the private key")
	}
	c.Kid, c.Algorithm = key.ID(), string(key.Algorithm())
	c.PrivateKey, c.CertificatePem = der, pem
	c.ExpiresAt = timestamppb.New(parsed.NotAfter)
	return nil
}

// chooseAlias returns the alias that was asked for, which must be free, or a free one made from the name.
func chooseAlias(s *Scene, c *configv1.Certificate, asked string) (string, error) {
	if strings.TrimSpace(asked) == "" {
		base := slug(c.GetName())
		if base == "" {
			base = "key"
		}
		return freeKID(s.Certificates, base), nil
	}
	if len(asked) > 255 || strings.ContainsFunc(asked, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return "", broken("configuration.alias", asked, "must be at most 255 printable ASCII characters")
	}
	if kidTaken(s.Certificates, asked) {
		return "", certificateTaken(nil, &configv1.Certificate{Kid: asked})
	}
	return asked, nil
}

func kidTaken(all []*configv1.Certificate, kid string) bool {
	return slices.ContainsFunc(all, func(c *configv1.Certificate) bool { return c.GetKid() == kid })
}

// freeKID returns base, or base with the first number from 2 that makes it unique in the domain.
func freeKID(all []*configv1.Certificate, base string) string {
	kid := base
	for n := 2; kidTaken(all, kid); n++ {
		kid = fmt.Sprintf("%s-%d", base, n)
	}
	return kid
}
