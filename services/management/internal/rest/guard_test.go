package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// people makes as many people.
func (g *guardedApp) people(n int) []string {
	g.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = g.user(fmt.Sprintf("p%d", i))
	}
	return ids
}

// join puts people into a group.
func (g *guardedApp) join(group string, users ...string) {
	g.t.Helper()
	if _, err := g.store.Memberships().Add(g.t.Context(), g.domain, group, users); err != nil {
		g.t.Fatal(err)
	}
}

// asks expects a refusal that waits for a consequence to be confirmed.
func (a *reply) asks(word string, before, after int) {
	a.t.Helper()
	a.status(http.StatusConflict)
	confirm, _ := a.tree()["confirm"].(prototree.Object)
	if got, want := fmt.Sprintln(confirm["word"], confirm["before"], confirm["after"]), fmt.Sprintln(word, before, after); got != want {
		a.t.Errorf("asks %swant %s", got, want)
	}
}

// rule reads the whole rule.
func (g *guardedApp) rule() prototree.Object {
	g.t.Helper()
	return g.send("GET", g.a+"/access", "").status(http.StatusOK).tree()
}

func (g *guardedApp) opened(open bool, people int) {
	g.t.Helper()
	if rule := g.rule(); rule["open"] != open || fmt.Sprint(rule["people"]) != fmt.Sprint(people) {
		g.t.Errorf("open %v to %v people, want %t and %d", rule["open"], rule["people"], open, people)
	}
}

func TestAcceptance01AnApplicationWithoutBindingsLetsEverybodyInAndSaysSo(t *testing.T) {
	g := newGuarded(t)
	g.people(7)
	g.opened(true, 7)
	if got := g.rule()["sentence"]; got != "Everyone in this domain can open this (7 people)" {
		t.Errorf("sentence %q", got)
	}
	g.bind(`{"user":"p0","reportOnly":true}`)
	g.opened(true, 7) // what only reports limits nothing
	g.bind(`{"user":"p1"}`)
	g.opened(false, 1)
	if got := g.rule()["sentence"]; got != "1 person can open this" {
		t.Errorf("sentence %q", got)
	}
}

func TestAcceptance02DisablingTheOnlyBindingClosesTheApplicationAndDoesNotOpenIt(t *testing.T) {
	g := newGuarded(t)
	ids := g.people(5)
	finance := g.group("Finance")
	g.join(finance, ids[:3]...)
	b := g.a + "/bindings/" + g.bind(`{"group":"` + finance + `"}`)["id"].(string)

	for _, body := range []string{`{"enabled":false}`, `{"expiresAt":4102444800000}`} {
		g.send("PATCH", b, body).asks("closes", 3, 0)
	}
	g.send("PATCH", b, `{"enabled":false}`, func(r *http.Request) { r.URL.RawQuery = "confirm=opens" }).asks("closes", 3, 0)
	g.opened(false, 3)
	g.send("PATCH", b+"?confirm=closes", `{"enabled":false}`).status(http.StatusOK)
	g.opened(false, 0)
	if got := g.rule()["sentence"]; got != "Nobody can open this" {
		t.Errorf("sentence %q", got)
	}
	g.send("PATCH", b, `{"enabled":true}`).status(http.StatusOK)
	g.opened(false, 3)
}

func TestAcceptance03DeletingTheLastAllowBindingWaitsForConfirmation(t *testing.T) {
	g := newGuarded(t)
	ids := g.people(20)
	finance := g.group("Finance")
	g.join(finance, ids[:2]...)
	b := g.a + "/bindings/" + g.bind(`{"group":"` + finance + `"}`)["id"].(string)
	deny := g.a + "/bindings/" + g.bind(`{"user":"p19","effect":"deny"}`)["id"].(string)
	g.send("DELETE", deny, "").status(http.StatusNoContent)

	g.send("DELETE", b, "").asks("opens", 2, 20)
	g.send("PATCH", b, `{"reportOnly":true}`).asks("opens", 2, 20)
	g.send("PATCH", b, `{"effect":"deny"}`).asks("opens", 2, 18)
	g.send("PUT", g.a+"/access", `{"bindings":[]}`).asks("opens", 2, 20)
	g.opened(false, 2)

	// More people than were told of: it is asked again.
	for i := range 3 {
		g.user(fmt.Sprintf("late-%d", i))
	}
	g.send("DELETE", b+"?confirm=opens", "").asks("opens", 2, 23)
	g.user("one-more") // not more than a tenth
	g.send("DELETE", b+"?confirm=opens", "").status(http.StatusNoContent)
	g.opened(true, 24)
}

func TestAcceptance04DeletingTheGroupOfTheOnlyBindingLeavesAnOrphanAndTheApplicationClosed(t *testing.T) {
	for _, negate := range []bool{false, true} {
		t.Run(fmt.Sprintf("negated: %t", negate), func(t *testing.T) {
			g := newGuarded(t)
			ids := g.people(5)
			finance := g.group("Finance")
			g.join(finance, ids[:3]...)
			id := g.bind(fmt.Sprintf(`{"group":%q,"negate":%t}`, finance, negate))["id"].(string)
			e := g.send("POST", g.a+"/entitlements", `{"name":"approver"}`).tree()["id"].(string)
			g.send("POST", g.a+"/entitlements/"+e+"/bindings", `{"group":"`+finance+`"}`).status(http.StatusCreated)
			g.send("DELETE", g.d+"/groups/"+finance, "").status(http.StatusNoContent)

			left := g.send("GET", g.a+"/bindings/"+id, "").status(http.StatusOK).tree()
			if left["orphaned"] != true || left["name"] != "Finance" || left["group"] != finance {
				t.Errorf("left %v", left)
			}
			if held := g.send("GET", g.a+"/entitlements/"+e+"/bindings", "").data()[0]; held["orphaned"] != true {
				t.Errorf("an entitlement has %v", held)
			}
			g.opened(false, 0)
			// The group and the mark are one change.
			app, err := store.Get(t.Context(), g.store, catalog.Applications, strings.TrimPrefix(g.a, g.d+"/applications/"))
			if err != nil {
				t.Fatal(err)
			}
			last, err := g.store.LastRevision(t.Context())
			if err != nil || app.GetRevision() != last {
				t.Errorf("application at %d, the deletion at %d: %v", app.GetRevision(), last, err)
			}
			// An orphan is no reason not to change what else there is, and can be changed itself.
			g.send("PATCH", g.a+"/bindings/"+id, `{"order":3}`).status(http.StatusOK)
			g.send("DELETE", g.a+"/bindings/"+id, "").asks("opens", 0, 5)
			g.send("POST", g.a+"/bindings", `{"group":"`+finance+`","effect":"deny"}`).status(http.StatusBadRequest)
		})
	}
}

func TestAcceptance05DeletingAGroupThatIsDeniedCountsWhoWouldGetIn(t *testing.T) {
	g := newGuarded(t)
	ids := g.people(10)
	barred, outer := g.group("Barred"), ""
	g.join(barred, ids[:4]...)
	outer = g.group("Outer", `"groups":["`+barred+`"]`)
	g.bind(`{"group":"` + outer + `","effect":"deny"}`)
	g.opened(true, 6)
	// Who is barred through a group that contains theirs gets in as well, although no binding names theirs.
	g.send("DELETE", g.d+"/groups/"+barred, "").asks("opens", 6, 10)
	g.send("DELETE", g.d+"/groups/"+outer, "").asks("opens", 6, 10)
	g.opened(true, 6)
	g.send("DELETE", g.d+"/groups/"+outer+"?confirm=opens", "").status(http.StatusNoContent)
	g.opened(true, 10)
	g.send("DELETE", g.d+"/groups/"+barred, "").status(http.StatusNoContent)
}

func TestADeletionAfterWhichNobodyIsLeftIsAskedFor(t *testing.T) {
	g := newGuarded(t)
	ids := g.people(4)
	one, other := g.group("One"), g.group("Other")
	g.join(one, ids[:3]...)
	g.join(other, ids[1:]...)
	g.send("PUT", g.a+"/access", `{"mode":"all","bindings":[{"group":"`+one+`"},{"group":"`+other+`"}]}`).status(http.StatusOK)
	g.opened(false, 2)
	g.send("DELETE", g.d+"/groups/"+other, "").asks("closes", 2, 0)
	g.send("DELETE", g.d+"/groups/"+other+"?confirm=closes", "").status(http.StatusNoContent)
	g.opened(false, 0)
}

func TestSwitchesOpenAndCloseToo(t *testing.T) {
	g := newGuarded(t)
	g.people(5)
	e := g.send("POST", g.a+"/entitlements", `{"name":"approver"}`).tree()["id"].(string)
	g.send("POST", g.a+"/entitlements/"+e+"/bindings", `{"user":"p0"}`).status(http.StatusCreated)
	g.send("PATCH", g.a, `{"access":{"entitlementsGrant":true}}`).status(http.StatusOK)
	g.opened(false, 1)
	g.send("PATCH", g.a, `{"access":{"entitlementsGrant":false}}`).asks("opens", 1, 5)
	g.send("DELETE", g.a+"/entitlements/"+e, "").asks("closes", 1, 0)
	g.bind(`{"user":"p1"}`)
	g.opened(false, 2)
	g.send("DELETE", g.a+"/entitlements/"+e, "").status(http.StatusNoContent)
}

func TestAPolicyInUseIsNotDeleted(t *testing.T) {
	g := newGuarded(t)
	hours := g.policy("Office network")
	b := g.bind(`{"policy":"` + hours + `"}`)["id"].(string)
	app := strings.TrimPrefix(g.a, g.d+"/applications/")
	g.send("DELETE", g.d+"/policies/"+hours, "").refused(409, "Policy [Office network] is in use.", "applications."+app+".bindings."+b)
	g.send("DELETE", g.a+"/bindings/"+b+"?confirm=opens", "").status(http.StatusNoContent)
	g.send("DELETE", g.d+"/policies/"+hours, "").status(http.StatusNoContent)
}

func TestAnApplicationThatIsPutBackHasItsBindings(t *testing.T) {
	g := newGuarded(t)
	g.people(3)
	finance := g.group("Finance")
	g.bind(`{"user":"p0"}`)
	g.bind(`{"group":"` + finance + `"}`)
	g.send("POST", g.a+"/entitlements", `{"name":"approver"}`).status(http.StatusCreated)
	revision := g.send("GET", g.a, "").tree()["revision"]
	g.send("DELETE", g.a, "").status(http.StatusNoContent)
	g.send("DELETE", g.d+"/groups/"+finance, "").status(http.StatusNoContent)
	g.send("POST", fmt.Sprintf("%s/history/%v/_restore", g.a, revision), `{}`).status(http.StatusOK)
	g.opened(false, 1)
	list := g.send("GET", g.a+"/bindings", "").data()
	if len(list) != 2 || list[1]["orphaned"] != true || list[0]["orphaned"] != false {
		t.Errorf("bindings %v", list)
	}
	if got := len(g.send("GET", g.a+"/entitlements", "").data()); got != 1 {
		t.Errorf("%d entitlements", got)
	}
}

func TestAcceptance12ACycleOfGroupsIsRefusedWithItsPath(t *testing.T) {
	g := newGuarded(t)
	payables := g.group("Payables")
	finance := g.group("Finance", `"groups":["`+payables+`"]`)
	office := g.group("Office", `"groups":["`+finance+`"]`)
	answer := g.send("PATCH", g.d+"/groups/"+payables, `{"groups":["`+office+`"]}`).
		refused(400, "Group [Payables] can not contain itself.", "groups[0]").tree()
	if got, want := answer["errors"].([]any)[0].(prototree.Object)["detail"], "is the group itself or contains it: Payables > Office > Finance > Payables"; got != want {
		t.Errorf("detail %q, want %q", got, want)
	}
}

func TestGroupsAreAtMostSixteenDeep(t *testing.T) {
	g := newGuarded(t)
	last := g.group("Group 1")
	for i := 2; i <= 16; i++ {
		last = g.group(fmt.Sprintf("Group %d", i), `"groups":["`+last+`"]`)
	}
	g.send("POST", g.d+"/groups", `{"name":"Group 17","groups":["`+last+`"]}`).
		refused(400, "Groups can contain one another 16 deep, and these would be 17 deep.", "groups")
	g.send("POST", g.d+"/groups", `{"name":"Heavy","attributes":{"a":"`+strings.Repeat("x", 16<<10)+`"}}`).
		refused(400, "[attributes: must be at most 16384 bytes of JSON]", "attributes")
	g.send("POST", g.d+"/groups", `{"name":"Listed","attributes":[]}`).status(http.StatusBadRequest)
}

func TestTheScopeEntitlementsComesWithTheFirstEntitlementOfADomain(t *testing.T) {
	g := newGuarded(t)
	scopes := func() (found []prototree.Object) {
		for _, s := range g.send("GET", g.d+"/scopes?size=50", "").status(http.StatusOK).data() {
			if s["key"] == "entitlements" {
				found = append(found, s)
			}
		}
		return found
	}
	if got := scopes(); len(got) != 0 {
		t.Fatalf("a new domain has %v", got)
	}
	other := g.d + "/applications/" + g.application(g.domain, `{"name":"Other","type":"SERVICE"}`)["id"].(string)
	var racers sync.WaitGroup
	for i := range 8 {
		racers.Go(func() {
			for _, a := range []string{g.a, other} {
				g.send("POST", a+"/entitlements", fmt.Sprintf(`{"name":"right-%d"}`, i)).status(http.StatusCreated)
			}
		})
	}
	racers.Wait()
	got := scopes()
	if len(got) != 1 || got[0]["system"] != true || got[0]["discovery"] != true {
		t.Errorf("scopes %v", got)
	}
	g.send("DELETE", g.d+"/scopes/"+got[0]["id"].(string), "").status(http.StatusBadRequest)
}

func TestAcceptance38AnUnboundEntitlementIsHeldByNobodyAndTwoGroupsGiveOneName(t *testing.T) {
	g := newGuarded(t)
	one, other := g.group("One"), g.group("Other")
	e := g.send("POST", g.a+"/entitlements", `{"name":"approver"}`).tree()["id"].(string)
	held := func(groups ...string) []string {
		t.Helper()
		app, err := store.Get(t.Context(), g.store, catalog.Applications, strings.TrimPrefix(g.a, g.d+"/applications/"))
		if err != nil {
			t.Fatal(err)
		}
		person := &access.Person{ID: "p", Groups: map[string]bool{}}
		for _, id := range groups {
			person.Groups[id] = true
		}
		return access.Names(access.Compile(app, func(string) *access.Policy { return nil }).Held(person, time.Now()))
	}
	if got := held(one, other); len(got) != 0 {
		t.Errorf("unbound, and held as %v", got)
	}
	bindings := g.a + "/entitlements/" + e + "/bindings"
	g.send("POST", bindings, `{"group":"`+one+`"}`).status(http.StatusCreated)
	g.send("POST", bindings, `{"group":"`+other+`"}`).status(http.StatusCreated)
	if got := fmt.Sprint(held(one, other)); got != "[approver]" {
		t.Errorf("held as %s", got)
	}
	if got := held("elsewhere"); len(got) != 0 {
		t.Errorf("somebody else holds %v", got)
	}
	// One that has lost its group matches nobody, negated or not.
	g.send("POST", bindings, `{"group":"`+one+`","negate":true}`).status(http.StatusCreated)
	if got := fmt.Sprint(held()); got != "[approver]" {
		t.Errorf("negated, and held as %s", got)
	}
	g.send("DELETE", g.d+"/groups/"+one, "").status(http.StatusNoContent)
	if got := held(); len(got) != 0 {
		t.Errorf("orphaned, and held as %v", got)
	}
}
