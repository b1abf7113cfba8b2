package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestRuleVocabulary(t *testing.T) {
	h := newHouse(t)
	path := long + "/domains/" + h.domain("Rules") + "/rules"
	list := h.send("GET", path+"/contexts", "").status(http.StatusOK).array()
	if len(list) != len(rules.Places()) {
		t.Fatalf("%d places", len(list))
	}
	for i, p := range rules.Places() {
		v := list[i]
		if v["place"] != p.String() || len(v["variables"].([]any)) < 7 || len(v["functions"].([]any)) < 50 || len(v["examples"].([]any)) == 0 {
			t.Errorf("the vocabulary of %s has %d variables, %d functions, examples %v", v["place"], len(v["variables"].([]any)), len(v["functions"].([]any)), v["examples"])
		}
		for _, e := range v["examples"].([]any) {
			checked := h.send("POST", path+"/_check", `{"place":`+quote(p.String())+`,"expression":`+quote(e.(prototree.Object)["expression"].(string))+`}`).status(http.StatusOK)
			if checked.tree()["valid"] != true {
				t.Errorf("%v: %v: %s", p, e, checked.body)
			}
		}
	}
	h.send("GET", long+"/domains/nowhere/rules/contexts", "").refused(404, "Domain [nowhere] can not be found.")
}

func TestCheckingRules(t *testing.T) {
	h := newHouse(t)
	path := long + "/domains/" + h.domain("Rules") + "/rules/_check"
	for _, tt := range []struct{ place, expression, want string }{
		{"selectionRule", `login == "ann"`, `{"type":"bool","valid":true}`},
		{"SELECTIONRULE", `{#user["a"]}`, `{"type":"dyn","valid":true}`},
		{"selectionRule", ``, `{"valid":true}`},
		{"claim", `a {#login}`, `{"type":"string","valid":true}`},
		{"flowValue", `[1, 2]`, `{"type":"list(int)","valid":true}`},
		{"flowResponse", `response.status`, `{"type":"int","valid":true}`},
		{"selectionRule", `login`, `{"errors":[{"column":1,"detail":"the expression must give true or false; it gives string","line":1,"path":"expression"}],"valid":false}`},
		{"claim", "a\n {#client.nobody}", `{"errors":[{"column":10,"detail":"undefined field 'nobody'","line":2,"path":"expression"}],"valid":false}`},
	} {
		a := h.send("POST", path, `{"place":`+quote(tt.place)+`,"expression":`+quote(tt.expression)+`}`).status(http.StatusOK)
		if string(a.body) != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.place, tt.expression, a.body, tt.want)
		}
	}
	h.send("POST", path, `{"place":"moon","expression":"true"}`).status(400)
	h.send("POST", path, `{"expression":"true"}`).refused(400, "[place: must not be blank]", "place")
}

func TestEvaluatingProviders(t *testing.T) {
	h := newHouse(t)
	id := h.domain("Rules")
	domain := long + "/domains/" + id
	provider := func(name string) string {
		return h.send("POST", domain+"/identities", `{"name":"`+name+`","type":"inline-am-idp","configuration":{"users":[]}}`).status(http.StatusCreated).tree()["id"].(string)
	}
	a, b := provider("A"), provider("B")
	social := func(name string) string {
		id := h.send("POST", domain+"/identities", `{"name":"`+name+`","type":"saml2-generic-am-idp","external":true,"configuration":{"entityId":"x"},"domainWhitelist":["`+strings.ToLower(name)+`.example"]}`).
			status(http.StatusCreated).tree()["id"].(string)
		stored, err := store.Get(t.Context(), h.store, catalog.IdentityProviders, id)
		if err != nil {
			t.Fatal(err)
		}
		external := proto.CloneOf(stored)
		external.External = true
		if _, err := h.store.Write(t.Context(), store.Change{Ops: []store.Op{{Old: stored, New: external}}}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	c, d := social("C"), social("D")
	application := h.application(id, serviceApplication)["id"].(string)
	h.send("PATCH", domain+"/applications/"+application, fmt.Sprintf(`{"metadata":{"region":"eu"},"identityProviders":[
		{"identity":%q,"priority":-1},
		{"identity":%q,"priority":2,"selectionRule":"login.startsWith('b')"},
		{"identity":%q,"priority":3,"selectionRule":"identityProvider.domainWhitelist.exists(w, login.endsWith('@' + w))"},
		{"identity":%q,"priority":1,"selectionRule":"request.params['x'][0] == 'd' && client.metadata['region'] == 'eu'"}]}`, a, b, c, d)).status(http.StatusOK)
	type want struct{ outcome, asked, chosen, reasons string }
	names := map[any]string{a: "A", b: "B", c: "C", d: "D"}
	for _, tt := range []struct {
		name, body string
		want       want
	}{
		{"nothing is known", `{}`, want{"password", "A", "", "D:not_consulted B:rule_false C:not_consulted A:no_rule"}},
		{"a name", `{"login":"bob"}`, want{"password", "B A", "", "D:not_consulted B:rule_true C:not_consulted A:no_rule"}},
		{"identifier first", `{"login":"bob@c.example","identifierFirst":true}`, want{"redirect", "B A", "C", "D:rule_failed B:rule_true C:rule_true A:no_rule"}},
		{"the first in order wins", `{"login":"x@c.example","identifierFirst":true,"request":{"params":{"x":["d"]}}}`, want{"redirect", "A", "D", "D:rule_true B:rule_false C:later_in_order A:no_rule"}},
		{"rules on the login page", `{"login":"x@c.example","selectionRulesOnLoginPage":true,"request":{"params":{"x":"e"}}}`, want{"redirect", "A", "C", "D:rule_false B:rule_false C:rule_true A:no_rule"}},
		{"the body's own list", `{"identityProviders":[{"identity":"` + b + `","selectionRule":"false"}]}`, want{"refused", "", "", "B:rule_false"}},
		{"a button", `{"identifierFirst":true,"identityProviders":[{"identity":"` + c + `"}]}`, want{"buttons", "", "", "C:button"}},
		{"a hidden form", `{"hideForm":true,"identityProviders":[{"identity":"` + c + `","selectionRule":"false"},{"identity":"` + a + `"}]}`, want{"redirect", "", "C", "C:only_external A:not_reached"}},
	} {
		body := strings.Replace(tt.body, "{", `{"application":"`+application+`",`, 1)
		body = strings.Replace(body, ",}", "}", 1)
		got := h.send("POST", domain+"/rules/_evaluate", body).status(http.StatusOK).tree()
		var asked, reasons []string
		for _, x := range listOf(got["asked"]) {
			asked = append(asked, names[x])
		}
		for _, x := range listOf(got["providers"]) {
			p := x.(prototree.Object)
			reasons = append(reasons, fmt.Sprintf("%s:%v", names[p["identity"]], p["reason"]))
			if p["detail"] == "" || (p["fault"] != nil) != (p["reason"] == "rule_failed") || (p["waiting"] == true) != (p["type"] == "saml2-generic-am-idp") {
				t.Errorf("%s: %v", tt.name, p)
			}
		}
		have := want{fmt.Sprint(got["outcome"]), strings.Join(asked, " "), names[got["chosen"]], strings.Join(reasons, " ")}
		if diff := cmp.Diff(tt.want, have, cmp.AllowUnexported(want{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	refused := h.send("POST", domain+"/rules/_evaluate", `{"application":"`+application+`","identityProviders":[]}`).status(200).tree()
	if text := fmt.Sprint(refused["detail"]); !strings.HasPrefix(text, "No identity provider found for client : ") && refused["outcome"] != "password" {
		t.Errorf("without providers: %v", refused)
	}
	evaluate := domain + "/rules/_evaluate"
	h.send("POST", evaluate, `{}`).status(400)
	h.send("POST", evaluate, `{"application":"nobody"}`).refused(400, "Application [nobody] can not be found.", "application")
	h.send("POST", evaluate, `{"identityProviders":[{"identity":"nobody"}]}`).refused(400, "Identity Provider [nobody] can not be found.", "identityProviders[0].identity")
	bad := h.send("POST", evaluate, `{"identityProviders":[{"identity":"`+a+`","selectionRule":"login +\n nobody"}]}`).status(400)
	if !strings.Contains(string(bad.body), `"path":"identityProviders[0].selectionRule"`) || !strings.Contains(string(bad.body), `"line":2,"column":2`) {
		t.Errorf("a rule that does not compile: %s", bad.body)
	}
	h.send("POST", evaluate, `{"application":"`+application+`","request":{"params":{"x":1}}}`).refused(400, "[request.params.x: must be a string or a list of strings]", "request.params.x")
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

func TestEvaluatingAnExpression(t *testing.T) {
	h := newHouse(t)
	id := h.domain("Rules")
	path := long + "/domains/" + id + "/rules/_evaluate"
	for _, tt := range []struct{ name, body, want string }{
		{"a rule", `{"place":"selectionRule","expression":"login == 'ann'","login":"ann"}`, `{"value":true}`},
		{"a rule that fails is false", `{"place":"selectionRule","expression":"request.params['x'][0] == 'y'"}`, `{"fault":{"detail":"no such key: x","path":"expression"},"value":false}`},
		{"its own provider", `{"place":"selectionRule","expression":"identityProvider.id == 'default-idp-` + id + `'","identityProvider":"default-idp-` + id + `"}`, `{"value":true}`},
		{"a client that is not known", `{"place":"flowCondition","expression":"client.name == ''"}`, `{"fault":{"detail":"client is not known here","path":"expression"},"value":false}`},
		{"a claim", `{"place":"claim","expression":"{#user.n}/{#context.attributes['a']}","user":{"n":1},"context":{"attributes":{"a":"x"}}}`, `{"value":"1/x"}`},
		{"a value", `{"place":"flowValue","expression":"[1, 9007199254740993]"}`, `{"value":[1,9007199254740993]}`},
		{"an answer", `{"place":"flowResponse","expression":"response.json.a + response.headers['x-b'][0]","response":{"status":200,"body":"{\"a\":\"x\"}","headers":{"X-B":"y"}}}`, `{"value":"xy"}`},
		{"a mapper", `{"place":"mapperCondition","expression":"'a' in profile.groups && identityProvider.id != ''","identityProvider":"default-idp-` + id + `","profile":{"groups":["a"]}}`, `{"value":true}`},
		{"headers", `{"place":"selectionRule","expression":"'x-zone' in request.headers && !('authorization' in request.headers)","request":{"headers":{"X-Zone":["a"],"Authorization":"b"}}}`, `{"value":true}`},
		{"the domain", `{"place":"flowText","expression":"{#context.domain.name}"}`, `{"value":"Rules"}`},
		{"a rule that costs too much", `{"place":"selectionRule","expression":"lists.range(1000).all(a, lists.range(1000).all(b, lists.range(100).all(c, a + b + c >= 0)))"}`, ``},
	} {
		a := h.send("POST", path, tt.body)
		switch {
		case tt.want == "":
			if a.code != http.StatusOK && a.code != http.StatusBadRequest {
				t.Errorf("%s: %d %s", tt.name, a.code, a.body)
			}
		case a.code != http.StatusOK || !sameJSON(t, a.body, tt.want):
			t.Errorf("%s: %d %s, want %s", tt.name, a.code, a.body, tt.want)
		}
	}
	h.send("POST", path, `{"place":"selectionRule"}`).refused(400, "[expression: must not be blank]", "expression")
	h.send("POST", path, `{"expression":"true"}`).refused(400, "[place: must not be blank]", "place")
	h.send("POST", path, `{"place":"selectionRule","expression":"true","identityProvider":"nobody"}`).refused(400, "Identity Provider [nobody] can not be found.", "identityProvider")
	h.send("POST", path, `{"place":"selectionRule","expression":"login +"}`).status(400)
}

// sameJSON compares without the fault's position where the wanted text has none.
func sameJSON(t *testing.T, got []byte, want string) bool {
	t.Helper()
	tree, err := prototree.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := prototree.Parse([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := wanted["fault"].(prototree.Object); ok && f["line"] == nil {
		if g, ok := tree["fault"].(prototree.Object); ok {
			delete(g, "line")
			delete(g, "column")
		}
	}
	return cmp.Diff(wanted, tree) == ""
}

func FuzzEvaluate(f *testing.F) {
	for _, seed := range []string{
		`{"place":"claim","expression":"{#login}"}`, `{"place":"selectionRule","expression":"user.a.b.c"}`, `{}`, `[]`,
		`{"identityProviders":[{"identity":"x"}],"request":{"params":{"a":[1]}}}`, `{"user":{"a":null},"place":"flowValue","expression":"user"}`,
		`{"place":"flowResponse","expression":"response.json","response":{"body":"[1,{\"a\":1e300}]"}}`,
	} {
		f.Add(seed)
	}
	h := newHouse(f)
	path := long + "/domains/" + h.domain("Fuzzed") + "/rules/_evaluate"
	f.Fuzz(func(t *testing.T, body string) {
		h := *h
		h.t = t
		a := h.send("POST", path, body, header("Content-Type", "application/json"))
		if a.code != http.StatusOK && a.code != http.StatusBadRequest {
			t.Errorf("%q: %d %s", body, a.code, a.body)
		}
	})
}
