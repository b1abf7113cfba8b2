package access

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	usualDays    = 14
	mostDays     = 30
	samplesShown = 20
)

func (x *routes) mountBindings() {
	x.mux.Handle("GET /domains/{domain}/applications/{application}/bindings/{binding}/impact", "binding:read", x.bindingImpact, operation.Operation{
		ID: "readBindingImpact", Summary: "Read what a report-only binding came to in real decisions.",
		Details: "Gateways report every ten seconds; hours are kept for 30 days. What a gateway had not reported when it was killed is missing. " +
			"Samples name people with user:read alone.",
		Query:  []operation.Parameter{{Name: "days", Type: "integer", Description: "How far back, in days, from 1 to 30; default 14."}},
		Answer: &managementv1.BindingImpact{},
	})
}

func (x *routes) bindingImpact(w http.ResponseWriter, r *http.Request) error {
	days := usualDays
	if given := r.URL.Query(); given.Has("days") {
		n, err := strconv.Atoi(given.Get("days"))
		if err != nil || n < 1 || n > mostDays {
			return fault.Invalidf("days: must be a number from 1 to %d", mostDays)
		}
		days = n
	}
	app, err := x.application(r)
	if err != nil {
		return err
	}
	all, err := editor.Bindings(app, "")
	if err != nil {
		return err
	}
	binding, err := editor.Binding(all, r.PathValue("binding"))
	if err != nil {
		return err
	}
	now := x.editor.Now().UTC()
	from := now.Add(-time.Duration(days) * 24 * time.Hour).Truncate(time.Hour)
	sum := newImpactSum()
	if err := x.store.BindingTallies().Of(r.Context(), app.GetId(), binding.GetId(), from, sum.add); err != nil {
		return err
	}
	out := sum.result(editor.ReadsPeople(r.Context()))
	out.From, out.To = timestamppb.New(from), timestamppb.New(now)
	return x.answer(w, out)
}

// impactSum adds up the tallies of gateways, in the order of their hours.
type impactSum struct {
	out          *managementv1.BindingImpact
	ever, hourly map[[8]byte]struct{}
	samples      []store.BindingSample
}

func newImpactSum() *impactSum {
	return &impactSum{out: &managementv1.BindingImpact{}, ever: map[[8]byte]struct{}{}, hourly: map[[8]byte]struct{}{}}
}

func (s *impactSum) add(t *store.BindingTally) {
	at := timestamppb.New(t.Hour)
	var hour *managementv1.BindingImpactHour
	if n := len(s.out.Hours); n > 0 && s.out.Hours[n-1].GetHour().GetSeconds() == at.GetSeconds() {
		hour = s.out.Hours[n-1]
	} else {
		hour = &managementv1.BindingImpactHour{Hour: at}
		s.out.Hours = append(s.out.Hours, hour)
		clear(s.hourly)
	}
	for person := range slices.Chunk(t.People, 8) {
		if len(person) == 8 {
			s.hourly[[8]byte(person)] = struct{}{}
			s.ever[[8]byte(person)] = struct{}{}
		}
	}
	hour.Evaluated += t.Evaluated
	hour.Passed += t.Passed
	hour.Failed += t.Failed
	hour.Changed += t.Changed
	hour.People = int64(len(s.hourly))
	hour.PeopleAtLeast = hour.PeopleAtLeast || t.More
	s.out.Evaluated += t.Evaluated
	s.out.Passed += t.Passed
	s.out.Failed += t.Failed
	s.out.Changed += t.Changed
	s.out.PeopleAtLeast = s.out.PeopleAtLeast || t.More
	s.samples = append(s.samples, t.Samples...)
	slices.SortStableFunc(s.samples, func(a, b store.BindingSample) int { return b.At.Compare(a.At) })
	s.samples = s.samples[:min(len(s.samples), samplesShown)]
}

// result returns the sum; its samples name people only if named.
func (s *impactSum) result(named bool) *managementv1.BindingImpact {
	s.out.People = int64(len(s.ever))
	for _, one := range s.samples {
		shown := &managementv1.BindingImpactSample{At: timestamppb.New(one.At), Verdict: one.Verdict, Enforced: one.Enforced}
		if named {
			shown.User = one.Person
		}
		s.out.Samples = append(s.out.Samples, shown)
	}
	return s.out
}
