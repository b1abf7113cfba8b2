package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/balance"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
)

// endPatience is how long a replica may take to stop in order.
const endPatience = 60 * time.Second

// Cluster is an installation of several managements and gateways, each kind behind balancers, as in a cluster. It has a
// database of its own and shares the Redis of its Platform.
type Cluster struct {
	// Management is the REST API of whichever replica answers, signed in.
	Management *Management
	// Host is the address of all gateways together, REST that of all managements, host:port.
	Host, REST string

	platform           *Platform
	home               *Installation
	drain              time.Duration
	front, rest, plane *balance.Balancer
	gateways, managers []*Replica
	spent              time.Duration // CPU time of processes that were replaced

	// Where gateways find management by a name: its server, the port that all replicas have, and how many addresses were used.
	names     *balance.Names
	planePort string
	addresses byte
}

// Replica is one of the gateways, or one of the managements.
type Replica struct {
	// Name tells it from the others, and stays when the process is replaced.
	Name string
	// Address is where this process alone is reached: a gateway by clients, a management by REST, host:port.
	Address string

	process   *Process
	plane     string // of management
	technical string
}

// ClusterOptions say what a Cluster is.
type ClusterOptions struct {
	Managements, Gateways int
	// Drain is how long replicas go on serving after they stopped being ready, which must be longer than balancers take to notice.
	Drain time.Duration
	// Headless lets gateways find management by a name, behind which are the addresses of its replicas, instead of behind one address.
	Headless bool
}

// StartCluster runs managements and gateways. The caller closes the Cluster, also after an error that comes later.
func (p *Platform) StartCluster(ctx context.Context, o ClusterOptions) (_ *Cluster, err error) {
	c := &Cluster{platform: p, drain: o.Drain}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.home, err = p.newInstallation("bench_cluster_" + strings.ToLower(rand.Text()[:12])); err != nil {
		return nil, err
	}
	for _, b := range []**balance.Balancer{&c.front, &c.rest, &c.plane} {
		if *b, err = balance.Listen("127.0.0.1:0", balance.Options{}); err != nil {
			return nil, err
		}
	}
	c.Host, c.REST = c.front.Address(), c.rest.Address()
	if o.Headless {
		if err := c.serveNames(); err != nil {
			return nil, err
		}
	}
	for i := range o.Managements {
		r := &Replica{Name: fmt.Sprintf("management %d", i+1)}
		c.managers = append(c.managers, r)
		if err := c.startManagement(ctx, r); err != nil {
			return nil, err
		}
	}
	c.Management = newManagement("http://" + c.REST)
	if err := c.Management.signIn(ctx, operator, c.home.password); err != nil {
		return nil, err
	}
	for i := range o.Gateways {
		r := &Replica{Name: fmt.Sprintf("gateway %d", i+1)}
		c.gateways = append(c.gateways, r)
		if err := c.startGateway(ctx, r); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Close ends every process.
func (c *Cluster) Close() {
	var ending sync.WaitGroup
	for _, r := range append(c.Gateways(), c.Managements()...) {
		if r.process != nil && r.process.Alive() == nil {
			ending.Go(r.process.Stop)
		}
	}
	ending.Wait()
	if c.names != nil {
		c.names.Close()
	}
	for _, b := range []*balance.Balancer{c.front, c.rest, c.plane} {
		if b != nil {
			b.Close()
		}
	}
}

// serveNames makes a name of what would be a balancer's address. Its replicas have addresses of their own and one port, as pods have.
func (c *Cluster) serveNames() error {
	free, err := freePorts(1)
	if err != nil {
		return err
	}
	if _, c.planePort, err = net.SplitHostPort(free[0]); err != nil {
		return err
	}
	c.names, err = balance.ListenNames(func() []netip.Addr {
		var list []netip.Addr
		for _, a := range c.plane.Rotation() {
			if at, err := netip.ParseAddrPort(a); err == nil {
				list = append(list, at.Addr())
			}
		}
		return list
	})
	return err
}

// planeTarget is what gateways are told about management.
func (c *Cluster) planeTarget() string {
	if c.names != nil {
		return c.names.Target(c.planePort)
	}
	return c.plane.Address()
}

// PublicURL is the beginning of every issuer.
func (c *Cluster) PublicURL() string { return "http://" + c.Host }

// OperatorToken is that of who is signed in.
func (c *Cluster) OperatorToken() string { return c.Management.token }

// Gateways returns the gateways.
func (c *Cluster) Gateways() []*Replica { return append([]*Replica(nil), c.gateways...) }

// Managements returns the replicas of management.
func (c *Cluster) Managements() []*Replica { return append([]*Replica(nil), c.managers...) }

// Refused counts the connections that balancers had no server for: as many as clients saw refused.
func (c *Cluster) Refused() int64 { return c.front.Refused() + c.rest.Refused() + c.plane.Refused() }

// Used is the CPU time of all replicas, with those that were replaced.
func (c *Cluster) Used() time.Duration {
	sum := c.spent
	for _, r := range append(c.Gateways(), c.Managements()...) {
		if used, err := cpu.Used(r.process.PID()); err == nil {
			sum += used
		}
	}
	return sum
}

// Restart stops a replica in order, and starts another one in its place, at other addresses, as a cluster does. It returns when the new
// one is in rotation, with the time that the stop took. A replica that does not stop in order is an error.
func (c *Cluster) Restart(ctx context.Context, r *Replica) (time.Duration, error) {
	began := time.Now()
	if err := r.process.End(endPatience); err != nil {
		return 0, fmt.Errorf("%s: %w", r.Name, err)
	}
	took := time.Since(began)
	c.spent += r.process.spent()
	if r.plane == "" {
		c.front.Remove(r.Address)
		return took, c.startGateway(ctx, r)
	}
	c.rest.Remove(r.Address)
	c.plane.Remove(r.plane)
	return took, c.startManagement(ctx, r)
}

func (c *Cluster) startManagement(ctx context.Context, r *Replica) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	if c.names != nil {
		c.addresses++
		ports[1] = net.JoinHostPort(netip.AddrFrom4([4]byte{127, 0, 1, c.addresses}).String(), c.planePort)
	}
	r.Address, r.plane, r.technical = ports[0], ports[1], ports[2]
	if r.process, err = c.home.launch(ports, c.PublicURL(), "--drain-delay", c.drain.String()); err != nil {
		return err
	}
	c.rest.Add(balance.Server{Address: r.Address, Technical: r.technical})
	c.plane.Add(balance.Server{Address: r.plane, Technical: r.technical})
	return c.rotates(ctx, r)
}

func (c *Cluster) startGateway(ctx context.Context, r *Replica) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	g, err := c.platform.launchGateway(ports, c.PublicURL(), c.planeTarget(), r.Name, "--drain-delay", c.drain.String())
	if err != nil {
		return err
	}
	r.Address, r.technical, r.process = g.Address, g.technical, g.process
	c.front.Add(balance.Server{Address: r.Address, Technical: r.technical})
	return c.rotates(ctx, r)
}

// rotates waits until new connections go to a replica.
func (c *Cluster) rotates(ctx context.Context, r *Replica) error {
	return Await(ctx, startPatience, r.Name+" in rotation", func(context.Context) error {
		there := c.front.InRotation(r.Address)
		if r.plane != "" {
			there = c.rest.InRotation(r.Address) && c.plane.InRotation(r.plane)
		}
		if !there {
			return errors.New("it is not ready")
		}
		return nil
	}, r.process)
}

// NewDomain creates and enables a domain, as Platform.NewDomain does.
func (c *Cluster) NewDomain(ctx context.Context, name string, settings Object) (*Domain, error) {
	d, err := newDomain(ctx, c.Management, c.Host, c.PublicURL(), name, settings)
	if err != nil {
		return nil, err
	}
	return d, c.AwaitDomain(ctx, d.ID)
}

// AwaitDomain waits until every gateway serves the domain and has applied everything that was announced to it.
func (c *Cluster) AwaitDomain(ctx context.Context, id string) error {
	for _, r := range c.gateways {
		ask := func(ctx context.Context) error {
			return expectOK(ctx, "http://"+r.technical+"/_node/domains?domainId="+id, technicalUser, c.platform.password)
		}
		if err := Await(ctx, startPatience, "the domain at "+r.Name, ask, r.process); err != nil {
			return err
		}
	}
	return nil
}

// ManagementAt is the REST API of one replica alone.
func (c *Cluster) ManagementAt(r *Replica) *Management {
	m := newManagement("http://" + r.Address)
	m.token = c.Management.token
	return m
}
