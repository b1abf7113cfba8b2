package management

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/pkg/tracing"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer"
)

// Config is everything management is told at its start.
type Config struct {
	MongoDBURI       config.URL    `flag:"mongodb-uri" help:"MongoDB 4.4 or later, such as mongodb://user:password@host:27017"`
	MongoDBDatabase  string        `flag:"mongodb-database" help:"the database in it"`
	Address          string        `flag:"management-address" help:"REST and console, host:port"`
	GRPCAddress      string        `flag:"management-grpc-address" help:"where gateways connect, host:port"`
	TechnicalAddress string        `flag:"technical-address" help:"health and metrics, host:port"`
	GatewayURL       string        `flag:"gateway-url" help:"the gateways' public URL, shown as the domains' entry point"`
	SealingKeyFile   string        `flag:"sealing-key-file" help:"keys that seal secrets in the database: 32 bytes in base64, one a line, newest first"`
	OperatorName     string        `flag:"operator-name" help:"the first operator's name; used only while there is no operator"`
	OperatorPassword config.Secret `flag:"operator-password" help:"their password; needed for the first start"`
	TokenLifetime    time.Duration `flag:"operator-token-lifetime" help:"how long an operator's token is valid"`
	MaxSecrets       int           `flag:"max-client-secrets" help:"how many client secrets an application may have"`
	KeepSecrets      time.Duration `flag:"keep-client-secrets" help:"how long the value of a new client secret is kept, sealed, so that its application can be switched to client_secret_jwt; 0: not at all"`
	KeepAudits       time.Duration `flag:"keep-audits" help:"how long audit records, and with them the history of the configuration, are kept; 0: for ever. The newest record of what exists always stays"`
	TrustedProxies   []string      `flag:"trusted-proxies" help:"networks of proxies whose X-Forwarded-… headers count, such as 10.0.0.0/8"`
	Roles            []string      `flag:"roles" help:"what this replica does: api (REST and console), distribution (what gateways need of the configuration), directory (people, for gateways) and sync (work in the background, e-mails too)"`
	DrainDelay       time.Duration `flag:"drain-delay" help:"how long management keeps serving after it stopped being ready"`
	Mail             Mail
	Plane            Plane
	Certificates     Certificates
	Logs             Logs
	Traces           tracing.Settings

	// Version is the program's, for operators. Logger overrides Logs where several services share one.
	Version string       `flag:"-"`
	Logger  *slog.Logger `flag:"-"`
}

// Mail is the server that takes e-mails. Without its URL none are sent, and what needs them is refused.
type Mail struct {
	URL      config.URL    `flag:"smtp-url" help:"the mail server: smtp://user@host:587 with STARTTLS, or smtps://user@host:465; without it no e-mail is sent"`
	Password config.Secret `flag:"smtp-password" help:"the password of the user in --smtp-url"`
	Auth     string        `flag:"smtp-auth" help:"how to sign in there: auto, plain, login, scram-sha-1 or scram-sha-256"`
	CAFile   string        `flag:"smtp-ca-file" help:"the authorities that may have signed the mail server's certificate, PEM; default: those of the system"`
	Insecure bool          `flag:"smtp-insecure" help:"do without TLS: everybody on the way reads links and password"`
	Timeout  time.Duration `flag:"smtp-timeout" help:"how long connecting, and again one e-mail, may take"`
	From     string        `flag:"mail-from" help:"who e-mails come from where their text does not say: Acme <no-reply@example.com>"`
}

// settings understands the configuration; nil means that no e-mail is sent.
func (m *Mail) settings() (*mailer.Settings, error) {
	if m.URL == "" {
		return nil, nil
	}
	read, err := mailer.Configured{
		URL: m.URL.Reveal(), Password: m.Password.Reveal(), From: m.From, Auth: m.Auth, CAFile: m.CAFile, Insecure: m.Insecure, Timeout: m.Timeout,
	}.Read()
	return &read, err
}

// Certificates are those of REST and console.
type Certificates struct {
	CertFile string `flag:"management-tls-cert-file" help:"the certificate with which REST and console are served by https, PEM; none: http, for a proxy in front of them"`
	KeyFile  string `flag:"management-tls-key-file" help:"its private key, PEM"`
}

// Plane is the mutually authenticated connection to gateways.
type Plane struct {
	CertFile string `flag:"tls-cert-file" help:"this service's certificate for the plane between management and gateways, PEM"`
	KeyFile  string `flag:"tls-key-file" help:"its private key, PEM"`
	CAFile   string `flag:"tls-ca-file" help:"the authorities whose certificates are accepted from the other end, PEM"`
	// TrustDomain tells this installation from others whose certificates the same authorities sign.
	TrustDomain string `flag:"tls-trust-domain" help:"the name of this installation in the certificates of both ends: spiffe://<name>/gateway and spiffe://<name>/management"`
}

// Logs say what is logged and how.
type Logs struct {
	Level  slog.Level     `flag:"log-level" help:"DEBUG, INFO, WARN or ERROR; requests that went well are logged at DEBUG"`
	Format observe.Format `flag:"log-format" help:"json or text"`
}

// Defaults are the values of what is not configured.
func Defaults() Config {
	return Config{
		MongoDBURI:       "mongodb://localhost:27017",
		MongoDBDatabase:  "gatehouse",
		Address:          ":8093",
		GRPCAddress:      ":18094",
		TechnicalAddress: "localhost:18093",
		GatewayURL:       "http://localhost:8092",
		TokenLifetime:    8 * time.Hour,
		MaxSecrets:       10,
		Roles:            []string{roleAPI, roleDistribution, roleDirectory, roleSync},
		KeepSecrets:      24 * time.Hour,
		Mail:             Mail{Auth: "auto", Timeout: 15 * time.Second},
		Plane:            Plane{TrustDomain: serve.DefaultTrustDomain},
		Logs:             Logs{Level: slog.LevelInfo, Format: observe.JSON},
		Traces:           tracing.Defaults(),
	}
}

// Validate says everything that is wrong with a configuration.
func (c *Config) Validate() error {
	var faults []error
	wrong := func(is bool, key, problem string) {
		if is {
			faults = append(faults, config.Invalid(key, "%s", problem))
		}
	}
	u, err := url.Parse(c.GatewayURL)
	wrong(err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "", "gateway-url", fmt.Sprintf("%q is not an http(s) URL with a host", c.GatewayURL))
	wrong(c.SealingKeyFile == "", "sealing-key-file", "is needed: secrets are sealed before they reach the database")
	const mutual = "is needed: the plane to gateways is mutually authenticated"
	wrong(c.Plane.CertFile == "", "tls-cert-file", mutual)
	wrong(c.Plane.KeyFile == "", "tls-key-file", mutual)
	wrong(c.Plane.CAFile == "", "tls-ca-file", mutual)
	wrong(c.Plane.TrustDomain != "" && !serve.ValidTrustDomain(c.Plane.TrustDomain), "tls-trust-domain", "must be 1 to 255 of a-z, 0-9, '.', '-' and '_'")
	wrong(c.TokenLifetime <= 0, "operator-token-lifetime", "must be positive")
	wrong(c.MaxSecrets < 1, "max-client-secrets", "must be at least 1")
	wrong(c.KeepSecrets < 0, "keep-client-secrets", "must not be negative")
	wrong(c.KeepAudits < 0 || c.KeepAudits > 0 && c.KeepAudits < 24*time.Hour, "keep-audits", "must be 0 or at least 24h")
	wrong(c.DrainDelay < 0, "drain-delay", "must not be negative")
	wrong(!databaseURI(c.MongoDBURI.Reveal()), "mongodb-uri", "must begin with mongodb:// or mongodb+srv://")
	wrong(!databaseName.MatchString(c.MongoDBDatabase), "mongodb-database", "must be at most 63 letters, digits, '-' and '_'")
	wrong(c.Certificates.CertFile != "" && c.Certificates.KeyFile == "", "management-tls-key-file", "is needed with --management-tls-cert-file")
	wrong(c.Certificates.CertFile == "" && c.Certificates.KeyFile != "", "management-tls-cert-file", "is needed with --management-tls-key-file")
	faults = append(faults, c.validateRoles())
	if _, err := observe.ParseProxies(c.TrustedProxies); err != nil {
		wrong(true, "trusted-proxies", err.Error())
	}
	faults = append(faults, c.Traces.Validate())
	if _, err := c.Mail.settings(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func databaseURI(uri string) bool {
	return strings.HasPrefix(uri, "mongodb://") || strings.HasPrefix(uri, "mongodb+srv://")
}

// databaseName is narrower than what servers take on any one platform.
var databaseName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)
