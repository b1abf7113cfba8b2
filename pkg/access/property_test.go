package access_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

var (
	someGroups   = []string{"g1", "g2", "g3"}
	someUsers    = []string{"ann", "bob"}
	somePolicies = []string{"true", "false", "broken", "missing", "strong", "fresh", "office", "france"}
)

func drawBinding(t *rapid.T, id string) *configv1.Binding {
	b := &configv1.Binding{
		Id: id, Negate: rapid.Bool().Draw(t, "negate"), FailureResult: rapid.Bool().Draw(t, "failureResult"),
		Order: proto.Int32(rapid.Int32Range(1, 4).Draw(t, "order")), ReportOnly: rapid.IntRange(0, 5).Draw(t, "reportOnly") == 0,
	}
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		b.Group = rapid.SampledFrom(someGroups).Draw(t, "group")
		b.Orphaned = rapid.IntRange(0, 7).Draw(t, "orphaned") == 0
	case 1:
		b.User = rapid.SampledFrom(someUsers).Draw(t, "user")
	default:
		b.Policy = rapid.SampledFrom(somePolicies).Draw(t, "policy")
	}
	if rapid.IntRange(0, 3).Draw(t, "effect") == 0 {
		b.Effect = configv1.Binding_DENY
	}
	if rapid.IntRange(0, 5).Draw(t, "disabled") == 0 {
		b.Enabled = proto.Bool(false)
	}
	if rapid.IntRange(0, 5).Draw(t, "expires") == 0 {
		b.ExpiresAt = timestamppb.New(noon.Add(time.Duration(rapid.SampledFrom([]int{-1, 0, 1}).Draw(t, "at")) * time.Hour))
	}
	return b
}

func drawRule(t *rapid.T) *configv1.Application {
	app := &configv1.Application{Id: "app", Access: &configv1.ApplicationAccess{EntitlementsGrant: rapid.Bool().Draw(t, "grants")}}
	if rapid.Bool().Draw(t, "all") {
		app.Access.Mode = configv1.ApplicationAccess_ALL
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "bindings") {
		app.Bindings = append(app.Bindings, drawBinding(t, fmt.Sprintf("b%d", i)))
	}
	if rapid.Bool().Draw(t, "entitled") {
		app.Entitlements = append(app.Entitlements, entitlement("e", nil, group("e1", "g3")))
	}
	return app
}

func drawPerson(t *rapid.T) *access.Person {
	var in []string
	for _, g := range someGroups {
		if rapid.Bool().Draw(t, g) {
			in = append(in, g)
		}
	}
	return person(rapid.SampledFrom(append(someUsers, "eve")).Draw(t, "person"), in...)
}

func drawSituation(t *rapid.T) *access.Situation {
	s := situation()
	s.IP = netip.MustParseAddr(rapid.SampledFrom([]string{"10.0.0.1", "192.0.2.1"}).Draw(t, "ip"))
	if rapid.Bool().Draw(t, "placed") {
		s.Known, s.Country, s.Continent, s.ASN = access.KnowsAll, rapid.SampledFrom([]string{"FR", "DE"}).Draw(t, "country"), "EU", 64500
	} else {
		s.Known = access.KnowsAll // a database without the address
	}
	if rapid.Bool().Draw(t, "strong") {
		s.AMR = []string{"pwd", "otp"}
	}
	if rapid.Bool().Draw(t, "fresh") {
		s.AuthTime = noon
	}
	return s
}

// wanted is the rule as it is written down, as plainly as it can be: every binding evaluated, in no particular order.
func wanted(app *configv1.Application, p *access.Person, s *access.Situation) access.Verdict {
	holds := func(policy string, strongToo bool) (holds, failed bool) {
		switch policy {
		case "true":
			return true, false
		case "false":
			return false, false
		case "strong":
			return strongToo || slices.Contains(s.AMR, "otp"), false
		case "fresh":
			return strongToo || !s.AuthTime.Before(noon.Add(-5*time.Minute)), false
		case "office":
			return s.IP.Is4() && s.IP.As4()[0] == 10, false
		case "france":
			return s.Country == "FR", s.Country == ""
		}
		return false, true
	}
	lets := func(strongToo bool) bool {
		defined, passing, enabled, refused := false, 0, 0, false
		for _, b := range app.GetBindings() {
			if b.GetReportOnly() {
				continue
			}
			allows := b.GetEffect() != configv1.Binding_DENY
			defined = defined || allows
			if b.Enabled != nil && !b.GetEnabled() {
				continue
			}
			dead := b.GetOrphaned() || b.GetExpiresAt() != nil && !noon.Before(b.GetExpiresAt().AsTime())
			condition, failed := p.ID == b.GetUser() || p.Groups[b.GetGroup()], false
			if b.GetPolicy() != "" {
				helps := strongToo && allows != b.GetNegate()
				condition, failed = holds(b.GetPolicy(), helps)
			}
			met := condition != b.GetNegate()
			switch {
			case allows:
				enabled++
				if !dead && (failed && b.GetFailureResult() || !failed && met) {
					passing++
				}
			case !dead && (failed && !b.GetFailureResult() || !failed && met):
				refused = true
			}
		}
		grants, holder := app.GetAccess().GetEntitlementsGrant(), len(app.GetEntitlements()) > 0 && p.Groups["g3"]
		side := enabled > 0 && passing > 0
		if app.GetAccess().GetMode() == configv1.ApplicationAccess_ALL {
			side = enabled > 0 && passing == enabled
		}
		if !defined {
			side = !grants
		}
		return (side || grants && holder) && !refused
	}
	switch {
	case lets(false):
		return access.Allowed
	case lets(true):
		return access.StepUp
	}
	return access.Denied
}

func TestDecisionsAreThoseOfTheRuleAsItIsWritten(t *testing.T) {
	known := common(t)
	rapid.Check(t, func(t *rapid.T) {
		app, p, s := drawRule(t), drawPerson(t), drawSituation(t)
		r := access.Compile(app, known)
		got, want := r.Decide(t.Context(), p, s).Verdict, wanted(app, p, s)
		if got != want {
			t.Fatalf("%v, want %v", got, want)
		}
		if traced := r.Trace(t.Context(), p, s).Verdict; traced != got.String() {
			t.Fatalf("decided %v, traced %s", got, traced)
		}
	})
}

func TestAcceptance11OrderNeverChangesAVerdict(t *testing.T) {
	known := common(t)
	rapid.Check(t, func(t *rapid.T) {
		app, p, s := drawRule(t), drawPerson(t), drawSituation(t)
		before := access.Compile(app, known).Decide(t.Context(), p, s)
		slices.Reverse(app.Bindings)
		for _, b := range app.GetBindings() {
			b.Order = proto.Int32(-b.GetOrder())
		}
		after := access.Compile(app, known).Decide(t.Context(), p, s)
		if before.Verdict != after.Verdict {
			t.Fatalf("%v in one order, %v in the other", before.Verdict, after.Verdict)
		}
	})
}

// What the situation can still change is what a standing leaves open: yes and no hold in every situation.
func TestAStandingHoldsInEverySituation(t *testing.T) {
	known := common(t)
	rapid.Check(t, func(t *rapid.T) {
		app, p := drawRule(t), drawPerson(t)
		r := access.Compile(app, known)
		standing := r.Standing(t.Context(), p, noon)
		s := drawSituation(t)
		s.Country = "FR" // what cannot be placed fails, which a standing does not foresee
		s.Continent, s.ASN = "EU", 64500
		verdict := r.Decide(t.Context(), p, s).Verdict
		if standing == access.Yes && verdict != access.Allowed || standing == access.No && verdict == access.Allowed {
			t.Fatalf("standing %s, decided %v", standing, verdict)
		}
	})
}

// A report-only binding is counted, and never changes a verdict; what it would have come to is what it comes to once it decides.
func TestAReportOnlyBindingForeseesItself(t *testing.T) {
	known := common(t)
	rapid.Check(t, func(t *rapid.T) {
		app, p, s := drawRule(t), drawPerson(t), drawSituation(t)
		b := drawBinding(t, "extra")
		b.ReportOnly, b.Enabled = true, nil
		without := access.Compile(app, known).Decide(t.Context(), p, s).Verdict
		app.Bindings = append(app.Bindings, b)
		d := access.Compile(app, known).Decide(t.Context(), p, s)
		if d.Verdict != without {
			t.Fatalf("%v without the binding, %v with it", without, d.Verdict)
		}
		b.ReportOnly = false
		then := access.Compile(app, known).Decide(t.Context(), p, s).Verdict
		for _, r := range d.Reports {
			if r.Binding == "extra" && (r.Verdict != then || r.Changed != (then != without)) {
				t.Fatalf("foreseen %v, then %v", r.Verdict, then)
			}
		}
	})
}
