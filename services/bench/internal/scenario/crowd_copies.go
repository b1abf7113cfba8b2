package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/crowd"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// mostCopies is how many copies of a template there are at most: all of them are held where forms and flows are brought.
const mostCopies = 50_000

// Names of what is measured of copies.
const (
	copiesMemory = "gateway MB, on demand ÷ brought"
	copiesReady  = "gateway ready, on demand ÷ brought"
)

// crowdOfCopies measures a gateway whose registered clients are copies of a template and have a form and a flow of their own each, a
// tenth of them held: once where forms and flows are brought whatever becomes of their clients, and once where they are on demand.
func crowdOfCopies() Scenario {
	return Scenario{
		Name: "crowd-copies", About: "a gateway whose registered clients have a form and a flow each: brought, and on demand; management is a stand-in",
		Run: func(ctx context.Context, b *Bench) ([]report.Row, error) {
			n := min(b.Length.Registered, mostCopies)
			row := newCrowdRow(n)
			row.Unit = "token"
			var memory, ready [2]float64
			for i, sort := range []struct {
				name      string
				arguments []string
			}{{"brought", []string{"--copies", "--brings"}}, {"on demand", []string{"--copies"}}} {
				g := &gathering{Bench: b, path: crowd.Path, secret: crowd.Secret, clientID: crowd.ClientID, row: row}
				result, err := g.ofCopies(ctx, n, &memory[i], &ready[i], sort.arguments...)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", sort.name, err)
				}
				g.extra("gateway MB, "+sort.name, memory[i])
				g.extra("gateway ready s, "+sort.name, ready[i])
				row.Rate, row.Operations = report.Summarize(result.Rate()), result.Operations
				row.P50, row.P99, row.Max = report.MillisOf(result.Latency.Quantile(0.5)), report.MillisOf(result.Latency.Quantile(0.99)), report.MillisOf(result.Latency.Max())
			}
			row.Extra[copiesMemory], row.Extra[copiesReady] = report.Round(memory[1]/memory[0]), report.Round(ready[1]/ready[0])
			row.Judge(report.Extra(copiesMemory, 0.75))
			return []report.Row{*row}, nil
		},
	}
}

// ofCopies notes what a gateway takes that is ready, and asks it for tokens of a client that it holds.
func (g *gathering) ofCopies(ctx context.Context, n int, memory, ready *float64, arguments ...string) (*load.Result, error) {
	process, address, err := g.Platform.StartCrowd(ctx, n, loadPatience, arguments...)
	if err != nil {
		return nil, err
	}
	defer process.Stop()
	begun := time.Now()
	if g.gateway, err = g.Platform.StartGatewayOf(ctx, address, loadPatience, heldOf(n)); err != nil {
		return nil, err
	}
	defer g.gateway.Stop()
	*ready = time.Since(begun).Seconds()
	// Meanwhile it gives back what reading took.
	result, err := g.run(ctx, func(ctx context.Context, conn *load.Conn) error {
		request := load.AppendForm(nil, g.gateway.Address, g.path+"/oauth/token", "grant_type=client_credentials", load.Basic(g.clientID(0), g.secret))
		return askPatiently(ctx, conn, request)
	})
	if err != nil {
		return nil, err
	}
	resident, err := cpu.Resident(g.gateway.PID())
	*memory = float64(resident) / megabyte
	return result, err
}
