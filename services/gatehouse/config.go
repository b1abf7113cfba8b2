package gatehouse

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/url"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gateway"
	"github.com/gatehouse-am/gatehouse/services/management"
)

// The operator of development, and the password that opens everything on one developer's machine and nothing that others
// can reach.
const (
	developmentOperator = "admin"
	developmentPassword = "adminadmin"
)

// Config is everything the development binary is told at its start.
type Config struct {
	DataDir string `flag:"data-dir" help:"databases, keys and the demonstration's credentials are kept here"`

	ManagementAddress          string `flag:"management-address" help:"management REST and console, host:port"`
	GatewayAddress             string `flag:"gateway-address" help:"where people and clients reach the gateway, host:port"`
	TechnicalAddress           string `flag:"technical-address" help:"the gateway's health, metrics and /_node, host:port"`
	ManagementTechnicalAddress string `flag:"management-technical-address" help:"management's health and metrics, host:port"`
	ManagementGRPCAddress      string `flag:"management-grpc-address" help:"where the gateway connects to management, host:port; port 0 is a free one"`
	DemoAddress                string `flag:"demo-address" help:"the demonstration's web application, host:port"`
	PublicURL                  string `flag:"public-url" help:"the gateway's URL as people and clients see it; default: http:// and the gateway's address, https:// with --gateway-tls-cert-file"`

	MongoDBURI config.URL `flag:"mongodb-uri" help:"a MongoDB server; default: the embedded one"`
	RedisURL   config.URL `flag:"redis-url" help:"a Redis server; default: one inside this process"`

	OperatorName      string        `flag:"operator-name" help:"the first operator's name; used only while there is no operator"`
	OperatorPassword  config.Secret `flag:"operator-password" help:"their password; default: adminadmin, only while nothing listens beyond this machine"`
	TechnicalUser     string        `flag:"technical-user" help:"who may read /_node"`
	TechnicalPassword config.Secret `flag:"technical-password" help:"their password; default: adminadmin, only while nothing listens beyond this machine"`

	Demo bool `flag:"demo" help:"make a demonstration domain on the first start and run its web application; --demo=false: do not"`

	Management management.Config `omit:"mongodb-uri roles management-tls-cert-file management-tls-key-file management-address management-grpc-address technical-address gateway-url sealing-key-file operator-name operator-password drain-delay tls-cert-file tls-key-file tls-ca-file tls-trust-domain"`
	Gateway    gateway.Config    `omit:"management-grpc-address directory-grpc-address redis-url redis-password redis-sentinel-password redis-ca-file redis-cert-file redis-key-file gateway-address technical-address public-url technical-user technical-password node-name domains drain-delay snapshot-folder snapshot-key snapshot-wait snapshot-max-age tls-cert-file tls-key-file tls-ca-file tls-trust-domain"`

	// Version is the program's, for operators.
	Version string `flag:"-"`

	// keepsMails says that e-mails become files instead of being delivered.
	keepsMails bool `flag:"-"`
}

// Defaults are the values of what is not configured.
func Defaults() Config {
	c := Config{
		DataDir:                    "gatehouse-data",
		ManagementAddress:          "localhost:8093",
		GatewayAddress:             "localhost:8092",
		TechnicalAddress:           "localhost:18092",
		ManagementTechnicalAddress: "localhost:18093",
		ManagementGRPCAddress:      "localhost:0",
		DemoAddress:                "localhost:8094",
		OperatorName:               developmentOperator,
		TechnicalUser:              developmentOperator,
		Demo:                       true,
		Management:                 management.Defaults(),
		Gateway:                    gateway.Defaults(),
	}
	c.Management.Logs.Level, c.Management.Logs.Format = slog.LevelInfo, observe.Text
	c.Gateway.Logs.Level, c.Gateway.Logs.Format = slog.LevelInfo, observe.Text
	return c
}

// Validate says everything that is wrong with a configuration.
func (c *Config) Validate() error {
	var faults []error
	if c.DataDir == "" {
		faults = append(faults, config.Invalid("data-dir", "is needed"))
	}
	reachable := true
	for _, l := range c.listens() {
		if _, _, err := net.SplitHostPort(l.address); err != nil {
			faults = append(faults, config.Invalid(l.flag, "is %q, which is not host:port", l.address))
			reachable = false
		}
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			faults = append(faults, config.Invalid("public-url", "%q is not an http(s) URL with a host", c.PublicURL))
		}
	}
	if reachable {
		faults = append(faults, c.checkPasswords())
	}
	return errors.Join(append(faults, c.validateServices())...)
}

// validateServices asks the services about what is theirs. What the wiring fills in is in order.
func (c *Config) validateServices() error {
	files := serve.TLSFiles{CertFile: "made", KeyFile: "made", CAFile: "made"}
	made := dataDir{sealingKey: "made", management: files, gateway: files}
	whole := *c
	whole.PublicURL = "https://localhost"
	whole.MongoDBURI = cmp.Or(whole.MongoDBURI, management.Defaults().MongoDBURI)
	whole.RedisURL = cmp.Or(whole.RedisURL, gateway.Defaults().RedisURL)
	log := slog.New(slog.DiscardHandler)
	m, g := whole.managementConfig(made, log), whole.gatewayConfig(made, "localhost:0", log)
	return errors.Join(m.Validate(), g.Validate())
}

// checkPasswords refuses to show the world something that a password from the manual opens.
func (c *Config) checkPasswords() error {
	exposed := c.exposed()
	if exposed == nil {
		return nil
	}
	for _, p := range []struct {
		flag     string
		password config.Secret
	}{{"operator-password", c.OperatorPassword}, {"technical-password", c.TechnicalPassword}} {
		if p.password == "" || p.password.Reveal() == developmentPassword {
			return config.Invalid(exposed.flag, "%s can be reached from other machines, and --%s-file does not say another password than the one everybody knows",
				exposed.address, p.flag)
		}
	}
	return nil
}

// listen is one address and the flag that says it.
type listen struct{ flag, address string }

func (c *Config) listens() []listen {
	all := []listen{
		{"management-address", c.ManagementAddress},
		{"gateway-address", c.GatewayAddress},
		{"technical-address", c.TechnicalAddress},
		{"management-technical-address", c.ManagementTechnicalAddress},
		{"management-grpc-address", c.ManagementGRPCAddress},
	}
	if c.Demo {
		all = append(all, listen{"demo-address", c.DemoAddress})
	}
	return all
}

// exposed returns an address that is not on the loopback interface, or nil.
func (c *Config) exposed() *listen {
	for _, l := range c.listens() {
		if !loopback(l.address) {
			return &l
		}
	}
	return nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
