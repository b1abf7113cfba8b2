package access_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestTheImpactOfAReportOnlyBindingAddsUpGatewaysAndHours(t *testing.T) {
	h := newHouse(t)
	person := h.made("/users", `{"username":"ann","email":"ann@example.com","password":"`+password+`"}`)
	app := h.app("Pay")
	binding := h.made("/applications/"+app+"/bindings", `{"user":"`+person+`","reportOnly":true}`)
	path := "/applications/" + app + "/bindings/" + binding + "/impact"
	hour := time.Now().UTC().Truncate(time.Hour)
	tally := func(id string, at time.Time, n int64, people string) store.BindingTally {
		return store.BindingTally{
			ID: id, Domain: h.domain, Application: app, Binding: binding, By: "g", Hour: at, Evaluated: n, Passed: n - 1, Changed: 1, People: []byte(people),
			Samples: []store.BindingSample{{Person: person, At: at, Verdict: "allowed", Enforced: "denied"}},
		}
	}
	err := h.store.BindingTallies().Record(t.Context(), []store.BindingTally{
		tally("one", hour, 10, "person-1person-2"), tally("two", hour, 5, "person-2"), tally("three", hour.Add(-time.Hour), 3, "person-3"),
		tally("old", hour.Add(-20*24*time.Hour), 100, "person-4"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{"": "18 15 0 3 3 2 3", "?days=30": "118 114 0 4 4 3 4"} {
		got := h.must("GET", path+query, "")
		is := fmt.Sprint(got["evaluated"], got["passed"], got["failed"], got["changed"], got["people"], len(got["hours"].([]any)), len(got["samples"].([]any)))
		if is != want {
			t.Errorf("%q: %s, want %s", query, is, want)
		}
	}
	for _, days := range []string{"0", "31", "x", ""} {
		h.refused("GET", path+"?days="+days, "", 400)
	}
	h.refused("GET", "/applications/"+app+"/bindings/nobody/impact", "", 404)
	h.member("reader", operator.RoleDomainUser, store.PlaceOfDomain(h.domain))
	h.token = h.signIn("reader")
	for _, one := range h.must("GET", path, "")["samples"].([]any) {
		if sample := one.(tree); sample["user"] != nil || sample["verdict"] != "allowed" || sample["enforced"] != "denied" {
			t.Errorf("without user:read: %v", sample)
		}
	}
}
