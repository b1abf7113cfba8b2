// Package gateway is the data plane: it serves the protocol endpoints of the domains that management describes. It has no
// database; what changes per request is in Redis, everything else in memory.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/pkg/tracing"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/assembly"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/geo"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/monitor"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/upstream"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// Config is everything a gateway is told at its start.
type Config struct {
	ManagementAddress string     `flag:"management-grpc-address" help:"management's address for gateways, host:port"`
	DirectoryAddress  string     `flag:"directory-grpc-address" help:"the address of the replicas of management with the role directory, where they run by themselves, host:port; default: --management-grpc-address"`
	RedisURL          config.URL `flag:"redis-url" help:"Redis for codes, sessions and grants: redis://user:password@host:6379/0, redis+sentinel://user:password@host:26379,host:26379/master/0 or redis+cluster://user:password@host:6379,host:6379; rediss in place of redis encrypts"`
	Redis             Redis
	Address           string        `flag:"gateway-address" help:"where people and clients reach the gateway, host:port"`
	TechnicalAddress  string        `flag:"technical-address" help:"health, metrics and /_node, host:port"`
	PublicURL         string        `flag:"public-url" help:"the gateway's URL as people and clients see it; the issuer of every domain begins with it"`
	TechnicalUser     string        `flag:"technical-user" help:"who may read /_node"`
	TechnicalPassword config.Secret `flag:"technical-password" help:"their password; without one /_node is closed"`
	TrustedProxies    []string      `flag:"trusted-proxies" help:"networks of proxies whose X-Forwarded-… headers, and --client-certificate-header, count, such as 10.0.0.0/8"`
	Node              string        `flag:"node-name" help:"the gateway's name for operators; default: the host's name"`
	Domains           []string      `flag:"domains" help:"ids of the domains to serve; none: all"`
	RegisteredClients int           `flag:"registered-clients" help:"how many dynamically registered clients of a domain are held in memory; of a domain that has more, the others are asked for at management when they are used; 0: any number"`
	Registered        Registered
	OutboundAllow     []string      `flag:"outbound-allow" help:"what outgoing requests may reach beside public addresses: hosts, host:port or networks; http:// before one allows plain http there"`
	OutboundCAFile    string        `flag:"outbound-ca-file" help:"authorities that outgoing requests trust beside the system's, PEM"`
	GeoDatabases      []string      `flag:"geo-database" help:"databases of addresses in the format of MaxMind, of countries and of networks (ASN), by which policies know where people are; read at the start"`
	DrainDelay        time.Duration `flag:"drain-delay" help:"how long the gateway keeps serving after it stopped being ready"`
	Certificates      Certificates
	Plane             Plane
	Snapshot          Snapshot
	Logs              Logs
	Traces            tracing.Settings

	// Version is the program's, for operators. Logger overrides Logs where several services share one.
	Version string       `flag:"-"`
	Logger  *slog.Logger `flag:"-"`
}

// Plane is the mutually authenticated connection to management.
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
		ManagementAddress: "localhost:18094",
		RedisURL:          "redis://localhost:6379/0",
		Address:           ":8092",
		TechnicalAddress:  "localhost:18092",
		TechnicalUser:     "admin",
		RegisteredClients: 100_000,
		Registered:        Registered{AccessToken: 2 * time.Hour, RefreshToken: 4 * time.Hour, IDToken: 4 * time.Hour},
		DrainDelay:        0,
		Plane:             Plane{TrustDomain: serve.DefaultTrustDomain},
		Snapshot:          Snapshot{Wait: 10 * time.Second, MaxAge: 24 * time.Hour},
		Logs:              Logs{Level: slog.LevelInfo, Format: observe.JSON},
		Traces:            tracing.Defaults(),
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
	u, err := url.Parse(c.PublicURL)
	wrong(c.PublicURL == "", "public-url", "is needed: the issuer of every domain begins with it")
	wrong(c.PublicURL != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != ""),
		"public-url", fmt.Sprintf("%q is not an http(s) URL with a host and without a query", c.PublicURL))
	const mutual = "is needed: the plane to management is mutually authenticated"
	wrong(c.Plane.CertFile == "", "tls-cert-file", mutual)
	wrong(c.Plane.KeyFile == "", "tls-key-file", mutual)
	wrong(c.Plane.CAFile == "", "tls-ca-file", mutual)
	wrong(c.Plane.TrustDomain != "" && !serve.ValidTrustDomain(c.Plane.TrustDomain), "tls-trust-domain", "must be 1 to 255 of a-z, 0-9, '.', '-' and '_'")
	wrong(c.RegisteredClients < 0, "registered-clients", "must not be negative")
	wrong(c.DrainDelay < 0, "drain-delay", "must not be negative")
	if err := outbound.CheckAllow(c.OutboundAllow); err != nil {
		wrong(true, "outbound-allow", err.Error())
	}
	if _, err := observe.ParseProxies(c.TrustedProxies); err != nil {
		wrong(true, "trusted-proxies", err.Error())
	}
	faults = append(faults, c.Registered.validate(), c.Redis.validate(c.RedisURL), c.Certificates.validate(c.TrustedProxies), c.Snapshot.validate(), c.Traces.Validate())
	return errors.Join(faults...)
}

// Run serves until ctx ends and everything has stopped.
func Run(ctx context.Context, c Config) error {
	g, err := New(c)
	if err != nil {
		return err
	}
	return g.Run(ctx)
}

// Gateway is one gateway, wired and not yet running.
type Gateway struct {
	group     serve.Group
	public    *serve.HTTP
	technical *serve.HTTP
	log       *slog.Logger
	effective []slog.Attr
}

// Addr returns the public address once Listen was called, with the port that was taken where 0 was configured.
func (g *Gateway) Addr() string { return g.public.Addr() }

// TechnicalAddr is Addr for the technical port.
func (g *Gateway) TechnicalAddr() string { return g.technical.Addr() }

// Listen takes the ports without serving yet.
func (g *Gateway) Listen() error { return errors.Join(g.public.Listen(), g.technical.Listen()) }

// Run serves until ctx ends and everything has stopped.
func (g *Gateway) Run(ctx context.Context) error {
	if g.effective != nil {
		g.log.LogAttrs(ctx, slog.LevelInfo, "effective configuration", g.effective...)
	}
	return g.group.Run(ctx)
}

// Check says what New would find wrong with a configuration, with the files that it names and what is in them. It contacts nobody.
func Check(c Config) error {
	c.Logger = slog.New(slog.DiscardHandler)
	_, err := New(c)
	return err
}

// The conditions of readiness. A gateway stays ready when management or Redis goes away later: it serves what it can.
const (
	configured = "configuration"
	revocable  = "revocations"
)

// New wires a gateway: what is around its parts, which meet in internal/assembly.
func New(c Config) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	log := c.Logger
	if log == nil {
		log = observe.NewLogger(os.Stderr, c.Logs.Level, c.Logs.Format)
	}
	if c.Node == "" {
		c.Node, _ = os.Hostname()
	}
	proxies, err := observe.ParseProxies(c.TrustedProxies)
	if err != nil {
		return nil, err
	}
	metrics := observe.NewMetrics("gateway", c.Version)
	ready := serve.NewReadiness(configured, revocable)
	metrics.Registerer().MustRegister(ready)

	// What is wrong with files and addresses is said all at once.
	var faults []error
	spans, err := tracing.Open(c.Traces, "gateway", c.Version, c.Node, log)
	faults = append(faults, err)
	traced := observe.NewTracing(spans.Provider())
	fetch, err := outbound.New(outbound.Options{
		Allow: c.OutboundAllow, CAFile: c.OutboundCAFile, Logger: log, Trace: traced.Transport,
		Refused: func(reason outbound.Reason) { metrics.OutboundFailures(string(reason)).Inc() },
	})
	faults = append(faults, err)
	publicURL := strings.TrimSuffix(c.PublicURL, "/")
	places, err := geo.Open(c.GeoDatabases...)
	if err != nil {
		faults = append(faults, fmt.Errorf("--geo-database: %w", err))
	}
	shown, publicTLS, reloaders, err := c.Certificates.open(publicURL, log, metrics)
	faults = append(faults, err)
	reloader, to, err := dial(c, log, metrics, traced)
	faults = append(faults, err)
	redisOptions, redisFiles, err := c.Redis.options(log, metrics)
	faults = append(faults, err)
	redisOptions.Logger, redisOptions.Failed, redisOptions.Tracing = log, metrics.RedisErrors("command").Inc, traced
	store, err := state.Open(c.RedisURL.Reveal(), redisOptions)
	faults = append(faults, err)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	registrar := upstream.NewRegistration(to.calls, metrics.UpstreamErrors("registration").Inc)
	remembered := upstream.NewRegistration(to.memory, metrics.UpstreamErrors("registration").Inc)
	told := upstream.NewUsage(to.calls, c.Node, metrics.UpstreamErrors("usage").Inc)
	used := usage.New(usage.Options{Send: told.Report, Logger: log})
	counts := usage.NewBindings(usage.BindingOptions{Send: told.ReportBindings, Now: time.Now, Logger: log})
	parts := assembly.New(assembly.Parts{
		PublicURL: publicURL, Certificates: shown,
		Store: store, Directory: upstream.NewDirectory(to.people, metrics.UpstreamErrors("directory").Inc), Registrar: registrar,
		Icons: upstream.NewAssets(to.calls, metrics.UpstreamErrors("assets").Inc),
		Resolve: func(ctx context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
			found, err := remembered.Find(ctx, q)
			if fault.Is(err, fault.NotFound) {
				return nil, domain.ErrNoClient
			}
			return found, err
		},
		Belongings: registrar.Belongings, MostRegistered: c.RegisteredClients, Lifetimes: c.Registered.lifetimes(), Used: used, Counts: counts, Proxies: proxies, Fetch: fetch, Places: places, Metrics: metrics, Tracing: traced, Log: log, Now: time.Now,
	})
	var collector tuner
	late := newBehind(time.Now)
	var tidy sync.Once
	found := false // the configuration stream; of OnStatus alone
	var subscriber *configsync.Subscriber
	connected := func() bool { return subscriber.Status().Connected }
	kept, err := c.Snapshot.open(parts.Domains, c.Domains, connected, snapshotFailures(metrics).Inc, log)
	if err != nil {
		return nil, err
	}
	sink, again := kept.around(parts.Domains)
	subscriber = configsync.NewSubscriber(to.memory, c.Node, sink, configsync.SubscriberOptions{
		Domains: c.Domains, MostRegistered: int64(c.RegisteredClients), BelongingsOnDemand: true, Lean: true, Log: log, Again: again,
		OnStatus: func(s configsync.Status) {
			metrics.SetConfigRevision(s.Revision)
			metrics.SetConfigRejections(s.Rejections)
			if s.Connected && !found {
				to.expect()
			}
			found = s.Connected
			late.heard(s)
			if s.Ready { // before that everything is read: garbage in plenty, and the memory of a moment
				kept.streams()
				collector.tune()
				ready.Set(configured, true, "")
				tidy.Do(func() { time.AfterFunc(tidyAfter, collector.tidy) }) // when the batch is let go
			}
		},
	})

	g := &Gateway{
		log:    log,
		public: &serve.HTTP{Name: "gateway", Address: c.Address, Handler: parts.Handler, TLS: publicTLS, Log: log, Readiness: ready, Drain: c.DrainDelay},
		technical: &serve.HTTP{Name: "technical", Address: c.TechnicalAddress, Log: log, Handler: monitor.New(monitor.Options{
			Domains: parts.Domains, Readiness: ready, Metrics: scraped(metrics, late),
			Connected: connected,
			User:      c.TechnicalUser, Password: c.TechnicalPassword.Reveal(),
		})},
	}
	if c.Logger == nil { // who embeds it knows what it says
		g.effective = []slog.Attr{{Key: "config", Value: slog.GroupValue(config.Effective(c)...)}}
	}
	g.group.Add("traces", spans.Run)
	g.group.Add("plane certificates", reloader.Run)
	for _, r := range reloaders {
		g.group.Add("public certificates", r.Run)
	}
	if redisFiles != nil {
		g.group.Add("redis certificates", redisFiles.Run)
	}
	g.group.Add("technical", g.technical.Run)
	g.group.Add("revocations", func(ctx context.Context) error {
		defer func() { _ = store.Close() }()
		return store.Run(ctx)
	})
	g.group.Add("readiness", func(ctx context.Context) error {
		select {
		case <-store.Loaded():
			ready.Set(revocable, true, "")
		case <-ctx.Done():
		}
		return nil
	})
	g.group.Add("configuration", func(ctx context.Context) error {
		defer to.close()
		return subscriber.Run(ctx)
	})
	if kept != nil {
		g.group.Add("snapshot", func(ctx context.Context) error {
			return kept.run(ctx, func(revision int64, rejections int) {
				metrics.SetConfigRevision(revision)
				metrics.SetConfigRejections(rejections)
				collector.tune()
				ready.Set(configured, true, "")
			})
		})
	}
	g.group.Add("usage", used.Run)
	g.group.Add("report-only bindings", counts.Run)
	g.group.Add("logout tokens", parts.LogoutTokens.Run)
	g.group.Add("gateway", g.public.Run)
	return g, nil
}
