package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// TLSFiles names the PEM files of one end of the plane between management and gateways. The certificate file may hold
// intermediate certificates after the leaf. Certificate and key may be the same file.
type TLSFiles struct {
	CertFile string
	KeyFile  string
	// CAFile holds the authorities whose certificates are accepted from the other end; during a change of authority,
	// the old and the new one.
	CAFile string
}

// Role is what one end of the plane is. It is written into its certificate as a URI, see [Identity].
type Role string

// The roles of the two planes.
const (
	RoleManagement Role = "management"
	RoleGateway    Role = "gateway"
)

// DefaultTrustDomain is the authority part of identities when none is configured.
const DefaultTrustDomain = "gatehouse"

// trustDomain is the form of a SPIFFE trust domain (SPIFFE-ID §2.1).
var trustDomain = regexp.MustCompile(`^[a-z0-9._-]{1,255}$`)

// ValidTrustDomain reports whether a name can be the authority part of identities.
func ValidTrustDomain(name string) bool { return trustDomain.MatchString(name) }

// Identity is the URI subject alternative name that a certificate of that role carries: spiffe://<domain>/<role>.
// An empty trust domain means [DefaultTrustDomain].
func Identity(domain string, role Role) string {
	if domain == "" {
		domain = DefaultTrustDomain
	}
	return "spiffe://" + domain + "/" + string(role)
}

// Errors of a handshake between the planes; the refused side sees only a TLS alert. An end's own certificate is refused with the second
// when it is read.
var (
	ErrNoPeerCertificate = errors.New("the peer presented no certificate")
	ErrWrongRole         = errors.New("the certificate carries another identity")
)

// ServerTLS is the configuration of a server that accepts only peers of the given roles, each with a certificate of the
// current authorities (TLS 1.3, mutual). Without a role it accepts nobody. Every handshake uses the files as they were
// at the last check; no session is resumed, so a removed authority is refused at the next handshake.
func (r *Reloader) ServerTLS(peers ...Role) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{"h2", "http/1.1"},
		SessionTicketsDisabled: true,
		// The chain is verified in VerifyConnection, against the pool of that moment; ClientCAs could not be replaced.
		ClientAuth: tls.RequireAnyClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &r.current.Load().certificate, nil
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			return r.verifyPeer(cs, "", x509.ExtKeyUsageClientAuth, peers)
		},
	}
}

// ClientTLS is the configuration of a client that talks only to a server of the given role (TLS 1.3, mutual). If
// serverName is not empty, the server's certificate must also be valid for that host name or address; if it is empty,
// the identity alone decides, which suits servers reached under changing names.
func (r *Reloader) ClientTLS(serverName string, peer Role) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: serverName,
		// Not insecure: RootCAs could not be replaced, so VerifyConnection verifies chain, name and identity itself.
		InsecureSkipVerify: true, //nolint:gosec // see above
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &r.current.Load().certificate, nil
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			return r.verifyPeer(cs, serverName, x509.ExtKeyUsageServerAuth, []Role{peer})
		},
	}
}

// PublicTLS is the configuration of a server that everyone may reach (TLS 1.3, or 1.2 with the recommended suites of
// RFC 9325 §4.2; no client certificate), with the certificate of the current files.
func (r *Reloader) PublicTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &r.current.Load().certificate, nil
		},
	}
}

// AskingTLS is [Reloader.PublicTLS] of a server that asks its clients for a certificate and serves those without one as well.
// Nobody verifies what they show but the handler: it has only been proved that they hold the key. Where a host is given
// they are asked only if it is the one that they want to reach, so that the browsers of people who come under another name
// ask them for nothing.
func (r *Reloader) AskingTLS(host string) *tls.Config {
	plain, asking := r.PublicTLS(), r.PublicTLS()
	asking.ClientAuth = tls.RequestClientCert
	if host == "" {
		return asking
	}
	plain.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if strings.EqualFold(hello.ServerName, host) {
			return asking, nil
		}
		return nil, nil
	}
	return plain
}

func (r *Reloader) verifyPeer(cs tls.ConnectionState, host string, usage x509.ExtKeyUsage, roles []Role) error {
	if len(cs.PeerCertificates) == 0 {
		return ErrNoPeerCertificate
	}
	leaf := cs.PeerCertificates[0]
	pool := r.current.Load().pool
	if pool == nil {
		return errors.New("no authority is configured for the peer's certificate")
	}
	options := x509.VerifyOptions{
		Roots:         pool,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{usage},
		CurrentTime:   r.now(),
	}
	for _, c := range cs.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("verify the peer's certificate: %w", err)
	}
	if host != "" {
		if err := leaf.VerifyHostname(host); err != nil {
			return fmt.Errorf("verify the peer's name: %w", err)
		}
	}
	if err := verifyRole(leaf, r.options.TrustDomain, roles...); err != nil {
		return fmt.Errorf("verify the peer's identity: %w", err)
	}
	return nil
}

// verifyRole demands exactly one URI, as an X.509-SVID has (SPIFFE X509-SVID §2): a certificate with two identities
// could serve as either.
func verifyRole(leaf *x509.Certificate, trustDomain string, roles ...Role) error {
	if len(leaf.URIs) != 1 {
		return fmt.Errorf("%w: %d URIs instead of one", ErrWrongRole, len(leaf.URIs))
	}
	got := leaf.URIs[0].String()
	for _, role := range roles {
		if got == Identity(trustDomain, role) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrWrongRole, got)
}

// checkLeaf refuses a certificate that no peer could accept at the moment.
func (r *Reloader) checkLeaf(leaf *x509.Certificate) error {
	now := r.now()
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("the certificate expired on %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(leaf.NotBefore) {
		return fmt.Errorf("the certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	if r.options.Role == "" {
		return nil
	}
	if err := verifyRole(leaf, r.options.TrustDomain, r.options.Role); err != nil {
		return fmt.Errorf("%w; expected %s (--tls-trust-domain)", err, Identity(r.options.TrustDomain, r.options.Role))
	}
	return nil
}
