package access_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		out = append(out, e.(string))
	}
	return out
}

func TestAcceptance18ACheckWithoutAnAddressDependsOnIt(t *testing.T) {
	h := newHouse(t)
	ann, app := h.user("ann"), h.app("Payroll")
	office := h.policy("Office", "network", `{"ranges":["127.0.0.0/8","::1/128"]}`) // where this test calls from
	a := "/applications/" + app
	h.made(a+"/bindings", `{"policy":"`+office+`"}`)
	got := h.must("POST", a+"/access/_check", `{"user":"`+ann+`"}`)
	if got["verdict"] != "depends" || !slices.Equal(texts(got["depends"]), []string{"request.ip"}) {
		t.Errorf("without an address: %v", got)
	}
	for ip, want := range map[string]string{"127.0.0.1": "allowed", "::ffff:127.0.0.1": "allowed", "203.0.113.7": "denied"} {
		if got := h.must("POST", a+"/access/_check", `{"user":"`+ann+`","context":{"ip":"`+ip+`"}}`); got["verdict"] != want {
			t.Errorf("from %s: %v", ip, got["verdict"])
		}
	}
	hours := h.policy("Hours", "time-window", `{"timeZone":"UTC","windows":[{"days":["sat"],"from":"00:00","to":"24:00"}]}`)
	h.must("PUT", a+"/access", `{"mode":"all","bindings":[{"policy":"`+hours+`"}]}`)
	if got := h.must("POST", a+"/access/_check", `{"user":"`+ann+`"}`); !slices.Equal(texts(got["depends"]), []string{"now"}) {
		t.Errorf("without a time: %v", got)
	}
}

func TestAcceptance19ACheckWithoutPermissionIsRefused(t *testing.T) {
	h := newHouse(t)
	ann, app := h.user("ann"), h.app("Payroll")
	a := "/applications/" + app
	// The first may not check, the second may, but not read people: they are not of the application.
	for name, place := range map[string]string{
		operator.RoleDomainUser: store.PlaceOfDomain(h.domain), operator.RoleApplicationOwner: store.PlaceOfApplication(app),
	} {
		h.member(name, name, place)
		h.token = h.signIn(name)
		h.refused("POST", a+"/access/_check", `{"user":"`+ann+`"}`, 403)
		h.refused("POST", a+"/access/_impact", `{"proposed":{}}`, 403)
		h.refused("GET", a+"/access/users", "", 403)
	}
}

// random is a rule of users, groups and policies.
func random(rnd *rand.Rand, users, groups, policies []string) string {
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	seen := map[string]bool{}
	var bindings []string
	for range rnd.IntN(5) {
		subject := `"policy":"` + pick(policies) + `"`
		switch rnd.IntN(3) {
		case 0:
			subject = `"group":"` + pick(groups) + `"`
		case 1:
			subject = `"user":"` + pick(users) + `"`
		}
		b := fmt.Sprintf(`{%s,"negate":%t,"effect":%q`, subject, rnd.IntN(4) == 0, []string{"allow", "allow", "allow", "deny"}[rnd.IntN(4)])
		if seen[b] {
			continue
		}
		seen[b] = true
		bindings = append(bindings, b+fmt.Sprintf(`,"enabled":%t,"failureResult":%t}`, rnd.IntN(5) > 0, rnd.IntN(2) == 0))
	}
	return fmt.Sprintf(`{"mode":%q,"entitlementsGrant":%t,"bindings":[%s]}`, []string{"any", "all"}[rnd.IntN(2)], rnd.IntN(3) == 0,
		strings.Join(bindings, ","))
}

// somePolicies are one of every kind of answer.
func (h *house) somePolicies() []string {
	return []string{
		h.policy("Office", "network", `{"ranges":["10.0.0.0/8"]}`),
		h.policy("Ops", "expression", `{"expression":"\"inner\" in user.groups"}`),
		h.policy("Names", "expression", `{"expression":"user.username < \"user3\""}`),
		h.policy("Broken", "expression", `{"expression":"user.attributes[\"absent\"] == 1"}`),
		h.policy("France", "geo", `{"countries":["FR"]}`),
	}
}

func TestAcceptance20AProposedRuleGivesTheVerdictItGivesOnceSaved(t *testing.T) {
	h := newHouse(t)
	rnd := rand.New(rand.NewPCG(20, 7))
	var users []string
	for i := range 5 {
		users = append(users, h.user(fmt.Sprintf("user%d", i)))
	}
	inner := h.group("inner", users[:2], nil)
	outer := h.group("outer", users[2:3], []string{inner})
	policies := h.somePolicies()
	app := h.app("Payroll")
	a := "/applications/" + app
	h.made(a+"/entitlements", `{"name":"editor"}`)
	contexts := []string{`{}`, `{"ip":"10.1.2.3"}`, `{"ip":"192.0.2.1","country":"FR"}`, `{"country":""}`}
	verdicts := map[string]int{}
	for cases := 0; cases < 1000; {
		rule := random(rnd, users, []string{inner, outer}, policies)
		type question struct{ user, context, verdict string }
		var asked []question
		for range 100 { // one rule, many people and moments
			q := question{user: users[rnd.IntN(len(users))], context: contexts[rnd.IntN(len(contexts))]}
			got := h.must("POST", a+"/access/_check", fmt.Sprintf(`{"user":%q,"context":%s,"proposed":%s}`, q.user, q.context, rule))
			q.verdict = got["verdict"].(string)
			asked = append(asked, q)
		}
		h.must("PUT", a+"/access?confirm=opens&confirm=closes", rule)
		for _, q := range asked {
			got := h.must("POST", a+"/access/_check", fmt.Sprintf(`{"user":%q,"context":%s}`, q.user, q.context))
			if got["verdict"] != q.verdict {
				t.Fatalf("%s for %s with %s: proposed %s, saved %v", rule, q.user, q.context, q.verdict, got["verdict"])
			}
			verdicts[q.verdict]++
			cases++
		}
	}
	if len(verdicts) < 3 {
		t.Errorf("the cases give %v", verdicts)
	}
}

func TestAProposedRuleIsRefusedAsWhenSaved(t *testing.T) {
	h := newHouse(t)
	ann, app := h.user("ann"), h.app("Payroll")
	check := "/applications/" + app + "/access/_check"
	for body, want := range map[string][]string{
		`{"user":"` + ann + `","proposed":{"bindings":[{"policy":{"type":"network","configuration":{"ranges":["10.1.2.3/8"]}}}]}}`: {"proposed.bindings[0].policy.configuration.ranges[0]"},
		`{"user":"` + ann + `","proposed":{"bindings":[{"group":"nowhere"},{}]}}`:                                                  {"proposed.bindings[0].group", "proposed.bindings[1]"},
		`{"user":"` + ann + `","context":{"ip":"here"},"groups":{"add":["nowhere"]}}`:                                              {"context.ip", "groups.add[0]"},
		`{"user":"` + ann + `","context":{"time":99999999999999}}`:                                                                 {"context.time"},
		`{}`: {"user"},
	} {
		if got := h.refused("POST", check, body, 400); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", body, got, want)
		}
	}
	h.refused("POST", check, `{"user":"nobody"}`, 404)
	h.refused("POST", "/applications/nowhere/access/_check", `{"user":"`+ann+`"}`, 404)
	many := strings.TrimSuffix(strings.Repeat(`{"user":"`+ann+`"},`, 101), ",")
	if got := h.refused("POST", check, `{"user":"`+ann+`","proposed":{"bindings":[`+many+`]}}`, 400); !slices.Equal(got, []string{"proposed.bindings"}) {
		t.Errorf("too many bindings: %v", got)
	}
	inline := `{"user":"` + ann + `","proposed":{"bindings":[{"policy":{"type":"network","configuration":{"ranges":["10.0.0.0/8"]}}}]},"context":{"ip":"10.0.0.1"}}`
	if got := h.must("POST", check, inline); got["verdict"] != "allowed" {
		t.Errorf("a policy of its own: %v", got)
	}
}

func TestACheckAsIfGroupsWereOthers(t *testing.T) {
	h := newHouse(t)
	ann, app := h.user("ann"), h.app("Payroll")
	inner := h.group("Inner", nil, nil)
	outer := h.group("Outer", nil, []string{inner})
	a := "/applications/" + app
	h.made(a+"/bindings", `{"group":"`+outer+`"}`)
	if got := h.must("POST", a+"/access/_check", `{"user":"`+ann+`"}`); got["verdict"] != "denied" || got["shown"] != false {
		t.Errorf("as it is: %v", got)
	}
	got := h.must("POST", a+"/access/_check", `{"user":"`+ann+`","groups":{"add":["`+inner+`"]}}`)
	via := got["bindings"].([]any)[0].(tree)["via"]
	if got["verdict"] != "allowed" || !slices.Equal(texts(via), []string{inner}) ||
		!slices.Equal(texts(got["bindings"].([]any)[0].(tree)["viaNames"]), []string{"Inner"}) {
		t.Errorf("with another group: %v", got)
	}
	h.must("POST", "/groups/"+inner+"/members/"+ann, "")
	if got := h.must("POST", a+"/access/_check", `{"user":"`+ann+`"}`); got["verdict"] != "allowed" {
		t.Errorf("a member at once: %v", got)
	}
	if got := h.must("POST", a+"/access/_check", `{"user":"`+ann+`","groups":{"remove":["`+inner+`"]}}`); got["verdict"] != "denied" {
		t.Errorf("without the group: %v", got)
	}
}

func TestTryingAPolicy(t *testing.T) {
	h := newHouse(t)
	ann := h.user("ann")
	got := h.must("POST", "/policies/_test", `{"user":"`+ann+`","type":"expression","configuration":{"expression":"user.username == \"ann\" && request.ip == \"192.0.2.1\""}}`)
	if got["holds"] != nil || !slices.Equal(texts(got["depends"]), []string{"request.ip"}) || got["situational"] != true || len(got["because"].([]any)) != 2 {
		t.Errorf("without an address: %v", got)
	}
	office := h.policy("Office", "network", `{"ranges":["10.0.0.0/8"]}`)
	if got := h.must("POST", "/policies/_test", `{"user":"`+ann+`","policy":"`+office+`","context":{"ip":"10.0.0.1"}}`); got["holds"] != true {
		t.Errorf("in the office: %v", got)
	}
	paths := h.refused("POST", "/policies/_test", `{"user":"`+ann+`","type":"network","configuration":{"ranges":["10.1.2.3/8"]}}`, 400)
	if !slices.Equal(paths, []string{"configuration.ranges[0]"}) {
		t.Errorf("refused at %v", paths)
	}
}

// A country is one that policies know, or none.
func TestAChecksCountryIsOne(t *testing.T) {
	h := newHouse(t)
	ann, app := h.user("ann"), h.app("Payroll")
	path := "/applications/" + app + "/access/_check"
	for wrong, at := range map[string]string{
		`"country":"xx"`: "country", `"country":"fr"`: "country", `"country":"UK"`: "country", `"continent":"XX"`: "continent",
	} {
		if got := h.refused("POST", path, `{"user":"`+ann+`","context":{`+wrong+`}}`, 400); !slices.Equal(got, []string{"context." + at}) {
			t.Errorf("%s: %v", wrong, got)
		}
	}
	for _, right := range []string{`"country":"FR"`, `"country":""`, `"continent":"EU"`} {
		h.must("POST", path, `{"user":"`+ann+`","context":{`+right+`}}`)
	}
}
