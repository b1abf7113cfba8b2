// Package management is the control plane: it owns the configuration and the directory, is driven over REST, and feeds
// the gateways over gRPC.
package management

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/pkg/tracing"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	"github.com/gatehouse-am/gatehouse/services/console"
	"github.com/gatehouse-am/gatehouse/services/management/internal/access"
	"github.com/gatehouse-am/gatehouse/services/management/internal/assets"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/bootstrap"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/distribution"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/gateways"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/management/internal/rest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/rotation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/transfer"
	"github.com/gatehouse-am/gatehouse/services/management/internal/usage"
)

// ErrNoOperator means that nobody could sign in: there is no operator in the database and none was configured.
var ErrNoOperator = bootstrap.ErrNoOperator

// streamsEnd is how long gateways' configuration streams have to end when management stops.
const streamsEnd = 5 * time.Second

// planeAge is after how long gateways connect anew: they find replicas that were added meanwhile, and prove again who they are.
const planeAge = 30 * time.Minute

// Run serves until ctx ends and everything has stopped.
func Run(ctx context.Context, c Config) error {
	m, err := New(c)
	if err != nil {
		return err
	}
	return m.Run(ctx)
}

// Management is one replica, wired and not yet running.
type Management struct {
	group     serve.Group
	public    *serve.HTTP
	technical *serve.HTTP
	plane     *serve.GRPC
	log       *slog.Logger
	version   string
	effective []slog.Attr
}

// Check says what New would find wrong with a configuration, with the files that it names and what is in them. It contacts nobody.
func Check(c Config) error {
	c.Logger = slog.New(slog.DiscardHandler)
	_, err := New(c)
	return err
}

// Addr returns the address of REST and console once Listen was called; "" without the role api.
func (m *Management) Addr() string {
	if m.public == nil {
		return ""
	}
	return m.public.Addr()
}

// GRPCAddr is Addr for gateways.
func (m *Management) GRPCAddr() string { return m.plane.Addr() }

// TechnicalAddr is Addr for the technical port.
func (m *Management) TechnicalAddr() string { return m.technical.Addr() }

// Listen takes the ports without serving yet. If one of them is taken, it gives back the others.
func (m *Management) Listen() error {
	ports := []interface {
		Listen() error
		Close() error
	}{m.plane, m.technical}
	if m.public != nil {
		ports = append(ports, m.public)
	}
	var faults []error
	for _, p := range ports {
		faults = append(faults, p.Listen())
	}
	err := errors.Join(faults...)
	if err != nil {
		for _, p := range ports {
			_ = p.Close() // those that were taken
		}
	}
	return err
}

// Run serves until ctx ends and everything has stopped. It may be called once. While the database is away at the start,
// the technical port says that management is not ready, and everything else that it is not available; Run fails if the
// database does not accept it, or with ErrNoOperator.
func (m *Management) Run(ctx context.Context) error {
	m.log.InfoContext(ctx, "management is starting", "version", m.version)
	if m.effective != nil {
		m.log.LogAttrs(ctx, slog.LevelInfo, "effective configuration", m.effective...)
	}
	return m.group.Run(ctx)
}

// New wires management: the only place where its parts meet. It contacts nobody and takes no port.
func New(c Config) (*Management, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	log := c.Logger
	if log == nil {
		log = observe.NewLogger(os.Stderr, c.Logs.Level, c.Logs.Format)
	}
	proxies, err := observe.ParseProxies(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("--trusted-proxies: %w", err)
	}
	// What is wrong with files and addresses is said all at once.
	var faults []error
	sealer, err := secret.LoadSealingKeys(c.SealingKeyFile)
	if err != nil {
		faults = append(faults, fmt.Errorf("--sealing-key-file: %w", err))
	}
	metrics := observe.NewMetrics("management", c.Version)
	node, _ := os.Hostname()
	spans, err := tracing.Open(c.Traces, "management", c.Version, node, log)
	faults = append(faults, err)
	traced := observe.NewTracing(spans.Provider())
	certificates, err := serve.NewReloader(
		serve.TLSFiles{CertFile: c.Plane.CertFile, KeyFile: c.Plane.KeyFile, CAFile: c.Plane.CAFile},
		serve.ReloaderOptions{Log: log, Name: "plane", Metrics: metrics, TrustDomain: c.Plane.TrustDomain, Role: serve.RoleManagement})
	if err != nil {
		faults = append(faults, fmt.Errorf("--tls-cert-file, --tls-key-file, --tls-ca-file: %w", err))
	}
	publicTLS, publicFiles, err := c.Certificates.open(log, metrics)
	faults = append(faults, err)
	ready := serve.NewReadiness(database, configured)
	metrics.Registerer().MustRegister(ready)
	db, err := store.New(store.Options{
		URI: c.MongoDBURI.Reveal(), Database: c.MongoDBDatabase, Sealer: sealer, Logger: log,
		KeepAudits: c.KeepAudits, Tracing: traced, Node: node, Waiting: func(detail string) { ready.Set(database, false, detail) },
	})
	if err != nil {
		faults = append(faults, fmt.Errorf("--mongodb-uri: %w", err))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}

	hasher := secret.NewHasher()
	recorder := audit.New(audit.Options{Audits: db.Audits(), Metrics: metrics.Registerer(), Logger: log})
	held := image.New()
	// Operators do not queue behind the people of domains, whose hashes may come from elsewhere.
	operators, err := operator.New(operator.Options{
		Store: db, Hasher: secret.NewHasher(), Lifetime: c.TokenLifetime, Journal: recorder, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	reports := access.New(access.Options{Store: db, Image: held, GatewayURL: c.GatewayURL, Logger: log})
	edit := editor.New(editor.Options{
		Count: reports,
		Store: db, Image: held, Hasher: hasher, OnCreate: operators.Created, Logger: log, MaxSecrets: c.MaxSecrets,
		KeepSecrets: c.KeepSecrets,
	})
	var post directory.Post
	letters, err := c.newMailer(db, recorder, metrics, log)
	if err != nil {
		return nil, err
	}
	if letters != nil {
		post = letters
	}
	people := directory.New(directory.Options{
		Store: db, Hasher: hasher, Recorder: recorder, Image: held, Post: post, GatewayURL: c.GatewayURL, Bindings: edit, Logger: log,
	})
	transfers := transfer.New(transfer.Options{Store: db, Editor: edit, Image: held, Recorder: recorder, Operators: operators, Version: c.Version, Logger: log})
	start := newStart(db, hasher, c, log, ready)
	publisher := configsync.NewPublisher(configsync.PublisherOptions{Log: log})
	distributor := distribution.New(distribution.Options{
		Store: db, Publisher: publisher, Image: held, Logger: log,
		Loaded: func(revision int64) {
			metrics.SetConfigRevision(revision)
			start.ready.Set(configured, true, "")
		},
	})
	m := new(Management)
	drain := c.DrainDelay
	if c.has(roleAPI) {
		drain = 0 // REST, which stops first, has waited
	}
	m.plane, err = serve.NewGRPC("plane", c.GRPCAddress, certificates.ServerTLS(serve.RoleGateway), serve.GRPCOptions{
		Log: log, Readiness: start.ready, Drain: drain, Unary: []grpc.UnaryServerInterceptor{start.holdCalls},
		Tracer: traced.Provider(), Propagator: traced.Propagator(), MaxAge: planeAge,
	})
	if err != nil {
		return nil, err
	}
	registrations := registration.New(registration.Options{
		Editor: edit, Attempts: db.RegistrationAttempts(), Tokens: db.RegistrationTokens(), Uses: db.ClientUses(), Recorder: recorder, Logger: log,
	})
	if c.has(roleDistribution) {
		configsyncv1.RegisterConfigSyncServiceServer(m.plane, publisher)
		registrations.Register(m.plane)
		assets.New(db.Icons()).Register(m.plane)
		usage.New(usage.Options{Uses: db.SecretUses(), Clients: db.ClientUses(), Tallies: db.BindingTallies(), Logger: log}).Register(m.plane)
	}
	if c.has(roleDirectory) {
		people.Register(m.plane)
	}
	m.plane.Health(start.ready, c.planeServices())
	handOver(start.ready, publisher)
	connected := gateways.New(gateways.Options{
		Nodes: publisher, Shared: db.GatewayStreams(), Logger: log,
		// Another process of this host has another port, and one that takes this one's place has its name.
		Replica: func() string {
			_, port, _ := net.SplitHostPort(m.plane.Addr())
			return net.JoinHostPort(node, port)
		},
	})

	outside, err := outbound.New(outbound.Options{Logger: log, Trace: traced.Transport})
	if err != nil {
		return nil, err
	}
	api := start.holdRequests(rest.New(rest.Options{
		Outbound: outside,
		Editor:   edit, Operators: operators, Audits: db.Audits(), GatewayURL: c.GatewayURL, Proxies: proxies, Metrics: metrics,
		Members: people, Logger: log, Mount: mounts(registrations, people, reports, edit, connected, transfers),
	}))
	mux := http.NewServeMux()
	mux.Handle("/management", api)
	mux.Handle("/management/", api)
	mux.Handle("/", console.Handler())
	if c.has(roleAPI) {
		m.public = &serve.HTTP{Name: "management", Address: c.Address, Log: log, TLS: publicTLS, Readiness: start.ready, Drain: c.DrainDelay, Handler: observe.Requests(mux, observe.RequestsOptions{Log: log, Metrics: metrics, Tracing: traced, Proxies: proxies, Panicked: rest.Failure()})}
	}
	m.technical = &serve.HTTP{
		Name: "technical", Address: c.TechnicalAddress, Log: log,
		Handler: serve.Technical(start.ready, scraped(metrics, publisher, newSigningKeys(held, metrics.Registerer()))),
	}

	// Parts stop in the reverse order: first administrators, then gateways, the database last.
	m.group.Add("traces", spans.Run)
	m.group.Add("certificates", certificates.Run)
	if publicFiles != nil {
		m.group.Add("public certificates", publicFiles.Run)
	}
	m.group.Add("technical", m.technical.Run)
	m.group.Add("start", start.run)
	m.group.Add("distribution", start.after(distributor.Run))
	if c.has(roleSync) {
		m.group.Add("rotation", start.after(rotation.New(rotation.Options{Editor: edit, Leases: db.Leases(), Logger: log}).Run))
		m.group.Add("unused", start.after(registration.NewKeeper(registrations, db.Leases(), 0).Run))
	}
	if letters != nil && c.has(roleSync) {
		m.group.Add("mail", start.after(func(ctx context.Context) error { return letters.Run(ctx, people) }))
	}
	if c.has(roleAPI) {
		m.group.Add("reports", start.after(reports.Run))
	}
	if c.has(roleDistribution) {
		m.group.Add("gateways", start.after(connected.Run))
	}
	// The plane ends the streams itself, when it has drained and gateways are told to go elsewhere; what is left of them ends here.
	m.group.Add("streams", func(ctx context.Context) error {
		<-ctx.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), streamsEnd)
		defer cancel()
		return publisher.Shutdown(limited)
	})
	m.group.Add("plane", m.plane.Run)
	if m.public != nil {
		m.group.Add("management", m.public.Run)
	}
	m.log, m.version = log, c.Version
	if c.Logger == nil { // who embeds it knows what it says
		m.effective = []slog.Attr{{Key: "config", Value: slog.GroupValue(config.Effective(c)...)}}
	}
	return m, nil
}
