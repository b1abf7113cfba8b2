package directory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
)

func TestAcceptance12AMemberOfAChildGroupPassesABindingOnTheParentAndNotTheReverse(t *testing.T) {
	groups := []*configv1.Group{{Id: "child", Name: "Payables"}, {Id: "parent", Name: "Finance", Groups: []string{"child"}}}
	decide := func(direct, bound string) access.Verdict {
		t.Helper()
		app := &configv1.Application{Id: "a", Bindings: []*configv1.Binding{{
			Id: "b", Group: bound, Effect: configv1.Binding_ALLOW, Enabled: proto.Bool(true), Order: proto.Int32(10), TimeoutSeconds: 5,
		}}}
		user := &directoryv1.User{Id: "u", Standing: directory.Standing([]string{direct}, nil, groups, nil)}
		rule := access.Compile(app, func(string) *access.Policy { return nil })
		return rule.Decide(t.Context(), access.NewPerson(user), &access.Situation{Time: time.Now(), Known: access.KnowsTime}).Verdict
	}
	if got := decide("child", "parent"); got != access.Allowed {
		t.Errorf("a member of the child is %v at a binding on the parent", got)
	}
	if got := decide("parent", "child"); got != access.Denied {
		t.Errorf("a member of the parent is %v at a binding on the child", got)
	}
}

func TestAttributesOfGroupsMergeInTheOrderOfTheirNames(t *testing.T) {
	attributes := func(v map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(v)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	groups := []*configv1.Group{
		{Id: "1", Name: "Zulu", Attributes: attributes(map[string]any{"tier": "gold", "regions": []any{"eu", "us"}})},
		{Id: "2", Name: "Alpha", Attributes: attributes(map[string]any{"tier": "basic", "regions": []any{"eu"}, "desk": map[string]any{"floor": 1}})},
		{Id: "3", Name: "Outer", Groups: []string{"2"}, Attributes: attributes(map[string]any{"desk": map[string]any{"room": "a"}})},
		{Id: "4", Name: "Other", Attributes: attributes(map[string]any{"tier": "none"})},
	}
	got := directory.Standing([]string{"1", "2"}, nil, groups, nil)
	want := map[string]any{"tier": "gold", "regions": []any{"eu", "us"}, "desk": map[string]any{"floor": 1.0, "room": "a"}}
	if diff := cmp.Diff(want, got.GetAttributes().AsMap()); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if nobody := directory.Standing([]string{"5"}, nil, groups, nil); nobody.GetAttributes() != nil {
		t.Errorf("attributes of nothing: %v", nobody.GetAttributes())
	}
}

func TestMembersThroughOtherGroups(t *testing.T) {
	h := newHouse(t)
	h.rest()
	ann, bob, cid := h.newUser("ann"), h.newUser("bob"), h.newUser("cid")
	domain := "/domains/" + h.domain
	inner := h.newNamed(domain+"/groups", `{"name":"Inner","members":["`+ann.GetId()+`"],"attributes":{"desk":"a"}}`)
	middle := h.newNamed(domain+"/groups", `{"name":"Middle","groups":["`+inner+`"],"members":["`+bob.GetId()+`"]}`)
	outer := h.newNamed(domain+"/groups", `{"name":"Outer","groups":["`+middle+`"],"members":["`+cid.GetId()+`"]}`)

	via := map[string]string{ann.GetId(): "[" + inner + " " + middle + "]", bob.GetId(): "[" + middle + "]", cid.GetId(): "<nil>"}
	page := h.call("GET", domain+"/groups/"+outer+"/members?inherited=true", "")
	entries, _ := page.body["data"].([]any)
	if len(entries) != 3 || page.body["totalCount"] != 3.0 {
		t.Fatalf("members %s", page.text)
	}
	for _, e := range entries {
		entry := e.(map[string]any)
		id := entry["id"].(string)
		if fmt.Sprint(entry["via"]) != via[id] || entry["direct"] != (id == cid.GetId()) {
			t.Errorf("%s is there %v via %v, want %s", id, entry["direct"], entry["via"], via[id])
		}
	}
	if direct := h.call("GET", domain+"/groups/"+outer+"/members", ""); direct.body["totalCount"] != 1.0 {
		t.Errorf("direct members %s", direct.text)
	}
	h.refused("no boolean", h.call("GET", domain+"/groups/"+outer+"/members?inherited=maybe", ""), 400, "[inherited: must be true or false]", "inherited")

	list := h.call("GET", domain+"/users/"+ann.GetId()+"/groups", "").list
	got := ""
	for _, g := range list {
		got += fmt.Sprintln(g["name"], g["direct"], g["via"])
	}
	if want := fmt.Sprintln("Inner", true, "<nil>") + fmt.Sprintln("Middle", false, "["+inner+"]") + fmt.Sprintln("Outer", false, "["+inner+" "+middle+"]"); got != want {
		t.Errorf("groups of a user:\n%swant\n%s", got, want)
	}
}
