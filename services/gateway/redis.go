package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Redis is what the URL of Redis does not say.
type Redis struct {
	Password         config.Secret `flag:"redis-password" help:"the password of the user in --redis-url, or of the server's only user"`
	SentinelPassword config.Secret `flag:"redis-sentinel-password" help:"the password at the Sentinels of redis+sentinel://"`
	CAFile           string        `flag:"redis-ca-file" help:"the authorities that may have signed the certificates of rediss://, PEM; default: those of the system"`
	CertFile         string        `flag:"redis-cert-file" help:"the certificate that the gateway shows to Redis, PEM"`
	KeyFile          string        `flag:"redis-key-file" help:"its private key, PEM"`
}

func (r *Redis) validate(address config.URL) error {
	a, err := state.ParseURL(address.Reveal())
	if err != nil {
		return fmt.Errorf("--redis-url: %w", err)
	}
	var faults []error
	wrong := func(is bool, key, problem string) {
		if is {
			faults = append(faults, config.Invalid(key, "%s", problem))
		}
	}
	wrong(r.Password != "" && a.HasPassword(), "redis-password", "is of no use: --redis-url says a password as well")
	wrong(r.SentinelPassword != "" && !a.Sentinel(), "redis-sentinel-password", "is of no use without redis+sentinel:// in --redis-url")
	wrong(r.SentinelPassword != "" && a.HasSentinelPassword(), "redis-sentinel-password", "is of no use: --redis-url says sentinel-password as well")
	const encrypted = "is of no use without rediss:// in --redis-url"
	wrong(r.CAFile != "" && !a.Encrypted(), "redis-ca-file", encrypted)
	wrong(r.CertFile != "" && !a.Encrypted(), "redis-cert-file", encrypted)
	wrong(r.CertFile != "" && r.KeyFile == "", "redis-key-file", "is needed with --redis-cert-file")
	wrong(r.CertFile == "" && r.KeyFile != "", "redis-cert-file", "is needed with --redis-key-file")
	return errors.Join(faults...)
}

// options reads the files. The reloader, which is to be run, is nil where there are none.
func (r *Redis) options(log *slog.Logger, metrics *observe.Metrics) (state.Options, *serve.Reloader, error) {
	o := state.Options{Password: r.Password.Reveal(), SentinelPassword: r.SentinelPassword.Reveal()}
	if r.CAFile == "" && r.CertFile == "" {
		return o, nil, nil
	}
	files, err := serve.NewReloader(serve.TLSFiles{CertFile: r.CertFile, KeyFile: r.KeyFile, CAFile: r.CAFile}, serve.ReloaderOptions{Log: log, Name: "redis", Metrics: metrics})
	if err != nil {
		return o, nil, fmt.Errorf("--redis-ca-file, --redis-cert-file, --redis-key-file: %w", err)
	}
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: files.Authorities()}
	if r.CertFile != "" {
		o.TLS.GetClientCertificate = files.ShowCertificate
	}
	return o, files, nil
}
