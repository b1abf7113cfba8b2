package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/seed"
)

// crowdRounds is how often the installations with few and with many clients take turns.
const crowdRounds = 3

// patienceWith is how long management may take to load so many clients. The embedded database needs most of it.
func patienceWith(n int) time.Duration { return loadPatience + time.Duration(n)*3*time.Millisecond }

// crowdAtManagement measures a management whose only domain has very many registered clients in the database, and its gateway.
func crowdAtManagement() Scenario {
	return Scenario{
		Name: "crowd-management", About: "the same with management and database",
		Run: func(ctx context.Context, b *Bench) ([]report.Row, error) {
			n := b.Length.Registered
			row, err := b.crowdAtManagement(ctx, n)
			if err != nil {
				return nil, err
			}
			row.Judge(crowdGoals(n)...)
			return []report.Row{*row}, nil
		},
	}
}

// settled is a gathering on a management and a database of its own.
type settled struct {
	*gathering
	home     *harness.Installation
	database *seed.Database
	domain   struct{ ID, Path string }
	// first is the client that all others are copies of; they have its secret.
	first struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
}

// crowdAtManagement lets two installations on the same database server take turns: one has few clients, the other many. What the machine
// does otherwise in a turn, it does to both.
func (b *Bench) crowdAtManagement(ctx context.Context, n int) (*report.Row, error) {
	few, err := b.settle(ctx, newCrowdRow(n), min(fewClients, n))
	if err != nil {
		return nil, fmt.Errorf("%d clients: %w", min(fewClients, n), err)
	}
	defer few.close(ctx)
	many, err := b.settle(ctx, newCrowdRow(n), n)
	if err != nil {
		return nil, fmt.Errorf("%d clients: %w", n, err)
	}
	defer many.close(ctx)

	var rates, ratios []float64
	var end *load.Result
	var beginning float64
	for range crowdRounds {
		begun, err := few.registrations(ctx)
		if err != nil {
			return nil, err
		}
		if end, err = many.registrations(ctx); err != nil {
			return nil, err
		}
		beginning = begun.Rate()
		rates, ratios = append(rates, end.Rate()), append(ratios, end.Rate()/beginning)
	}
	many.registered(beginning, end)
	many.row.Rate = report.Summarize(rates...)
	ratio := report.Summarize(ratios...)
	many.extra(registrationRatio, ratio.Median)
	many.extra(registrationRatio+", smallest", ratio.Min)
	many.extra(registrationRatio+", largest", ratio.Max)
	many.extra("management CPU ms per registration at the beginning", few.row.Extra[managementCPU])
	many.extra("database CPU ms per registration at the beginning", few.row.Extra[databaseCPU])
	return many.row, errors.Join(many.tokens(ctx, n), many.found(ctx, n))
}

// settle makes an installation with so many clients. The caller closes it.
func (b *Bench) settle(ctx context.Context, row *report.Row, n int) (_ *settled, err error) {
	home, err := b.Platform.NewInstallation()
	if err != nil {
		return nil, err
	}
	s := &settled{gathering: &gathering{Bench: b, stored: true, row: row}, home: home}
	if s.database, err = seed.Open(home.URI, home.Database); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close(ctx)
		}
	}()
	if err := s.begin(ctx, n); err != nil {
		return nil, err
	}
	s.stop()
	begun := time.Now()
	if err := s.database.CopyClient(ctx, s.first.ID, n); err != nil {
		return nil, fmt.Errorf("seed %d clients: %w", n, err)
	}
	s.extra("clients made s", time.Since(begun).Seconds())
	b.Log.Info("clients are made", "clients", n, "seconds", time.Since(begun).Seconds())
	return s, s.start(ctx, n)
}

func (s *settled) stop() {
	if s.gateway != nil {
		s.gateway.Stop()
		s.gateway = nil
	}
	s.home.Stop()
}

// close ends everything and drops the database.
func (s *settled) close(ctx context.Context) {
	s.stop()
	if err := s.database.Close(context.WithoutCancel(ctx)); err != nil {
		s.Log.Warn("a database is left behind", "database", s.home.Database, "err", err)
	}
}

// begin makes the domain and its first client.
func (s *settled) begin(ctx context.Context, n int) error {
	if err := s.home.Start(ctx, loadPatience); err != nil {
		return err
	}
	s.management = s.home.Process.PID()
	if err := s.home.Management.Post(ctx, "/domains", harness.Object{"name": "crowd"}, &s.domain); err != nil {
		return err
	}
	err := s.home.Management.Patch(ctx, "/domains/"+s.domain.ID, harness.Object{"enabled": true, "oidc": harness.Object{
		"clientRegistrationSettings": harness.Object{
			"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true,
		},
	}}, nil)
	if err != nil {
		return err
	}
	if err := s.serve(ctx, n); err != nil {
		return err
	}
	s.path = s.domain.Path
	conn := load.NewConn(s.gateway.Address)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	got, err := ask(ctx, conn, s.registration(), 201)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(got.Body, &s.first); err != nil {
		return err
	}
	s.secret = s.first.Secret
	s.clientID = func(i int) string { return seed.Numbered(s.first.ID, i+1) }
	return nil
}

// start starts management and gateway on what is in the database, and notes what that takes.
func (s *settled) start(ctx context.Context, n int) error {
	begun := time.Now()
	if err := s.home.Start(ctx, patienceWith(n)); err != nil {
		return err
	}
	s.management = s.home.Process.PID()
	s.extra("management ready s", time.Since(begun).Seconds())
	s.Log.Info("management is ready", "clients", n, "seconds", time.Since(begun).Seconds())
	resident, err := cpu.Resident(s.management)
	if err != nil {
		return err
	}
	s.extra("management MB when ready", float64(resident)/megabyte)
	begun = time.Now()
	if err := s.serve(ctx, n); err != nil {
		return err
	}
	s.extra("gateway ready s", time.Since(begun).Seconds())
	return nil
}

func (s *settled) serve(ctx context.Context, n int) (err error) {
	if s.gateway, err = s.home.StartGateway(ctx, patienceWith(n), heldOf(n)); err != nil {
		return err
	}
	return s.gateway.AwaitDomain(ctx, s.home, s.domain.ID)
}

// found makes sure that a copy is what management would have written: a search by its identifier finds it and nothing else.
func (s *settled) found(ctx context.Context, n int) error {
	begun := time.Now()
	var answer struct{ TotalCount int }
	query := url.Values{"q": {s.clientID(n - 1)}}
	if err := s.home.Management.Get(ctx, "/domains/"+s.domain.ID+"/applications?"+query.Encode(), &answer); err != nil {
		return fmt.Errorf("search for one client: %w", err)
	}
	if answer.TotalCount != 1 {
		return fmt.Errorf("a search for the identifier of one client found %d", answer.TotalCount)
	}
	s.extra("search for one client ms", float64(time.Since(begun).Milliseconds()))
	return nil
}
