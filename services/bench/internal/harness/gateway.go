package harness

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
)

// Gateway is one gateway's process.
type Gateway struct {
	// Address is where clients reach it, host:port. All gateways have the public URL of the first.
	Address string

	process   *Process
	technical string
}

// Stop ends the gateway.
func (g *Gateway) Stop() { g.process.Stop() }

// PID returns the number of the gateway's process.
func (g *Gateway) PID() int { return g.process.PID() }

// Gateway returns the first gateway, whose address is the public URL.
func (p *Platform) Gateway() *Gateway { return p.gateways[0] }

// PublicURL is the beginning of every issuer.
func (p *Platform) PublicURL() string { return p.publicURL }

// AddGateways starts gateways until n run, and returns them all. With fewer, the last ones end.
func (p *Platform) AddGateways(ctx context.Context, n int) ([]*Gateway, error) {
	for len(p.gateways) > max(n, 1) {
		last := len(p.gateways) - 1
		p.gateways[last].Stop()
		p.gateways = p.gateways[:last]
	}
	for len(p.gateways) < n {
		ports, err := freePorts(2)
		if err != nil {
			return nil, err
		}
		if _, err := p.startGateway(ctx, ports); err != nil {
			return nil, err
		}
	}
	return slices.Clone(p.gateways), nil
}

func (p *Platform) startGateway(ctx context.Context, ports []string) (*Gateway, error) {
	g, err := p.runGateway(ctx, ports, p.address.grpc, startPatience)
	if err == nil {
		p.gateways = append(p.gateways, g)
	}
	return g, err
}

// StartGateway runs a gateway of the installation and returns it when it is ready. The caller stops it.
func (l *Installation) StartGateway(ctx context.Context, patience time.Duration, arguments ...string) (*Gateway, error) {
	return l.platform.StartGatewayOf(ctx, l.ports[1], patience, arguments...)
}

// AwaitDomain waits until the gateway serves a domain and has applied everything that was announced to it.
func (g *Gateway) AwaitDomain(ctx context.Context, l *Installation, id string) error {
	return Await(ctx, startPatience, "the domain at the gateway", func(ctx context.Context) error {
		return expectOK(ctx, "http://"+g.technical+"/_node/domains?domainId="+id, technicalUser, l.platform.password)
	}, g.process, l.Process)
}

// runGateway runs a gateway that asks the management at an address.
func (p *Platform) runGateway(ctx context.Context, ports []string, management string, patience time.Duration, arguments ...string) (*Gateway, error) {
	g, err := p.launchGateway(ports, p.publicURL, management, "bench-"+strconv.Itoa(len(p.gateways)+1), arguments...)
	if err != nil {
		return nil, err
	}
	if err := Await(ctx, patience, "the gateway", ready(g.technical), g.process); err != nil {
		g.process.Stop()
		return nil, err
	}
	return g, nil
}

// launchGateway starts a gateway and does not wait.
func (p *Platform) launchGateway(ports []string, publicURL, management, node string, arguments ...string) (*Gateway, error) {
	g := &Gateway{Address: ports[0], technical: ports[1]}
	var err error
	g.process, err = p.starter.Start("gateway", filepath.Join(p.options.Programs, "gateway"), append([]string{
		"--gateway-address", g.Address,
		"--technical-address", g.technical,
		"--public-url", publicURL,
		"--management-grpc-address", management,
		"--redis-url", "redis://" + p.redisAt + "/0",
		"--technical-user", technicalUser,
		"--node-name", node,
		"--tls-cert-file", p.plane.gateway.CertFile,
		"--tls-key-file", p.plane.gateway.KeyFile,
		"--tls-ca-file", p.plane.gateway.CAFile,
	}, arguments...), []string{"GATEHOUSE_TECHNICAL_PASSWORD=" + p.password})
	return g, err
}

// AwaitDomain waits until every gateway serves the domain and has applied everything that was announced to it.
func (p *Platform) AwaitDomain(ctx context.Context, id string) error {
	for _, g := range p.gateways {
		ask := func(ctx context.Context) error {
			return expectOK(ctx, "http://"+g.technical+"/_node/domains?domainId="+id, technicalUser, p.password)
		}
		if err := Await(ctx, startPatience, "the domain at the gateway", ask, g.process, p.process); err != nil {
			return err
		}
	}
	return nil
}

// Alive returns an error if a process that belongs to the platform has ended.
func (p *Platform) Alive() error {
	if err := p.process.Alive(); err != nil {
		return err
	}
	for _, g := range p.gateways {
		if err := g.process.Alive(); err != nil {
			return err
		}
	}
	return nil
}

// Names of the parts in reports.
const (
	PartGateway    = "gateway"
	PartRedis      = "redis"
	PartManagement = "management"
	PartDatabase   = "database"
)

// Parts returns the processes of each part.
func (p *Platform) Parts() map[string][]int {
	parts := map[string][]int{PartRedis: {p.redisPID}, PartManagement: {p.process.PID()}}
	for _, g := range p.gateways {
		parts[PartGateway] = append(parts[PartGateway], g.PID())
	}
	if p.database.pid != 0 {
		parts[PartDatabase] = []int{p.database.pid}
	}
	return parts
}

// Resident returns the memory of each part in bytes.
func (p *Platform) Resident() map[string]int64 {
	sizes := map[string]int64{}
	for name, pids := range p.Parts() {
		for _, pid := range pids {
			if n, err := cpu.Resident(pid); err == nil {
				sizes[name] += n
			}
		}
	}
	return sizes
}
