package directory_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// newNamed makes something with a name over REST and returns its identifier.
func (h *house) newNamed(path, body string) string {
	h.Helper()
	made := h.call("POST", path, body)
	if made.status != http.StatusCreated {
		h.Fatalf("POST %s %s: %d %s", path, body, made.status, made.text)
	}
	return made.body["id"].(string)
}

// ids returns the identifiers of a page.
func (a answer) ids() []string {
	list, _ := a.body["data"].([]any)
	ids := []string{}
	for _, entry := range list {
		ids = append(ids, entry.(map[string]any)["id"].(string))
	}
	return ids
}

func TestMembersOfGroups(t *testing.T) {
	h := newHouse(t)
	h.rest()
	domain := "/domains/" + h.domain
	ann, bob := h.newUser("ann"), h.newUser("bob")
	stranger, err := h.people.Create(t.Context(), h.newDomain("Other"), &directoryv1.NewUser{Username: "eve", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	group := h.newNamed(domain+"/groups", `{"name":"Staff","members":["`+ann.GetId()+`","`+ann.GetId()+`"]}`)
	members := domain + "/groups/" + group + "/members"
	is := func(what string, want ...string) {
		t.Helper()
		got := h.call("GET", members, "")
		if diff := cmp.Diff(append([]string{}, want...), got.ids()); diff != "" || got.body["totalCount"] != float64(len(want)) {
			t.Errorf("%s (-want +got):\n%s%s", what, diff, got.text)
		}
	}
	both := []string{ann.GetId(), bob.GetId()}
	if both[0] > both[1] {
		both[0], both[1] = both[1], both[0]
	}
	is("with the group", ann.GetId())
	for _, again := range []string{"first", "again"} {
		if got := h.call("POST", members+"/"+bob.GetId(), ""); got.status != http.StatusNoContent || got.text != "" {
			t.Errorf("added %s: %d %s", again, got.status, got.text)
		}
	}
	is("after an addition", both...)
	if page := h.call("GET", members+"?page=1&size=1", ""); fmt.Sprint(page.ids()) != "["+both[1]+"]" || page.body["totalCount"] != 2.0 {
		t.Errorf("second page: %s", page.text)
	}
	if got := h.call("GET", domain+"/users/"+bob.GetId()+"/groups", ""); got.list == nil || got.list[0]["name"] != "Staff" || len(got.list) != 1 {
		t.Errorf("groups of a user: %s", got.text)
	}
	if got := h.call("GET", domain+"/users/"+bob.GetId(), ""); fmt.Sprint(got.body["groups"]) != "["+group+"]" {
		t.Errorf("a user with groups: %s", got.text)
	}
	if got := h.call("GET", domain+"/users", ""); len(got.ids()) != 2 || fmt.Sprint(got.body["data"].([]any)[0].(map[string]any)["groups"]) != "["+group+"]" {
		t.Errorf("a list with groups: %s", got.text)
	}
	for _, again := range []string{"first", "again"} {
		if got := h.call("DELETE", members+"/"+ann.GetId(), ""); got.status != http.StatusNoContent {
			t.Errorf("removed %s: %d %s", again, got.status, got.text)
		}
	}
	is("after a removal", bob.GetId())
	for _, change := range []struct {
		method, body string
		want         []string
	}{
		{"PATCH", `{"members":["` + ann.GetId() + `"]}`, []string{ann.GetId()}},
		{"PUT", `{"name":"Staff","members":["` + both[0] + `","` + both[1] + `"]}`, both},
		{"PUT", `{"name":"Staff"}`, both},
		{"PATCH", `{"description":"kept"}`, both},
		{"PATCH", `{"members":null}`, nil},
	} {
		if got := h.call(change.method, domain+"/groups/"+group, change.body); got.status != http.StatusOK || got.body["members"] != nil {
			t.Errorf("%s %s: %d %s", change.method, change.body, got.status, got.text)
		}
		is(change.method+" "+change.body, change.want...)
	}

	refusals := []struct {
		name, method, path, body string
		status                   int
		message, place           string
	}{
		{"an unknown member", "PATCH", domain + "/groups/" + group, `{"members":["` + ann.GetId() + `","nobody"]}`, 400, "User [nobody] can not be found.", "members[1]"},
		{"a member of another domain", "POST", domain + "/groups", `{"name":"New","members":["` + stranger.GetId() + `"]}`, 400,
			"User [" + stranger.GetId() + "] can not be found.", "members[0]"},
		{"an unknown user", "POST", members + "/nobody", "", 404, "User [nobody] can not be found.", ""},
		{"an unknown user to take out", "DELETE", members + "/nobody", "", 404, "User [nobody] can not be found.", ""},
		{"an unknown group", "POST", domain + "/groups/none/members/" + ann.GetId(), "", 404, "Group [none] can not be found.", ""},
		{"members of an unknown group", "GET", domain + "/groups/none/members", "", 404, "Group [none] can not be found.", ""},
		{"groups of an unknown user", "GET", domain + "/users/nobody/groups", "", 404, "User [nobody] can not be found.", ""},
	}
	for _, tt := range refusals {
		h.refused(tt.name, h.call(tt.method, tt.path, tt.body), tt.status, tt.message, tt.place)
	}
	is("after refusals")
	if groups := h.call("GET", domain+"/groups", ""); groups.body["totalCount"] != 1.0 {
		t.Errorf("a refused group is left: %s", groups.text)
	}

	// Who is gone is in no group, and a group that is gone has nobody in it.
	second := h.newNamed(domain+"/groups", `{"name":"Second","members":["`+ann.GetId()+`"]}`)
	h.call("POST", members+"/"+ann.GetId(), "")
	h.call("DELETE", domain+"/groups/"+second, "")
	if left, err := h.store.Memberships().OfUsers(t.Context(), h.domain, both); err != nil || fmt.Sprint(left) != "map["+ann.GetId()+":["+group+"]]" {
		t.Errorf("memberships left by a group: %v, %v", left, err)
	}
	h.call("DELETE", domain+"/users/"+ann.GetId(), "")
	is("after the member's deletion")

	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: h.domain, Kind: "group"})
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string]int{}
	for _, r := range records {
		actions[r.Action]++
	}
	if actions["add_members"] != 6 || actions["remove_members"] != 3 {
		t.Errorf("on record: %v", actions)
	}
}

func TestRacersJoinAGroupOnce(t *testing.T) {
	h := newHouse(t)
	h.rest()
	ann := h.newUser("ann").GetId()
	group := h.newNamed("/domains/"+h.domain+"/groups", `{"name":"Staff"}`)
	var racers sync.WaitGroup
	for range 32 {
		racers.Go(func() {
			if err := h.people.AddMember(t.Context(), h.domain, group, ann); err != nil {
				t.Error(err)
			}
		})
	}
	racers.Wait()
	if ids, n, err := h.store.Memberships().OfGroup(t.Context(), h.domain, group, 0, 10); err != nil || n != 1 || len(ids) != 1 {
		t.Errorf("%v of %d, %v", ids, n, err)
	}
}

// TestStandingFromTheImage: what groups come to is looked up in memory, who is in them in the database.
func TestStandingFromTheImage(t *testing.T) {
	h := newHouse(t)
	h.rest()
	user := h.newUser("ann")
	group := h.newNamed("/domains/"+h.domain+"/groups", `{"name":"Staff","members":["`+user.GetId()+`"]}`)
	held := image.New()
	held.Load(held.Begin(), 1, []resource.Resource{
		&configv1.Group{Id: group, Domain: h.domain, Name: "Held"},
		&configv1.Group{Id: "outer", Domain: h.domain, Name: "Outer", Groups: []string{group}, Roles: []string{"role"}},
		&configv1.Role{Id: "role", Domain: h.domain, Name: "Editor", OauthScopes: []string{"email"}},
	})
	h.people = directory.New(directory.Options{Store: h.store, Hasher: h.hasher, Image: held})
	keepCurrent(t, held)
	got, err := h.client().GetUser(t.Context(), &directoryv1.GetUserRequest{Domain: h.domain, Subject: user.GetSubject()})
	if err != nil {
		t.Fatal(err)
	}
	want := &directoryv1.Standing{
		Groups: []*directoryv1.Standing_Group{{Id: group, Name: "Held", Direct: true}, {Id: "outer", Name: "Outer"}},
		Roles:  []*directoryv1.Standing_Role{{Id: "role", Name: "Editor"}}, Scopes: []string{"email"},
	}
	if diff := cmp.Diff(want, got.GetUser().GetStanding(), protocmp.Transform()); diff != "" {
		t.Errorf("standing (-want +got):\n%s", diff)
	}
}

func TestStanding(t *testing.T) {
	group := func(id string, roles, groups []string) *configv1.Group {
		return &configv1.Group{Id: id, Name: "G" + id, Roles: roles, Groups: groups}
	}
	role := func(id string, scopes ...string) *configv1.Role {
		return &configv1.Role{Id: id, Name: "R" + id, OauthScopes: scopes}
	}
	of := func(groups, roles, scopes []string) *directoryv1.Standing {
		s := &directoryv1.Standing{Scopes: scopes}
		for _, id := range groups {
			s.Groups = append(s.Groups, &directoryv1.Standing_Group{Id: id, Name: "G" + id})
		}
		for _, id := range roles {
			s.Roles = append(s.Roles, &directoryv1.Standing_Role{Id: id, Name: "R" + id})
		}
		return s
	}
	tests := []struct {
		name        string
		direct, own []string
		groups      []*configv1.Group
		roles       []*configv1.Role
		want        *directoryv1.Standing
	}{
		{"nobody's groups come to nothing", nil, nil, []*configv1.Group{group("a", []string{"r"}, nil)}, []*configv1.Role{role("r", "x")}, of(nil, nil, nil)},
		{"a role brings its scopes", nil, []string{"r"}, nil, []*configv1.Role{role("r", "y", "x")}, of(nil, []string{"r"}, []string{"x", "y"})},
		{"a group brings its roles", []string{"a"}, nil, []*configv1.Group{group("a", []string{"r"}, nil)}, []*configv1.Role{role("r", "x"), role("s", "y")},
			of([]string{"a"}, []string{"r"}, []string{"x"})},
		{"a group that contains one of theirs counts, at any depth", []string{"a"}, nil,
			[]*configv1.Group{group("a", nil, nil), group("b", nil, []string{"a"}), group("c", []string{"r"}, []string{"b"})}, []*configv1.Role{role("r", "x")},
			of([]string{"a", "b", "c"}, []string{"r"}, []string{"x"})},
		{"a group that one of theirs contains does not", []string{"b"}, nil,
			[]*configv1.Group{group("a", []string{"r"}, nil), group("b", nil, []string{"a"})}, []*configv1.Role{role("r", "x")}, of([]string{"b"}, nil, nil)},
		{"scopes of several roles stand once", []string{"a"}, []string{"s"}, []*configv1.Group{group("a", []string{"r"}, nil)},
			[]*configv1.Role{role("r", "x", "y"), role("s", "y", "z")}, of([]string{"a"}, []string{"r", "s"}, []string{"x", "y", "z"})},
		{"what is gone counts for nothing", []string{"gone"}, []string{"gone"}, nil, nil, of(nil, nil, nil)},
		{"a circle ends", []string{"a"}, nil, []*configv1.Group{group("a", nil, []string{"b"}), group("b", nil, []string{"a"})}, nil, of([]string{"a", "b"}, nil, nil)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, g := range tt.want.GetGroups() {
				g.Direct = slices.Contains(tt.direct, g.GetId())
			}
			if diff := cmp.Diff(tt.want, directory.Standing(tt.direct, tt.own, tt.groups, tt.roles), protocmp.Transform()); diff != "" {
				t.Errorf("standing (-want +got):\n%s", diff)
			}
		})
	}
}
