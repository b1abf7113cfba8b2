package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/assembly"
)

// Certificates are the gateway's own towards people and clients, and those by which clients authenticate (RFC 8705).
type Certificates struct {
	CertFile     string `flag:"gateway-tls-cert-file" help:"the certificate with which the gateway serves https itself, PEM; none: http, for a proxy in front of it"`
	KeyFile      string `flag:"gateway-tls-key-file" help:"its private key, PEM"`
	MTLSURL      string `flag:"mtls-url" help:"the gateway's URL at which clients are asked for a certificate; it may be --public-url, but then browsers are asked as well"`
	ClientCAFile string `flag:"client-ca-file" help:"the authorities whose certificates authenticate clients (tls_client_auth), PEM"`
	Header       string `flag:"client-certificate-header" help:"the header in which trusted proxies forward a client's certificate: Client-Cert (RFC 9440), or one with percent-encoded PEM as nginx sends it"`
}

func (c *Certificates) validate(trustedProxies []string) error {
	var faults []error
	wrong := func(is bool, key, problem string) {
		if is {
			faults = append(faults, config.Invalid(key, "%s", problem))
		}
	}
	u, err := url.Parse(c.MTLSURL)
	wrong(c.CertFile != "" && c.KeyFile == "", "gateway-tls-key-file", "is needed with --gateway-tls-cert-file")
	wrong(c.CertFile == "" && c.KeyFile != "", "gateway-tls-cert-file", "is needed with --gateway-tls-key-file")
	wrong(c.Header != "" && len(trustedProxies) == 0, "client-certificate-header", "counts only from --trusted-proxies, and there are none")
	wrong(c.MTLSURL != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != ""),
		"mtls-url", fmt.Sprintf("%q is not an https URL with a host and without a query", c.MTLSURL))
	wrong(c.MTLSURL != "" && c.CertFile == "" && c.Header == "",
		"mtls-url", "needs --gateway-tls-cert-file, or --client-certificate-header where a proxy asks for certificates")
	wrong(c.ClientCAFile != "" && !c.shown(), "client-ca-file", "is of no use: clients show certificates only with --mtls-url or --client-certificate-header")
	return errors.Join(faults...)
}

// shown reports whether clients can show certificates.
func (c *Certificates) shown() bool { return c.Header != "" || c.CertFile != "" && c.MTLSURL != "" }

// open reads the files. The configuration of the public port is nil for http; reloaders are to be run.
func (c *Certificates) open(publicURL string, log *slog.Logger, metrics *observe.Metrics) (assembly.Certificates, *tls.Config, []*serve.Reloader, error) {
	made := assembly.Certificates{Shown: c.shown(), Header: c.Header}
	if mtls := strings.TrimSuffix(c.MTLSURL, "/"); mtls != publicURL {
		made.MTLSURL = mtls
	}
	var public *tls.Config
	var reloaders []*serve.Reloader
	read := func(name string, files serve.TLSFiles) (*serve.Reloader, error) {
		r, err := serve.NewReloader(files, serve.ReloaderOptions{Log: log, Name: name, Metrics: metrics})
		if err == nil {
			reloaders = append(reloaders, r)
		}
		return r, err
	}
	if c.CertFile != "" {
		r, err := read("public", serve.TLSFiles{CertFile: c.CertFile, KeyFile: c.KeyFile})
		if err != nil {
			return made, nil, nil, err
		}
		public = c.asking(r, publicURL)
	}
	if c.ClientCAFile != "" {
		r, err := read("clients", serve.TLSFiles{CAFile: c.ClientCAFile})
		if err != nil {
			return made, nil, nil, fmt.Errorf("--client-ca-file: %w", err)
		}
		made.Authorities = func() *x509.CertPool { return r.Authorities() }
	}
	return made, public, reloaders, nil
}

// asking asks for certificates at the host of --mtls-url, and at every one where that is the public host.
func (c *Certificates) asking(r *serve.Reloader, publicURL string) *tls.Config {
	if c.MTLSURL == "" {
		return r.PublicTLS()
	}
	mtls, _ := url.Parse(c.MTLSURL) // validated
	public, err := url.Parse(publicURL)
	if err != nil || strings.EqualFold(mtls.Hostname(), public.Hostname()) {
		return r.AskingTLS("")
	}
	return r.AskingTLS(mtls.Hostname())
}
