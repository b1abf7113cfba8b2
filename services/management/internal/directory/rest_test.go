package directory_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestUsersOverREST(t *testing.T) {
	h := newHouse(t)
	h.rest()
	users := "/organizations/DEFAULT/environments/DEFAULT/domains/" + h.domain + "/users"
	app := h.newApplication(h.domain, "c1")

	made := h.call("POST", users, `{"firstName":"Ann","lastName":"Lee","username":" ann ","email":"ann@example.com","password":"`+password+`",
		"preRegistration":false,"client":"c1","additionalInformation":{"team":{"name":"red"},"level":3}}`)
	if made.status != http.StatusCreated {
		t.Fatalf("create: %d %s", made.status, made.text)
	}
	id, _ := made.body["id"].(string)
	if got, want := made.header.Get("Location"), "/management"+users+"/"+id; got != want {
		t.Errorf("location %s, want %s", got, want)
	}
	expected := prototree.Object{
		"id": id, "domain": h.domain, "revision": 1.0, "username": "ann", "source": "default-idp-" + h.domain, "externalId": id,
		"email": "ann@example.com", "emailVerified": false, "firstName": "Ann", "lastName": "Lee", "enabled": true,
		"client": app.GetId(), "accountNonLocked": true, "preRegistration": false, "additionalInformation": prototree.Object{"team": prototree.Object{"name": "red"}, "level": 3.0},
	}
	plain := cmpopts.IgnoreMapEntries(func(name string, _ any) bool { return name == "createdAt" || name == "updatedAt" })
	if diff := cmp.Diff(expected, made.body, plain); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	read := h.call("GET", "/domains/"+h.domain+"/users/"+id, "")
	if diff := cmp.Diff(made.body, read.body); diff != "" || read.status != http.StatusOK || read.header.Get("ETag") != `"1"` {
		t.Errorf("read: %d, tag %s (-created +read):\n%s", read.status, read.header.Get("ETag"), diff)
	}

	h.newUser("bob")
	list := h.call("GET", users+"?q=AN*", "")
	if list.status != http.StatusOK || list.body["totalCount"] != 1.0 || !strings.Contains(list.text, id) {
		t.Errorf("search: %d %s", list.status, list.text)
	}
	if all := h.call("GET", users+"?size=1&page=1", ""); all.body["totalCount"] != 2.0 || !strings.Contains(all.text, `"bob"`) {
		t.Errorf("second page: %s", all.text)
	}

	// What was read can be sent back.
	same, err := json.Marshal(read.body)
	if err != nil {
		t.Fatal(err)
	}
	if put := h.call("PUT", users+"/"+id, string(same)); put.status != http.StatusOK || put.body["firstName"] != "Ann" || put.body["revision"] != 2.0 {
		t.Errorf("sent back: %d %s", put.status, put.text)
	}
	put := h.call("PUT", users+"/"+id, `{"firstName":"Anna","displayName":"A.","enabled":false}`)
	if put.status != http.StatusOK || put.header.Get("ETag") != `"3"` {
		t.Fatalf("put: %d %s", put.status, put.text)
	}
	expected = prototree.Object{
		"id": id, "domain": h.domain, "revision": 3.0, "username": "ann", "source": "default-idp-" + h.domain, "externalId": id,
		"emailVerified": false, "firstName": "Anna", "displayName": "A.", "enabled": false, "client": app.GetId(),
		"accountNonLocked": true, "preRegistration": false,
	}
	if diff := cmp.Diff(expected, put.body, plain); diff != "" {
		t.Errorf("a PUT replaces what may be written (-want +got):\n%s", diff)
	}
	source := catalog.DefaultProviderID(h.domain)
	_, err = h.people.Authenticate(t.Context(), h.domain, source, "ann", password)
	wantKind(t, "the password after a PUT, disabled", err, fault.Denied)
	if put := h.call("PUT", users+"/"+id, `{"username":"Anna"}`); put.body["enabled"] != false || put.body["username"] != "Anna" {
		t.Errorf("a PUT without the switch: %s", put.text)
	}
	if put := h.call("PUT", users+"/"+id, `{"enabled":true}`); put.body["username"] != "Anna" {
		t.Errorf("a PUT without a user name: %s", put.text)
	}

	if reset := h.call("POST", users+"/"+id+"/resetPassword", `{"password":"another password"}`); reset.status != http.StatusNoContent || reset.text != "" {
		t.Errorf("reset: %d %s", reset.status, reset.text)
	}
	_, err = h.people.Authenticate(t.Context(), h.domain, source, "anna", password)
	wantKind(t, "the old password", err, fault.Unauthenticated)
	_, err = h.people.Authenticate(t.Context(), h.domain, source, "anna", "another password")
	wantKind(t, "the new password", err, fault.Internal)

	if gone := h.call("DELETE", users+"/"+id, ""); gone.status != http.StatusNoContent || gone.text != "" {
		t.Errorf("delete: %d %s", gone.status, gone.text)
	}
	for _, method := range []string{"GET", "DELETE", "PUT"} {
		body := ""
		if method == "PUT" {
			body = `{}`
		}
		if gone := h.call(method, users+"/"+id, body); gone.status != http.StatusNotFound || gone.body["message"] != "User ["+id+"] can not be found." {
			t.Errorf("%s of a deleted user: %d %s", method, gone.status, gone.text)
		}
	}
}

func TestUsersThatAreRefused(t *testing.T) {
	h := newHouse(t)
	h.rest()
	other := h.newDomain("Other")
	inline := h.newInline(h.domain)
	ann := h.newUser("Ann")
	eve, err := h.people.SignIn(t.Context(), h.domain, "", &directoryv1.Identity{Source: inline, ExternalId: "eve", Username: "eve"})
	if err != nil {
		t.Fatal(err)
	}
	h.newApplication(other, "theirs")
	users := "/domains/" + h.domain + "/users"
	of := func(id string) string { return users + "/" + id }
	with := func(members string) string { return `{"username":"new","password":"p"` + members + `}` }
	long := strings.Repeat("x", 300)
	tests := []struct {
		name, method, path, body string
		status                   int
		message, place           string
	}{
		{"a user without a name", "POST", users, `{"password":"p"}`, 400, "[username: must not be blank]", "username"},
		{"a blank name", "POST", users, `{"username":" \t","password":"p"}`, 400, "[username: must not be blank]", "username"},
		{"an endless name", "POST", users, `{"username":"` + long + `","password":"p"}`, 400, "[username: size must be at most 255]", "username"},
		{"control characters", "POST", users, `{"username":"a\u0000b","password":"p"}`, 400, "[username: must not contain control characters]", "username"},
		{"a user without a password", "POST", users, `{"username":"new"}`, 400, "[password: must not be blank]", "password"},
		{"an endless password", "POST", users, `{"username":"new","password":"` + strings.Repeat("p", 1025) + `"}`, 400,
			"[password: size must be at most 1024]", "password"},
		{"a taken name in another case", "POST", users, `{"username":"ANN","password":"p"}`, 400, "A user [ANN] already exists.", "username"},
		{"no e-mail address", "POST", users, with(`,"email":"Ann <ann@example.com>"`), 400, "[email: must be an e-mail address]", "email"},
		{"half an e-mail address", "POST", users, with(`,"email":"ann@"`), 400, "[email: must be an e-mail address]", "email"},
		{"an unknown provider", "POST", users, with(`,"source":"x"`), 400, "Identity Provider [x] can not be found.", "source"},
		{"a provider of another domain", "POST", users, with(`,"source":"default-idp-` + other + `"`), 400,
			"Identity Provider [default-idp-" + other + "] can not be found.", "source"},
		{"a provider that keeps its own users", "POST", users, with(`,"source":"` + inline + `"`), 400,
			"[source: must be an identity provider of the domain's own directory]", "source"},
		{"a client of another domain", "POST", users, with(`,"client":"theirs"`), 400, "Application [theirs] can not be found.", "client"},
		{"an unknown member", "POST", users, with(`,"rank":1`), 400, "Property [rank] is not recognized as a valid property", "rank"},
		{"a subject of one's own", "POST", users, with(`,"subject":"s"`), 400, "Property [subject] is not recognized as a valid property", "subject"},
		{"a hash in the place of a password", "POST", users, `{"username":"new","passwordHash":"$2y$10$x"}`, 400,
			"[passwordHash: is taken by an import only]", "passwordHash"},
		{"a page that is none", "POST", users, with(`,"picture":"javascript:alert(1)"`), 400, "[picture: must be an http or https address]", "picture"},
		{"a day that is none", "PATCH", of(ann.GetId()), `{"birthdate":"yesterday"}`, 400, "[birthdate: must be a day such as 1990-12-31, or a year]", "birthdate"},
		{"a language that is none", "PATCH", of(ann.GetId()), `{"preferredLanguage":"de CH"}`, 400,
			"[preferredLanguage: must be a language tag such as de-CH]", "preferredLanguage"},
		{"a telephone without a number", "PATCH", of(ann.GetId()), `{"phoneNumbers":[{"type":"work"}]}`, 400,
			"[phoneNumbers[0].value: must not be blank]", "phoneNumbers[0].value"},
		{"a null for an unknown member", "PATCH", of(ann.GetId()), `{"rank":null}`, 400, "Property [rank] is not recognized as a valid property", "rank"},
		{"a null for the name", "PATCH", of(eve.GetId()), `{"email":"x"}`, 400, "[email: must be an e-mail address]", "email"},
		{"a status without a switch", "PUT", of(ann.GetId()) + "/status", `{}`, 400, "[enabled: must not be null]", "enabled"},
		{"a status with more", "PUT", of(ann.GetId()) + "/status", `{"enabled":true,"locked":true}`, 400, "Property [locked] is not recognized as a valid property", "locked"},
		{"a blank new name", "PATCH", of(ann.GetId()) + "/username", `{"username":" "}`, 400, "[username: must not be blank]", "username"},
		{"roles that are no list", "POST", of(ann.GetId()) + "/roles", `{}`, 400, "Malformed json", ""},
		{"roles in a list that goes on", "POST", of(ann.GetId()) + "/roles", `[],"x":1`, 400, "Malformed json", ""},
		{"roles that are no texts", "POST", of(ann.GetId()) + "/roles", `[7]`, 400, "[[0]: must be a string]", "[0]"},
		{"an unknown role", "POST", of(ann.GetId()) + "/roles", `["none"]`, 400, "Role [none] can not be found.", "[0]"},
		{"a role that they do not have", "DELETE", of(ann.GetId()) + "/roles/none", "", 404, "Role [none] can not be found.", ""},
		{"an unknown consent", "GET", of(ann.GetId()) + "/consents/none", "", 404, "Consent [none] can not be found.", ""},
		{"an unknown identity", "DELETE", of(ann.GetId()) + "/identities/none", "", 404, "Identity [none] can not be found.", ""},
		{"a filter by something unknown", "GET", users + "?filter=username+eq+%22a%22+and+rank+eq+1", "", 400,
			"[filter: column 21: \"rank\" can not be searched for: one of id, username, email, firstName, lastName, enabled, source, externalId, createdAt, updatedAt is needed]", "filter"},
		{"a switch that is none", "POST", users, with(`,"preRegistration":"no"`), 400, "*", "preRegistration"},
		{"too much additional information", "POST", users, with(`,"additionalInformation":{"x":"` + strings.Repeat("x", 70_000) + `"}`), 400,
			"[additionalInformation: size must be at most 65536]", "additionalInformation"},
		{"additional information that is no object", "POST", users, with(`,"additionalInformation":[]`), 400, "*", "additionalInformation"},
		{"malformed JSON", "POST", users, `{"username":`, 400, "Malformed json", ""},
		{"an unknown domain", "POST", "/domains/nowhere/users", with(""), 404, "Domain [nowhere] can not be found.", ""},
		{"a user of another domain", "GET", "/domains/" + other + "/users/" + ann.GetId(), "", 404, "User [" + ann.GetId() + "] can not be found.", ""},
		{"another source", "PUT", of(ann.GetId()), `{"source":"` + inline + `"}`, 400, "[source: can not be changed]", "source"},
		{"a name that somebody has", "PUT", of(eve.GetId()), `{"username":"eve","email":"x"}`, 400, "[email: must be an e-mail address]", "email"},
		{"a verified nothing", "PUT", of(ann.GetId()), `{"emailVerified":true}`, 400, "[emailVerified: needs an e-mail address]", "emailVerified"},
		{"a password by PUT", "PUT", of(ann.GetId()), `{"password":"p"}`, 400, "Property [password] is not recognized as a valid property", "password"},
		{"an empty reset", "POST", of(ann.GetId()) + "/resetPassword", `{}`, 400, "[password: must not be blank]", "password"},
		{"a reset where there is no password", "POST", of(eve.GetId()) + "/resetPassword", `{"password":"p"}`, 400,
			"The password of user [eve] is kept by another identity provider.", ""},
		{"a reset of nobody", "POST", of("x") + "/resetPassword", `{"password":"p"}`, 404, "User [x] can not be found.", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := h.call(tt.method, tt.path, tt.body)
			place := ""
			if list, _ := got.body["errors"].([]any); len(list) > 0 {
				place, _ = list[0].(map[string]any)["path"].(string)
			}
			if got.status != tt.status || tt.message != "*" && got.body["message"] != tt.message || place != tt.place {
				t.Errorf("answered %d at %q: %s\nwant %d at %q: %s", got.status, place, got.text, tt.status, tt.place, tt.message)
			}
			if _, has := got.body["error"]; has {
				t.Error("the answer has an OAuth error")
			}
		})
	}
	if n := h.count(h.domain); n != 2 {
		t.Errorf("%d users are left", n)
	}
}

func TestUsersAreChangedByThoseWhoHaveSeenThem(t *testing.T) {
	h := newHouse(t)
	h.rest()
	ann := "/domains/" + h.domain + "/users/" + h.newUser("ann").GetId()
	tests := []struct {
		name, method, tag string
		status            int
	}{
		{"the present revision", "PUT", `"1"`, 200},
		{"the one before", "PUT", `"1"`, 412},
		{"a weak tag", "PUT", `W/"2"`, 412},
		{"no tag at all", "PUT", `2`, 412},
		{"a foreign tag", "PUT", `"x"`, 412},
		{"any", "PUT", `*`, 200},
		{"a late deletion", "DELETE", `"2"`, 412},
		{"a deletion in time", "DELETE", `"3"`, 204},
	}
	for _, tt := range tests {
		body := `{"firstName":"A"}`
		if tt.method == "DELETE" {
			body = ""
		}
		if got := h.call(tt.method, ann, body, "If-Match", tt.tag); got.status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.name, got.status, got.text, tt.status)
		}
	}
}

// TestEverybodyIsOnRecord looks at the audit records, and for secrets in them, in the log and in every answer.
func TestEverybodyIsOnRecord(t *testing.T) {
	h := newHouse(t)
	h.rest()
	users := "/domains/" + h.domain + "/users"
	made := h.call("POST", users, `{"username":"ann","password":"first-password-of-ann","additionalInformation":{"team":"red"}}`)
	id, _ := made.body["id"].(string)
	answers := made.text
	answers += h.call("PUT", users+"/"+id, `{"username":"anna"}`, "User-Agent", "browser").text
	answers += h.call("POST", users+"/"+id+"/resetPassword", `{"password":"second-password-of-ann"}`).text
	answers += h.call("GET", users, "").text
	h.call("PUT", users+"/"+id, `{"email":"nonsense"}`) // refused: not on record
	h.call("DELETE", users+"/"+id, "")
	eve, err := h.people.SignIn(t.Context(), h.domain, "", &directoryv1.Identity{Source: h.newInline(h.domain), ExternalId: "eve"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.SignIn(t.Context(), h.domain, "", &directoryv1.Identity{Source: eve.GetSource(), ExternalId: "eve", Email: "e@example.com"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.SignIn(t.Context(), h.domain, "", &directoryv1.Identity{Source: eve.GetSource(), ExternalId: "eve"}); err != nil {
		t.Fatal(err)
	}

	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: h.domain, Kind: "user"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	trees := ""
	for _, r := range records {
		got = append(got, fmt.Sprintf("%s %s by %s %s, revision %d", r.Action, r.Name, r.ActorKind, r.ActorName, r.Revision))
		whole, err := h.store.Audits().Get(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		trees += whole.Before + whole.After
	}
	want(t, "records, the newest first", got,
		"update eve by user eve, revision 2",
		"create eve by user eve, revision 1",
		"delete anna by operator admin, revision 3",
		"reset_password anna by operator admin, revision 3",
		"update anna by operator admin, revision 2",
		"create ann by operator admin, revision 1",
	)
	for what, text := range map[string]string{"an audit record": trees, "an answer": answers, "the log": h.log.String()} {
		for _, secret := range []string{"first-password-of-ann", "second-password-of-ann", "$argon2id$"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s contains %s", what, secret)
			}
		}
	}
	if len(trees) == 0 || !strings.Contains(trees, `"red"`) {
		t.Errorf("the records do not say what changed: %s", trees)
	}
}
