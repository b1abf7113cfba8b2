package clientauth

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// errName says that a certificate is somebody else's.
var errName = errors.New("the certificate does not have the registered name")

// named compares a certificate with the one name that a client has registered (RFC 8705 §2.1.2).
func named(leaf *x509.Certificate, o *configv1.OAuthSettings) error {
	var registered []func() bool
	add := func(name string, holds func() bool) {
		if name != "" {
			registered = append(registered, holds)
		}
	}
	dn := o.GetTlsClientAuthSubjectDn()
	var malformed error
	add(dn, func() bool {
		same, err := sameSubject(leaf.RawSubject, dn)
		malformed = err
		return same
	})
	dns := o.GetTlsClientAuthSanDns()
	add(dns, func() bool {
		return slices.ContainsFunc(leaf.DNSNames, func(have string) bool { return strings.EqualFold(have, dns) })
	})
	uri := o.GetTlsClientAuthSanUri()
	add(uri, func() bool {
		for _, have := range leaf.URIs {
			if have.String() == uri {
				return true
			}
		}
		return false
	})
	ip := o.GetTlsClientAuthSanIp()
	add(ip, func() bool {
		want, err := netip.ParseAddr(ip)
		malformed = err
		for _, raw := range leaf.IPAddresses {
			if have, ok := netip.AddrFromSlice(raw); ok && err == nil && have.Unmap() == want.Unmap() {
				return true
			}
		}
		return false
	})
	email := o.GetTlsClientAuthSanEmail()
	add(email, func() bool {
		return slices.ContainsFunc(leaf.EmailAddresses, func(have string) bool { return sameEmail(have, email) })
	})
	switch {
	case len(registered) != 1:
		return fmt.Errorf("%d names are registered instead of one", len(registered))
	case registered[0]():
		return nil
	case malformed != nil:
		return fmt.Errorf("the registered name: %w", malformed)
	}
	return errName
}

// sameEmail compares the domains without regard to case (RFC 5280 §7.5).
func sameEmail(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i > 0 && j > 0 && a[:i] == b[:j] && strings.EqualFold(a[i:], b[j:])
}
