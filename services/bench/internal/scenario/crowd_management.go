package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/seed"
)

// mostEmbedded is how many clients the embedded database is given: a million would take it half an hour to load.
const mostEmbedded = 100_000

// crowdAtManagement measures a management whose only domain has very many registered clients in the database, and its gateway.
func crowdAtManagement() Scenario {
	return Scenario{
		Name: "crowd-management", About: "the same with management and database; the embedded one is given 100,000 clients at most",
		Run: func(ctx context.Context, b *Bench) ([]report.Row, error) {
			n := b.Length.Registered
			if _, isMongoDB := b.Platform.Database(); !isMongoDB {
				n = min(n, mostEmbedded)
			}
			row, err := b.crowdAtManagement(ctx, n)
			if err != nil {
				return nil, err
			}
			row.Judge(crowdGoals(n)...)
			return []report.Row{*row}, nil
		},
	}
}

// settled is a gathering on a management of its own.
type settled struct {
	*gathering
	home   *harness.Installation
	domain struct{ ID, Path string }
	// first is the client that all others are copies of; they have its secret.
	first struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
}

func (b *Bench) crowdAtManagement(ctx context.Context, n int) (_ *report.Row, err error) {
	home, err := b.Platform.NewInstallation()
	if err != nil {
		return nil, err
	}
	s := &settled{gathering: &gathering{Bench: b, row: newCrowdRow(n)}, home: home}
	database, err := seed.Open(home.URI, home.Database)
	if err != nil {
		return nil, err
	}
	defer func() {
		s.stop()
		err = errors.Join(err, database.Close(context.WithoutCancel(ctx)))
	}()
	if err := s.begin(ctx, n); err != nil {
		return nil, err
	}
	beginning, err := s.registrations(ctx)
	if err != nil {
		return nil, err
	}
	s.stop()
	begun := time.Now()
	if err := database.CopyClient(ctx, s.first.ID, n); err != nil {
		return nil, fmt.Errorf("seed %d clients: %w", n, err)
	}
	s.extra("clients made s", time.Since(begun).Seconds())
	if err := s.start(ctx, n); err != nil {
		return nil, err
	}
	end, err := s.registrations(ctx)
	if err != nil {
		return nil, err
	}
	s.registered(beginning.Rate(), end)
	return s.row, s.tokens(ctx, n)
}

func (s *settled) stop() {
	if s.gateway != nil {
		s.gateway.Stop()
		s.gateway = nil
	}
	s.home.Stop()
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
	if err := s.home.Start(ctx, loadPatience); err != nil {
		return err
	}
	s.management = s.home.Process.PID()
	s.extra("management ready s", time.Since(begun).Seconds())
	begun = time.Now()
	if err := s.serve(ctx, n); err != nil {
		return err
	}
	s.extra("gateway ready s", time.Since(begun).Seconds())
	return nil
}

func (s *settled) serve(ctx context.Context, n int) (err error) {
	if s.gateway, err = s.home.StartGateway(ctx, loadPatience, heldOf(n)); err != nil {
		return err
	}
	return s.gateway.AwaitDomain(ctx, s.home, s.domain.ID)
}
