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

// Start runs management and returns when it is ready and signed in to.
func (l *Installation) Start(ctx context.Context, patience time.Duration) error {
	const operator = "bench"
	p := l.platform
	var err error
	l.Process, err = p.starter.Start("management", filepath.Join(p.options.Programs, "management"), []string{
		"--management-address", l.ports[0],
		"--management-grpc-address", l.ports[1],
		"--technical-address", l.ports[2],
		"--mongodb-database", l.Database,
		"--gateway-url", p.publicURL,
		"--sealing-key-file", l.keyFile,
		"--operator-name", operator,
		"--tls-cert-file", p.plane.management.CertFile,
		"--tls-key-file", p.plane.management.KeyFile,
		"--tls-ca-file", p.plane.management.CAFile,
	}, []string{"GATEHOUSE_MONGODB_URI=" + l.URI, "GATEHOUSE_OPERATOR_PASSWORD=" + l.password})
	if err != nil {
		return err
	}
	if err := Await(ctx, patience, "management", ready(l.ports[2]), l.Process); err != nil {
		return err
	}
	l.Management = newManagement("http://" + l.ports[0])
	return l.Management.signIn(ctx, operator, l.password)
}

// Stop ends management, if it runs.
func (l *Installation) Stop() {
	if l.Process != nil && l.Process.Alive() == nil {
		l.Process.Stop()
	}
}
