package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const allAudits = "/management/organizations/DEFAULT/audits"

// told returns the entries of a list of records as "type kind name".
func told(a *reply) []string {
	var list []string
	for _, r := range a.status(http.StatusOK).data() {
		list = append(list, fmt.Sprint(r["type"], " ", at(r, "target.type"), " ", at(r, "target.displayName")))
	}
	return list
}

func TestAuditsOfADomain(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Watched")
	d := short + "/domains/" + domain
	app := h.application(domain, `{"name":"Seen","type":"SERVICE","metadata":{"a.b":"$c"}}`)["id"].(string)
	a := d + "/applications/" + app
	h.send("PATCH", a, `{"description":"changed"}`, header("User-Agent", "a test"), header("X-Request-Id", "r-1")).status(http.StatusOK)
	h.send("PATCH", a, `{"nope":"refused"}`).status(http.StatusBadRequest)
	h.send("POST", a+"/secrets", `{"name":"more"}`).status(http.StatusCreated)
	h.send("DELETE", a, "").status(http.StatusNoContent)

	want := []string{"delete application Seen", "create_secret application Seen", "update application Seen", "create application Seen"}
	of := h.send("GET", d+"/audits?kind=application", "")
	if diff := cmp.Diff(want, told(of)); diff != "" {
		t.Fatalf("records, the newest first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, told(h.send("GET", a+"/audits", ""))); diff != "" {
		t.Errorf("records of the application (-want +got):\n%s", diff)
	}
	records := of.data()
	for _, r := range records {
		if r["before"] != nil || r["after"] != nil {
			t.Errorf("a list has a whole state: %v", r)
		}
	}
	update := h.send("GET", d+"/audits/"+records[2]["id"].(string), "").status(http.StatusOK).tree()
	for path, want := range map[string]any{
		"type": "update", "actor.displayName": adminName, "actor.type": "operator",
		"target.type": "application", "target.id": app, "target.displayName": "Seen",
		"accessPoint.ipAddress": "127.0.0.1", "accessPoint.userAgent": "a test", "outcome.status": "success", "domain": domain,
		"before.description": nil, "after.description": "changed", "cause": nil,
	} {
		if got := at(update, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if update["timestamp"] == nil || update["revision"] == nil || update["requestId"] == nil || at(update, "actor.id") == nil {
		t.Errorf("record %v", update)
	}
	if got, _ := json.Marshal(update["changes"]); string(got) != `[{"after":"changed","path":"description"}]` {
		t.Errorf("changes %s", got)
	}
	if r := h.send("GET", allAudits+"/"+records[0]["id"].(string), "").status(http.StatusOK).tree(); at(r, "after") != nil || at(r, "before.name") != "Seen" {
		t.Errorf("the record of a deletion: %v", r)
	}

	// What came along with the domain is there, with its cause and under the same revision.
	scopes := h.send("GET", d+"/audits?kind=scope&size=1000", "").status(http.StatusOK).data()
	made := h.send("GET", d+"/audits?kind=domain&type=create", "").status(http.StatusOK).data()
	if len(scopes) != 14 || len(made) != 1 || made[0]["cause"] != nil {
		t.Fatalf("%d scopes, domains %v", len(scopes), made)
	}
	for _, s := range scopes {
		if at(s, "cause.id") != domain || at(s, "cause.type") != "domain" || s["revision"] != made[0]["revision"] {
			t.Errorf("a scope that came with its domain: %v", s)
		}
	}

	other := short + "/domains/" + h.domain("Other")
	h.send("GET", other+"/audits/"+update["id"].(string), "").refused(http.StatusNotFound, "Audit ["+update["id"].(string)+"] can not be found.")
	h.send("GET", d+"/audits/nope", "").refused(http.StatusNotFound, "Audit [nope] can not be found.")
	h.send("GET", short+"/domains/nope/audits/x", "").refused(http.StatusNotFound, "Domain [nope] can not be found.")

	h.send("DELETE", d, "").status(http.StatusNoContent)
	gone := h.send("GET", allAudits+"?type=delete&kind=domain", "").status(http.StatusOK).data()
	if len(gone) != 1 || at(gone[0], "target.id") != domain {
		t.Errorf("the end of a domain: %v", gone)
	}
	// What lay in it is recorded too.
	left := h.send("GET", allAudits+"?type=delete&kind=scope&size=1000", "").status(http.StatusOK).data()
	if len(left) != 14 || at(left[0], "cause.id") != domain {
		t.Errorf("%d scopes went with the domain: %v", len(left), left)
	}
}

func TestAuditsOfAnOrganization(t *testing.T) {
	h := newHouse(t)
	h.send("POST", short+"/auth/token", "", basic(adminName, "wrong")).status(http.StatusUnauthorized)
	h.send("POST", short+"/auth/token", "", basic("a password in the wrong field", "x")).status(http.StatusUnauthorized)
	all := h.send("GET", allAudits+"?type=sign-in&status=failure", "").status(http.StatusOK).data()
	if len(all) != 2 || at(all[0], "actor.displayName") != nil || at(all[1], "actor.displayName") != adminName {
		t.Errorf("refused sign-ins: %v", all)
	}
	if ok := h.send("GET", allAudits+"?type=sign-in&status=success", "").status(http.StatusOK).data(); len(ok) != 1 {
		t.Errorf("sign-ins: %v", ok)
	}
}

func TestAuditsAreFilteredByTheRequest(t *testing.T) {
	h := newHouse(t)
	before := time.Now().UnixMilli()
	d := short + "/domains/" + h.domain("Watched")
	first := h.send("POST", d+"/scopes", `{"key":"one","name":"One","description":"x"}`).status(http.StatusCreated).tree()
	second := h.send("POST", d+"/scopes", `{"key":"two","name":"Two","description":"x"}`).status(http.StatusCreated).tree()
	h.send("PATCH", d+"/scopes/"+first["id"].(string), `{"name":"Uno"}`).status(http.StatusOK)
	after := time.Now().UnixMilli()
	me := h.send("GET", d+"/audits?size=1", "").status(http.StatusOK).data()[0]
	one := "&target=" + first["id"].(string)
	for _, tt := range []struct {
		name, query string
		want        int
	}{
		{"one target", one, 2},
		{"the other target", "&target=" + second["id"].(string), 1},
		{"a type", one + "&type=update", 1},
		{"two types", one + "&type=update&type=create", 2},
		{"a type that is not there", one + "&type=delete", 0},
		{"success", one + "&status=success", 2},
		{"failure", one + "&status=failure", 0},
		{"the name of who acted", one + "&user=" + url.QueryEscape(adminName), 2},
		{"the identifier of who acted", one + "&user=" + at(me, "actor.id").(string), 2},
		{"somebody else", one + "&user=nobody", 0},
		{"all the time", one + fmt.Sprintf("&from=%d&to=%d", before, after), 2},
		{"earlier", one + fmt.Sprintf("&to=%d", before-1), 0},
		{"later", one + fmt.Sprintf("&from=%d", after+1), 0},
		{"another kind", one + "&kind=application", 0},
	} {
		a := h.send("GET", d+"/audits?size=10"+tt.query, "").status(http.StatusOK)
		if n := fmt.Sprint(a.tree()["totalCount"]); len(a.data()) != tt.want || n != fmt.Sprint(tt.want) {
			t.Errorf("%s: %d entries of %s, want %d", tt.name, len(a.data()), n, tt.want)
		}
	}
	page := h.send("GET", d+"/audits?kind=scope&size=2&page=1", "").status(http.StatusOK)
	if len(page.data()) != 2 || fmt.Sprint(page.tree()["totalCount"]) != "17" || fmt.Sprint(page.tree()["currentPage"]) != "1" {
		t.Errorf("second page %s", page.body)
	}
	for query, message := range map[string]string{
		"status=perhaps": "[perhaps: must be one of success, failure, attempted]",
		"from=yesterday": "[yesterday: must be a time in milliseconds since 1970]",
		"to=-1":          "[-1: must be a time in milliseconds since 1970]",
	} {
		h.send("GET", d+"/audits?"+query, "").refused(http.StatusBadRequest, message)
	}
}
