package scenario

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/crowd"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// Names of what is measured in a crowd.
const (
	registrationRatio = "registrations, end ÷ beginning"
	gatewayMemory     = "gateway MB"
	managementCPU     = "management CPU ms per registration"
	databaseCPU       = "database CPU ms per registration"
)

// fewClients is what a crowd is compared with.
const fewClients = 1000

// crowdConnections is how many ask at once.
const crowdConnections = 8

const megabyte = 1 << 20

// crowdGoals are those of the issue: a gateway takes 1.4 GiB for a million clients at most, beside what one under load takes; a client is
// registered at half the rate of the beginning at least.
func crowdGoals(clients int) []report.Goal {
	return []report.Goal{
		report.ExtraAtLeast(registrationRatio, 0.5),
		report.Extra(gatewayMemory, 128+1434*float64(clients)/1e6),
	}
}

// crowdAtGateway measures a gateway whose domain has very many registered clients, and a stand-in for management that has them in
// memory: everything but database and editor.
func crowdAtGateway() Scenario {
	return Scenario{
		Name: "crowd", About: "a gateway with very many registered clients in one domain, a tenth of them held; management is a stand-in",
		Run: func(ctx context.Context, b *Bench) ([]report.Row, error) {
			row, err := b.crowdAtGateway(ctx, b.Length.Registered)
			if err != nil {
				return nil, err
			}
			row.Judge(crowdGoals(b.Length.Registered)...)
			return []report.Row{*row}, nil
		},
	}
}

// gathering is a domain with very many clients, and the gateway that serves it.
type gathering struct {
	*Bench
	gateway  *harness.Gateway
	path     string
	secret   string
	clientID func(i int) string // counted from 0
	// management is the number of its process, stored whether it has a database.
	management int
	stored     bool
	row        *report.Row
}

func newCrowdRow(n int) *report.Row {
	return &report.Row{Unit: "registration", Connections: crowdConnections, Gateways: 1, Extra: map[string]float64{"clients": float64(n)}}
}

// heldOf is the argument by which a gateway holds a tenth of the clients.
func heldOf(n int) string { return "--registered-clients=" + strconv.Itoa(max(n/10, 1)) }

func (b *Bench) crowdAtGateway(ctx context.Context, n int) (*report.Row, error) {
	row := newCrowdRow(n)
	var beginning float64
	for _, clients := range []int{min(fewClients, n), n} {
		g := &gathering{Bench: b, path: crowd.Path, secret: crowd.Secret, clientID: crowd.ClientID, row: row}
		result, err := g.atGateway(ctx, clients, n)
		if err != nil {
			return nil, fmt.Errorf("%d clients: %w", clients, err)
		}
		if clients < n {
			beginning = result.Rate()
		}
		g.registered(beginning, result)
	}
	return row, nil
}

func (g *gathering) atGateway(ctx context.Context, clients, n int) (*load.Result, error) {
	begun := time.Now()
	process, address, err := g.Platform.StartCrowd(ctx, clients, loadPatience)
	if err != nil {
		return nil, err
	}
	defer process.Stop()
	g.management = process.PID()
	g.extra("clients made s", time.Since(begun).Seconds())
	begun = time.Now()
	if g.gateway, err = g.Platform.StartGatewayOf(ctx, address, loadPatience, heldOf(n)); err != nil {
		return nil, err
	}
	defer g.gateway.Stop()
	g.extra("gateway ready s", time.Since(begun).Seconds())
	result, err := g.registrations(ctx)
	if err != nil {
		return nil, err
	}
	return result, g.tokens(ctx, clients)
}

// registered notes how fast clients were registered, beside the beginning.
func (g *gathering) registered(beginning float64, end *load.Result) {
	g.row.Rate = report.Summarize(end.Rate())
	g.row.Operations = end.Operations
	g.row.P50, g.row.P99, g.row.Max = report.MillisOf(end.Latency.Quantile(0.5)), report.MillisOf(end.Latency.Quantile(0.99)), report.MillisOf(end.Latency.Max())
	g.extra("registrations/s at the beginning", beginning)
	g.extra(registrationRatio, end.Rate()/beginning)
}

func (g *gathering) extra(name string, value float64) { g.row.Extra[name] = report.Round(value) }

func (g *gathering) registration() []byte {
	return load.AppendJSON(nil, g.gateway.Address, g.path+"/oidc/register", registrationBody)
}

// registrations registers clients for a while.
func (g *gathering) registrations(ctx context.Context) (*load.Result, error) {
	request := g.registration()
	used, err := g.used()
	if err != nil {
		return nil, err
	}
	result, err := g.run(ctx, func(ctx context.Context, conn *load.Conn) error {
		_, err := ask(ctx, conn, request, 201)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("registrations: %w", err)
	}
	now, err := g.used()
	for name, before := range used {
		g.extra(name, (now[name]-before).Seconds()*1000/float64(result.Operations))
	}
	return result, err
}

// used returns the CPU time of management and, where registrations wait for one, of the database.
func (g *gathering) used() (map[string]time.Duration, error) {
	pids := map[string]int{managementCPU: g.management}
	if g.stored {
		for _, pid := range g.Platform.Parts()[harness.PartDatabase] {
			pids[databaseCPU] = pid
		}
	}
	used := map[string]time.Duration{}
	for name, pid := range pids {
		var err error
		if used[name], err = cpu.Used(pid); err != nil {
			return nil, err
		}
	}
	return used, nil
}

func (g *gathering) run(ctx context.Context, operation func(context.Context, *load.Conn) error) (*load.Result, error) {
	result, err := load.Run(ctx, load.Plan{
		Address: g.gateway.Address, Connections: crowdConnections, Duration: max(g.Length.Duration, 2*time.Second),
		Operation: func(int) load.Operation {
			return func(ctx context.Context, conn *load.Conn, _ bool) error { return operation(ctx, conn) }
		},
	})
	if err != nil {
		return nil, err
	}
	if result.FirstError != nil {
		return nil, fmt.Errorf("%d of %d operations failed: %w", result.Failures, result.Operations+result.Failures, result.FirstError)
	}
	return result, nil
}

// tokens asks for tokens: for one client again and again, which is held, and for one client after the other, of which nine in ten have
// to be asked for. Afterwards it notes the memory of both sides.
func (g *gathering) tokens(ctx context.Context, n int) error {
	var next atomic.Int64
	for _, sort := range []struct {
		name   string
		client func() int
	}{
		{"held", func() int { return 0 }},
		{"on demand", func() int { return int(next.Add(1)*7919) % n }},
	} {
		result, err := g.run(ctx, func(ctx context.Context, conn *load.Conn) error {
			request := load.AppendForm(nil, g.gateway.Address, g.path+"/oauth/token", "grant_type=client_credentials", load.Basic(g.clientID(sort.client()), g.secret))
			return askPatiently(ctx, conn, request)
		})
		if err != nil {
			return fmt.Errorf("tokens of clients %s: %w", sort.name, err)
		}
		g.extra("tokens/s, "+sort.name, result.Rate())
		g.extra("token p50 ms, "+sort.name, float64(report.MillisOf(result.Latency.Quantile(0.5))))
	}
	pids := map[string]int{gatewayMemory: g.gateway.PID(), "management MB": g.management}
	if g.stored {
		for _, pid := range g.Platform.Parts()[harness.PartDatabase] {
			pids["database MB"] = pid
		}
	}
	for name, pid := range pids {
		resident, err := cpu.Resident(pid)
		if err != nil {
			return err
		}
		g.extra(name, float64(resident)/megabyte)
	}
	return nil
}

// askPatiently asks for a token, again where too many clients are asked for at once: a gateway asks for 2,000 in a second.
func askPatiently(ctx context.Context, conn *load.Conn, request []byte) error {
	const pause = 5 * time.Millisecond
	for {
		got, err := conn.Do(ctx, request)
		switch {
		case err != nil:
			return err
		case got.Status == http.StatusOK:
			return nil
		case got.Status != http.StatusServiceUnavailable:
			return fmt.Errorf("status %d: %s", got.Status, got.Body)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
