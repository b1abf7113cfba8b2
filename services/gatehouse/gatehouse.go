package gatehouse

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/backing"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/webapp"
	"github.com/gatehouse-am/gatehouse/services/gateway"
	"github.com/gatehouse-am/gatehouse/services/management"
)

// Run runs everything until ctx ends and everything has stopped, and writes to out what a person can do with it.
func Run(ctx context.Context, c Config, out io.Writer) error {
	if err := c.complete(); err != nil {
		return err
	}
	dir, err := openDataDir(c.DataDir)
	if err != nil {
		return err
	}
	log := observe.NewLogger(os.Stderr, c.Management.Logs.Level, c.Management.Logs.Format)
	servers, err := c.servers(dir, log)
	if err != nil {
		return err
	}

	var group serve.Group
	if c.Management.Mail.URL == "" {
		mail, err := backing.ListenMail(backing.MailOptions{Dir: dir.mails(), Logger: log.With("service", "mail")})
		if err != nil {
			return err
		}
		group.Add("mail", mail.Run)
		c.useMail(mail)
	}
	if servers != nil {
		group.Add("backing servers", servers.Run)
	}
	group.Add("services", func(ctx context.Context) error {
		embeddedRedis := c.RedisURL == ""
		if servers != nil {
			if err := servers.Ready(ctx); err != nil {
				return err
			}
			c.useServers(servers)
		}
		services, err := wire(c, dir, log)
		if err != nil {
			return err
		}
		services.embeddedRedis = embeddedRedis
		return services.run(ctx, out)
	})
	return group.Run(ctx)
}

// complete fills in what follows from the rest of the configuration.
func (c *Config) complete() error {
	if err := c.Validate(); err != nil {
		return err
	}
	if err := checkPorts(c.listens()); err != nil {
		return err
	}
	// Issuer and redirect URI contain ports, and so does what is printed.
	for _, address := range []*string{&c.ManagementAddress, &c.GatewayAddress, &c.TechnicalAddress, &c.DemoAddress} {
		settled, err := settlePort(*address)
		if err != nil {
			return err
		}
		*address = settled
	}
	if c.PublicURL == "" {
		c.PublicURL = urlOf(c.GatewayAddress)
		if c.Gateway.Certificates.CertFile != "" {
			c.PublicURL = "https" + strings.TrimPrefix(c.PublicURL, "http")
		}
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.OperatorPassword == "" {
		c.OperatorPassword = developmentPassword
	}
	if c.TechnicalPassword == "" {
		c.TechnicalPassword = developmentPassword
	}
	return nil
}

// servers returns the backing servers that are wanted, or nil.
func (c *Config) servers(dir dataDir, log *slog.Logger) (*backing.Servers, error) {
	if c.MongoDBURI != "" && c.RedisURL != "" {
		return nil, nil
	}
	return backing.New(backing.Options{
		DataDir:   dir.path,
		RedisOnly: c.MongoDBURI != "",
		Logger:    log.With("service", "backing"),
	})
}

func (c *Config) useServers(servers *backing.Servers) {
	if c.MongoDBURI == "" {
		c.MongoDBURI = config.URL(servers.MongoDBURI())
	}
	if c.RedisURL == "" {
		c.RedisURL = config.URL(servers.RedisURL())
	}
}

// useMail lets management send to the mail server of development, which knows no TLS.
func (c *Config) useMail(mail *backing.Mail) {
	c.Management.Mail.URL, c.Management.Mail.Insecure, c.Management.Mail.CAFile = config.URL(mail.URL()), true, ""
	if c.Management.Mail.From == "" {
		c.Management.Mail.From = "Gatehouse <no-reply@gatehouse.localhost>"
	}
	c.keepsMails = true
}

// services are management, the gateway and the demonstration's web application, listening and not yet running.
type services struct {
	config     Config
	dir        dataDir
	log        *slog.Logger
	management *management.Management
	gateway    *gateway.Gateway
	webapp     *webapp.App
	page       *serve.HTTP

	embeddedRedis bool
}

func wire(c Config, dir dataDir, log *slog.Logger) (*services, error) {
	s := &services{config: c, dir: dir, log: log}
	var err error
	if s.management, err = management.New(c.managementConfig(dir, log)); err != nil {
		return nil, fmt.Errorf("management: %w", err)
	}
	if err := s.management.Listen(); err != nil {
		return nil, fmt.Errorf("management: %w", err)
	}
	if s.gateway, err = gateway.New(c.gatewayConfig(dir, s.management.GRPCAddr(), log)); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if err := s.gateway.Listen(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if c.Demo {
		s.webapp = webapp.New(webapp.Options{PublicURL: c.PublicURL, URL: urlOf(c.DemoAddress)})
		s.page = &serve.HTTP{Name: "demonstration", Address: c.DemoAddress, Handler: s.webapp, Log: log}
		if err := s.page.Listen(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (c *Config) managementConfig(dir dataDir, log *slog.Logger) management.Config {
	m := c.Management
	m.MongoDBURI = c.MongoDBURI
	m.Address = c.ManagementAddress
	m.GRPCAddress = c.ManagementGRPCAddress
	m.TechnicalAddress = c.ManagementTechnicalAddress
	m.GatewayURL = c.PublicURL
	m.SealingKeyFile = dir.sealingKey
	m.OperatorName = c.OperatorName
	m.OperatorPassword = c.OperatorPassword
	m.Plane = management.Plane{CertFile: dir.management.CertFile, KeyFile: dir.management.KeyFile, CAFile: dir.management.CAFile}
	m.Version = c.Version
	m.Logger = log.With("service", "management")
	return m
}

func (c *Config) gatewayConfig(dir dataDir, plane string, log *slog.Logger) gateway.Config {
	g := c.Gateway
	g.ManagementAddress = plane
	g.RedisURL = c.RedisURL
	g.Address = c.GatewayAddress
	g.TechnicalAddress = c.TechnicalAddress
	g.PublicURL = c.PublicURL
	g.TechnicalUser = c.TechnicalUser
	g.TechnicalPassword = c.TechnicalPassword
	g.Plane = gateway.Plane{CertFile: dir.gateway.CertFile, KeyFile: dir.gateway.KeyFile, CAFile: dir.gateway.CAFile}
	g.Version = c.Version
	g.Logger = log.With("service", "gateway")
	if len(g.OutboundAllow) == 0 && c.exposed() == nil {
		g.OutboundAllow = []string{"http://127.0.0.0/8", "http://::1"}
		g.Logger.Info("outgoing requests may reach this machine, which only development allows", "outbound_allow", g.OutboundAllow)
	}
	return g
}

// run starts management first and stops it last: the gateway's requests under way may still need it.
func (s *services) run(ctx context.Context, out io.Writer) error {
	var group serve.Group
	group.Add("management", s.management.Run)
	if s.page != nil {
		group.Add("demonstration", s.page.Run)
	}
	group.Add("gateway", s.gateway.Run)
	group.Add("welcome", func(ctx context.Context) error { return s.welcome(ctx, out) })
	return group.Run(ctx)
}
