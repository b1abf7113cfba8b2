package usage_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	usagev1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/usage/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/usage"
)

func TestAcceptance23AReportIsCountedOnceHoweverOftenItComes(t *testing.T) {
	s := storetest.Open(t, storetest.Options(t))
	a := &configv1.Application{Name: "A"}
	resource.Stamp(a, resource.Stamps{ID: "app", Domain: "dom"})
	if _, err := s.Write(t.Context(), store.Change{Ops: []store.Op{{New: a}}}); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0).UTC()
	server := usage.New(usage.Options{Tallies: s.BindingTallies(), Now: func() time.Time { return now }})
	tally := func(id string, evaluated int64) *usagev1.BindingTally {
		return &usagev1.BindingTally{
			Id: id, Domain: "dom", Application: "app", Binding: "b", Hour: timestamppb.New(now.Truncate(time.Hour)),
			Evaluated: evaluated, Changed: evaluated, People: make([]byte, 8),
		}
	}
	report := func(tallies ...*usagev1.BindingTally) error {
		_, err := server.ReportBindings(t.Context(), &usagev1.ReportBindingsRequest{Gateway: "g", Tallies: tallies})
		return err
	}
	for _, one := range []*usagev1.BindingTally{tally("one", 400), tally("one", 1000), tally("one", 1000), tally("one", 400), tally("two", 7)} {
		if err := report(one); err != nil {
			t.Fatal(err)
		}
	}
	stranger := tally("three", 1)
	stranger.Application = "nobody"
	if err := report(stranger); err != nil {
		t.Error(err)
	}
	var sum int64
	err := s.BindingTallies().Of(t.Context(), "app", "b", now.Add(-24*time.Hour), func(one *store.BindingTally) { sum += one.Changed })
	if err != nil || sum != 1007 {
		t.Errorf("%d changed, %v, want 1007", sum, err)
	}
	for what, change := range map[string]func(*usagev1.BindingTally){
		"no binding":         func(b *usagev1.BindingTally) { b.Binding = "" },
		"not an hour":        func(b *usagev1.BindingTally) { b.Hour = timestamppb.New(now.Add(time.Second)) },
		"half a person":      func(b *usagev1.BindingTally) { b.People = make([]byte, 4) },
		"more than there is": func(b *usagev1.BindingTally) { b.Passed = 2 },
	} {
		bad := proto.CloneOf(tally("bad", 1))
		change(bad)
		if err := report(bad); !fault.Is(fault.FromGRPC(err), fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
