package usage

import (
	"context"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	usagev1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/usage/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// The limits of a report on bindings.
const (
	MaxTallies = 20
	maxPeople  = 10_000
	maxSamples = 20
	// ahead is how far the clock of a gateway may be.
	ahead = time.Hour
)

// ReportBindings implements usagev1.UsageServiceServer.
func (s *Server) ReportBindings(ctx context.Context, r *usagev1.ReportBindingsRequest) (*usagev1.ReportBindingsResponse, error) {
	tallies, err := s.readTallies(r)
	if err == nil {
		err = s.tallies.Record(ctx, tallies)
	}
	if err != nil {
		if !fault.Is(err, fault.Invalid) {
			s.log.ErrorContext(ctx, "what report-only bindings came to was not kept", "gateway", r.GetGateway(), "err", err)
		}
		return nil, fault.ToGRPC(err)
	}
	return &usagev1.ReportBindingsResponse{}, nil
}

// readTallies returns what a report says, without the hours that are forgotten already.
func (s *Server) readTallies(r *usagev1.ReportBindingsRequest) ([]store.BindingTally, error) {
	if !word(r.GetGateway(), maxName) {
		return nil, fault.Invalidf("a report names its gateway")
	}
	if len(r.GetTallies()) > MaxTallies {
		return nil, fault.Invalidf("a report has at most %d tallies", MaxTallies)
	}
	now := s.now()
	var tallies []store.BindingTally
	for _, t := range r.GetTallies() {
		if err := sound(t, now); err != nil {
			return nil, err
		}
		hour := t.GetHour().AsTime()
		if now.Sub(hour) > store.KeepBindingTallies {
			continue
		}
		kept := store.BindingTally{
			ID: t.GetId(), Domain: t.GetDomain(), Application: t.GetApplication(), Binding: t.GetBinding(), By: r.GetGateway(), Hour: hour,
			Evaluated: t.GetEvaluated(), Passed: t.GetPassed(), Failed: t.GetFailed(), Changed: t.GetChanged(), People: t.GetPeople(), More: t.GetMorePeople(),
		}
		for _, one := range t.GetSamples() {
			kept.Samples = append(kept.Samples, store.BindingSample{
				Person: one.GetPerson(), At: one.GetAt().AsTime(), Verdict: one.GetVerdict(), Enforced: one.GetEnforced(),
			})
		}
		tallies = append(tallies, kept)
	}
	return tallies, nil
}

// sound refuses a tally that no gateway counts.
func sound(t *usagev1.BindingTally, now time.Time) error {
	for _, id := range []string{t.GetId(), t.GetDomain(), t.GetApplication(), t.GetBinding()} {
		if !word(id, maxIdentifier) {
			return fault.Invalidf("a tally names itself, a domain, an application and a binding")
		}
	}
	hour := t.GetHour().AsTime()
	if !t.GetHour().IsValid() || !hour.Equal(hour.Truncate(time.Hour)) || hour.After(now.Add(ahead)) {
		return fault.Invalidf("a tally names the beginning of an hour that has begun")
	}
	for _, n := range []int64{t.GetPassed(), t.GetFailed(), t.GetChanged()} {
		if n < 0 || n > t.GetEvaluated() {
			return fault.Invalidf("a tally counts no more than was evaluated")
		}
	}
	if t.GetEvaluated() < 1 || len(t.GetPeople())%8 != 0 || len(t.GetPeople()) > 8*maxPeople || len(t.GetSamples()) > maxSamples {
		return fault.Invalidf("a tally has an evaluation, at most %d people of eight bytes each, and at most %d samples", maxPeople, maxSamples)
	}
	for _, one := range t.GetSamples() {
		if one.GetPerson() != "" && !word(one.GetPerson(), maxIdentifier) || !one.GetAt().IsValid() ||
			!word(one.GetVerdict(), maxIdentifier) || !word(one.GetEnforced(), maxIdentifier) {
			return fault.Invalidf("a sample names a person, a time and two verdicts")
		}
	}
	return nil
}
