package gateway

import (
	"fmt"
	"log/slog"

	"google.golang.org/grpc"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/upstream"
)

// management is the ways to its replicas.
type management struct {
	// calls leads to replicas that can read and write, people to those of the directory; they may be one connection.
	calls, people *grpc.ClientConn
	// any leads to replicas that have the configuration, whatever else they lack. It is used while calls leads to nobody.
	any    *grpc.ClientConn
	memory upstream.Memory
	again  []*serve.Reconnection
}

// expect says that management was found, by a connection other than those of calls: what is asked of it next is not to be refused
// because they have not tried again yet.
func (m management) expect() {
	for _, r := range m.again {
		r.Expect()
	}
}

// dial prepares the connections to management; they connect when they are used.
func dial(c Config, log *slog.Logger, metrics *observe.Metrics, traced *observe.Tracing) (files *serve.Reloader, to management, err error) {
	files, err = serve.NewReloader(
		serve.TLSFiles{CertFile: c.Plane.CertFile, KeyFile: c.Plane.KeyFile, CAFile: c.Plane.CAFile},
		serve.ReloaderOptions{Log: log, Name: "plane", Metrics: metrics, TrustDomain: c.Plane.TrustDomain, Role: serve.RoleGateway})
	if err != nil {
		return nil, to, fmt.Errorf("--tls-cert-file, --tls-key-file, --tls-ca-file: %w", err)
	}
	open := func(address string, service grpc.ServiceDesc) (*grpc.ClientConn, error) {
		again := new(serve.Reconnection)
		conn, err := serve.DialGRPC(address, files.ClientTLS("", serve.RoleManagement), serve.DialOptions{
			Tracer: traced.Provider(), Propagator: traced.Propagator(), Reconnection: again, More: []grpc.DialOption{upstream.Replicas(service.ServiceName)},
		})
		if err == nil {
			to.again = append(to.again, again)
		}
		return conn, err
	}
	if to.calls, err = open(c.ManagementAddress, registrationv1.RegistrationService_ServiceDesc); err != nil {
		return nil, to, fmt.Errorf("--management-grpc-address: %w", err)
	}
	if to.any, err = open(c.ManagementAddress, configsyncv1.ConfigSyncService_ServiceDesc); err != nil {
		return nil, to, fmt.Errorf("--management-grpc-address: %w", err)
	}
	to.memory, to.people = upstream.NewMemory(to.calls, to.any), to.calls
	if c.DirectoryAddress == "" || c.DirectoryAddress == c.ManagementAddress {
		return files, to, nil
	}
	if to.people, err = open(c.DirectoryAddress, directoryv1.DirectoryService_ServiceDesc); err != nil {
		return nil, to, fmt.Errorf("--directory-grpc-address: %w", err)
	}
	return files, to, nil
}

// close ends all connections; that of people may be that of calls, and is closed once more.
func (m management) close() {
	for _, conn := range []*grpc.ClientConn{m.people, m.calls, m.any} {
		_ = conn.Close()
	}
}
