package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Network connects to servers; *outbound.Client does.
type Network interface {
	// Dial connects to host:port, if that is allowed.
	Dial(ctx context.Context, address string, encrypted bool) (net.Conn, error)
	// TLS returns settings for a connection to host.
	TLS(host string) *tls.Config
}

// server is where connections go, and how they are protected.
type server struct {
	network           Network
	address           string
	tls               *tls.Config // nil where connections are not encrypted
	startTLS          bool
	connect, response time.Duration
}

func newServer(config *configv1.LDAPProvider, network Network) (*server, error) {
	u, err := url.Parse(config.GetContextSourceUrl())
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("contextSourceUrl: must be ldap://host:389 or ldaps://host:636")
	}
	s := &server{
		network: network, startTLS: config.GetStartTls(),
		connect: within(config.GetConnectTimeout(), defaultConnect), response: within(config.GetResponseTimeout(), defaultResponse),
	}
	port := u.Port()
	switch scheme := strings.ToLower(u.Scheme); {
	case scheme == "ldaps" && s.startTLS:
		return nil, errors.New("startTLS: can not be used with ldaps, which is TLS from the beginning")
	case scheme == "ldaps":
		if port == "" {
			port = "636"
		}
	case scheme == "ldap":
		if port == "" {
			port = "389"
		}
	default:
		return nil, errors.New("contextSourceUrl: must be ldap://host:389 or ldaps://host:636")
	}
	s.address = net.JoinHostPort(u.Hostname(), port)
	if s.startTLS || strings.EqualFold(u.Scheme, "ldaps") {
		s.tls = network.TLS(u.Hostname())
		if pem := config.GetTrustedCertificates(); strings.TrimSpace(pem) != "" {
			s.tls.RootCAs = x509.NewCertPool()
			if !s.tls.RootCAs.AppendCertsFromPEM([]byte(pem)) {
				return nil, errors.New("trustedCertificates: holds no certificate in PEM")
			}
		}
	}
	return s, nil
}

// within returns a time limit in milliseconds, a default for none, and never more than maxTime.
func within(milliseconds int32, otherwise time.Duration) time.Duration {
	if milliseconds <= 0 {
		return otherwise
	}
	return min(time.Duration(milliseconds)*time.Millisecond, maxTime)
}

// open connects. Where encryption is configured, nothing else is sent before it is there.
func (s *server) open(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connect)
	defer cancel()
	raw, err := s.network.Dial(ctx, s.address, s.tls != nil)
	if err != nil {
		return nil, err
	}
	limited := &bounded{Conn: raw}
	limited.left.Store(maxAnswer)
	var secured net.Conn = limited
	if s.tls != nil && !s.startTLS {
		t := tls.Client(limited, s.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, fmt.Errorf("encrypt the connection: %w", err)
		}
		secured = t
	}
	c := &conn{Conn: ldap.NewConn(secured, secured != net.Conn(limited)), raw: limited}
	c.Start()
	if s.startTLS {
		if err := c.do(ctx, func() error { return c.StartTLS(s.tls) }); err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("the directory does not encrypt the connection: %w", err)
		}
	}
	return c, nil
}
