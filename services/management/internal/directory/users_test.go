package directory_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestChangesOfOneUser(t *testing.T) {
	h := newHouse(t)
	h.rest()
	users := "/domains/" + h.domain + "/users"
	ann := users + "/" + h.newUser("ann").GetId()
	h.newUser("bob")

	profile := `{"title":"Dr.","nickName":"Annie","preferredLanguage":"de-CH","birthdate":"1990-12-31","website":"https://ann.example",
		"phoneNumbers":[{"value":"+41 44 000 00 00","type":"work","primary":true}],"addresses":[{"country":"CH","locality":"Zürich"}]}`
	patched := h.call("PATCH", ann, profile)
	if patched.status != http.StatusOK || patched.body["nickName"] != "Annie" || patched.body["username"] != "ann" ||
		patched.body["addresses"].([]any)[0].(map[string]any)["locality"] != "Zürich" || patched.header.Get("ETag") != `"2"` {
		t.Errorf("patched: %d %s", patched.status, patched.text)
	}
	if got := h.call("PATCH", ann, `{"nickName":null,"phoneNumbers":[]}`); got.body["nickName"] != nil || got.body["phoneNumbers"] != nil || got.body["title"] != "Dr." {
		t.Errorf("patched with null: %s", got.text)
	}
	if got := h.call("PATCH", ann, `{"title":"x"}`, "If-Match", `"1"`); got.status != http.StatusPreconditionFailed {
		t.Errorf("a late patch: %d", got.status)
	}
	if got := h.call("PATCH", ann, `{"title":"x"}`, "If-Match", `"9", "3"`); got.status != http.StatusOK {
		t.Errorf("a patch that names several revisions: %d %s", got.status, got.text)
	}
	if got := h.call("PATCH", ann+"/username", `{"username":" anna "}`); got.status != http.StatusOK || got.body["username"] != "anna" {
		t.Errorf("renamed: %d %s", got.status, got.text)
	}
	h.refused("a taken name", h.call("PATCH", ann+"/username", `{"username":"BOB"}`), 400, "A user [BOB] already exists.", "username")
	if got := h.call("PUT", ann+"/status", `{"enabled":false}`); got.status != http.StatusOK || got.body["enabled"] != false {
		t.Errorf("disabled: %d %s", got.status, got.text)
	}
	source := catalog.DefaultProviderID(h.domain)
	_, err := h.people.Authenticate(t.Context(), h.domain, source, "anna", password)
	wantKind(t, "disabled", err, fault.Denied)
	if got := h.call("PUT", ann+"/status", `{"enabled":true}`); got.body["enabled"] != true {
		t.Errorf("enabled: %s", got.text)
	}
	identities := h.call("GET", ann+"/identities", "")
	if len(identities.list) != 1 || identities.list[0]["providerId"] != source || identities.list[0]["username"] != "anna" {
		t.Fatalf("identities: %s", identities.text)
	}
	own := identities.list[0]["id"].(string)
	h.refused("the identity they came with", h.call("DELETE", ann+"/identities/"+own, ""), 400,
		"Identity ["+own+"] is the one that the user came with and can not be taken away.", "")

	var actions []string
	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: h.domain, Kind: "user"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		actions = append(actions, r.Action)
	}
	if got := strings.Join(actions, " "); got != "update update rename update update update create create" {
		t.Errorf("on record: %s", got)
	}
}

// TestLockedPeople looks at a lock from every side: nobody signs in, gateways see somebody who is disabled.
func TestLockedPeople(t *testing.T) {
	h := newHouse(t)
	h.rest()
	user := h.newUser("ann")
	ann := "/domains/" + h.domain + "/users/" + user.GetId()
	source := catalog.DefaultProviderID(h.domain)
	gateway := h.client()
	asks := func() (enabled bool) {
		t.Helper()
		got, err := gateway.GetUser(t.Context(), &directoryv1.GetUserRequest{Domain: h.domain, Subject: user.GetSubject()})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetUser().GetEnabled()
	}
	identity := &directoryv1.Identity{Source: source, ExternalId: user.GetExternalId()}
	for _, again := range []string{"first", "again"} {
		if got := h.call("POST", ann+"/lock", ""); got.status != http.StatusNoContent || got.text != "" {
			t.Fatalf("locked %s: %d %s", again, got.status, got.text)
		}
	}
	seen := h.call("GET", ann, "")
	if seen.body["accountNonLocked"] != false || seen.body["accountLockedAt"] == nil || seen.body["accountLockedUntil"] != nil || seen.body["enabled"] != true {
		t.Errorf("locked: %s", seen.text)
	}
	_, err := h.people.Authenticate(t.Context(), h.domain, source, "ann", password)
	wantKind(t, "the right password of a locked account", err, fault.Denied)
	_, err = h.people.Authenticate(t.Context(), h.domain, source, "ann", "a wrong one")
	wantKind(t, "a wrong password of a locked account", err, fault.Unauthenticated)
	_, err = h.people.SignIn(t.Context(), h.domain, "", identity)
	wantKind(t, "an identity of a locked account", err, fault.Denied)
	if asks() {
		t.Error("gateways see a locked user who is enabled")
	}
	if got := h.call("POST", ann+"/unlock", ""); got.status != http.StatusNoContent {
		t.Errorf("unlocked: %d %s", got.status, got.text)
	}
	_, err = h.people.Authenticate(t.Context(), h.domain, source, "ann", password)
	wantKind(t, "unlocked", err, fault.Internal)
	if !asks() {
		t.Error("gateways see an unlocked user who is disabled")
	}

	// A lock that ends by itself.
	stored := h.stored(user.GetId())
	h.now = time.Now()
	until := h.stored(user.GetId())
	until.AccountLockedAt, until.AccountLockedUntil = timestamppb.New(h.now), timestamppb.New(h.now.Add(time.Minute))
	if err := h.store.Users().Replace(t.Context(), stored, until); err != nil {
		t.Fatal(err)
	}
	if asks() {
		t.Error("a lock until a time does not lock")
	}
	h.now = h.now.Add(time.Minute)
	if !asks() {
		t.Error("a lock does not end")
	}
}

func TestRolesOfUsers(t *testing.T) {
	h := newHouse(t)
	h.rest()
	domain := "/domains/" + h.domain
	user := h.newUser("ann")
	ann := domain + "/users/" + user.GetId()
	editor := h.newNamed(domain+"/roles", `{"name":"Editor","oauthScopes":["email"]}`)
	author := h.newNamed(domain+"/roles", `{"name":"Author","oauthScopes":["openid"]}`)
	names := func() string {
		t.Helper()
		got := h.call("GET", ann+"/roles", "")
		var names []string
		for _, r := range got.list {
			names = append(names, r["name"].(string))
		}
		return strings.Join(names, " ")
	}
	if got := h.call("GET", ann+"/roles", ""); got.text != "[]" {
		t.Errorf("no roles: %s", got.text)
	}
	given := h.call("POST", ann+"/roles", `["`+editor+`"]`)
	if given.status != http.StatusOK || fmt.Sprint(given.body["roles"]) != "["+editor+"]" {
		t.Fatalf("given: %d %s", given.status, given.text)
	}
	h.call("POST", ann+"/roles", `["`+author+`","`+editor+`","`+author+`"]`)
	if got := names(); got != "Author Editor" {
		t.Errorf("roles %q", got)
	}
	if got := h.call("DELETE", ann+"/roles/"+editor, ""); got.status != http.StatusNoContent {
		t.Errorf("taken: %d %s", got.status, got.text)
	}
	if got := names(); got != "Author" {
		t.Errorf("roles %q after one was taken", got)
	}

	// A group inside of another brings the roles of both; gateways are told.
	inner := h.newNamed(domain+"/groups", `{"name":"Inner","members":["`+user.GetId()+`"]}`)
	h.newNamed(domain+"/groups", `{"name":"Outer","roles":["`+editor+`"],"groups":["`+inner+`"]}`)
	h.newNamed(domain+"/groups", `{"name":"Elsewhere","roles":["`+editor+`"]}`)
	gateway := h.client()
	found, err := gateway.GetUser(t.Context(), &directoryv1.GetUserRequest{Domain: h.domain, Subject: user.GetSubject()})
	if err != nil {
		t.Fatal(err)
	}
	signedIn, err := gateway.SignIn(t.Context(), &directoryv1.SignInRequest{
		Domain: h.domain, Identity: &directoryv1.Identity{Source: user.GetSource(), ExternalId: user.GetExternalId()},
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]*directoryv1.Standing{"GetUser": found.GetUser().GetStanding(), "SignIn": signedIn.GetUser().GetStanding()} {
		var got []string
		for _, g := range s.GetGroups() {
			got = append(got, g.GetName())
		}
		for _, r := range s.GetRoles() {
			got = append(got, r.GetName())
		}
		if diff := cmp.Diff([]string{"Inner", "Outer", "Author", "Editor", "email", "openid"}, append(got, s.GetScopes()...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if stored := h.stored(user.GetId()); stored.GetStanding() != nil {
		t.Errorf("what groups come to is stored: %v", stored)
	}
	h.call("DELETE", domain+"/roles/"+author, "")
	if got := h.call("GET", ann, ""); got.body["roles"] != nil {
		t.Errorf("a role that is gone is left: %s", got.text)
	}
}

func TestConsentsOverREST(t *testing.T) {
	h := newHouse(t)
	h.rest()
	user := h.newUser("ann")
	ann := "/domains/" + h.domain + "/users/" + user.GetId()
	for _, client := range []string{"c1", "c2"} {
		h.newApplication(h.domain, client)
		if err := h.people.SaveConsents(t.Context(), h.domain, user.GetId(), client, []*directoryv1.Consent{
			{Scope: "email", Approved: true}, {Scope: "phone"},
			{Scope: "openid", Approved: true, ExpiresAt: timestamppb.New(time.Now().Add(-time.Hour))},
		}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(query string) (said []string, ids []string) {
		t.Helper()
		for _, c := range h.call("GET", ann+"/consents"+query, "").list {
			said = append(said, fmt.Sprintf("%s %s %s", c["clientId"], c["scope"], c["status"]))
			ids = append(ids, c["id"].(string))
		}
		return said, ids
	}
	all, ids := read("")
	want(t, "decisions", all, "c1 email approved", "c1 phone denied", "c2 email approved", "c2 phone denied")
	of, _ := read("?clientId=c2")
	want(t, "decisions about one client", of, "c2 email approved", "c2 phone denied")
	if got := h.call("GET", ann+"/consents/"+ids[1], ""); got.body["scope"] != "phone" || got.body["userId"] != user.GetId() {
		t.Errorf("one decision: %s", got.text)
	}
	if got := h.call("DELETE", ann+"/consents/"+ids[1], ""); got.status != http.StatusNoContent {
		t.Errorf("forgotten: %d %s", got.status, got.text)
	}
	h.refused("a forgotten one", h.call("DELETE", ann+"/consents/"+ids[1], ""), 404, "Consent ["+ids[1]+"] can not be found.", "")
	left, _ := read("")
	want(t, "decisions left", left, "c1 email approved", "c2 email approved", "c2 phone denied")
	h.call("DELETE", ann+"/consents?clientId=c2", "")
	left, _ = read("")
	want(t, "decisions left", left, "c1 email approved")
	h.call("DELETE", ann+"/consents", "")
	if left, _ = read(""); left != nil {
		t.Errorf("decisions left: %v", left)
	}
}

func TestPeopleWhoAreToChooseAPassword(t *testing.T) {
	h := newHouse(t)
	h.rest()
	users := "/domains/" + h.domain + "/users"
	source := catalog.DefaultProviderID(h.domain)
	made := h.call("POST", users, `{"username":"ann","email":"ann@example.com","preRegistration":true,"password":"not kept at all"}`)
	if made.status != http.StatusCreated || made.body["preRegistration"] != true || made.body["registrationCompleted"] != false {
		t.Fatalf("made: %d %s", made.status, made.text)
	}
	if notices := fmt.Sprint(made.body["notices"]); !strings.Contains(notices, "preRegistration") || !strings.Contains(notices, "no mail server is configured") {
		t.Errorf("notices %s", notices)
	}
	for _, tried := range []string{"", "not kept at all"} {
		_, err := h.people.Authenticate(t.Context(), h.domain, source, "ann", tried)
		wantKind(t, "without a password", err, fault.Unauthenticated)
	}
	if got := h.call("POST", users+"/"+made.body["id"].(string)+"/resetPassword", `{"password":"now chosen"}`); got.status != http.StatusNoContent {
		t.Fatalf("chosen: %d %s", got.status, got.text)
	}
	_, err := h.people.Authenticate(t.Context(), h.domain, source, "ann", "now chosen")
	wantKind(t, "with a password", err, fault.Internal)
	if got := h.call("GET", users+"/"+made.body["id"].(string), ""); got.body["registrationCompleted"] != true || got.body["notices"] != nil || got.body["lastPasswordReset"] == nil {
		t.Errorf("registered: %s", got.text)
	}
}

func TestPasswordSettings(t *testing.T) {
	h := newHouse(t)
	h.rest()
	domain := "/domains/" + h.domain
	app := h.newApplication(h.domain, "c1")
	set := func(path, settings string) {
		t.Helper()
		if got := h.call("PATCH", path, settings); got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", settings, got.status, got.text)
		}
	}
	set(domain, `{"passwordSettings":{"minLength":6,"includeNumbers":true,"passwordHistoryEnabled":true,"oldPasswords":2}}`)
	h.refused("a password that breaks two rules", h.call("POST", domain+"/users", `{"username":"ann","password":"short"}`), 400,
		"[password: must have at least 6 characters, password: must contain a number]", "password")
	ann := domain + "/users/" + h.newNamed(domain+"/users", `{"username":"ann","password":"number 1"}`)
	reset := func(password string) answer {
		t.Helper()
		return h.call("POST", ann+"/resetPassword", `{"password":"`+password+`"}`)
	}
	h.refused("a reset that breaks a rule", reset("no number"), 400, "[password: must contain a number]", "password")
	h.refused("the present password", reset("number 1"), 400, "[password: must not be one of the last 2 passwords]", "password")
	for _, next := range []string{"number 2", "number 3"} {
		if got := reset(next); got.status != http.StatusNoContent {
			t.Fatalf("%s: %d %s", next, got.status, got.text)
		}
	}
	h.refused("the one before", reset("number 2"), 400, "[password: must not be one of the last 2 passwords]", "password")
	if got := reset("number 1"); got.status != http.StatusNoContent {
		t.Errorf("one of long ago: %d %s", got.status, got.text)
	}

	// An application's own settings count for those who were made for it, unless they are inherited.
	set(domain+"/applications/"+app.GetId(), `{"settings":{"passwordSettings":{"minLength":12}}}`)
	h.newNamed(domain+"/users", `{"username":"bob","password":"number 1","client":"c1"}`)
	set(domain+"/applications/"+app.GetId(), `{"settings":{"passwordSettings":{"inherited":false}}}`)
	h.refused("an application's own rule", h.call("POST", domain+"/users", `{"username":"eve","password":"number 1","client":"c1"}`), 400,
		"[password: must have at least 12 characters]", "password")
	h.newNamed(domain+"/users", `{"username":"eve","password":"twelve letters","client":"c1"}`)
}

func TestFiltersOfUsers(t *testing.T) {
	h := newHouse(t)
	h.rest()
	users := "/domains/" + h.domain + "/users"
	for _, u := range []string{
		`{"username":"Ann","firstName":"Ann","lastName":"Lee","email":"ann@example.com","password":"p"}`,
		`{"username":"bob","firstName":"Bob","lastName":"O'Neil","email":"Bob@Other.example","password":"p","enabled":false}`,
		`{"username":"c.*","firstName":"Ann","displayName":"Miss Marple","password":"p"}`,
	} {
		h.newNamed(users, u)
	}
	tests := []struct{ filter, want string }{
		{`userName eq "ANN"`, "Ann"},
		{`userName ne "ann"`, "bob c.*"},
		{`userName sw "c."`, "c.*"},
		{`userName sw ".*"`, ""},
		{`userName co ".*"`, "c.*"},
		{`userName ew "n"`, "Ann"},
		{`userName gt "ann"`, "bob c.*"},
		{`userName ge "ann" and userName lt "c"`, "Ann bob"},
		{`email pr`, "Ann bob"},
		{`not (email pr)`, "c.*"},
		{`email eq null`, "c.*"},
		{`emails.value ew "@other.example"`, "bob"},
		{`firstName eq "ann" and email pr`, "Ann"},
		{`name.familyName co "'n"`, "bob"},
		{`enabled eq false`, "bob"},
		{`active ne false`, "Ann c.*"},
		{`source eq "default-idp-` + h.domain + `"`, "Ann bob c.*"},
		{`source eq "DEFAULT-idp-` + h.domain + `"`, ""},
		{`createdAt gt "2001-01-01T00:00:00Z"`, "Ann bob c.*"},
		{`createdAt lt "2001-01-01T00:00:00Z"`, ""},
		{`userName eq "ann" or userName eq "bob"`, "Ann bob"},
		{`not (userName eq "ann" or enabled eq false)`, "c.*"},
	}
	names := func(query string) string {
		t.Helper()
		got := h.call("GET", users+"?"+query, "")
		if got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, got.status, got.text)
		}
		var found []string
		for _, u := range got.body["data"].([]any) {
			found = append(found, u.(map[string]any)["username"].(string))
		}
		if int(got.body["totalCount"].(float64)) != len(found) {
			t.Errorf("%s: %s", query, got.text)
		}
		return strings.Join(found, " ")
	}
	for _, tt := range tests {
		if got := names("filter=" + url.QueryEscape(tt.filter)); got != tt.want {
			t.Errorf("%s finds %q, want %q", tt.filter, got, tt.want)
		}
	}
	for _, tt := range []struct{ q, want string }{
		{"ann", "Ann c.*"}, {"AN*", "Ann c.*"}, {"*arpl*", "c.*"}, {"miss*", "c.*"}, {"c.*", "c.*"}, {".*", ""}, {"*", "Ann bob c.*"}, {"bob@other.example", "bob"}, {"ann*com", "Ann"},
	} {
		if got := names("q=" + url.QueryEscape(tt.q)); got != tt.want {
			t.Errorf("q=%s finds %q, want %q", tt.q, got, tt.want)
		}
	}
	if got := names("q=ann&filter=" + url.QueryEscape(`email pr`)); got != "Ann" {
		t.Errorf("search and filter together find %q", got)
	}
}
