package access_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// TestAGuardSeesWhatAnotherReplicaHasJustDone: a picture of people that is a moment old is good enough for a report, and not for
// the question whether somebody gets in.
func TestAGuardSeesWhatAnotherReplicaHasJustDone(t *testing.T) {
	h := newHouse(t)
	ann := h.user("ann")
	banned := h.group("Banned", nil, nil)
	a := "/applications/" + h.app("Payroll")
	b := h.made(a+"/bindings", `{"group":"`+banned+`","effect":"deny"}`)
	h.must("POST", a+"/access/_check", `{"user":"`+ann+`"}`) // takes a picture
	other := storetest.Open(t, h.options)
	if _, err := other.Memberships().Add(t.Context(), h.domain, banned, []string{ann}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/groups/" + banned, a + "/bindings/" + b} {
		if status, body := h.send("DELETE", path, ""); status != 409 || !strings.Contains(string(body), `"before":0,"after":1`) {
			t.Errorf("DELETE %s: %d %s, want the question whether she may get in", path, status, body)
		}
	}
}
