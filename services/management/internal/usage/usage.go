// Package usage takes what gateways report of the configuration's use: which client secrets authenticated a client, when
// and where. It is written beside the configuration and changes nothing of it.
package usage

import (
	"context"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"google.golang.org/grpc"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	usagev1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/usage/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// MaxUses is how many secrets one report may name.
const MaxUses = 1000

// The limits of texts in a report, in bytes.
const (
	maxIdentifier = 255
	maxName       = 255
)

// Options are what the service needs.
type Options struct {
	Uses *store.SecretUses
	// Clients keeps the uses of clients.
	Clients *store.ClientUses
	// Tallies keeps what report-only bindings came to.
	Tallies *store.BindingTallies
	Logger  *slog.Logger
	Now     func() time.Time
}

// Server implements usagev1.UsageServiceServer.
type Server struct {
	usagev1.UnimplementedUsageServiceServer
	uses *store.SecretUses

	clients *store.ClientUses
	tallies *store.BindingTallies
	log     *slog.Logger
	now     func() time.Time
}

// New returns the service.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{uses: o.Uses, clients: o.Clients, tallies: o.Tallies, log: o.Logger, now: o.Now}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { usagev1.RegisterUsageServiceServer(r, s) }

// ReportSecrets implements usagev1.UsageServiceServer. A time in the future, by a gateway whose clock is ahead, counts as
// now: nothing could follow it otherwise.
func (s *Server) ReportSecrets(ctx context.Context, r *usagev1.ReportSecretsRequest) (*usagev1.ReportSecretsResponse, error) {
	uses, err := s.read(r)
	var clients []store.ClientUse
	if err == nil {
		clients, err = s.readClients(r)
	}
	if err == nil {
		err = s.uses.Record(ctx, uses)
	}
	if err == nil && len(clients) > 0 {
		err = s.clients.Record(ctx, clients)
	}
	if err != nil {
		if fault.Is(err, fault.Internal) && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "use of client secrets not recorded", "gateway", r.GetGateway(), "err", err)
		}
		return nil, fault.ToGRPC(err)
	}
	return &usagev1.ReportSecretsResponse{}, nil
}

func (s *Server) read(r *usagev1.ReportSecretsRequest) ([]store.SecretUse, error) {
	switch {
	case len(r.GetUses()) > MaxUses:
		return nil, fault.Invalidf("a report names at most %d secrets", MaxUses)
	case !word(r.GetGateway(), maxName):
		return nil, fault.Invalidf("a report needs the name of its gateway")
	}
	now := s.now()
	uses := make([]store.SecretUse, 0, len(r.GetUses()))
	for _, u := range r.GetUses() {
		if !word(u.GetDomain(), maxIdentifier) || !word(u.GetApplication(), maxIdentifier) || !word(u.GetSecret(), maxIdentifier) ||
			!u.GetUsedAt().IsValid() {
			return nil, fault.Invalidf("a use names a domain, an application, a secret and a time")
		}
		at := u.GetUsedAt().AsTime()
		if at.After(now) {
			at = now
		}
		uses = append(uses, store.SecretUse{
			Secret: u.GetSecret(), Domain: u.GetDomain(), Application: u.GetApplication(), At: at, By: r.GetGateway(),
		})
	}
	return uses, nil
}

// readClients returns the uses of clients in a report.
func (s *Server) readClients(r *usagev1.ReportSecretsRequest) ([]store.ClientUse, error) {
	if len(r.GetClients()) > MaxUses {
		return nil, fault.Invalidf("a report names at most %d clients", MaxUses)
	}
	now := s.now()
	uses := make([]store.ClientUse, 0, len(r.GetClients()))
	for _, u := range r.GetClients() {
		if !word(u.GetDomain(), maxIdentifier) || !word(u.GetApplication(), maxIdentifier) || !u.GetUsedAt().IsValid() {
			return nil, fault.Invalidf("a use names a domain, an application and a time")
		}
		at := u.GetUsedAt().AsTime()
		if at.After(now) {
			at = now
		}
		uses = append(uses, store.ClientUse{Domain: u.GetDomain(), Application: u.GetApplication(), At: at, By: r.GetGateway()})
	}
	return uses, nil
}

func word(text string, longest int) bool {
	return text != "" && len(text) <= longest && !strings.ContainsFunc(text, unicode.IsControl)
}
