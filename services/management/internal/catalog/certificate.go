package catalog

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
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
	Validate: func(_ *Scene, old, c *configv1.Certificate) error {
		return renamed(old.GetName(), c.GetName())
	},
	References: []Reference[*configv1.Certificate]{{
		Kind:   "application",
		Field:  "certificate",
		Value:  (*configv1.Certificate).GetId,
		Refuse: certificateInUse,
		Move: func(from resource.Resource, _, to *configv1.Certificate) {
			from.(*configv1.Application).Certificate = to.GetId()
		},
	}, {
		Kind:  "domain",
		Field: "certificateSettings.fallbackCertificate",
		Value: (*configv1.Certificate).GetId,
		Remove: func(from resource.Resource, _ *configv1.Certificate) {
			from.(*configv1.Domain).GetCertificateSettings().FallbackCertificate = ""
		},
		Move: func(from resource.Resource, _, to *configv1.Certificate) {
			from.(*configv1.Domain).GetCertificateSettings().FallbackCertificate = to.GetId()
		},
	}},
	Guard:    keepLastKey,
	Replaced: replacedKey,
	StandsIn: Signs,
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
	}, {
		Kind:   "application",
		Field:  "settings.oauth.userinfoSignedResponseAlg",
		By:     "algorithm",
		Value:  (*configv1.Certificate).GetAlgorithm,
		Refuse: certificateInUse,
	}, {
		Kind:   "application",
		Field:  "settings.oauth.authorizationSignedResponseAlg",
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

// systemCertificate makes a key of the server's own accord.
func systemCertificate(s *Scene, domain, name, alias string, alg jose.Algorithm) (*configv1.Certificate, error) {
	c := &configv1.Certificate{
		Name: name, System: true, Status: configv1.Certificate_ACTIVE, ActiveSince: timestamppb.New(s.Now),
	}
	stampNew(s, c, secret.NewID(), domain)
	in := &configv1.GeneratedCertificate{Algorithm: string(alg), Alias: freeKID(s.Certificates, alias)}
	c.Config = &configv1.Certificate_Generated{Generated: in}
	return c, generate(s, c, in)
}

// profileAlgorithm returns the algorithm that a security profile chooses where nobody does: ES256 for all but the lax one,
// whose keys are certificates as they come.
func profileAlgorithm(p *profile.Profile) string {
	if p.Strict() {
		return string(jose.ES256)
	}
	return ""
}

// companionKeys returns a system certificate for each algorithm that is named and that no certificate of the domain has:
// a key is made when its algorithm is first chosen. The key of an HMAC is a client's secret.
func companionKeys(s *Scene, domain string, algorithms ...string) ([]resource.Resource, error) {
	var made []resource.Resource
	slices.Sort(algorithms)
	for _, algorithm := range slices.Compact(algorithms) {
		if algorithm == "" || jose.Algorithm(algorithm).Symmetric() || slices.ContainsFunc(s.Certificates, func(c *configv1.Certificate) bool {
			return c.GetAlgorithm() == algorithm && Signs(c)
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

func certificateByID(all []*configv1.Certificate, id string) *configv1.Certificate {
	for _, c := range all {
		if c.GetId() == id {
			return c
		}
	}
	return nil
}
