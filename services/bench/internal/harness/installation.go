package harness

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Installation is a database and the management that runs on it, if it does.
type Installation struct {
	// Database is its name, URI that of its server.
	Database, URI string
	// Process and Management, signed in, are set by Start.
	Process    *Process
	Management *Management

	platform *Platform
	ports    []string // REST, gateways, technical
	keyFile  string
	password string
}

// NewInstallation returns one without gateways, on a database of its own, that does not run yet.
func (p *Platform) NewInstallation() (*Installation, error) {
	return p.newInstallation("bench_alone_" + strings.ToLower(rand.Text()[:12]))
}

func (p *Platform) newInstallation(database string) (*Installation, error) {
	l := &Installation{Database: database, URI: p.options.MongoDBURI, platform: p, password: secret.NewToken()}
	var err error
	if l.ports, err = freePorts(3); err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	rand.Read(key)
	l.keyFile = filepath.Join(p.options.Dir, "sealing-key-"+database)
	return l, os.WriteFile(l.keyFile, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}

// operator is the name of the one who is signed in.
const operator = "bench"

// Start runs management and returns when it is ready and signed in to.
func (l *Installation) Start(ctx context.Context, patience time.Duration) error {
	if err := l.Run(ctx, patience); err != nil {
		return err
	}
	return l.SignIn(ctx)
}

// Run is Start without signing in, which needs a hash.
func (l *Installation) Run(ctx context.Context, patience time.Duration) error {
	var err error
	if l.Process, err = l.launch(l.ports, l.platform.publicURL); err != nil {
		return err
	}
	return Await(ctx, patience, "management", ready(l.ports[2]), l.Process)
}

// SignIn signs in to management.
func (l *Installation) SignIn(ctx context.Context) error {
	l.Management = newManagement("http://" + l.ports[0])
	return l.Management.signIn(ctx, operator, l.password)
}

// launch starts a replica of management and does not wait. The ports are those of REST, gateways and the technical one.
func (l *Installation) launch(ports []string, gatewayURL string, arguments ...string) (*Process, error) {
	p := l.platform
	return p.starter.Start("management", filepath.Join(p.options.Programs, "management"), append([]string{
		"--management-address", ports[0],
		"--management-grpc-address", ports[1],
		"--technical-address", ports[2],
		"--mongodb-database", l.Database,
		"--gateway-url", gatewayURL,
		"--sealing-key-file", l.keyFile,
		"--operator-name", operator,
		"--tls-cert-file", p.plane.management.CertFile,
		"--tls-key-file", p.plane.management.KeyFile,
		"--tls-ca-file", p.plane.management.CAFile,
	}, arguments...), []string{"GATEHOUSE_MONGODB_URI=" + l.URI, "GATEHOUSE_OPERATOR_PASSWORD=" + l.password})
}

// Stop ends management, if it runs.
func (l *Installation) Stop() {
	if l.Process != nil && l.Process.Alive() == nil {
		l.Process.Stop()
	}
}
