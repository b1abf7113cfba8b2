package clientauth

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// tlsMethod is tls_client_auth, selfSignedMethod self_signed_tls_client_auth (RFC 8705 §2). The request only names the client,
// as that of a public client does, so it is the registered method that says what the certificate of the connection is for.
var (
	tlsMethod        = method{name: oauth2.AuthTLS, presented: byConnection, prove: proveChain}
	selfSignedMethod = method{name: oauth2.AuthSelfSignedTLS, presented: byConnection, prove: proveSelfSigned}
)

func byConnection(*http.Request, oauth2.Params) bool { return false }

// ofConnection reports whether a client authenticates by the certificate of its connection.
func ofConnection(m oauth2.AuthMethod) bool {
	return m == oauth2.AuthTLS || m == oauth2.AuthSelfSignedTLS
}

// certificates are those that the client has shown, its own first. It has proved that it holds the key of that one.
func certificates(r *http.Request) []*x509.Certificate {
	if r.TLS == nil {
		return nil
	}
	return r.TLS.PeerCertificates
}

var (
	errNoCertificate = oauth2.InvalidClient.Errorf("Client authentication failed: the request has no client certificate")
	errCertificate   = oauth2.InvalidClient.Errorf("Client authentication failed: the certificate is not the client's, or not valid")
)

// proveChain wants a certificate of an accepted authority for the registered name (RFC 8705 §2.1).
func proveChain(_ context.Context, a *Authenticator, _ *domain.Domain, c *domain.Client, tried attempt) error {
	switch {
	case len(tried.certificates) == 0:
		return errNoCertificate
	case a.authorities == nil:
		return errCertificate.WithCause(errors.New("no authority is configured for the certificates of clients"))
	}
	leaf := tried.certificates[0]
	options := x509.VerifyOptions{
		Roots: a.authorities(), Intermediates: x509.NewCertPool(), CurrentTime: a.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, between := range tried.certificates[1:] {
		options.Intermediates.AddCert(between)
	}
	if _, err := leaf.Verify(options); err != nil {
		return errCertificate.WithCause(err)
	}
	if err := named(leaf, c.Application.GetSettings().GetOauth()); err != nil {
		return errCertificate.WithCause(err)
	}
	return nil
}

// proveSelfSigned wants a certificate of one of the client's own keys (RFC 8705 §2.2). Who signed it, and until when, says
// nothing: the registered key is what counts.
func proveSelfSigned(ctx context.Context, a *Authenticator, _ *domain.Domain, c *domain.Client, tried attempt) error {
	if len(tried.certificates) == 0 {
		return errNoCertificate
	}
	known, err := a.keys.Certified(ctx, c, tried.certificates[0].PublicKey)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case notRead(err):
		return errNotRead.WithCause(err)
	case err != nil || !known:
		return errCertificate.WithCause(err)
	}
	return nil
}
