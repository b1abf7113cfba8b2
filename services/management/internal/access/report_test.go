package access_test

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// able returns who can open an application, with the verdict, by identifier.
func (h *house) able(app string) map[string]string {
	h.Helper()
	list, total := h.entries("/applications/" + app + "/access/users")
	if len(list) != total {
		h.Errorf("%d entries, totalCount %d", len(list), total)
	}
	able := map[string]string{}
	for _, e := range list {
		able[e["id"].(string)] = e["verdict"].(string)
	}
	return able
}

func TestAcceptance21ImpactIsTheDifferenceOfTwoReports(t *testing.T) {
	h := newHouse(t)
	rnd := rand.New(rand.NewPCG(21, 1))
	var users []string
	for i := range 12 {
		users = append(users, h.user(fmt.Sprintf("user%d", i)))
	}
	inner := h.group("inner", users[:5], nil)
	outer := h.group("outer", users[5:8], []string{inner})
	policies := h.somePolicies()
	app := h.app("Payroll")
	a := "/applications/" + app
	for range 15 {
		rule := random(rnd, users, []string{inner, outer}, policies)
		before := h.able(app)
		impact := h.must("POST", a+"/access/_impact", `{"proposed":`+rule+`}`)
		h.must("PUT", a+"/access?confirm=opens&confirm=closes", rule)
		after := h.able(app)
		want := tree{"before": len(before), "after": len(after), "gained": 0, "lost": 0, "depends": 0}
		count := func(member string) { want[member] = want[member].(int) + 1 }
		for id, verdict := range after {
			if before[id] == "" {
				count("gained")
			}
			if verdict == "depends" {
				count("depends")
			}
		}
		for id := range before {
			if after[id] == "" {
				count("lost")
			}
		}
		got := tree{}
		for member := range want {
			got[member] = int(impact[member].(float64))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-reports +impact):\n%s", rule, diff)
		}
		if n := len(impact["sampleLost"].([]any)); n != min(want["lost"].(int), 10) {
			t.Errorf("%d people are named of %d", n, want["lost"])
		}
		if n := int(h.must("GET", a+"/access", "")["people"].(float64)); n != len(after) {
			t.Errorf("the rule says %d people, the report %d", n, len(after))
		}
	}
}

func TestAcceptance22BothDirectionsAgreeForEveryPair(t *testing.T) {
	h := newHouse(t)
	rnd := rand.New(rand.NewPCG(22, 1))
	var users, apps []string
	for i := range 12 {
		users = append(users, h.user(fmt.Sprintf("user%d", i)))
	}
	inner := h.group("inner", users[:4], nil)
	outer := h.group("outer", users[4:7], []string{inner})
	policies := h.somePolicies()
	h.must("PUT", "/users/"+users[3]+"/status", `{"enabled":false}`)
	for i := range 12 {
		app := h.app(fmt.Sprintf("App %d", i))
		apps = append(apps, app)
		h.must("PUT", "/applications/"+app+"/access?confirm=opens&confirm=closes", random(rnd, users, []string{inner, outer}, policies))
		e := h.made("/applications/"+app+"/entitlements", `{"name":"editor"}`)
		h.made("/applications/"+app+"/entitlements/"+e+"/bindings", `{"group":"`+outer+`"}`)
	}
	who := map[string]map[string]string{}
	for _, app := range apps {
		for id, verdict := range h.able(app) {
			if who[id] == nil {
				who[id] = map[string]string{}
			}
			who[id][app] = verdict
		}
	}
	for _, user := range users {
		what := map[string]string{}
		list, total := h.entries("/users/" + user + "/access")
		if len(list) != total {
			t.Errorf("%d entries, totalCount %d", len(list), total)
		}
		for _, e := range list {
			what[e["id"].(string)] = e["verdict"].(string)
		}
		want := who[user]
		if want == nil {
			want = map[string]string{}
		}
		if diff := cmp.Diff(want, what); diff != "" {
			t.Errorf("user %s (-who can open this +what can this person open):\n%s", user, diff)
		}
	}
	if list, _ := h.entries("/users/" + users[3] + "/access"); len(list) != 0 {
		t.Errorf("somebody who cannot sign in opens %v", list)
	}
}

func TestAReportSaysWhoAndWhy(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.user("ann"), h.user("bob")
	h.user("eve")
	inner := h.group("Night shift", []string{ann}, nil)
	outer := h.group("Operations", []string{bob}, []string{inner})
	app := h.app("Payroll")
	a := "/applications/" + app
	if _, total := h.entries(a + "/access/users"); total != 3 {
		t.Errorf("an open application lets %d people in", total)
	}
	binding := h.made(a+"/bindings", `{"group":"`+outer+`"}`)
	list, total := h.entries(a + "/access/users")
	if total != 2 || list[0]["username"] != "ann" || list[1]["username"] != "bob" {
		t.Fatalf("%d: %v", total, list)
	}
	because := list[0]["because"].([]any)[0].(tree)
	if because["binding"] != binding || because["name"] != "Operations" || !slices.Equal(texts(because["via"]), []string{inner}) ||
		!slices.Equal(texts(because["viaNames"]), []string{"Night shift"}) || list[1]["because"].([]any)[0].(tree)["via"] != nil {
		t.Errorf("because %v", because)
	}
	for query, want := range map[string]int{"q=BO": 1, "q=n*nn": 1, "via=" + binding: 2, "via=nothing": 0, "verdict=no": 1, "verdict=depends": 0, "verdict=yes": 2} {
		if _, total := h.entries(a + "/access/users?" + query); total != want {
			t.Errorf("%s: %d, want %d", query, total, want)
		}
	}
	h.refused("GET", a+"/access/users?verdict=maybe", "", 400)

	h.user("=cmd")
	h.must("DELETE", a+"/bindings/"+binding+"?confirm=opens", "")
	status, text := h.send("GET", a+"/access/users", "", "text/csv")
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if status != 200 || err != nil || len(rows) != 5 || rows[0][1] != "username" || rows[1][1] != "'=cmd" {
		t.Errorf("%d %v %v", status, err, rows)
	}
}

func TestWhatMembershipOpens(t *testing.T) {
	h := newHouse(t)
	inner := h.group("Inner", nil, nil)
	outer := h.group("Outer", nil, []string{inner})
	here, above, right, not := h.app("Here"), h.app("Above"), h.app("Right"), h.app("Not")
	h.made("/applications/"+here+"/bindings", `{"group":"`+inner+`"}`)
	h.made("/applications/"+above+"/bindings", `{"group":"`+outer+`"}`)
	h.made("/applications/"+not+"/bindings", `{"group":"`+inner+`","negate":true}`)
	e := h.made("/applications/"+right+"/entitlements", `{"name":"editor"}`)
	h.made("/applications/"+right+"/entitlements/"+e+"/bindings", `{"group":"`+outer+`"}`)
	list, total := h.entries("/groups/" + inner + "/access")
	var names []string
	for _, e := range list {
		names = append(names, e["name"].(string))
	}
	slices.Sort(names)
	if total != 3 || !slices.Equal(names, []string{"Above", "Here", "Right"}) {
		t.Errorf("the inner group opens %v", names)
	}
	if list, total := h.entries("/groups/" + outer + "/access"); total != 2 {
		t.Errorf("the outer group opens %v", list)
	}
	h.refused("GET", "/groups/nowhere/access", "", 404)
	h.refused("GET", "/users/nowhere/access", "", 404)
}
