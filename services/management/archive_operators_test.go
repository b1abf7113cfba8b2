package management_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
)

const operators = "/organizations/DEFAULT"

// made creates something and returns what is answered.
func (r *running) made(path, body string) map[string]any {
	r.Helper()
	status, _, answer := r.request("POST", path, "application/json", body)
	one := map[string]any{}
	if err := json.Unmarshal(answer, &one); err != nil || status/100 != 2 {
		r.Fatalf("POST %s answers %d %s", path, status, answer)
	}
	return one
}

func idOf(one map[string]any) string {
	id, _ := one["id"].(string)
	return id
}

const passwordOfOperators = "a password of an operator"

// operator makes an operator with a role of some permissions in the organization.
func (r *running) operator(name string, permissions ...string) (operator, role string) {
	r.Helper()
	operator = idOf(r.made(operators+"/users", `{"username":"`+name+`","password":"`+passwordOfOperators+`"}`))
	role = idOf(r.made(operators+"/roles", `{"name":"Role of `+name+`","assignableType":"ORGANIZATION","permissions":["`+strings.Join(permissions, `","`)+`"]}`))
	r.made(operators+"/members", `{"memberId":"`+operator+`","memberType":"USER","role":"`+role+`"}`)
	return operator, role
}

// as runs something with the token of another operator; it reports whether they could sign in.
func (r *running) as(name, password string, do func()) bool {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), "POST", "http://"+r.Addr()+"/management/auth/token", nil)
	if err != nil {
		r.Fatal(err)
	}
	request.SetBasicAuth(name, password)
	status, body := r.send(request)
	if status != 200 {
		return false
	}
	own := r.token
	defer func() { r.token = own }()
	r.token, _ = body["access_token"].(string)
	do()
	return true
}

// sealedOfOperators are the members of what belongs to operators that are sealed, by what they are bound to.
var sealedOfOperators = map[string]string{"kept/operator/passwordHash": "passwordHash", "kept/personal_token/_id": "_id"}

// rewritten writes an archive anew under the same passphrase, with the records that change makes of each.
func rewritten(t testing.TB, text []byte, change func(kind string, data map[string]any, hash func(name string) string) []map[string]any) []byte {
	t.Helper()
	key, err := archive.Passphrase(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	in, err := archive.NewReader(bytes.NewReader(text), key)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, key, in.Header(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[string]string{}
	hash := func(name string) string { return w.Sealer().Seal("kept/operator/passwordHash", []byte(hashes[name])) }
	var records []archive.Record
	for {
		record, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for place, member := range sealedOfOperators {
			sealed, _ := record.Data[member].(string)
			if !strings.HasPrefix(place, "kept/"+record.Kind+"/") || sealed == "" {
				continue
			}
			plain, err := in.Sealer().Open(place, sealed)
			if err != nil {
				t.Fatal(err)
			}
			if name, _ := record.Data["name"].(string); record.Kind == "operator" {
				hashes[name] = string(plain)
			}
			record.Data[member] = string(plain)
		}
		records = append(records, record)
	}
	for _, record := range records {
		for place, member := range sealedOfOperators { // under the line that comes next
			if plain, _ := record.Data[member].(string); strings.HasPrefix(place, "kept/"+record.Kind+"/") && plain != "" {
				record.Data[member] = w.Sealer().Seal(place, []byte(plain))
			}
		}
		for _, data := range change(record.Kind, record.Data, hash) {
			if err := w.Write(record.Kind, data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestAnImportGivesNobodyMoreThanTheyHave: who may import brings in no operators, roles and memberships beyond what they could make
// by hand, and nobody who is here is replaced.
func TestAnImportGivesNobodyMoreThanTheyHave(t *testing.T) {
	r := newHouse(t).startReady()
	r.operator("mover", "organization:import")
	_, deputyRole := r.operator("deputy", "organization:import", "operator:create", "operator_role:create", "member:create", "operator:list")
	text := r.export(operators + "/_export")
	only := func(kinds string, edit func(kind string, d map[string]any, hash func(string) string) bool) []byte {
		return rewritten(t, text, func(kind string, d map[string]any, hash func(string) string) []map[string]any {
			if !strings.Contains(kinds, kind) || !edit(kind, d, hash) {
				return nil
			}
			return []map[string]any{d}
		})
	}
	newcomer := func(d map[string]any, name, hash, role, place string) {
		d["_id"], d["id"], d["name"], d["passwordHash"] = "admin", "0f0f0f0f-0000-4000-8000-000000000001", name, hash
		m := d["memberships"].([]any)[0].(map[string]any)
		m["operator"], m["role"], m["reference"] = d["id"], role, place
	}
	for _, tt := range []struct {
		name, who string
		text      []byte
		want      string
	}{
		{"a new owner of the organization", "mover", only("operator", func(_ string, d map[string]any, hash func(string) string) bool {
			if d["name"] != "admin" {
				return false
			}
			newcomer(d, "nobody", hash("mover"), "ORGANIZATION_OWNER", "organization/DEFAULT")
			return true
		}), "operator:create"},
		{"a new owner, brought by who may create operators", "deputy", only("operator", func(_ string, d map[string]any, hash func(string) string) bool {
			if d["name"] != "admin" {
				return false
			}
			newcomer(d, "nobody", hash("mover"), "ORGANIZATION_OWNER", "organization/DEFAULT")
			return true
		}), "permissions that you do not have"},
		{"a role of the organization given in the environment", "deputy", only("operator", func(_ string, d map[string]any, hash func(string) string) bool {
			if d["name"] != "admin" {
				return false
			}
			newcomer(d, "nobody", hash("mover"), deputyRole, "environment/DEFAULT")
			return true
		}), "must be a role for members of a place of type environment"},
		{"a wider role", "deputy", only("operator_role", func(_ string, d map[string]any, _ func(string) string) bool {
			d["_id"], d["name"], d["permissions"] = "0f0f0f0f-0000-4000-8000-000000000002", "Wide", []any{"domain:delete"}
			return true
		}), "domain:delete"},
		{"a role with the name of one that is built in", "deputy", only("operator_role", func(_ string, d map[string]any, _ func(string) string) bool {
			d["_id"], d["name"], d["permissions"] = "0f0f0f0f-0000-4000-8000-000000000002", "organization_owner", []any{}
			return true
		}), "already exists"},
		{"an operator with no identifier of ours", "admin", only("operator", func(_ string, d map[string]any, hash func(string) string) bool {
			if d["name"] != "admin" {
				return false
			}
			newcomer(d, "nobody", hash("mover"), "ORGANIZATION_OWNER", "organization/DEFAULT")
			d["id"] = "../x"
			return true
		}), "must be a UUID"},
	} {
		secret := passwordOfOperators
		if tt.who == "admin" {
			secret = password
		}
		if !r.as(tt.who, secret, func() {
			for _, query := range []string{"?dryRun=true", ""} {
				status, lines := r.imported(operators+"/_import"+query, sealedWith, tt.text)
				said, _ := json.Marshal(lines)
				if status != 200 || outcome(lines) != "refused" || !strings.Contains(string(said), tt.want) {
					t.Errorf("%s%s: %d %s", tt.name, query, status, said)
				}
			}
		}) {
			t.Fatalf("%s can not sign in", tt.who)
		}
	}
	other := newHouse(t).startReady()
	other.made("/domains", `{"name":"Shop"}`)
	_, _, all := other.request("POST", operators+"/_export", "", "")
	r.as("mover", passwordOfOperators, func() {
		status, lines := r.imported(operators+"/_import", "", append(all, '\n'))
		if said, _ := json.Marshal(lines); status != 200 || outcome(lines) != "refused" || !strings.Contains(string(said), "domain:create") {
			t.Errorf("a domain, by who may not create domains: %d %s", status, said)
		}
	})
	if !r.as("admin", password, func() {}) || r.as("nobody", passwordOfOperators, func() {}) {
		t.Error("the administrator is another one")
	}
	if _, _, all := r.request("GET", operators+"/users", "", ""); bytes.Contains(all, []byte("nobody")) {
		t.Errorf("somebody came in: %s", all)
	}

	// Who may do all of it by hand brings it in; each is noted, and told.
	text = only("operator", func(_ string, d map[string]any, hash func(string) string) bool {
		if d["name"] != "admin" {
			return false
		}
		newcomer(d, "Newcomer", hash("mover"), "ORGANIZATION_OWNER", "organization/DEFAULT")
		return true
	})
	status, lines := r.imported(operators+"/_import", sealedWith, text)
	said, _ := json.Marshal(lines)
	if status != 200 || outcome(lines) != "done" || !strings.Contains(string(said), `"status":"created"`) || !strings.Contains(string(said), `"counts":{"operator":1}`) {
		t.Fatalf("%d %s", status, said)
	}
	if !r.as("newcomer", passwordOfOperators, func() {}) {
		t.Error("the newcomer can not sign in")
	}
	_, _, audits := r.request("GET", operators+"/audits?size=200", "", "")
	if !bytes.Contains(audits, []byte(`"name":"Newcomer"`)) && !bytes.Contains(audits, []byte("Newcomer")) {
		t.Errorf("no audit record of the newcomer: %s", audits)
	}
}

// TestAnImportRevivesNothing: tokens, memberships and permissions that were taken from operators who are here do not come back.
func TestAnImportRevivesNothing(t *testing.T) {
	r := newHouse(t).startReady()
	domain := furnished(r, "Shop")
	olga, role := r.operator("olga", "operator:list", "domain:update")
	r.made("/domains/"+domain+"/members", `{"memberId":"`+olga+`","memberType":"USER","role":"DOMAIN_OWNER"}`)
	var bearer, token string
	r.as("olga", passwordOfOperators, func() {
		made := r.made(operators+"/users/"+olga+"/tokens", `{"name":"ci"}`)
		token, _ = made["tokenId"].(string)
		for _, v := range made {
			if s, ok := v.(string); ok && strings.HasPrefix(s, "gatehouse_pat_") {
				bearer = s
			}
		}
	})
	text := r.export(operators + "/_export")

	works := func() bool {
		own := r.token
		defer func() { r.token = own }()
		r.token = bearer
		status, _, _ := r.request("GET", "/user", "", "")
		return status == 200
	}
	if bearer == "" || !works() {
		t.Fatal("the token does not work")
	}
	for _, what := range [][3]string{
		{"DELETE", operators + "/users/" + olga + "/tokens/" + token, ""},
		{"DELETE", "/domains/" + domain + "/members/" + olga, ""},
		{"PATCH", operators + "/roles/" + role, `{"name":"Narrow","permissions":["operator:list"]}`},
	} {
		if status, _, answer := r.request(what[0], what[1], "application/json", what[2]); status/100 != 2 {
			t.Fatalf("%v: %d %s", what, status, answer)
		}
	}
	_, _, before := r.request("GET", operators+"/roles/"+role, "", "")
	status, lines := r.imported(operators+"/_import", sealedWith, text)
	if status != 200 || outcome(lines) != "done" {
		t.Fatalf("%d %v", status, lines)
	}
	if counts := lines[len(lines)-1]["counts"]; counts != nil && len(counts.(map[string]any)) > 0 {
		t.Errorf("something was made: %v", counts)
	}
	if works() {
		t.Error("a revoked token works again")
	}
	if _, _, after := r.request("GET", operators+"/roles/"+role, "", ""); !bytes.Equal(before, after) {
		t.Errorf("the role was %s and is %s", before, after)
	}
	if _, _, members := r.request("GET", "/domains/"+domain+"/members", "", ""); bytes.Contains(members, []byte(olga)) {
		t.Errorf("a membership is back: %s", members)
	}

	// Somebody who was deleted comes back with everything: the archive says who there was, and the answer says it.
	if status, _, answer := r.request("DELETE", operators+"/users/"+olga, "", ""); status/100 != 2 {
		t.Fatalf("%d %s", status, answer)
	}
	status, dry := r.imported(operators+"/_import?dryRun=true", sealedWith, text)
	if status != 200 || outcome(dry) != "done" || works() {
		t.Fatalf("%d %v", status, dry)
	}
	status, lines = r.imported(operators+"/_import", sealedWith, text)
	said, _ := json.Marshal(lines)
	saidDry, _ := json.Marshal(dry)
	if status != 200 || outcome(lines) != "done" || !bytes.Equal(said, saidDry) {
		t.Fatalf("%d %s\nand dry %s", status, said, saidDry)
	}
	for _, want := range []string{`"kind":"operator"`, `"kind":"operator_membership"`, `"kind":"personal_token"`} {
		if !strings.Contains(string(said), `"status":"created"`) || !strings.Contains(string(said), want) {
			t.Errorf("no line says %s: %s", want, said)
		}
	}
	if !works() {
		t.Error("the token of an operator who was made does not work")
	}
	if _, _, members := r.request("GET", "/domains/"+domain+"/members", "", ""); !bytes.Contains(members, []byte(olga)) {
		t.Errorf("the membership is not back: %s", members)
	}
}

// TestATokenBringsNoTokens: whoever imports with a personal token makes operators, and nothing in which the token could live on. Tokens
// come with an import by somebody who has signed in, for as long as they could be made by hand.
func TestATokenBringsNoTokens(t *testing.T) {
	r := newHouse(t).startReady()
	olga, _ := r.operator("olga", "operator:list")
	robot := idOf(r.made(operators+"/users", `{"username":"robot","serviceAccount":true}`))
	bearers := map[string]string{}
	r.as("olga", passwordOfOperators, func() {
		bearers["olga"], _ = r.made(operators+"/users/"+olga+"/tokens", `{"name":"ci"}`)["token"].(string)
	})
	bearers["robot"], _ = r.made(operators+"/users/"+robot+"/tokens", `{"name":"nightly"}`)["token"].(string)
	admin := idOf(r.made(operators+"/users", `{"username":"second","password":"`+passwordOfOperators+`"}`))
	r.made(operators+"/members", `{"memberId":"`+admin+`","memberType":"USER","role":"ORGANIZATION_OWNER"}`)
	var own string
	r.as("second", passwordOfOperators, func() { own, _ = r.made(operators+"/users/"+admin+"/tokens", `{"name":"own"}`)["token"].(string) })
	text := r.export(operators + "/_export")
	with := func(token string, do func()) {
		before := r.token
		defer func() { r.token = before }()
		r.token = token
		do()
	}
	works := func(name string) (yes bool) {
		with(bearers[name], func() {
			status, _, _ := r.request("GET", "/user", "", "")
			yes = status == 200
		})
		return yes
	}
	gone := func() {
		t.Helper()
		for _, id := range []string{olga, robot} {
			if status, _, answer := r.request("DELETE", operators+"/users/"+id, "", ""); status/100 != 2 {
				t.Fatalf("%d %s", status, answer)
			}
		}
	}
	if own == "" || !works("olga") || !works("robot") {
		t.Fatal("a token does not work")
	}
	gone()
	with(own, func() {
		for _, query := range []string{"?dryRun=true", ""} {
			status, lines := r.imported(operators+"/_import"+query, sealedWith, text)
			said, _ := json.Marshal(lines)
			if status != 200 || outcome(lines) != "done" || !strings.Contains(string(said), `"counts":{"operator":2}`) ||
				strings.Count(string(said), "a personal token can not make tokens") != 2 {
				t.Fatalf("%s: %d %s", query, status, said)
			}
		}
	})
	if works("olga") || works("robot") {
		t.Error("a token has brought another one back")
	}
	if !r.as("olga", passwordOfOperators, func() {}) {
		t.Error("who was brought back can not sign in")
	}
	gone()

	// A token that lives for longer than one that is made by hand.
	endless := rewritten(t, text, func(kind string, d map[string]any, _ func(string) string) []map[string]any {
		if kind == "personal_token" && d["name"] == "nightly" {
			d["expiresAt"] = map[string]any{"$date": time.Now().AddDate(101, 0, 0).UTC().Format(time.RFC3339)}
		}
		return []map[string]any{d}
	})
	status, lines := r.imported(operators+"/_import", sealedWith, endless)
	if said, _ := json.Marshal(lines); status != 200 || outcome(lines) != "refused" || !strings.Contains(string(said), "at most 100 years") {
		t.Errorf("%d %s", status, said)
	}
	status, lines = r.imported(operators+"/_import", sealedWith, text)
	if said, _ := json.Marshal(lines); status != 200 || outcome(lines) != "done" || !strings.Contains(string(said), `"personal_token":2`) {
		t.Fatalf("signed in: %d %s", status, said)
	}
	if !works("olga") || !works("robot") {
		t.Error("tokens do not come with an import by who has signed in")
	}
}

// TestDomainImportsNeedTheRightToCreateDomains: domain:import alone makes nothing.
func TestDomainImportsNeedTheRightToCreateDomains(t *testing.T) {
	r := newHouse(t).startReady()
	domain := furnished(r, "Shop")
	text := r.export("/domains/" + domain + "/_export")
	r.operator("mover", "domain:import", "domain:read")
	r.operator("founder", "domain:import", "domain:create")
	for who, want := range map[string]string{"mover": "refused", "founder": "done"} {
		if !r.as(who, passwordOfOperators, func() {
			status, lines := r.imported("/domains/_import?as=Copy+of+"+who, sealedWith, text)
			if status != 200 || outcome(lines) != want {
				t.Errorf("%s: %d %v", who, status, lines)
			}
		}) {
			t.Errorf("%s can not sign in", who)
		}
	}
}
