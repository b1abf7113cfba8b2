package possession

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
)

// Certificate returns the certificate that the client of a request holds the key of, nil if it has shown none. Nobody has
// looked at who signed it.
func Certificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// Thumbprint is the confirmation of a certificate: the SHA-256 of its DER (RFC 8705 §3.1).
func Thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const (
	// ClientCert is the field in which proxies forward the certificate of a client (RFC 9440 §2.2).
	ClientCert = "Client-Cert"
	// ClientCertChain is the field in which they forward what lies between it and its authority (RFC 9440 §2.3).
	ClientCertChain = "Client-Cert-Chain"
	// maxField and maxChain bound a forwarded certificate in bytes and the length of its chain.
	maxField = 32 << 10
	maxChain = 8
)

// ofTheFront are the fields that only a proxy in front of the gateway may set, besides the one for certificates.
var ofTheFront = []string{
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
}

// Front sees to it that a request says nothing of its client that the client has made up. What only a proxy may say is taken
// off the requests of everybody but the trusted ones (RFC 9700 §4.13). Header is the field in which those forward the
// certificate of a client, as Client-Cert (RFC 9440) or as percent-encoded PEM; "" if they forward none. It becomes the
// certificate of the connection, in the place of what the proxy itself has shown there. A field that cannot be read is no
// certificate, and is logged.
func Front(next http.Handler, header string, proxies *observe.Proxies, log *slog.Logger) http.Handler {
	field := http.CanonicalHeaderKey(header)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values, chain := r.Header[field], r.Header[ClientCertChain]
		delete(r.Header, field)
		delete(r.Header, ClientCert)
		delete(r.Header, ClientCertChain)
		if proxies.Trusted(peerOf(r)) {
			if field != ClientCert {
				chain = nil
			}
			forwarded(r, values, chain, log)
		} else {
			for _, name := range ofTheFront {
				delete(r.Header, name)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func peerOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// forwarded puts the certificate of the client where that of the proxy may be.
func forwarded(r *http.Request, values, chain []string, log *slog.Logger) {
	if r.TLS == nil && values == nil {
		return
	}
	connection := tls.ConnectionState{}
	if r.TLS != nil {
		connection = *r.TLS
	}
	connection.PeerCertificates, connection.VerifiedChains = nil, nil
	if len(values) > 0 && values[0] != "" {
		certificates, err := parseForwarded(values, chain)
		if err != nil {
			log.WarnContext(r.Context(), "forwarded client certificate cannot be read", "err", err)
		}
		connection.PeerCertificates = certificates
	}
	if r.TLS == nil && connection.PeerCertificates == nil {
		return
	}
	r.TLS = &connection
}

var errField = errors.New("neither a byte sequence of RFC 9440 nor percent-encoded PEM")

// parseForwarded reads the certificate of a client and those between it and its authority.
func parseForwarded(values, chain []string) ([]*x509.Certificate, error) {
	if len(values) != 1 {
		return nil, fmt.Errorf("%d fields instead of one", len(values))
	}
	value := strings.TrimSpace(values[0])
	if len(value) > maxField {
		return nil, fmt.Errorf("%d bytes, more than %d", len(value), maxField)
	}
	if !strings.HasPrefix(value, ":") {
		return parsePEM(value)
	}
	leaf, err := parseBytes(value)
	if err != nil {
		return nil, err
	}
	all := []*x509.Certificate{leaf}
	for member := range strings.SplitSeq(strings.Join(chain, ","), ",") {
		if member = strings.TrimSpace(member); member == "" {
			continue
		}
		if len(all) == maxChain || len(member) > maxField {
			return nil, fmt.Errorf("a chain of more than %d certificates, or one of more than %d bytes", maxChain, maxField)
		}
		next, err := parseBytes(member)
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	return all, nil
}

// parseBytes reads a byte sequence of structured fields, colons around base64 (RFC 9440 §2.1, RFC 8941 §3.3.5).
func parseBytes(item string) (*x509.Certificate, error) {
	inner, begins := strings.CutPrefix(item, ":")
	inner, ends := strings.CutSuffix(inner, ":")
	if !begins || !ends {
		return nil, errField
	}
	der, err := base64.StdEncoding.DecodeString(inner)
	if err != nil {
		return nil, errField
	}
	return x509.ParseCertificate(der)
}

// parsePEM reads the certificate, and what else of its chain is there, from PEM that is percent-encoded: what nginx calls
// $ssl_client_escaped_cert.
func parsePEM(value string) ([]*x509.Certificate, error) {
	text, err := url.PathUnescape(value) // a plus is a plus: base64 has it
	if err != nil {
		return nil, errField
	}
	var all []*x509.Certificate
	for rest := []byte(text); len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" || len(all) == maxChain {
			return nil, errField
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errField
	}
	return all, nil
}
