package access_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func network(ranges ...string) *configv1.Policy {
	return &configv1.Policy{Config: &configv1.Policy_Network{Network: &configv1.NetworkPolicy{Ranges: ranges}}}
}

func geo(c *configv1.GeoPolicy) *configv1.Policy {
	return &configv1.Policy{Config: &configv1.Policy_Geo{Geo: c}}
}

func strength(c *configv1.AuthenticationStrengthPolicy) *configv1.Policy {
	return &configv1.Policy{Config: &configv1.Policy_AuthenticationStrength{AuthenticationStrength: c}}
}

func timeWindow(c *configv1.TimeWindowPolicy) *configv1.Policy {
	return &configv1.Policy{Config: &configv1.Policy_TimeWindow{TimeWindow: c}}
}

func TestWhatAPolicyComesTo(t *testing.T) {
	for _, tt := range []struct {
		policy      *configv1.Policy
		expression  string
		inputs      []string
		situational bool
	}{
		{expression("", `"ops" in user.groups`), `"ops" in user.groups`, []string{"user.groups"}, false},
		{expression("", `entitlementsOf("wiki").exists(e, e.name == "a") && has(user.attributes.x)`), `entitlementsOf("wiki").exists(e, e.name == "a") && has(user.attributes.x)`,
			[]string{`entitlementsOf("wiki")`, "user.attributes"}, false},
		{network("10.0.0.0/8"), `cidr("10.0.0.0/8").containsIP(request.ip)`, []string{"request.ip"}, true},
		{network("10.0.0.0/8", "2001:db8::/32"), `["10.0.0.0/8", "2001:db8::/32"].exists(r, cidr(r).containsIP(request.ip))`,
			[]string{"request.ip"}, true},
		{geo(&configv1.GeoPolicy{Countries: []string{"FR"}, Asns: []int64{64500}}), `request.country in ["FR"] || request.asn in [64500]`,
			[]string{"request.asn", "request.country"}, true},
		{strength(&configv1.AuthenticationStrengthPolicy{AcrValues: []string{"gold"}, Amr: []string{"otp", "pwd"}, MaxAgeSeconds: 60}),
			`auth.acr in ["gold"] && "otp" in auth.amr && "pwd" in auth.amr && now <= auth.time + duration("60s")`,
			[]string{"auth.acr", "auth.amr", "auth.time", "now"}, true},
		{timeWindow(&configv1.TimeWindowPolicy{TimeZone: "Europe/Paris", NotAfter: timestamppb.New(noon),
			Windows: []*configv1.TimeWindow{{Days: []string{"mon", "tue"}, From: "08:00", To: "19:00"}}}),
			`now < timestamp("2026-11-25T12:00:00Z") && inWindow(now, "Europe/Paris", ["mon,tue 08:00-19:00"])`, []string{"now"}, true},
	} {
		p, err := access.CompilePolicy(tt.policy)
		if err != nil {
			t.Errorf("%s: %v", tt.expression, err)
			continue
		}
		if p.Expression() != tt.expression || !slices.Equal(p.Inputs(), tt.inputs) || p.Situational() != tt.situational {
			t.Errorf("%s, reads %v, situational %v; want %s", p.Expression(), p.Inputs(), p.Situational(), tt.expression)
		}
	}
}

func TestPoliciesAreRefusedWithWhatIsRight(t *testing.T) {
	week := func(days []string, from, to string) *configv1.Policy {
		return timeWindow(&configv1.TimeWindowPolicy{TimeZone: "Europe/Paris", Windows: []*configv1.TimeWindow{{Days: days, From: from, To: to}}})
	}
	for _, tt := range []struct {
		what   string
		policy *configv1.Policy
		path   string
		says   string
	}{
		{"host bits", network("10.1.2.3/8"), "configuration.ranges[0]", "10.0.0.0/8"},
		{"an address", network("10.0.0.0/8", "192.0.2.7"), "configuration.ranges[1]", "192.0.2.7/32"},
		{"a mapped range", network("::ffff:10.0.0.0/104"), "configuration.ranges[0]", "10.0.0.0/8"},
		{"no range", network("office"), "configuration.ranges[0]", "CIDR"},
		{"no ranges", network(), "configuration.ranges", "empty"},
		{"twice", network("10.0.0.0/8", "10.0.0.0/8"), "configuration.ranges[1]", "ranges[0]"},
		{"small letters", geo(&configv1.GeoPolicy{Countries: []string{"fr"}}), "configuration.countries[0]", "FR"},
		{"no country", geo(&configv1.GeoPolicy{Countries: []string{"XX"}}), "configuration.countries[0]", "ISO 3166"},
		{"nothing", geo(&configv1.GeoPolicy{}), "configuration.countries", "empty"},
		{"no continent", geo(&configv1.GeoPolicy{Continents: []string{"XX"}}), "configuration.continents[0]", "AF"},
		{"no AS", geo(&configv1.GeoPolicy{Asns: []int64{0}}), "configuration.asns[0]", "4294967295"},
		{"no demand", strength(&configv1.AuthenticationStrengthPolicy{}), "configuration.acrValues", "empty"},
		{"negative age", strength(&configv1.AuthenticationStrengthPolicy{MaxAgeSeconds: -1}), "configuration.maxAgeSeconds", "from 1"},
		{"no zone", timeWindow(&configv1.TimeWindowPolicy{TimeZone: "Europe/Paname", ExceptDates: []string{"2026-12-24"}}), "configuration.timeZone", "Europe/Berlin"},
		{"no days", week(nil, "08:00", "19:00"), "configuration.windows[0].days", "empty"},
		{"no day", week([]string{"monday"}, "08:00", "19:00"), "configuration.windows[0].days[0]", "mon"},
		{"an empty window", week([]string{"mon"}, "08:00", "08:00"), "configuration.windows[0].to", "24:00"},
		{"no time", week([]string{"mon"}, "8:00", "19:00"), "configuration.windows[0].from", "08:00"},
		{"no date", timeWindow(&configv1.TimeWindowPolicy{TimeZone: "UTC", ExceptDates: []string{"24.12.2026"}}), "configuration.exceptDates[0]", "2026-12-24"},
		{"nothing at all", timeWindow(&configv1.TimeWindowPolicy{TimeZone: "UTC"}), "configuration.windows", "empty"},
		{"no type", &configv1.Policy{}, "type", "time-window"},
		{"an empty expression", expression("", " "), "configuration.expression", "empty"},
		{"another result", expression("", "1 + 1"), "configuration.expression", "true or false"},
		{"an unknown variable", expression("", "login == user.id"), "configuration.expression", "login"},
		{"an unknown member", expression("", "user.surname == 'x'"), "configuration.expression", "surname"},
		{"a window that is none", expression("", `inWindow(now, "UTC", ["mon 08:00"])`), "configuration.expression", "mon,tue"},
		{"too costly", expression("", `[1,2,3,4,5,6,7,8,9].all(a, lists.range(1000).all(b, lists.range(1000).all(c, lists.range(1000).all(d, a + b + c + d > 0))))`),
			"configuration.expression", "more than the limit"},
	} {
		_, err := access.CompilePolicy(tt.policy)
		var failed *fault.Error
		if !errors.As(err, &failed) || failed.Kind != fault.Invalid {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		if d := failed.Details[0]; d.Path != tt.path || !strings.Contains(d.Detail, tt.says) {
			t.Errorf("%s: %s: %s", tt.what, d.Path, d.Detail)
		}
	}
	_, err := access.CompilePolicy(expression("", "true &&\n  user.surname == 'x'"))
	var failed *fault.Error
	if !errors.As(err, &failed) || failed.Details[0].Line != 2 || failed.Details[0].Column != 7 ||
		!strings.HasSuffix(failed.Details[0].Detail, "\n  user.surname == 'x'\n      ^") {
		t.Errorf("position and caret: %+v", failed)
	}
}

func TestNetworksUnwrapMappedAddressesAndKnowExceptions(t *testing.T) {
	p := network("10.0.0.0/8", "2001:db8::/32")
	p.Id = "p"
	p.GetNetwork().ExceptRanges = []string{"10.9.0.0/16"}
	r := access.Compile(anyOf(policy("b1", "p")), policies(t, p))
	for address, want := range map[string]access.Verdict{
		"10.1.2.3": access.Allowed, "::ffff:10.1.2.3": access.Allowed, "10.9.1.1": access.Denied, "2001:db8::1": access.Allowed,
		"192.0.2.1": access.Denied, "2001:db9::1": access.Denied,
	} {
		s := situation()
		s.IP = netip.MustParseAddr(address)
		if d := r.Decide(t.Context(), person("ann"), s); d.Verdict != want || len(d.Failures) > 0 {
			t.Errorf("%s: %v %v", address, d.Verdict, d.Failures)
		}
	}
}

func TestEntitlementsOfAnotherApplication(t *testing.T) {
	wiki := anyOf()
	wiki.Entitlements = []*configv1.Entitlement{entitlement("editor", map[string]any{"limit": 7}, group("e1", "ops"))}
	other := access.Compile(wiki, nil)
	neighbours := access.WithNeighbours(func(slug string) *access.Rule {
		if slug == "wiki" {
			return other
		}
		return nil
	})
	p := policies(t, expression("p", `entitlementsOf("wiki").exists(e, e.name == "editor") && entitlementAttributesOf("wiki").limit == 7`),
		expression("q", `entitlementsOf("nowhere").exists(e, e.name == "editor")`))
	for which, want := range map[string]access.Verdict{"p": access.Allowed, "q": access.Denied} {
		d := access.Compile(anyOf(policy("b1", which)), p, neighbours).Decide(t.Context(), person("ann", "ops"), situation())
		if d.Verdict != want || (len(d.Failures) > 0) != (which == "q") {
			t.Errorf("%s: %v %v", which, d.Verdict, d.Failures)
		}
	}
	if got := p("p").Slugs(); !slices.Equal(got, []string{"wiki"}) {
		t.Errorf("it asks about %v", got)
	}
}
