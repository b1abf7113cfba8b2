package usage_test

import (
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	usagev1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/usage/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/usage"
)

func TestReports(t *testing.T) {
	s := storetest.Open(t, storetest.Options(t))
	a := &configv1.Application{Name: "A"}
	resource.Stamp(a, resource.Stamps{ID: "app", Domain: "dom"})
	if _, err := s.Write(t.Context(), store.Change{Ops: []store.Op{{New: a}}}); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0).UTC()
	server := usage.New(usage.Options{Uses: s.SecretUses(), Now: func() time.Time { return now }})
	report := func(gateway string, uses ...*usagev1.SecretUse) error {
		_, err := server.ReportSecrets(t.Context(), &usagev1.ReportSecretsRequest{Gateway: gateway, Uses: uses})
		return err
	}
	use := func(id string, at time.Time) *usagev1.SecretUse {
		return &usagev1.SecretUse{Domain: "dom", Application: "app", Secret: id, UsedAt: timestamppb.New(at)}
	}
	expect := func(what, id string, at time.Time, by string) {
		t.Helper()
		uses, err := s.SecretUses().OfApplication(t.Context(), "app")
		if got := uses[id]; err != nil || !got.At.Equal(at) || got.By != by {
			t.Errorf("%s: %+v, %v", what, uses, err)
		}
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	ok(report("gw-1", use("one", now.Add(-time.Minute)), use("two", now.Add(-time.Hour))))
	expect("the first report", "one", now.Add(-time.Minute), "gw-1")
	ok(report("gw-2", use("one", now.Add(-2*time.Minute)), use("two", now)))
	expect("an older use", "one", now.Add(-time.Minute), "gw-1")
	expect("a newer one beside it", "two", now, "gw-2")
	ok(report("gw-1", use("one", now.Add(-time.Minute)), use("two", now.Add(-time.Hour))))
	expect("a repeated report", "two", now, "gw-2")
	ok(report("gw-3", use("one", now.Add(time.Hour))))
	expect("a clock that is ahead", "one", now, "gw-3")
	stranger := use("three", now)
	stranger.Application = "nobody"
	other := use("four", now)
	other.Domain = "another"
	ok(report("gw-1", stranger, other))
	if uses, err := s.SecretUses().Get(t.Context(), []string{"three", "four"}); err != nil || len(uses) != 0 {
		t.Errorf("uses of applications that are not there: %v, %v", uses, err)
	}
	ok(report("gw-1"))

	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() { ok(report("gw-race", use("raced", now.Add(-time.Duration(i)*time.Second)))) })
	}
	all.Wait()
	expect("32 gateways at once", "raced", now, "gw-race")

	for what, r := range map[string]*usagev1.ReportSecretsRequest{
		"no gateway":       {Uses: []*usagev1.SecretUse{use("x", now)}},
		"a line in a name": {Gateway: "a\nb"},
		"no time":          {Gateway: "g", Uses: []*usagev1.SecretUse{{Domain: "d", Application: "a", Secret: "s"}}},
		"no secret":        {Gateway: "g", Uses: []*usagev1.SecretUse{{Domain: "d", Application: "a", UsedAt: timestamppb.New(now)}}},
		"too many":         {Gateway: "g", Uses: make([]*usagev1.SecretUse, usage.MaxUses+1)},
	} {
		if _, err := server.ReportSecrets(t.Context(), r); !fault.Is(fault.FromGRPC(err), fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
