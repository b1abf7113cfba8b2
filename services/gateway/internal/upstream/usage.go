package upstream

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	usagev1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/usage/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// Usage tells management what is in use.
type Usage struct {
	client usagev1.UsageServiceClient
	node   string
	failed func()
}

// NewUsage returns the usage service behind a connection. Node is the gateway's name for operators; failed is as for
// NewDirectory.
func NewUsage(conn grpc.ClientConnInterface, node string, failed func()) *Usage {
	if node == "" {
		node = "gateway" // the host has no name
	}
	return &Usage{client: usagev1.NewUsageServiceClient(conn), node: node, failed: orNothing(failed)}
}

// Report tells which clients and client secrets were used, and when.
func (u *Usage) Report(ctx context.Context, uses []usage.Use) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request := &usagev1.ReportSecretsRequest{Gateway: u.node}
	for _, use := range uses {
		at := timestamppb.New(use.At)
		if use.Secret == "" {
			request.Clients = append(request.Clients, &usagev1.ClientUse{Domain: use.Domain, Application: use.Application, UsedAt: at})
			continue
		}
		request.Uses = append(request.Uses, &usagev1.SecretUse{Domain: use.Domain, Application: use.Application, Secret: use.Secret, UsedAt: at})
	}
	_, err := u.client.ReportSecrets(ctx, request)
	if err = translate(err, u.failed); fault.Is(err, fault.Invalid) {
		return nil // it would be refused again
	}
	return err
}

// ReportBindings tells what report-only bindings came to.
func (u *Usage) ReportBindings(ctx context.Context, tallies []usage.Tally) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request := &usagev1.ReportBindingsRequest{Gateway: u.node}
	for _, t := range tallies {
		sent := &usagev1.BindingTally{
			Id: t.ID, Domain: t.Domain, Application: t.Application, Binding: t.Binding, Hour: timestamppb.New(t.Hour),
			Evaluated: t.Evaluated, Passed: t.Passed, Failed: t.Failed, Changed: t.Changed, People: t.People, MorePeople: t.More,
		}
		for _, s := range t.Samples {
			sent.Samples = append(sent.Samples, &usagev1.BindingSample{
				Person: s.Person, At: timestamppb.New(s.At), Verdict: s.Verdict.String(), Enforced: s.Enforced.String(),
			})
		}
		request.Tallies = append(request.Tallies, sent)
	}
	_, err := u.client.ReportBindings(ctx, request)
	if err = translate(err, u.failed); fault.Is(err, fault.Invalid) {
		return nil // it would be refused again
	}
	return err
}
