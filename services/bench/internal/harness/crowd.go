package harness

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/crowd"
)

// StartCrowd runs a stand-in for management that has registered clients in memory, and returns it with the address at which gateways
// reach it. The caller stops it.
func (p *Platform) StartCrowd(ctx context.Context, clients int, patience time.Duration, arguments ...string) (*Process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	files := p.plane.management
	process, err := p.starter.Start("crowd", self, append([]string{
		"crowd", "--clients", strconv.Itoa(clients), "--tls-cert-file", files.CertFile, "--tls-key-file", files.KeyFile, "--tls-ca-file", files.CAFile,
	}, arguments...), nil)
	if err != nil {
		return nil, "", err
	}
	address, err := firstLine(ctx, process, patience, crowd.Announcement)
	if err != nil {
		process.Stop()
		return nil, "", err
	}
	return process, address, nil
}

// StartGatewayOf runs a gateway of the management at an address and returns it when it is ready. The caller stops it.
func (p *Platform) StartGatewayOf(ctx context.Context, management string, patience time.Duration, arguments ...string) (*Gateway, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	return p.runGateway(ctx, ports, management, patience, arguments...)
}
