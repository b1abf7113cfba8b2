package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const organizations = short + "/organizations/DEFAULT"

func bearing(token string) option { return header("Authorization", "Bearer "+token) }

// newUser creates an operator through the API and returns the identifier.
func (h *house) newUser(name string) string {
	h.t.Helper()
	return h.send("POST", organizations+"/users", `{"username":`+quote(name)+`,"password":"a long password"}`).
		status(http.StatusCreated).tree()["id"].(string)
}

// join gives an operator a role at a place.
func (h *house) join(place, member, role string) {
	h.t.Helper()
	h.send("POST", place+"/members", `{"memberId":`+quote(member)+`,"memberType":"USER","role":`+quote(role)+`}`).status(http.StatusCreated)
}

func TestOperatorsAreMadeReadChangedAndDeleted(t *testing.T) {
	h := newHouse(t)
	a := h.send("POST", organizations+"/users",
		`{"username":"Ann","password":"a long password","email":"ann@example.com","firstName":"Ann","lastName":"Other"}`).status(http.StatusCreated)
	ann := a.tree()
	id := ann["id"].(string)
	if got := a.header.Get("Location"); got != organizations+"/users/"+id {
		t.Errorf("Location %q", got)
	}
	if strings.Contains(string(a.body), "assword") || ann["enabled"] != true || ann["serviceAccount"] != false ||
		ann["locked"] != false || ann["displayName"] != "Ann Other" {
		t.Errorf("made %s", a.body)
	}
	user := organizations + "/users/" + id
	read := h.send("GET", user, "").status(http.StatusOK)
	if read.header.Get("ETag") != `"1"` || string(read.body) != string(a.body) {
		t.Errorf("read %s with %s", read.body, read.header.Get("ETag"))
	}

	// What was read can be sent back; a patch keeps what it does not name, null takes away.
	h.send("PUT", user, string(read.body), header("If-Match", `"1"`)).status(http.StatusOK)
	patched := h.send("PATCH", user, `{"lastName":"New","email":null}`).status(http.StatusOK).tree()
	if patched["firstName"] != "Ann" || patched["lastName"] != "New" || patched["email"] != nil {
		t.Errorf("patched %v", patched)
	}
	h.send("PATCH", user, `{"lastName":"x"}`, header("If-Match", `"1"`)).status(http.StatusPreconditionFailed)
	h.send("PUT", user, `{"username":"Ann","firstName":"Anna"}`).status(http.StatusOK)
	if got := h.send("GET", user, "").tree(); got["lastName"] != nil || got["firstName"] != "Anna" || got["enabled"] != true {
		t.Errorf("replaced %v", got)
	}

	list := h.send("GET", organizations+"/users?q=an*&size=1", "").status(http.StatusOK)
	if data := list.data(); len(data) != 1 || data[0]["id"] != id || list.tree()["totalCount"] == nil {
		t.Errorf("list %s", list.body)
	}
	if data := h.send("GET", organizations+"/users?page=1&size=1", "").data(); len(data) != 1 || data[0]["username"] != "Ann" {
		t.Errorf("second page %v", data)
	}

	token := h.signIn("ann", "a long password")
	if got := h.send("GET", user, "").tree(); at(got, "loginsCount") == nil || at(got, "loggedAt") == nil {
		t.Errorf("after signing in %v", got)
	}
	h.send("DELETE", user, "").status(http.StatusNoContent)
	h.send("GET", user, "").refused(http.StatusNotFound, "User ["+id+"] can not be found.")
	h.send("GET", short+"/user", "", bearing(token)).refused(http.StatusUnauthorized, "The access token is invalid")
}

func TestWhatAnOperatorCanNotBe(t *testing.T) {
	h := newHouse(t)
	h.newUser("taken")
	for _, tt := range []struct{ name, body, message, path string }{
		{"without a name", `{"password":"a long password"}`, "[username: must not be blank]", "username"},
		{"with a colon in the name", `{"username":"a:b","password":"a long password"}`, "[username: must not contain a colon]", "username"},
		{"with a name that is taken in another case", `{"username":"TAKEN","password":"a long password"}`, "A user [TAKEN] already exists.", "username"},
		{"without a password", `{"username":"x"}`, "[password: must not be blank]", "password"},
		{"with a short password", `{"username":"x","password":"seven77"}`, "[password: size must be at least 8]", "password"},
		{"with a malformed address", `{"username":"x","password":"a long password","email":"nobody"}`, "[email: must be an e-mail address]", "email"},
		{"a service account with a password", `{"username":"x","password":"a long password","serviceAccount":true}`,
			"[password: a service account has none: make a token for it]", "password"},
		{"with a member that there is not", `{"username":"x","admin":true}`, "Property [admin] is not recognized as a valid property", "admin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.send("POST", organizations+"/users", tt.body).refused(http.StatusBadRequest, tt.message, tt.path)
		})
	}
	id := h.newUser("fixed")
	h.send("PATCH", organizations+"/users/"+id, `{"username":"other"}`).status(http.StatusBadRequest)
	h.send("PUT", organizations+"/users/"+id+"/status", `{}`).refused(http.StatusBadRequest, "[enabled: must not be null]", "enabled")
}

func TestWhoIsDisabledOrLockedLosesAccessWithTheNextRequest(t *testing.T) {
	h := newHouse(t)
	id := h.newUser("second")
	user := organizations + "/users/" + id
	use := func(token string) *reply { return h.send("GET", short+"/user", "", bearing(token)) }
	makeToken := func(password string) string {
		return h.send("POST", user+"/tokens", `{"name":"mine"}`, bearing(h.signIn("second", password))).status(http.StatusCreated).tree()["token"].(string)
	}
	personal := makeToken("a long password")
	use(personal).status(http.StatusOK)
	for _, tt := range []struct{ method, path, body, undo, undoBody string }{
		{"PUT", "/status", `{"enabled":false}`, "/status", `{"enabled":true}`},
		{"POST", "/lock", "", "/unlock", ""},
	} {
		token := h.signIn("second", "a long password")
		use(token).status(http.StatusOK)
		h.send(tt.method, user+tt.path, tt.body)
		use(token).refused(http.StatusUnauthorized, "The access token is invalid")
		use(personal).refused(http.StatusUnauthorized, "The access token is invalid")
		h.send("POST", short+"/auth/token", "", basic("second", "a long password")).refused(http.StatusUnauthorized, "Bad credentials")
		h.send(tt.method, user+tt.undo, tt.undoBody)
		use(token).refused(http.StatusUnauthorized, "The access token is invalid") // it does not come back to life
		use(personal).status(http.StatusOK)
	}

	token := h.signIn("second", "a long password")
	h.send("POST", user+"/resetPassword", `{"password":"another long one"}`).status(http.StatusNoContent)
	use(token).status(http.StatusUnauthorized)
	use(personal).refused(http.StatusUnauthorized, "The access token is invalid")
	if list := h.send("GET", user+"/tokens", "").array(); len(list) != 0 {
		t.Errorf("tokens after somebody else set the password: %v", list)
	}
	personal = makeToken("another long one")
	token = h.signIn("second", "another long one")
	own := bearing(token)
	h.send("POST", user+"/resetPassword", `{"password":"my own choice"}`, own).refused(http.StatusBadRequest, "[oldPassword: must not be blank]", "oldPassword")
	h.send("POST", user+"/resetPassword", `{"password":"my own choice","oldPassword":"x"}`, own).refused(http.StatusBadRequest, "[oldPassword: is wrong]", "oldPassword")
	h.send("POST", user+"/resetPassword", `{"password":"my own choice","oldPassword":"another long one"}`, own).status(http.StatusNoContent)
	h.signIn("second", "my own choice")
	use(personal).status(http.StatusOK)
}

func TestPersonalTokens(t *testing.T) {
	h := newHouse(t)
	id := h.send("POST", organizations+"/users", `{"username":"robot","serviceAccount":true}`).status(http.StatusCreated).tree()["id"].(string)
	tokens := organizations + "/users/" + id + "/tokens"
	h.send("POST", short+"/auth/token", "", basic("robot", "")).refused(http.StatusUnauthorized, "Bad credentials")
	h.send("POST", organizations+"/users/"+id+"/resetPassword", `{"password":"a long password"}`).
		refused(http.StatusBadRequest, "User [robot] is a service account and has no password.")

	made := h.send("POST", tokens, `{"name":"deployment","expiresIn":3600}`).status(http.StatusCreated)
	tree := made.tree()
	plain := tree["token"].(string)
	if !strings.HasPrefix(plain, "gatehouse_pat_") || len(plain) < 50 || tree["tokenId"] == nil || tree["userId"] != id {
		t.Errorf("made %s", made.body)
	}
	if strings.Contains(string(h.dump()), plain) {
		t.Error("the token is in the database")
	}
	who := h.send("GET", short+"/user", "", bearing(plain)).status(http.StatusOK).tree()
	if who["preferred_username"] != "robot" || who["sub"] != id || who["serviceAccount"] != true {
		t.Errorf("it is %v", who)
	}
	list := h.send("GET", tokens, "").status(http.StatusOK).array()
	if len(list) != 1 || list[0]["token"] != nil || list[0]["lastUsedAt"] == nil || list[0]["name"] != "deployment" || list[0]["expiresAt"] == nil {
		t.Errorf("list %v", list)
	}
	// No token makes others that would outlive it, neither for its operator nor for somebody else; it does end them.
	second := h.send("POST", tokens, `{"name":"second"}`).status(http.StatusCreated).tree()
	admin := organizations + "/users/" + h.send("GET", short+"/user", "").tree()["sub"].(string) + "/tokens"
	own := h.send("POST", admin, `{"name":"mine"}`).status(http.StatusCreated).tree()["token"].(string)
	for path, token := range map[string]string{tokens: plain, admin: own} {
		h.send("POST", path, `{"name":"more"}`, bearing(token)).refused(http.StatusForbidden, "A personal token can not make tokens. Sign in to make one")
	}
	h.send("POST", tokens, `{"name":"more"}`, bearing(own)).refused(http.StatusForbidden, "A personal token can not make tokens. Sign in to make one")
	// Nor does anybody act in the name of another person.
	h.send("POST", organizations+"/users/"+h.newUser("ann")+"/tokens", `{"name":"hers"}`).
		refused(http.StatusForbidden, "User [ann] is no service account: only they can make tokens for themselves")
	h.send("DELETE", tokens+"/"+second["tokenId"].(string), "", bearing(plain)).status(http.StatusNoContent)
	h.send("GET", short+"/user", "", bearing(second["token"].(string))).refused(http.StatusUnauthorized, "The access token is invalid")
	h.send("DELETE", tokens+"/nothing", "").refused(http.StatusNotFound, "Token [nothing] can not be found.")
	// Signing out ends it too.
	h.send("DELETE", short+"/auth/token", "", bearing(plain)).status(http.StatusNoContent)
	h.send("GET", short+"/user", "", bearing(plain)).status(http.StatusUnauthorized)

	for _, tt := range []struct{ body, message, path string }{
		{`{}`, "[name: must not be blank]", "name"},
		{`{"name":"x","expiresIn":0}`, "[expiresIn: must be from 1 to 3153600000]", "expiresIn"},
		{`{"name":"x","expiresAt":1000}`, "[expiresAt: must be in the future, at most 100 years]", "expiresAt"},
		{`{"name":"x","expiresAt":4102444800000,"expiresIn":5}`, "[expiresIn: can not be given together with expiresAt]", "expiresIn"},
	} {
		h.send("POST", tokens, tt.body).refused(http.StatusBadRequest, tt.message, tt.path)
	}
	if err := h.store.PersonalTokens().Insert(t.Context(), &store.PersonalToken{
		Hash: "x", ID: "x", Operator: id, OperatorName: "robot", ExpiresAt: time.Now().Add(-time.Second),
	}); err != nil {
		t.Fatal(err)
	}
	h.send("GET", short+"/user", "", bearing("gatehouse_pat_x")).status(http.StatusUnauthorized)
}

func TestTheLastOwnerStays(t *testing.T) {
	h := newHouse(t)
	admin := h.send("GET", short+"/user", "").tree()["sub"].(string)
	user := organizations + "/users/" + admin
	// Neither a disabled owner nor a service account is somebody who could go on.
	robot := h.send("POST", organizations+"/users", `{"username":"robot","serviceAccount":true}`).tree()["id"].(string)
	h.join(organizations, robot, operator.RoleOrganizationOwner)
	away := h.newUser("away")
	h.join(organizations, away, operator.RoleOrganizationOwner)
	h.send("PUT", organizations+"/users/"+away+"/status", `{"enabled":false}`).status(http.StatusOK)
	const last = "User [admin] is the last owner of the organization and can not be "
	for _, tt := range []struct{ method, path, body, message string }{
		{"DELETE", user, "", "deleted."},
		{"PUT", user + "/status", `{"enabled":false}`, "disabled or locked."},
		{"PATCH", user, `{"enabled":false}`, "disabled or locked."},
		{"POST", user + "/lock", "", "disabled or locked."},
		{"POST", organizations + "/members", `{"memberId":"admin","role":"AUDITOR"}`, "given another role."},
		{"DELETE", organizations + "/members/" + admin, "", "taken out of the owners."},
	} {
		h.send(tt.method, tt.path, tt.body).refused(http.StatusBadRequest, last+tt.message)
	}
	h.send("PATCH", user, `{"firstName":"Still"}`).status(http.StatusOK)
}

func TestOf32WhoTakeAwayOwnersOneOwnerStays(t *testing.T) {
	h := newHouse(t)
	const n = 32
	ids := []string{h.send("GET", short+"/user", "").tree()["sub"].(string)}
	for range n - 1 {
		o := h.member("owner"+ids[len(ids)-1], "a password", operator.RoleOrganizationOwner)
		ids = append(ids, o.ID)
	}
	ctx := t.Context()
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() { _, _ = h.api.Operators.SetEnabled(ctx, id, false) })
	}
	wg.Wait()
	all, err := h.store.Operators().List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	enabled := 0
	for _, o := range all {
		if !o.Disabled {
			enabled++
		}
	}
	if enabled < 1 {
		t.Error("nobody owns the organization any more")
	}
}

func TestOf32WhoTakeOneNameOneGetsIt(t *testing.T) {
	h := newHouse(t)
	for what, try := range map[string]func() int{
		"users": func() int {
			return h.send("POST", organizations+"/users", `{"username":"race","serviceAccount":true}`).code
		},
		"roles": func() int {
			return h.send("POST", organizations+"/roles", `{"name":"Race","assignableType":"domain","permissions":[]}`).code
		},
	} {
		var won, lost atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				switch try() {
				case http.StatusCreated:
					won.Add(1)
				case http.StatusBadRequest:
					lost.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 31 {
			t.Errorf("%s: %d won, %d lost", what, won.Load(), lost.Load())
		}
	}
}

func TestNobodyGivesAwayMoreThanTheyHave(t *testing.T) {
	h := newHouse(t)
	h.newUser("friend")
	h.operator("clerk", "a clerk's password", "operator:create", "operator:update", "operator:delete", "operator_password:update",
		"operator_token:create", "operator_role:create", "operator_role:update", "member:create", "member:delete", "member:list")
	clerk := bearing(h.signIn("clerk", "a clerk's password"))
	for _, role := range []string{operator.RoleOrganizationOwner, operator.RoleAuditor} {
		a := h.send("POST", organizations+"/members", `{"memberId":"friend","role":"`+role+`"}`, clerk).status(http.StatusForbidden)
		if !strings.HasPrefix(a.tree()["message"].(string), "You can not give permissions that you do not have: ") {
			t.Errorf("answered %s", a.body)
		}
	}
	h.send("POST", organizations+"/roles", `{"name":"Mine","assignableType":"organization","permissions":["domain:delete"]}`, clerk).
		refused(http.StatusForbidden, "You can not give permissions that you do not have: domain:delete")
	mine := h.send("POST", organizations+"/roles", `{"name":"Mine","assignableType":"organization","permissions":["member:list"]}`, clerk).
		status(http.StatusCreated).tree()["id"].(string)
	h.send("PATCH", organizations+"/roles/"+mine, `{"permissions":["member:list","domain:delete"]}`, clerk).
		refused(http.StatusForbidden, "You can not give permissions that you do not have: domain:delete")
	h.send("POST", organizations+"/members", `{"memberId":"friend","role":"`+mine+`"}`, clerk).status(http.StatusCreated)

	// Who could set an owner's password, or make a token for one, would be owner.
	domain := h.domain("Theirs")
	boss := h.newUser("boss")
	h.join(long+"/domains/"+domain, boss, operator.RoleDomainOwner)
	admin := h.send("GET", short+"/user", "").tree()["sub"].(string)
	for _, id := range []string{admin, boss} {
		user := organizations + "/users/" + id
		for _, tt := range []struct{ method, path, body string }{
			{"POST", user + "/resetPassword", `{"password":"a long password"}`},
			{"POST", user + "/tokens", `{"name":"x"}`},
			{"PUT", user + "/status", `{"enabled":false}`},
			{"PATCH", user, `{"email":"clerk@example.com"}`},
			{"POST", user + "/lock", ""},
			{"DELETE", user, ""},
		} {
			h.send(tt.method, tt.path, tt.body, clerk).status(http.StatusForbidden)
		}
	}
	h.send("DELETE", organizations+"/members/"+admin, "", clerk).status(http.StatusForbidden)
}

func TestRolesOfOperators(t *testing.T) {
	h := newHouse(t)
	roles := organizations + "/roles"
	for _, tt := range []struct{ body, message, path string }{
		{`{"name":"","assignableType":"domain"}`, "[name: must not be blank]", "name"},
		{`{"name":"x","assignableType":"planet"}`, "[assignableType: must be one of organization, environment, domain, application]", "assignableType"},
		{`{"name":"x","assignableType":"domain","permissions":["domain:read","domain:fly"]}`, "[permissions[1]: is no permission]", "permissions[1]"},
		{`{"name":"auditor","assignableType":"domain"}`, "A role [auditor] already exists.", "name"},
	} {
		h.send("POST", roles, tt.body).refused(http.StatusBadRequest, tt.message, tt.path)
	}
	made := h.send("POST", roles, `{"name":"Reader","description":"reads","assignableType":"DOMAIN","permissions":["scope:read","domain:read","scope:read"]}`).status(http.StatusCreated)
	tree := made.tree()
	id := tree["id"].(string)
	want := prototree.Object{"name": "Reader", "assignableType": "domain", "system": false, "permissions": []any{"domain:read", "scope:read"}}
	for member, value := range want {
		if diff := cmp.Diff(value, tree[member]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", member, diff)
		}
	}
	h.send("PUT", roles+"/"+id, string(h.send("GET", roles+"/"+id, "").body)).status(http.StatusOK)
	h.send("PATCH", roles+"/"+id, `{"assignableType":"application"}`).refused(http.StatusBadRequest, "[assignableType: can not be changed]", "assignableType")
	h.send("PATCH", roles+"/AUDITOR", `{"name":"x"}`).refused(http.StatusBadRequest, "Role [AUDITOR] is a system role and can not be changed.")
	h.send("DELETE", roles+"/AUDITOR", "").refused(http.StatusBadRequest, "Role [AUDITOR] is a system role and can not be deleted.")
	h.send("GET", roles+"/nothing", "").refused(http.StatusNotFound, "Role [nothing] can not be found.")
	if data := h.send("GET", roles+"?type=domain", "").data(); len(data) != 3 || data[2]["id"] != id {
		t.Errorf("roles for domains: %v", data)
	}

	domain := h.domain("House")
	place := long + "/domains/" + domain
	h.newUser("reader")
	h.send("POST", organizations+"/members", `{"memberId":"reader","role":"`+id+`"}`).
		refused(http.StatusBadRequest, "[role: must be a role for members of a place of type organization]", "role")
	h.join(place, "reader", id)
	h.send("DELETE", roles+"/"+id, "").refused(http.StatusBadRequest, "Role [Reader] is given to members and can not be deleted.")
	// A change of the role counts from the next request on.
	reader := bearing(h.signIn("reader", "a long password"))
	h.send("GET", place, "", reader).status(http.StatusOK)
	h.send("GET", place+"/audits", "", reader).status(http.StatusForbidden)
	h.send("PATCH", place, `{"description":"x"}`, reader).refused(http.StatusForbidden, "Permission denied")
	h.send("PATCH", roles+"/"+id, `{"permissions":["domain:update"]}`).status(http.StatusOK)
	h.send("PATCH", place, `{"description":"x"}`, reader).status(http.StatusOK)
	for _, m := range h.send("GET", place+"/members", "").data() {
		if m["memberName"] == "reader" {
			h.send("DELETE", place+"/members/"+m["id"].(string), "").status(http.StatusNoContent)
		}
	}
	h.send("PATCH", place, `{"description":"y"}`, reader).refused(http.StatusForbidden, "Permission denied")
	h.send("DELETE", roles+"/"+id, "").status(http.StatusNoContent)
	if list := h.send("GET", organizations+"/permissions", "").array(); len(list) != len(operator.Known()) {
		t.Errorf("%d permissions", len(list))
	}
}

func TestMembersSeeTheirOwn(t *testing.T) {
	h := newHouse(t)
	mine, other := h.domain("Mine"), h.domain("Other")
	first := h.application(mine, `{"name":"First","type":"SERVICE"}`)["id"].(string)
	second := h.application(mine, `{"name":"Second","type":"SERVICE"}`)
	h.application(other, `{"name":"Third","type":"SERVICE"}`)
	place := long + "/domains/" + mine
	h.newUser("ann")
	ann := bearing(h.signIn("ann", "a long password"))
	names := func(path string, who option) string {
		t.Helper()
		var all []string
		for _, entry := range h.send("GET", path, "", who).status(http.StatusOK).data() {
			all = append(all, entry["name"].(string))
		}
		return strings.Join(all, " ")
	}
	if got := names(long+"/domains", ann); got != "" {
		t.Errorf("a stranger sees %q", got)
	}
	h.send("GET", place+"/applications", "", ann).refused(http.StatusForbidden, "Permission denied")

	h.join(place+"/applications/"+first, "ann", operator.RoleApplicationOwner)
	for path, want := range map[string]string{
		long + "/domains": "Mine", short + "/domains?q=o*": "", place + "/applications": "First", place + "/applications?q=sec*": "",
	} {
		if got := names(path, ann); got != want {
			t.Errorf("%s shows %q, want %q", path, got, want)
		}
	}
	h.send("PATCH", place+"/applications/"+first, `{"description":"x"}`, ann).status(http.StatusOK)
	// The older name of the application leads to the same membership.
	h.send("PATCH", short+"/domains/"+mine+"/clients/"+first, `{"description":"y"}`, ann).status(http.StatusOK)
	oauth := at(h.send("GET", place+"/applications/"+first, "").tree(), "settings.oauth.clientId").(string)
	h.send("PATCH", short+"/domains/"+mine+"/clients/"+oauth, `{"description":"z"}`, ann).status(http.StatusOK)
	h.send("PATCH", short+"/domains/"+mine+"/clients/"+second["id"].(string), `{"description":"y"}`, ann).status(http.StatusForbidden)
	h.send("GET", place+"/applications/"+second["id"].(string), "", ann).status(http.StatusForbidden)
	h.send("GET", long+"/domains/"+other+"/applications/"+first, "", ann).status(http.StatusForbidden)
	h.send("GET", place+"/audits", "", ann).status(http.StatusForbidden)
	h.send("GET", place+"/identities", "", ann).status(http.StatusOK)

	var own []string
	a := h.send("GET", place+"/applications/"+first+"/members/permissions", "", ann).status(http.StatusOK)
	if err := json.Unmarshal(a.body, &own); err != nil || !slices.Contains(own, "application:delete") || slices.Contains(own, "domain:update") {
		t.Errorf("own permissions %s, %v", a.body, err)
	}
	if a := h.send("GET", long+"/domains/"+other+"/members/permissions", "", ann).status(http.StatusOK); strings.Contains(string(a.body), "application:") {
		t.Errorf("permissions elsewhere %s", a.body)
	}

	h.join(place, "ann", operator.RoleDomainOwner)
	if got := names(place+"/applications", ann); got != "First Second" {
		t.Errorf("a domain owner sees %q", got)
	}
	h.send("GET", short+"/domains/_hrid/mine", "", ann).status(http.StatusOK)
	h.send("GET", short+"/domains/_hrid/other", "", ann).status(http.StatusForbidden)
	h.send("POST", long+"/domains", `{"name":"More"}`, ann).refused(http.StatusForbidden, "Permission denied")
}

func TestAdministrativeScopesAreGivenByWhoMayChangeTheDomain(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("House")
	place := long + "/domains/" + domain
	id := h.application(domain, `{"name":"App","type":"SERVICE"}`)["id"].(string)
	app := place + "/applications/" + id
	// A role in the application says nothing about the domain, whatever it permits.
	role := h.send("POST", organizations+"/roles", `{"name":"Broad","assignableType":"application",
		"permissions":["application:read","application:update","domain:update"]}`).status(http.StatusCreated).tree()["id"].(string)
	maker := h.send("POST", organizations+"/roles", `{"name":"Maker","assignableType":"domain",
		"permissions":["application:create","application:update"]}`).status(http.StatusCreated).tree()["id"].(string)
	as := func(name, at, role string) option {
		h.newUser(name)
		h.join(at, name, role)
		return bearing(h.signIn(name, "a long password"))
	}
	owner, broad := as("owner", app, operator.RoleApplicationOwner), as("broad", app, role)
	boss, builder := as("boss", place, operator.RoleDomainOwner), as("builder", place, maker)

	with := func(scopes ...string) string {
		var all []string
		for _, s := range scopes {
			all = append(all, `{"scope":`+quote(s)+`}`)
		}
		return `"settings":{"oauth":{"scopeSettings":[` + strings.Join(all, ",") + `]}}`
	}
	refused := func(a *reply, scope string, i string) {
		t.Helper()
		a.refused(http.StatusForbidden, "Permission denied: the scope "+scope+" is given by those who may change the domain (domain:update)",
			"settings.oauth.scopeSettings["+i+"]")
	}
	for _, who := range []option{owner, broad} {
		for _, scope := range []string{"dcr_admin", "scim", "consent_admin"} {
			refused(h.send("PATCH", app, `{`+with("profile", scope)+`}`, who), scope, "1")
		}
		refused(h.send("PUT", app, `{"name":"App",`+with("dcr_admin")+`}`, who), "dcr_admin", "0")
		refused(h.send("PATCH", short+"/domains/"+domain+"/clients/"+id, `{`+with("dcr_admin")+`}`, who), "dcr_admin", "0")
		h.send("PATCH", app, `{`+with("profile")+`}`, who).status(http.StatusOK)
	}

	revision := fmt.Sprint(h.send("PATCH", app, `{`+with("dcr_admin")+`}`, boss).status(http.StatusOK).tree()["revision"])
	// What the application has, it keeps; once it is gone, no older state brings it back.
	h.send("PATCH", app, `{`+with("profile", "dcr_admin")+`}`, owner).status(http.StatusOK)
	h.send("PUT", app+"/type", `{"type":"SERVICE"}`, owner).status(http.StatusOK)
	h.send("PATCH", app, `{`+with()+`}`, owner).status(http.StatusOK)
	refused(h.send("POST", app+"/history/"+revision+"/_restore", "", owner), "dcr_admin", "0")
	h.send("POST", app+"/history/"+revision+"/_restore", "", boss).status(http.StatusOK)
	h.send("DELETE", app, "").status(http.StatusNoContent)
	refused(h.send("POST", app+"/history/"+revision+"/_restore", "", builder), "dcr_admin", "0")
	h.send("POST", app+"/history/"+revision+"/_restore", "", boss).status(http.StatusOK)
}

func TestTheCreatorOwnsAndMembershipsGoWithTheirPlace(t *testing.T) {
	h := newHouse(t)
	h.newUser("maker")
	h.join(long, "maker", operator.RoleEnvironmentOwner)
	token := bearing(h.signIn("maker", "a long password"))
	domain := h.send("POST", long+"/domains/", `{"name":"Made"}`, token).status(http.StatusCreated).tree()["id"].(string)
	place := long + "/domains/" + domain
	application := h.send("POST", place+"/applications", `{"name":"App","type":"SERVICE"}`, token).status(http.StatusCreated).tree()["id"].(string)
	for path, role := range map[string]string{place: operator.RoleDomainOwner, place + "/applications/" + application: operator.RoleApplicationOwner} {
		a := h.send("GET", path+"/members", "").status(http.StatusOK)
		if data := a.data(); len(data) != 1 || data[0]["memberName"] != "maker" || data[0]["role"] != role || data[0]["roleName"] != role ||
			data[0]["memberType"] != "user" {
			t.Errorf("members of %s: %s", path, a.body)
		}
	}
	left := func() int {
		n := 0
		for _, line := range strings.Split(string(h.dump()), "\n") {
			if strings.Contains(line, `"reference":"domain/`) || strings.Contains(line, `"reference":"application/`) {
				n++
			}
		}
		return n
	}
	if got := left(); got != 2 {
		t.Fatalf("%d memberships", got)
	}
	h.send("DELETE", place+"/applications/"+application, "").status(http.StatusNoContent)
	if got := left(); got != 1 {
		t.Errorf("%d memberships after the application is gone", got)
	}
	h.send("DELETE", place, "").status(http.StatusNoContent)
	if got := left(); got != 0 {
		t.Errorf("%d memberships after the domain is gone", got)
	}

	domain = h.send("POST", long+"/domains", `{"name":"Again"}`, token).status(http.StatusCreated).tree()["id"].(string)
	who := h.send("GET", short+"/user", "", token).tree()
	h.send("DELETE", organizations+"/users/"+who["sub"].(string), "").status(http.StatusNoContent)
	if got := left(); got != 0 {
		t.Errorf("%d memberships after the operator is gone", got)
	}
	h.send("DELETE", long+"/domains/"+domain+"/members/nobody", "").refused(http.StatusNotFound, "Membership [nobody] can not be found.")
	h.send("POST", long+"/domains/"+domain+"/members", `{"memberId":"nobody","role":"DOMAIN_OWNER"}`).
		refused(http.StatusBadRequest, "User [nobody] can not be found.", "memberId")
	h.send("POST", long+"/domains/"+domain+"/members", `{"memberId":"admin","role":"nothing"}`).
		refused(http.StatusBadRequest, "Role [nothing] can not be found.", "role")
	h.send("POST", long+"/domains/"+domain+"/members", `{"memberId":"admin","memberType":"GROUP","role":"DOMAIN_OWNER"}`).
		refused(http.StatusBadRequest, "[memberType: must be user]", "memberType")
}

func TestChangesOfOperatorsAreAudited(t *testing.T) {
	h := newHouse(t)
	id := h.newUser("ann")
	user := organizations + "/users/" + id
	plain := h.send("POST", user+"/tokens", `{"name":"mine"}`, bearing(h.signIn("ann", "a long password"))).tree()["token"].(string)
	h.send("POST", user+"/resetPassword", `{"password":"a new long password"}`).status(http.StatusNoContent)
	h.send("POST", user+"/lock", "").status(http.StatusNoContent)
	h.join(organizations, "ann", operator.RoleAuditor)
	role := h.send("POST", organizations+"/roles", `{"name":"R","assignableType":"domain"}`).tree()["id"].(string)
	h.send("DELETE", organizations+"/roles/"+role, "").status(http.StatusNoContent)
	h.send("DELETE", user, "").status(http.StatusNoContent)
	var got []string
	for _, entry := range h.send("GET", organizations+"/audits", "").data() {
		if kind, ok := at(entry, "target.type").(string); ok && kind != "" {
			got = append(got, entry["type"].(string)+" "+kind+" by "+at(entry, "actor.displayName").(string))
		}
	}
	want := []string{
		"delete operator by admin", "delete operator_role by admin", "create operator_role by admin", "create membership by admin",
		"lock operator by admin", "reset_password operator by admin", "create operator_token by ann", "create operator by admin",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records, the newest first (-want +got):\n%s", diff)
	}
	if dump := string(h.dump()); strings.Contains(dump, plain) || strings.Contains(dump, "a new long password") {
		t.Error("a secret is in the database")
	}
}

func TestOrganizationsAndEnvironments(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct{ path, want string }{
		{"/organizations", `[{"hrids":["DEFAULT"],"id":"DEFAULT","name":"DEFAULT"}]`},
		{"/organizations/DEFAULT", `{"hrids":["DEFAULT"],"id":"DEFAULT","name":"DEFAULT"}`},
		{"/organizations/DEFAULT/environments", `[{"hrids":["DEFAULT"],"id":"DEFAULT","name":"DEFAULT","organizationId":"DEFAULT"}]`},
		{"/organizations/DEFAULT/environments/DEFAULT", `{"hrids":["DEFAULT"],"id":"DEFAULT","name":"DEFAULT","organizationId":"DEFAULT"}`},
	} {
		if got := string(h.send("GET", short+tt.path, "").status(http.StatusOK).body); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.path, got, tt.want)
		}
	}
	h.send("GET", short+"/organizations/OTHER", "").refused(http.StatusNotFound, "Organization [OTHER] can not be found.")
	h.send("GET", short+"/organizations/OTHER/users", "").refused(http.StatusNotFound, "Organization [OTHER] can not be found.")
	h.send("GET", organizations+"/environments/OTHER/members", "").refused(http.StatusNotFound, "Environment [OTHER] can not be found.")
}
