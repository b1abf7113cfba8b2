package directory_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// stream sends a body of lines and returns the lines of the answer.
func (h *house) stream(method, path string, body io.Reader) (int, []prototree.Object) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.server.URL+"/management"+path, body)
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Content-Type", "application/x-ndjson")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer got.Body.Close()
	var lines []prototree.Object
	decoder := json.NewDecoder(got.Body)
	for {
		var line prototree.Object
		if err := decoder.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			h.Fatal(err)
		}
		lines = append(lines, line)
	}
	return got.StatusCode, lines
}

func TestImport(t *testing.T) {
	h := newHouse(t)
	h.rest()
	users := "/domains/" + h.domain + "/users"
	old, err := bcrypt.GenerateFromPassword([]byte("from elsewhere"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Join([]string{
		`{"username":"ann","password":"` + password + `","firstName":"Ann"}`,
		``,
		`{"username":"bob","passwordHash":"` + string(old) + `","email":"bob@example.com"}`,
		`{"username":"ANN","password":"p"}`,
		`{"username":"eve","passwordHash":"plain"}`,
		`{"username":"eve","rank":1}`,
		`{"username":`,
		`{"username":"` + strings.Repeat("x", 300<<10) + `"}`,
		`{"username":"last","preRegistration":true}`,
	}, "\n")
	status, said := h.stream("POST", users+"/_import", strings.NewReader(lines))
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	var got []string
	for _, one := range said {
		place := ""
		if errors, _ := one["errors"].([]any); len(errors) > 0 {
			place = " at " + errors[0].(map[string]any)["path"].(string)
		}
		message, _ := one["message"].(string)
		got = append(got, strings.TrimSpace(fmt.Sprintf("%v %v %s%s", one["line"], one["status"], message, place)))
	}
	want(t, "answers", got,
		"1 created",
		"3 created",
		"4 failed A user [ANN] already exists. at username",
		"5 failed [passwordHash: must be an argon2id hash as a PHC string, or a bcrypt hash] at passwordHash",
		"6 failed Property [rank] is not recognized as a valid property at rank",
		"7 failed Malformed json",
		"8 failed The line is longer than 262144 bytes",
		"9 created",
	)
	source := catalog.DefaultProviderID(h.domain)
	_, err = h.people.Authenticate(t.Context(), h.domain, source, "bob", "from elsewhere")
	wantKind(t, "a hash from elsewhere", err, fault.Internal)
	if id := said[0]["id"].(string); h.stored(id).GetFirstName() != "Ann" {
		t.Errorf("stored %v", h.stored(id))
	}

	// Names that are there are merged into, and lines of one name follow each other.
	_, said = h.stream("POST", users+"/_import?mode=upsert", strings.NewReader(`{"username":"Ann","lastName":"Lee"}
		{"username":"ann","password":"another one","lastName":"Lea"}
		{"username":"carl","password":"p"}
		{"username":"carl","firstName":"Carl"}`))
	got = nil
	for _, one := range said {
		got = append(got, fmt.Sprintf("%v %v", one["line"], one["status"]))
	}
	want(t, "answers", got, "1 updated", "2 updated", "3 created", "4 updated")
	ann := h.stored(said[0]["id"].(string))
	if ann.GetFirstName() != "Ann" || ann.GetLastName() != "Lea" || h.stored(said[3]["id"].(string)).GetFirstName() != "Carl" {
		t.Errorf("merged into %v", ann)
	}
	_, err = h.people.Authenticate(t.Context(), h.domain, source, "ann", "another one")
	wantKind(t, "a new password", err, fault.Internal)

	// An export has everybody, in order, and no hash.
	status, everybody := h.stream("GET", users+"/_export", nil)
	var names []string
	for _, u := range everybody {
		names = append(names, u["username"].(string))
		if text := fmt.Sprint(u); strings.Contains(text, "assword:") || strings.Contains(text, "$2") || strings.Contains(text, "argon") {
			t.Errorf("exported with a password: %s", text)
		}
	}
	if status != http.StatusOK || strings.Join(names, " ") != "ann bob carl last" {
		t.Errorf("exported %d: %v", status, names)
	}

	h.refused("an unknown mode", h.call("POST", users+"/_import?mode=replace", "{}"), 400, "[mode: must be one of create, upsert]", "mode")
	if got := h.call("POST", users+"/_import", "{}"); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("JSON for lines: %d %s", got.status, got.text)
	}
}

// TestImportAnswersWhileItReads sends more than any request may have, and only so far ahead as it is answered.
func TestImportAnswersWhileItReads(t *testing.T) {
	h := newHouse(t)
	h.rest()
	read, write := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.server.URL+"/management/domains/"+h.domain+"/users/_import", read)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Content-Type", "application/x-ndjson")
	answered := make(chan *http.Response, 1)
	go func() {
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
		}
		answered <- got
	}()
	line := func(i int) string {
		return fmt.Sprintf(`{"username":"u%d","preRegistration":true,"additionalInformation":{"x":"%s"}}`+"\n", i, strings.Repeat("x", 60_000))
	}
	if _, err := io.WriteString(write, line(0)); err != nil {
		t.Fatal(err)
	}
	got := <-answered
	defer got.Body.Close()
	lines := bufio.NewScanner(got.Body)
	const many = 30 // 1.8 MB
	for i := range many {
		if !lines.Scan() || !strings.Contains(lines.Text(), `"created"`) {
			t.Fatalf("line %d: %q, %v", i, lines.Text(), lines.Err())
		}
		if _, err := io.WriteString(write, line(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	write.Close()
	for lines.Scan() {
	}
	if n := h.count(h.domain); n != many+1 {
		t.Errorf("%d users", n)
	}
}

// TestAbandonedImport hangs up in the middle.
func TestAbandonedImport(t *testing.T) {
	h := newHouse(t)
	h.rest()
	read, write := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.server.URL+"/management/domains/"+h.domain+"/users/_import", read)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Content-Type", "application/x-ndjson")
	go func() { _, _ = io.WriteString(write, `{"username":"u1","preRegistration":true}`+"\n") }()
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(got.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	write.CloseWithError(io.ErrUnexpectedEOF)
	if _, err := io.ReadAll(got.Body); err == nil {
		t.Error("an import that broke off looks whole")
	}
	got.Body.Close()
	h.server.Close() // returns when the request has ended
	if n := h.count(h.domain); n != 1 {
		t.Errorf("%d users", n)
	}
}

func TestBulk(t *testing.T) {
	h := newHouse(t)
	h.rest()
	bulk := "/domains/" + h.domain + "/users/bulk"
	results := func(a answer) (all []string) {
		list, _ := a.body["results"].([]any)
		for _, entry := range list {
			one := entry.(map[string]any)
			text := fmt.Sprintf("%v %v %v", one["index"], one["httpStatus"], one["success"])
			if details, ok := one["errorDetails"].(map[string]any); ok {
				text += " " + details["message"].(string)
			}
			all = append(all, text)
		}
		return all
	}
	made := h.call("POST", bulk, `{"action":"CREATE","items":[{"username":"ann","password":"p"},{"username":"bob"},7,{"username":"ANN","password":"p"},{"username":"eve","password":"p","level":1}]}`)
	if made.status != http.StatusOK || made.body["allSucceeded"] != false {
		t.Errorf("created: %d %s", made.status, made.text)
	}
	want(t, "results", results(made), "0 201 true", "1 400 false [password: must not be blank]", "2 400 false An entry must be an object",
		"3 400 false A user [ANN] already exists.", "4 400 false Property [level] is not recognized as a valid property")
	ann := made.body["results"].([]any)[0].(map[string]any)["body"].(map[string]any)["id"].(string)
	few := h.call("POST", bulk, `{"action":"create","failOnErrors":2,"items":[{"username":"bob"},{"username":"bob"},{"username":"bob","password":"p"}]}`)
	want(t, "results until the second failure", results(few), "0 400 false [password: must not be blank]", "1 400 false [password: must not be blank]")
	changed := h.call("POST", bulk, `{"action":"update","items":[{"id":"`+ann+`","firstName":"Ann"},{"id":"none"},{"firstName":"x"}]}`)
	want(t, "results", results(changed), "0 200 true", "1 404 false User [none] can not be found.", "2 400 false [id: must not be blank]")
	if h.stored(ann).GetFirstName() != "Ann" {
		t.Error("not changed")
	}
	gone := h.call("POST", bulk, `{"action":"delete","items":["`+ann+`",{"id":"none"}]}`)
	want(t, "results", results(gone), "0 204 true", "1 404 false User [none] can not be found.")
	if n := h.count(h.domain); n != 0 {
		t.Errorf("%d users are left", n)
	}
	h.refused("no action", h.call("POST", bulk, `{"items":[{}]}`), 400, "[action: must be one of create, update, delete]", "action")
	h.refused("no items", h.call("POST", bulk, `{"action":"create"}`), 400, "[items: must not be empty]", "items")
	h.refused("a threshold below nothing", h.call("POST", bulk, `{"action":"create","failOnErrors":-1,"items":[{}]}`), 400,
		"[failOnErrors: must be greater than or equal to 0]", "failOnErrors")

	// Who may create users may not do the rest by this door.
	h.limited("user:create")
	for _, action := range []string{"update", "delete"} {
		h.refused(action, h.call("POST", bulk, `{"action":"`+action+`","items":[{"id":"x"}]}`), 403, "Permission denied", "")
	}
	h.refused("upsert", h.call("POST", "/domains/"+h.domain+"/users/_import?mode=upsert", "{}"), 403, "Permission denied", "")
}

// TestUsersPageByPage reads everybody in pages that follow each other by name.
func TestUsersPageByPage(t *testing.T) {
	h := newHouse(t)
	var last *directoryv1.User
	for _, name := range []string{"b", "A", "d", "C", "e"} {
		h.newUser(name)
	}
	var names []string
	for {
		page, err := h.store.Users().After(t.Context(), h.domain, last, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, u := range page {
			names = append(names, u.GetUsername())
		}
		last = page[len(page)-1]
	}
	want(t, "names", names, "A", "b", "C", "d", "e")
	if all, _, err := h.store.Users().List(t.Context(), store.UserQuery{Domain: h.domain}); err != nil || len(all) != 5 {
		t.Errorf("%d users, %v", len(all), err)
	}
}
