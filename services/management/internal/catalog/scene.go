package catalog

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Scene is what a kind may know of the surroundings of a change. Only the parts that the kind Needs are filled.
type Scene struct {
	Now    time.Time
	Hasher Hasher
	// Organization and Environment are where a new domain is created.
	Organization, Environment string
	// Domain is the domain of the resource; for a domain, the domain itself, and nil while it is being created.
	Domain       *configv1.Domain
	Scopes       []*configv1.Scope
	Providers    []*configv1.IdentityProvider
	Certificates []*configv1.Certificate
	Roles        []*configv1.Role
	Groups       []*configv1.Group
	Policies     []*configv1.Policy
	// People are the names of those of the domain's people whom the change names, by identifier.
	People   map[string]string
	Headings []*configv1.ApplicationGroup
	Mappings []*configv1.ClaimMapping
	// SlugTaken reports whether another application than the one with this identifier has a slug; nil: none has. Contested says
	// that others are choosing slugs at this moment, so that those made of a name are spread.
	SlugTaken func(slug, application string) (bool, error)
	Contested bool
	// SlugMade is set where the slug was made of a name: if it turns out to be taken, another one will do.
	SlugMade bool
	// MaxSecrets is how many client secrets an application may have.
	MaxSecrets int
	// Fresh are values of the application's client secrets that were made lately, by the secret's identifier; Made are
	// those that this change makes.
	Fresh, Made map[string]string
	// Applications are those of the domain, where a change of the domain has to look at them.
	Applications []*configv1.Application
	// Registering says that a client registers itself, or changes its registration: its response types stay as they are, its
	// name follows its metadata, and it is given no method of authentication that waits for its implementation, because it
	// relies on what it is told.
	Registering bool
	// Along are copies of what a template has, which come into being with the application that is made of it.
	Along []resource.Resource
	// MayAdminister says that whoever asks for the change may give administrative scopes to applications: an operator who may
	// change the domain. Gateways and the service itself have rules of their own.
	MayAdminister bool
	// MayBind says that whoever asks for the change may change who may use an application.
	MayBind bool
	// TypeChange says that nothing but the type of an application is being changed.
	TypeChange bool
	// Unjudged says that nothing of an application is being changed that its rules are about, such as its secrets, who may use it or whether
	// it is enabled: nothing follows from it, and it is possible in one that breaks a rule which came later, or which its domain has
	// changed since.
	Unjudged bool
}

// Take adds a resource to the list of its kind, if the scene has one; Applications are listed for changes of their domain alone, and
// are left out.
func (s *Scene) Take(one resource.Resource) {
	switch one := one.(type) {
	case *configv1.Scope:
		s.Scopes = append(s.Scopes, one)
	case *configv1.IdentityProvider:
		s.Providers = append(s.Providers, one)
	case *configv1.Certificate:
		s.Certificates = append(s.Certificates, one)
	case *configv1.Role:
		s.Roles = append(s.Roles, one)
	case *configv1.Group:
		s.Groups = append(s.Groups, one)
	case *configv1.Policy:
		s.Policies = append(s.Policies, one)
	case *configv1.ApplicationGroup:
		s.Headings = append(s.Headings, one)
	case *configv1.ClaimMapping:
		s.Mappings = append(s.Mappings, one)
	}
}

// Signing returns the certificate that signs where the one with an identifier was chosen: itself while it is active, and
// the active one of its algorithm in the place of a system certificate that is not. Where none was chosen, the domain's fallback
// signs, or else what new applications get. It is nil if there is none.
func (s *Scene) Signing(id string) *configv1.Certificate {
	for _, id := range []string{id, s.Domain.GetCertificateSettings().GetFallbackCertificate(), defaultCertificate(s.Certificates)} {
		c := certificateByID(s.Certificates, id)
		if c != nil && !Signs(c) {
			c = activeOf(s.Certificates, c.GetAlgorithm())
		}
		if c != nil {
			return c
		}
	}
	return nil
}

// remember keeps the value of a secret that was just made.
func (s *Scene) remember(id, value string) {
	if s.Made == nil {
		s.Made = map[string]string{}
	}
	s.Made[id] = value
}

// Needs names parts of a Scene.
type Needs uint16

// The parts of a Scene that are read only where they are needed.
const (
	NeedsScopes Needs = 1 << iota
	NeedsProviders
	NeedsCertificates
	NeedsRoles
	NeedsGroups
	NeedsPolicies
	NeedsHeadings
	NeedsMappings
	NeedsApplications
)

// Hasher turns a chosen secret into its hash; *secret.Hasher is one.
type Hasher interface {
	Password(ctx context.Context, password string) (string, error)
}

// Issued are plain values that are shown once, in the answer to the request that made them.
type Issued struct {
	ClientSecret string
}

// LogValue implements slog.LogValuer: the values are not logged.
func (Issued) LogValue() slog.Value { return slog.StringValue("issued secrets") }

// String keeps the values from being printed.
func (Issued) String() string { return "issued secrets" }

// GoString is String.
func (i Issued) GoString() string { return i.String() }

// hash returns the argon2id hash of a secret that a person chose.
func (s *Scene) hash(ctx context.Context, path, chosen string) (string, error) {
	encoded, err := s.Hasher.Password(ctx, chosen)
	switch {
	case errors.Is(err, secret.ErrTooLong):
		return "", broken(path, "", "size must be at most 1024 bytes")
	case errors.Is(err, secret.ErrBusy):
		return "", fault.Unavailablef("The server is busy. Try again later").Because(err)
	case err != nil:
		return "", err
	}
	return encoded, nil
}
