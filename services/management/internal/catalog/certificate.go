package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Certificates are the signing keys of a domain.
var Certificates = &Kind[*configv1.Certificate]{
	Arm:    "certificate",
	Title:  "Certificate",
	Path:   "certificates",
	Parent: Domains,
	List:   Bare,
	Needs:  NeedsCertificates,
	Name:   (*configv1.Certificate).GetName,
	Unique: []Unique[*configv1.Certificate]{
		{Name: "kid", Value: certificateKID, Taken: certificateTaken},
		{Name: "key", Value: certificateThumbprint, Taken: certificateTaken},
	},
	Posted:    needsConfiguration,
	Put:       putCertificate,
	Normalize: normalizeCertificate,
	Validate: func(_ *Scene, _, c *configv1.Certificate) error {
		return required("name", c.GetName())
	},
	References: []Reference[*configv1.Certificate]{{
		Kind:   "application",
		Field:  "certificate",
		Value:  (*configv1.Certificate).GetId,
		Refuse: certificateInUse,
	}, {
		Kind:  "domain",
		Field: "certificateSettings.fallbackCertificate",
		Value: (*configv1.Certificate).GetId,
		Remove: func(from resource.Resource, _ *configv1.Certificate) {
			from.(*configv1.Domain).GetCertificateSettings().FallbackCertificate = ""
		},
	}},
	Shared: []Shared[*configv1.Certificate]{{
		Kind:   "domain",
		Field:  "oidc.accessTokenSigningAlg",
		By:     "algorithm",
		Value:  (*configv1.Certificate).GetAlgorithm,
		Refuse: "You can't delete the last certificate for the signing algorithm of the domain.",
	}, {
		Kind:   "application",
		Field:  "settings.oauth.accessTokenSigningAlg",
		By:     "algorithm",
		Value:  (*configv1.Certificate).GetAlgorithm,
		Refuse: certificateInUse,
	}, {
		Kind:   "application",
		Field:  "settings.oauth.idTokenSignedResponseAlg",
		By:     "algorithm",
		Value:  (*configv1.Certificate).GetAlgorithm,
		Refuse: certificateInUse,
	}},
}

const certificateInUse = "You can't delete a certificate with existing applications."

// certificateYears is how long the X.509 form of a generated key is valid. Keys are replaced by rotation, not by expiry.
const certificateYears = 10

func certificateKID(c *configv1.Certificate) string { return DomainKey(c.GetDomain(), c.GetKid()) }

// certificateThumbprint is the same for the same key, whatever certificate is around it.
func certificateThumbprint(c *configv1.Certificate) string {
	key, err := jose.ParsePrivateKey(c.GetPrivateKey(), c.GetKid(), jose.Algorithm(c.GetAlgorithm()))
	if err != nil {
		return DomainKey(c.GetDomain(), c.GetId())
	}
	return DomainKey(c.GetDomain(), key.Thumbprint())
}

func certificateTaken(_, c *configv1.Certificate) error {
	return fault.Conflictf("A certificate [%s] already exists.", c.GetKid())
}

// putCertificate keeps the configuration where the body has none.
func putCertificate(body prototree.Object, old *configv1.Certificate) (prototree.Object, error) {
	if body["type"] != nil || body["configuration"] != nil {
		return needsConfiguration(body)
	}
	tree, err := prototree.Management.Encode(old)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", old.GetId(), err)
	}
	body = without(body)
	body["type"], body["configuration"] = tree["type"], tree["configuration"]
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
	}
	return required("type", "", "configuration", "")
}

// keepKey lets a change touch everything but the key. What is not repeated in the configuration stays.
func keepKey(old, c *configv1.Certificate) error {
	refuse := func(path string) error {
		return broken(path, "", "can not be changed; create another certificate")
	}
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

// systemCertificate makes a key of the server's own accord.
func systemCertificate(s *Scene, domain, name, alias string, alg jose.Algorithm) (*configv1.Certificate, error) {
	c := &configv1.Certificate{Name: name, System: true}
	stampNew(s, c, secret.NewID(), domain)
	in := &configv1.GeneratedCertificate{Algorithm: string(alg), Alias: freeKID(s.Certificates, alias)}
	c.Config = &configv1.Certificate_Generated{Generated: in}
	return c, generate(s, c, in)
}

// Rotated makes another system certificate, with the algorithm of the domain's oldest one and a new key. Gateways publish
// the key, and an application can choose the certificate. Whoever chose nothing stays with the oldest one.
func Rotated(s *Scene) (*configv1.Certificate, error) {
	alg := jose.RS256
	if system := systemCertificates(s.Certificates); len(system) > 0 {
		alg = jose.Algorithm(system[0].GetAlgorithm())
	}
	return systemCertificate(s, s.Domain.GetId(), "Default", "default", alg)
}

// companionKeys returns a system certificate for each algorithm that is named and that no certificate of the domain has:
// a key is made when its algorithm is first chosen.
func companionKeys(s *Scene, domain string, algorithms ...string) ([]resource.Resource, error) {
	var made []resource.Resource
	slices.Sort(algorithms)
	for _, algorithm := range slices.Compact(algorithms) {
		if algorithm == "" || slices.ContainsFunc(s.Certificates, func(c *configv1.Certificate) bool {
			return c.GetAlgorithm() == algorithm
		}) {
			continue
		}
		c, err := systemCertificate(s, domain, algorithm+" signing key", "default-"+strings.ToLower(algorithm), jose.Algorithm(algorithm))
		if err != nil {
			return nil, err
		}
		made = append(made, c)
	}
	return made, nil
}

// oldestFirst returns the certificates in the order in which they were made.
func oldestFirst(all []*configv1.Certificate) []*configv1.Certificate {
	return slices.SortedStableFunc(slices.Values(all), func(a, b *configv1.Certificate) int {
		if c := a.GetCreatedAt().AsTime().Compare(b.GetCreatedAt().AsTime()); c != 0 {
			return c
		}
		return strings.Compare(a.GetId(), b.GetId())
	})
}

func systemCertificates(all []*configv1.Certificate) []*configv1.Certificate {
	return slices.DeleteFunc(oldestFirst(all), func(c *configv1.Certificate) bool { return !c.GetSystem() })
}

// defaultCertificate returns the certificate of a new application: the oldest system one, else one called "Default",
// else the first, else none.
func defaultCertificate(all []*configv1.Certificate) string {
	if system := systemCertificates(all); len(system) > 0 {
		return system[0].GetId()
	}
	ordered := oldestFirst(all)
	for _, c := range ordered {
		if c.GetName() == "Default" {
			return c.GetId()
		}
	}
	if len(ordered) > 0 {
		return ordered[0].GetId()
	}
	return ""
}

func certificateByID(all []*configv1.Certificate, id string) *configv1.Certificate {
	for _, c := range all {
		if c.GetId() == id {
			return c
		}
	}
	return nil
}
