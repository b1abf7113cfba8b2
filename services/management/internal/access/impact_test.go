package access_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// said is an answer about a change: the applications with who gains and loses, and how many people in all.
func said(t tree) string {
	var b strings.Builder
	for _, one := range t["applications"].([]any) {
		a := one.(tree)
		fmt.Fprintf(&b, "%v %v→%v +%v -%v; ", a["name"], a["before"], a["after"], a["gained"], a["lost"])
	}
	return b.String() + fmt.Sprintf("+%v -%v", t["gained"], t["lost"])
}

// TestImpactOfAGroup foretells what a change of a group makes of every application, and then makes the change.
func TestImpactOfAGroup(t *testing.T) {
	h := newHouse(t)
	ann, bob, cyd := h.user("ann"), h.user("bob"), h.user("cyd")
	night := h.group("Night shift", []string{bob}, nil)
	ops := h.group("Operations", []string{ann}, nil)
	all := h.group("Company", nil, []string{ops})
	named := h.policy("Named", "expression", `{"expression":"\"Operations\" in user.groups"}`)
	other := h.policy("Other", "expression", `{"expression":"user.active"}`)
	bind := func(app, body string) string {
		h.made("/applications/"+app+"/bindings", body)
		return app
	}
	direct := bind(h.app("Direct"), `{"group":"`+ops+`"}`)
	bind(h.app("Above"), `{"group":"`+all+`"}`)
	bind(h.app("By name"), `{"policy":"`+named+`"}`)
	bind(h.app("Not concerned"), `{"policy":"`+other+`"}`)
	h.app("Open")
	refuses := h.app("Refuses")
	bind(refuses, `{"group":"`+ops+`","effect":"deny"}`)

	for _, tt := range []struct{ name, body, want string }{
		{"nothing changes", `{"proposed":{"description":"x"}}`, "Above 1→1 +0 -0; Direct 1→1 +0 -0; Refuses 2→2 +0 -0; +0 -0"},
		{"other members", `{"proposed":{"members":["` + bob + `","` + cyd + `"]}}`,
			"Above 1→2 +2 -1; By name 1→2 +2 -1; Direct 1→2 +2 -1; Refuses 2→1 +1 -2; +3 -3"},
		{"a group inside", `{"proposed":{"groups":["` + night + `"]}}`,
			"Above 1→2 +1 -0; By name 1→2 +1 -0; Direct 1→2 +1 -0; Refuses 2→1 +0 -1; +1 -1"},
		{"another name", `{"proposed":{"name":"Ops"}}`, "Above 1→1 +0 -0; By name 1→0 +0 -1; Direct 1→1 +0 -0; Refuses 2→2 +0 -0; +0 -1"},
		{"gone", `{"deleted":true}`, "Above 1→0 +0 -1; By name 1→0 +0 -1; Direct 1→0 +0 -1; Refuses 2→3 +1 -0; +1 -1"},
	} {
		if got := said(h.must("POST", "/groups/"+ops+"/_impact", tt.body)); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
	if got := said(h.must("POST", "/groups/"+night+"/_impact", `{"deleted":true}`)); got != "+0 -0" {
		t.Errorf("a group that nothing uses: %s", got)
	}
	for body, want := range map[string][]string{
		`{}`: {"proposed"}, `{"proposed":{},"deleted":true}`: {"proposed"}, `{"proposed":{"groups":["nowhere"]}}`: {"proposed.groups[0]"},
		`{"proposed":{"groups":["` + all + `"]}}`: {"proposed.groups[0]"}, `{"proposed":{"members":["` + ann + `","nobody"]}}`: {"proposed.members[1]"},
		`{"proposed":{"nmae":"x"}}`: {"proposed.nmae"}, `{"proposed":{"parents":["x"]}}`: {"proposed.parents"},
	} {
		if got := h.refused("POST", "/groups/"+ops+"/_impact", body, 400); !slices.Equal(got, want) {
			t.Errorf("%s is refused at %v, want %v", body, got, want)
		}
	}
	h.refused("POST", "/groups/nowhere/_impact", `{"deleted":true}`, 404)
	// Nothing was written by any of it, and what was foretold comes true.
	if _, total := h.entries("/applications/" + direct + "/access/users"); total != 1 {
		t.Fatalf("%d people before", total)
	}
	h.must("PATCH", "/groups/"+ops, `{"members":["`+bob+`","`+cyd+`"]}`)
	if _, total := h.entries("/applications/" + direct + "/access/users"); total != 2 {
		t.Errorf("%d people afterwards", total)
	}
	if _, total := h.entries("/applications/" + refuses + "/access/users"); total != 1 {
		t.Errorf("%d people whom the denied group does not hold", total)
	}
}

func TestImpactOfAPolicy(t *testing.T) {
	h := newHouse(t)
	ann := h.user("ann")
	h.user("bob")
	h.group("Staff", []string{ann}, nil)
	p := h.policy("Everybody", "expression", `{"expression":"true"}`)
	for _, name := range []string{"Wiki", "Payroll"} {
		h.made("/applications/"+h.app(name)+"/bindings", `{"policy":"`+p+`"}`)
	}
	h.app("Open")
	path := "/policies/" + p + "/_impact"
	got := h.must("POST", path, `{"proposed":{"configuration":{"expression":"\"Staff\" in user.groups"}}}`)
	if want := "Payroll 2→1 +0 -1; Wiki 2→1 +0 -1; +0 -1"; said(got) != want {
		t.Errorf("%s, want %s", said(got), want)
	}
	if lost := got["applications"].([]any)[0].(tree)["sampleLost"].([]any); len(lost) != 1 || lost[0].(tree)["username"] != "bob" {
		t.Errorf("who loses: %v", lost)
	}
	for body, want := range map[string][]string{
		`{}`: {"proposed"}, `{"proposed":{"type":"geo"}}`: {"proposed.type"}, `{"proposed":{"configuration":{"expression":"1 +"}}}`: {"proposed.configuration.expression"},
	} {
		if got := h.refused("POST", path, body, 400); !slices.Equal(got, want) {
			t.Errorf("%s is refused at %v, want %v", body, got, want)
		}
	}
	h.refused("POST", "/policies/nowhere/_impact", `{"proposed":{}}`, 404)
}

// Every report can be had as CSV, with a row of headings also where there is nothing below it.
func TestReportsAsCSV(t *testing.T) {
	h := newHouse(t)
	ann := h.user("ann")
	inner := h.group("Inner", []string{ann}, nil)
	outer := h.group("Outer", nil, []string{inner})
	empty := h.group("Empty", nil, nil)
	app := h.app("=Payroll")
	h.made("/applications/"+app+"/bindings", `{"group":"`+outer+`"}`)
	rows := func(path string) [][]string {
		t.Helper()
		status, text := h.send("GET", path, "", "text/csv")
		rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
		if status != 200 || err != nil || len(rows) == 0 {
			t.Fatalf("%s: %d %v %s", path, status, err, text)
		}
		return rows
	}
	for _, path := range []string{"/users/" + ann + "/access", "/groups/" + inner + "/access"} {
		got := rows(path)
		if len(got) != 2 || got[0][0] != "id" || got[1][0] != app || got[1][1] != "'=Payroll" || got[1][3] != "yes" || got[1][5] != "Inner > Outer" {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := rows("/applications/" + app + "/access/users"); len(got) != 2 || got[1][5] != "Inner > Outer" {
		t.Errorf("people: %q", got)
	}
	for _, path := range []string{"/applications/" + app + "/access/users?verdict=depends", "/users/" + ann + "/access?verdict=no", "/groups/" + empty + "/access"} {
		if got := rows(path); len(got) != 1 {
			t.Errorf("%s: %q", path, got)
		}
	}
}
