package management

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
)

// The roles of a replica. All replicas hold the configuration in memory; a role says what they do with it.
const (
	roleAPI          = "api"
	roleDistribution = "distribution"
	roleDirectory    = "directory"
	roleSync         = "sync"
)

var allRoles = []string{roleAPI, roleDistribution, roleDirectory, roleSync}

func (c *Config) has(role string) bool { return slices.Contains(c.Roles, role) }

func (c *Config) validateRoles() error {
	if len(c.Roles) == 0 {
		return config.Invalid("roles", "must name one of %s at least", strings.Join(allRoles, ", "))
	}
	for i, role := range c.Roles {
		switch {
		case !slices.Contains(allRoles, role):
			return config.Invalid("roles", "has %q, which is none of %s", role, strings.Join(allRoles, ", "))
		case slices.Contains(c.Roles[:i], role):
			return config.Invalid("roles", "has %q twice", role)
		}
	}
	return nil
}

// open reads the certificate of REST and console; nothing where they are served by http. The reloader is to be run.
func (c *Certificates) open(log *slog.Logger, metrics *observe.Metrics) (*tls.Config, *serve.Reloader, error) {
	if c.CertFile == "" {
		return nil, nil, nil
	}
	files, err := serve.NewReloader(serve.TLSFiles{CertFile: c.CertFile, KeyFile: c.KeyFile}, serve.ReloaderOptions{Log: log, Name: "public", Metrics: metrics})
	if err != nil {
		return nil, nil, fmt.Errorf("--management-tls-cert-file, --management-tls-key-file: %w", err)
	}
	return files.PublicTLS(), files, nil
}

// idle stands for a part that this replica does not run.
func idle(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
