package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestRoles(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Roles")
	roles := short + "/domains/" + domain + "/roles"
	made := h.send("POST", roles, `{"name":" Editor ","description":"Writes","oauthScopes":["openid","email","openid"]}`).status(http.StatusCreated)
	role := made.tree()
	id := role["id"].(string)
	if at := made.header.Get("Location"); !strings.HasSuffix(at, "/roles/"+id) {
		t.Errorf("location %q", at)
	}
	if role["name"] != "Editor" || fmt.Sprint(role["oauthScopes"]) != "[openid email]" {
		t.Errorf("made %v", role)
	}
	h.send("POST", roles, `{"name":"Editor"}`).refused(http.StatusBadRequest, "A role [Editor] already exists.", "name")
	h.send("POST", roles, `{"name":" "}`).refused(http.StatusBadRequest, "[name: must not be blank]", "name")
	h.send("POST", roles, `{"name":"`+strings.Repeat("x", 256)+`"}`).refused(http.StatusBadRequest, "[name: size must be at most 255]", "name")
	h.send("POST", roles, `{"name":"x","oauthScopes":["openid","nothing"]}`).
		refused(http.StatusBadRequest, "scope nothing is not valid.", "oauthScopes[1]")
	h.send("POST", roles, `{"name":"x","scopes":[]}`).
		refused(http.StatusBadRequest, "Property [scopes] is not recognized as a valid property", "scopes")
	h.send("POST", roles, `{"name":"Author"}`).status(http.StatusCreated)
	if names := fmt.Sprint(column(h.send("GET", roles, "").data(), "name")); names != "[Author Editor]" {
		t.Errorf("listed %s", names)
	}
	if names := fmt.Sprint(column(h.send("GET", roles+"?q=edi*", "").data(), "name")); names != "[Editor]" {
		t.Errorf("found %s", names)
	}
	h.send("PATCH", roles+"/"+id, `{"name":"Author"}`).refused(http.StatusBadRequest, "A role [Author] already exists.", "name")
	if kept := h.send("PATCH", roles+"/"+id, `{"description":null}`).status(http.StatusOK).tree(); kept["name"] != "Editor" || kept["description"] != nil {
		t.Errorf("patched %v", kept)
	}
	h.send("PUT", roles+"/"+id, `{"name":"Editor","oauthScopes":["email"]}`, header("If-Match", `"1"`)).status(http.StatusPreconditionFailed)
	if put := h.send("PUT", roles+"/"+id, `{"name":"Editor","oauthScopes":["email"]}`).status(http.StatusOK).tree(); fmt.Sprint(put["oauthScopes"]) != "[email]" {
		t.Errorf("replaced %v", put)
	}

	// A scope that goes is taken out of roles.
	scopes := short + "/domains/" + domain + "/scopes"
	scope := h.send("POST", scopes, `{"key":"docs","name":"Docs","description":"Documents"}`).status(http.StatusCreated).tree()
	h.send("PATCH", roles+"/"+id, `{"oauthScopes":["docs","email"]}`).status(http.StatusOK)
	h.send("DELETE", scopes+"/"+scope["id"].(string), "").status(http.StatusNoContent)
	if left := h.send("GET", roles+"/"+id, "").tree(); fmt.Sprint(left["oauthScopes"]) != "[email]" {
		t.Errorf("a scope that is gone is left: %v", left)
	}
	h.send("DELETE", roles+"/"+id, "").status(http.StatusNoContent)
	h.send("GET", roles+"/"+id, "").refused(http.StatusNotFound, "Role ["+id+"] can not be found.")
}

func TestGroups(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Groups")
	other := h.domain("Other")
	groups := short + "/domains/" + domain + "/groups"
	role := h.send("POST", short+"/domains/"+domain+"/roles", `{"name":"Editor"}`).status(http.StatusCreated).tree()["id"].(string)
	theirs := h.send("POST", short+"/domains/"+other+"/roles", `{"name":"Editor"}`).status(http.StatusCreated).tree()["id"].(string)
	add := func(body string) string {
		t.Helper()
		return h.send("POST", groups, body).status(http.StatusCreated).tree()["id"].(string)
	}
	inner := add(`{"name":"Inner","roles":["` + role + `"]}`)
	middle := add(`{"name":"Middle","groups":["` + inner + `"]}`)
	outer := add(`{"name":"Outer","groups":["` + middle + `","` + middle + `"]}`)
	if got := h.send("GET", groups+"/"+outer, "").tree(); fmt.Sprint(got["groups"]) != "["+middle+"]" || fmt.Sprint(got["roles"]) != "[]" || got["members"] != nil {
		t.Errorf("read %v", got)
	}
	if names := fmt.Sprint(column(h.send("GET", groups+"?size=2&page=1", "").data(), "name")); names != "[Outer]" {
		t.Errorf("second page %s", names)
	}
	h.send("POST", groups, `{"name":"Inner"}`).refused(http.StatusBadRequest, "A group [Inner] already exists.", "name")
	h.send("POST", groups, `{}`).refused(http.StatusBadRequest, "[name: must not be blank]", "name")
	h.send("POST", groups, `{"name":"x","roles":["`+role+`","`+theirs+`"]}`).
		refused(http.StatusBadRequest, "Role ["+theirs+"] can not be found.", "roles[1]")
	h.send("PATCH", groups+"/"+inner, `{"groups":["nobody"]}`).refused(http.StatusBadRequest, "Group [nobody] can not be found.", "groups[0]")
	h.send("PATCH", groups+"/"+inner, `{"groups":["`+inner+`"]}`).refused(http.StatusBadRequest, "Group [Inner] can not contain itself.", "groups[0]")
	h.send("PATCH", groups+"/"+inner, `{"groups":["`+outer+`"]}`).refused(http.StatusBadRequest, "Group [Inner] can not contain itself.", "groups[0]")
	h.send("PATCH", groups+"/"+inner, `{"members":[7]}`).refused(http.StatusBadRequest, "[members: must be a string]", "members[0]")

	// What is gone is taken out of those that name it.
	h.send("DELETE", short+"/domains/"+domain+"/roles/"+role, "").status(http.StatusNoContent)
	if left := h.send("GET", groups+"/"+inner, "").tree(); fmt.Sprint(left["roles"]) != "[]" {
		t.Errorf("a role that is gone is left: %v", left)
	}
	h.send("DELETE", groups+"/"+middle, "").status(http.StatusNoContent)
	if left := h.send("GET", groups+"/"+outer, "").tree(); fmt.Sprint(left["groups"]) != "[]" {
		t.Errorf("a group that is gone is left: %v", left)
	}
	h.send("PATCH", groups+"/"+inner, `{"groups":["`+outer+`"]}`).status(http.StatusOK)
	h.send("GET", groups+"/"+middle, "").refused(http.StatusNotFound, "Group ["+middle+"] can not be found.")
}

func TestRacingGroupsOfOneName(t *testing.T) {
	h := newHouse(t)
	groups := short + "/domains/" + h.domain("Races") + "/groups"
	var mu sync.Mutex
	made := 0
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			a := h.send("POST", groups, `{"name":"One"}`)
			mu.Lock()
			defer mu.Unlock()
			if a.code == http.StatusCreated {
				made++
			} else {
				a.refused(http.StatusBadRequest, "A group [One] already exists.", "name")
			}
		})
	}
	all.Wait()
	if made != 1 {
		t.Errorf("%d groups of one name", made)
	}
}

// column returns one member of every entry of a list.
func column(list []map[string]any, name string) []any {
	values := make([]any, len(list))
	for i, entry := range list {
		values[i] = entry[name]
	}
	return values
}
