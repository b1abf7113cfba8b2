package proc

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
)

// Credentials of every installation that is started here.
const (
	OperatorName      = "admin"
	OperatorPassword  = "operator-password-of-the-tests"
	TechnicalName     = "admin"
	TechnicalPassword = "technical-password-of-the-tests"
)

// readyWithin is how long a service may take to be ready. The machine may be busy with other tests.
const readyWithin = 60 * time.Second

// Installation is what the processes of one installation share: keys, certificates, database and Redis.
type Installation struct {
	MongoDBURI string
	RedisURL   string
	SealingKey string // file
	// Programs is a folder with other programs than those of this tree; empty means these.
	Programs string

	t                   testing.TB
	management, gateway serve.TLSFiles
}

// NewInstallation prepares an installation on the given servers.
func NewInstallation(t testing.TB, mongoDBURI, redisURL string) *Installation {
	t.Helper()
	dir := t.TempDir()
	i := &Installation{MongoDBURI: mongoDBURI, RedisURL: redisURL, SealingKey: filepath.Join(dir, "sealing-key"), t: t}
	if err := secret.GenerateSealingKeyFile(i.SealingKey); err != nil {
		t.Fatal(err)
	}
	var err error
	if i.management, i.gateway, err = serve.DevelopmentAuthority(filepath.Join(dir, "plane")); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *Installation) program(name string) string {
	i.t.Helper()
	if i.Programs != "" {
		return filepath.Join(i.Programs, name)
	}
	return Program(i.t, name)
}

// Management is one replica of management.
type Management struct {
	*Process
	URL          string // of the REST API, with /management
	PlaneAddress string // where gateways connect
	TechnicalURL string
}

// StartManagement starts management and waits until it is ready. More arguments may say anything else.
func (i *Installation) StartManagement(args ...string) *Management {
	i.t.Helper()
	m := i.LaunchManagement(args...)
	m.Ready()
	return m
}

// LaunchManagement starts management and does not wait.
func (i *Installation) LaunchManagement(args ...string) *Management {
	i.t.Helper()
	address, plane, technical := FreeAddress(i.t), FreeAddress(i.t), FreeAddress(i.t)
	m := &Management{URL: "http://" + address + "/management", PlaneAddress: plane, TechnicalURL: "http://" + technical}
	m.Process = Start(i.t, "management", i.program("management"), append([]string{
		"--management-address", address, "--management-grpc-address", plane, "--technical-address", technical,
		"--sealing-key-file", i.SealingKey, "--operator-name", OperatorName, "--log-level", "DEBUG",
		"--tls-cert-file", i.management.CertFile, "--tls-key-file", i.management.KeyFile, "--tls-ca-file", i.management.CAFile,
	}, args...), []string{"GATEHOUSE_MONGODB_URI=" + i.MongoDBURI, "GATEHOUSE_OPERATOR_PASSWORD=" + OperatorPassword})
	return m
}

// Ready waits until management is ready.
func (m *Management) Ready() {
	m.t.Helper()
	m.Await("management is ready", readyWithin, func(ctx context.Context) error { return ready(ctx, m.TechnicalURL) })
}

// Operator signs the operator in.
func (m *Management) Operator() *API {
	m.t.Helper()
	return SignIn(m.t, m.URL, OperatorName, OperatorPassword)
}

// Gateway is one gateway.
type Gateway struct {
	*Process
	URL          string // where this process listens
	PublicURL    string // what issuers begin with
	TechnicalURL string
}

// StartGateway starts a gateway and waits until it is ready. publicURL is what several gateways appear as; empty means
// the URL of this one.
func (i *Installation) StartGateway(m *Management, publicURL string, args ...string) *Gateway {
	i.t.Helper()
	g := i.LaunchGateway(m, publicURL, args...)
	g.Ready()
	return g
}

// LaunchGateway starts a gateway and does not wait.
func (i *Installation) LaunchGateway(m *Management, publicURL string, args ...string) *Gateway {
	i.t.Helper()
	address, technical := FreeAddress(i.t), FreeAddress(i.t)
	g := &Gateway{URL: "http://" + address, PublicURL: publicURL, TechnicalURL: "http://" + technical}
	if g.PublicURL == "" {
		g.PublicURL = g.URL
	}
	g.Process = Start(i.t, "gateway "+address, i.program("gateway"), append([]string{
		"--gateway-address", address, "--technical-address", technical, "--public-url", g.PublicURL,
		"--management-grpc-address", m.PlaneAddress, "--technical-user", TechnicalName, "--node-name", "gateway-" + address,
		"--log-level", "DEBUG",
		"--tls-cert-file", i.gateway.CertFile, "--tls-key-file", i.gateway.KeyFile, "--tls-ca-file", i.gateway.CAFile,
	}, args...), []string{"GATEHOUSE_REDIS_URL=" + i.RedisURL, "GATEHOUSE_TECHNICAL_PASSWORD=" + TechnicalPassword})
	return g
}

// Ready waits until the gateway is ready.
func (g *Gateway) Ready() {
	g.t.Helper()
	g.Await("the gateway is ready", readyWithin, func(ctx context.Context) error { return ready(ctx, g.TechnicalURL) })
}

func ready(ctx context.Context, technicalURL string) error {
	answer, err := get(ctx, technicalURL+"/readyz")
	if err == nil && answer.Status != 200 {
		err = fmt.Errorf("%d %s", answer.Status, answer.Text)
	}
	return err
}
