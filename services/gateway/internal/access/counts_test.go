package access_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

func TestAcceptance23AReportOnlyBindingNeverChangesAVerdictAndItsCountIsExact(t *testing.T) {
	kept := map[string]usage.Tally{}
	lost := true // the first report arrives, and its answer does not
	counts := usage.NewBindings(usage.BindingOptions{Send: func(_ context.Context, tallies []usage.Tally) error {
		for _, one := range tallies {
			if one.Evaluated > kept[one.ID].Evaluated {
				kept[one.ID] = one
			}
		}
		if lost {
			lost = false
			return errors.New("away")
		}
		return nil
	}})
	config := gatewaytest.NewAcme(t)
	config.Add(&configv1.Group{Id: "finance", Domain: config.Domain.GetId(), Name: "finance"})
	app := config.App("pay", restricted)
	app.Bindings = append(app.Bindings, &configv1.Binding{Id: "watch", Group: "finance", Effect: configv1.Binding_DENY, ReportOnly: true})
	config.App("open", restricted, func(a *configv1.Application) { a.Bindings = nil })
	log := &records{}
	h := gatewaytest.New(t, gatewaytest.Options{Counts: counts, Log: observe.NewLogger(log, slog.LevelInfo, observe.JSON)}, config)
	h.Directory.Join(config.Domain.GetId(), "ann", "finance")
	r := &rig{h, t, config.Domain.GetId(), config, app, log}

	tokens := r.tokens(r.Browser("/acme"), "ann", "pay")
	r.tokens(r.Browser("/acme"), "ann", "open")
	if err := counts.Tell(t.Context()); err == nil {
		t.Error("the first report was to fail")
	}
	before := int64(strings.Count(log.String(), `"access was decided"`))
	for range 1000 {
		a := r.refresh("pay", tokens)
		if a.Status != http.StatusOK {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		tokens = a.JSON(t)
	}
	for range 2 {
		if err := counts.Tell(t.Context()); err != nil {
			t.Error(err)
		}
	}
	var all usage.Tally
	for _, one := range kept {
		if one.Binding != "watch" || len(one.People) != 8 || len(one.Samples) != 20 || one.Samples[0].Verdict != rule.Allowed || one.Samples[0].Enforced != rule.Denied {
			t.Errorf("counted %+v", one)
		}
		all.Evaluated += one.Evaluated
		all.Passed += one.Passed
		all.Changed += one.Changed
	}
	if want := before + 1000; all.Evaluated != want || all.Changed != want || all.Passed != 0 {
		t.Errorf("%d evaluated, %d changed, %d passed, want %d, %d, 0", all.Evaluated, all.Changed, all.Passed, want, want)
	}
}
