package domain

import (
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// signingCertificate is a certificate with a usable key. All of them are published; those that are active sign.
type signingCertificate struct {
	id, name       string
	system, active bool
	since          time.Time // when the first key of its line was made
	key            *jose.Key
}

// signingCertificates are ordered by the age of their line: a key that replaced another one has the other's place.
type signingCertificates []signingCertificate

// newSigningCertificates takes the parts in the order of their age, with their keys. Where none is active, which management
// does not let happen to a domain that is served, nothing is signed: a key that is retired may be about to go, and nobody
// may know a successor yet.
func newSigningCertificates(parts []*certificatePart, keys []*jose.Key) signingCertificates {
	list := make(signingCertificates, len(parts))
	for i, part := range parts {
		m := part.message
		since := m.GetLineSince()
		if since == nil {
			since = m.GetCreatedAt()
		}
		list[i] = signingCertificate{
			id: m.GetId(), name: m.GetName(), system: m.GetSystem(), active: isActive(m), since: since.AsTime(), key: keys[i],
		}
	}
	slices.SortStableFunc(list, func(a, b signingCertificate) int { return a.since.Compare(b.since) })
	return list
}

// errNoKey is how a client of a domain that has no key to sign with is refused. It is reported for the domain alone.
var errNoKey = fault.Unavailablef("the domain has no usable signing key")

// isActive reports whether a certificate signs. Those from before there were rotations say nothing and do.
func isActive(c *configv1.Certificate) bool {
	return c.GetStatus() == configv1.Certificate_ACTIVE || c.GetStatus() == configv1.Certificate_STATUS_UNSPECIFIED
}

// signingKey chooses the key for one kind of token: the first algorithm that is named and that a certificate has,
// preferring the application's own certificate; else the application's certificate; else the domain's default.
func (core *Core) signingKey(certificate string, algorithms ...string) *jose.Key {
	list := core.signing
	own := list.byID(certificate)
	for _, alg := range algorithms {
		if alg == "" {
			continue
		}
		if own != nil && string(own.key.Algorithm()) == alg {
			return own.key
		}
		if found := list.first(func(c *signingCertificate) bool { return string(c.key.Algorithm()) == alg }); found != nil {
			return found.key
		}
	}
	if own != nil {
		return own.key
	}
	if fallback := list.byID(core.Settings.GetCertificateSettings().GetFallbackCertificate()); fallback != nil {
		return fallback.key
	}
	return core.defaultKey()
}

// byID returns the certificate that signs where one with this identifier was chosen: itself if it is active, and for a
// system certificate that is not, the active one of its algorithm. It is nil if there is none.
func (list signingCertificates) byID(id string) *signingCertificate {
	for i := range list {
		c := &list[i]
		if c.id != id {
			continue
		}
		if c.active {
			return c
		}
		return list.first(func(other *signingCertificate) bool {
			return other.system == c.system && other.key.Algorithm() == c.key.Algorithm()
		})
	}
	return nil
}

// first returns the first active certificate of which f is true, nil if there is none.
func (list signingCertificates) first(f func(*signingCertificate) bool) *signingCertificate {
	for i := range list {
		if list[i].active && f(&list[i]) {
			return &list[i]
		}
	}
	return nil
}

// defaultKey is the key of the domain's default certificate: of those that are active the oldest system one, else one
// called Default, else the first, else none.
func (core *Core) defaultKey() *jose.Key {
	for _, f := range []func(*signingCertificate) bool{
		func(c *signingCertificate) bool { return c.system },
		func(c *signingCertificate) bool { return c.name == "Default" },
		func(*signingCertificate) bool { return true },
	} {
		if found := core.signing.first(f); found != nil {
			return found.key
		}
	}
	return nil
}
