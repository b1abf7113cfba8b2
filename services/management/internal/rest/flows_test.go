package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// flowList is a list of flows with every kind of step.
const flowList = `[
  {"type": "login", "name": "Partners", "condition": "client.clientId != ''", "pre": [
    {"name": "Where from", "policy": "set-attributes", "configuration": {"attributes": {"partner": "login.split('@')[1]"}}},
    {"policy": "http-callout", "condition": "{#'partner' in context.attributes}", "configuration": "{\"url\":\"https://risk.example.com/{#context.attributes['partner']}\",\"headers\":[{\"name\":\"X-Key\",\"value\":\"s3cret\"}],\"body\":\"{\\\"login\\\":\\\"{#login}\\\"}\",\"attributes\":{\"risk\":\"response.json.risk\"}}"}
  ], "post": [{"policy": "deny", "enabled": false, "configuration": {"message": "Closed to {#login}"}}, {"policy": "evaluate-rules"}]},
  {"type": "TOKEN", "pre": [], "post": []},
  {"type": "login", "name": "Second"}
]`

func TestFlows(t *testing.T) {
	h := newHouse(t)
	domain, application, _ := levels(h)
	for _, level := range []string{domain, application} {
		path := level + "/flows"
		types := func(list []prototree.Object) string {
			var all []string
			for _, f := range list {
				all = append(all, fmt.Sprintf("%v:%v", f["type"], f["name"]))
			}
			return strings.Join(all, " ")
		}
		first := h.send("GET", path, "").status(http.StatusOK)
		if got, want := types(first.array()), "root:ALL login_identifier:LOGIN_IDENTIFIER login:LOGIN consent:CONSENT register:REGISTER token:TOKEN"; got != want {
			t.Errorf("nothing defined: %s", got)
		}
		if f := first.array()[0]; f["id"] != nil || f["enabled"] != true || f["notices"] != nil || len(f["pre"].([]any)) != 0 {
			t.Errorf("a default is %v", f)
		}
		put := h.send("PUT", path, flowList).status(http.StatusOK)
		list := put.array()
		if got, want := types(list), "root:ALL login_identifier:LOGIN_IDENTIFIER login:Partners login:Second consent:CONSENT register:REGISTER token:TOKEN"; got != want {
			t.Errorf("defined: %s", got)
		}
		partners := list[2]
		if partners["slot"] != nil || partners["level"] != nil || (partners["application"] == nil) != (level == domain) {
			t.Errorf("a flow shows %v", partners)
		}
		if partners["notices"] != nil {
			t.Errorf("notices %v of what runs", partners["notices"])
		}
		callout := partners["pre"].([]any)[1].(prototree.Object)
		config := callout["configuration"].(string)
		if callout["name"] != "http-callout" || strings.Contains(string(put.body), "s3cret") || !strings.Contains(config, `"value":"********"`) ||
			!strings.Contains(config, `"method":"POST"`) || !strings.Contains(config, `"timeoutMillis":2000`) || !strings.Contains(config, `"onFailure":"deny"`) {
			t.Errorf("the callout is %v", callout)
		}
		if deny := partners["post"].([]any)[0].(prototree.Object); deny["enabled"] != false || !strings.Contains(deny["configuration"].(string), `"error":"access_denied"`) {
			t.Errorf("the denial is %v", deny)
		}

		// What was read can be sent back, and keeps identifiers and secrets.
		got := h.send("GET", path, "").status(http.StatusOK)
		if diff := cmp.Diff(list, got.array()); diff != "" {
			t.Errorf("read after put (-put +read):\n%s", diff)
		}
		again := h.send("PUT", path, string(got.body)).status(http.StatusOK)
		for i, f := range again.array() {
			if before := got.array()[i]; before["id"] != nil && f["id"] != before["id"] {
				t.Errorf("flow %d was %v and is %v", i, before["id"], f["id"])
			}
		}
		if text := string(h.dumpOf("flows")); strings.Contains(text, "s3cret") || strings.Contains(text, "********") {
			t.Error("a header is stored in clear text or as a mask")
		}

		// One flow.
		id := partners["id"].(string)
		one := h.send("GET", path+"/"+id, "").status(http.StatusOK)
		one.tree()
		changed := h.send("PUT", path+"/"+id, strings.Replace(string(one.body), `"Partners"`, `"Renamed"`, 1)).status(http.StatusOK).tree()
		if changed["name"] != "Renamed" || changed["type"] != "login" || fmt.Sprint(changed["order"]) != fmt.Sprint(one.tree()["order"]) {
			t.Errorf("put one: %v", changed)
		}
		h.send("PUT", path+"/"+id, `{"type":"token"}`).refused(400, "[type: can not be changed]", "type")
		h.send("GET", path+"/nothing", "").refused(404, "Flow [nothing] can not be found.")
		h.send("PUT", path+"/nothing", `{}`).refused(404, "Flow [nothing] can not be found.")

		// The list is replaced: what is left out is gone, what has an identifier keeps it.
		rest := h.send("PUT", path, `[{"id":"`+id+`","type":"login","name":"Only"}]`).status(http.StatusOK).array()
		if got, want := types(rest), "root:ALL login_identifier:LOGIN_IDENTIFIER login:Only consent:CONSENT register:REGISTER token:TOKEN"; got != want || rest[2]["id"] != id {
			t.Errorf("replaced: %s", got)
		}
	}
	own := h.send("GET", application+"/flows", "").array()[2]["id"].(string)
	h.send("GET", domain+"/flows/"+own, "").refused(404, "Flow ["+own+"] can not be found.")
	if list := h.send("PUT", domain+"/flows", `[{"id":"`+own+`","type":"login"}]`).status(http.StatusOK).array(); list[2]["id"] == own {
		t.Error("a flow moved to another level")
	}
	h.send("PUT", application+"/flows", `[{"type":"root","name":"kept-nowhere"}]`).status(http.StatusOK)
	h.send("DELETE", application, "").status(http.StatusNoContent)
	if strings.Contains(string(h.dumpOf("flows")), "kept-nowhere") {
		t.Error("the flows of a deleted application are still there")
	}
	h.send("GET", application+"/flows", "").status(http.StatusNotFound)
	h.send("PUT", application+"/flows", `[]`).status(http.StatusNotFound)
}

func TestFlowRefusals(t *testing.T) {
	h := newHouse(t)
	domain, _, _ := levels(h)
	path := domain + "/flows"
	h.send("PUT", path, `[{"type":"root","name":"Kept"}]`).status(http.StatusOK)
	id := h.send("GET", path, "").array()[0]["id"].(string)
	callout := func(members string) string {
		return `[{"type":"root"},{"type":"login","post":[{"policy":"http-callout","configuration":{"url":"https://a.example/x"` + members + `}}]}]`
	}
	site := func(url string) string {
		return `[{"type":"root"},{"type":"login","post":[{"policy":"http-callout","configuration":{"url":` + quote(url) + `}}]}]`
	}
	many := func(n int, format string) string {
		entries := make([]string, n)
		for i := range entries {
			entries[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(entries, ",")
	}
	const at = "[1].post[0].configuration."
	for _, tt := range []struct{ name, body, path, text string }{
		{"an unknown type", `[{"type":"robot"}]`, "[0].type", "must be one of"},
		{"no type", `[{"name":"x"}]`, "[0].type", "must not be blank"},
		{"another type", `[{"id":"` + id + `","type":"login"}]`, "[0].type", "can not be changed"},
		{"a flow twice", `[{"id":"` + id + `","type":"root"},{"id":"` + id + `","type":"root"}]`, "[1].id", "must be given once"},
		{"an unknown member", `[{"type":"root","more":1}]`, "[0].more", "is not recognized"},
		{"no object", `[1]`, "[0]", "must be an object"},
		{"a condition", `[{"type":"root","condition":"client.nobody"}]`, "[0].condition", "undefined field 'nobody'"},
		{"a condition that gives text", `[{"type":"root","condition":"login"}]`, "[0].condition", "must give true or false"},
		{"a step without a policy", `[{"type":"root","pre":[{"name":"x"}]}]`, "[0].pre[0].policy", "must not be blank"},
		{"an unknown policy", `[{"type":"root","pre":[{"policy":"rm"}]}]`, "[0].pre[0].policy", "must be one of set-attributes, deny, http-callout, evaluate-rules"},
		{"configuration that is no JSON", `[{"type":"root","pre":[{"policy":"deny","configuration":"{"}]}]`, "[0].pre[0].configuration", "must be a JSON object"},
		{"the condition of a step", `[{"type":"root","pre":[{"policy":"deny","condition":"1"}]}]`, "[0].pre[0].condition", "must give true or false"},
		{"an attribute", `[{"type":"root","pre":[{"policy":"deny"},{"policy":"set-attributes","configuration":{"attributes":{"partner":"login +"}}}]}]`, "[0].pre[1].configuration.attributes.partner", "unexpected end"},
		{"no attributes", `[{"type":"root","pre":[{"policy":"set-attributes"}]}]`, "[0].pre[0].configuration.attributes", "must not be empty"},
		{"the name of an attribute", `[{"type":"root","pre":[{"policy":"set-attributes","configuration":{"attributes":{"a b":"1"}}}]}]`, `[0].pre[0].configuration.attributes["a b"]`, "the name must be"},
		{"an attribute of the login's own", `[{"type":"root","pre":[{"policy":"set-attributes","configuration":{"attributes":{"user":"1"}}}]}]`, "[0].pre[0].configuration.attributes.user", "is set by the login itself"},
		{"an answer where nothing was called", `[{"type":"root","pre":[{"policy":"set-attributes","configuration":{"attributes":{"x":"response.status"}}}]}]`, "[0].pre[0].configuration.attributes.x", "undeclared reference"},
		{"too many attributes", callout(`,"attributes":{` + many(51, `"a%d":"1"`) + `}`), at + "attributes", "at most 50"},
		{"an error code", `[{"type":"root","pre":[{"policy":"deny","configuration":{"error":"a\"b"}}]}]`, "[0].pre[0].configuration.error", "must be at most 64"},
		{"a message", `[{"type":"root","pre":[{"policy":"deny","configuration":{"message":"{#login"}}]}]`, "[0].pre[0].configuration.message", "without its closing brace"},
		{"no URL", `[{"type":"login","pre":[{"policy":"http-callout"}]}]`, "[0].pre[0].configuration.url", "must not be blank"},
		{"a URL of another scheme", site("ftp://a.example/"), at + "url", "must be an http or https URL with a host"},
		{"a URL without a host", site("https:///x"), at + "url", "must be an http or https URL with a host"},
		{"a URL with a name", site("https://u:p@a.example/"), at + "url", "must not hold a name"},
		{"a URL with a fragment", site("https://a.example/#x"), at + "url", "must not have a fragment"},
		{"a URL whose host is chosen", site("https://{#login}/x"), at + "url", "must be"},
		{"a URL whose host is continued", site("https://a.example{#login}/x"), at + "url", "may have expressions behind the host only"},
		{"a URL whose port is chosen", site("https://a.example:{#login}/x"), at + "url", "may have expressions behind the host only"},
		{"a URL with a bad port", site("https://a.example:99999/"), at + "url", "must have a port"},
		{"a URL with a blank", site("https://a.example/a b"), at + "url", "must be a URL"},
		{"a URL that does not compile", site("https://a.example/{#nobody}"), at + "url", "undeclared reference"},
		{"a method", callout(`,"method":"TRACE"`), at + "method", "must be one of GET"},
		{"a body with GET", callout(`,"method":"get","body":"x"`), at + "body", "must be empty"},
		{"a large body", callout(`,"body":"` + strings.Repeat("x", 65537) + `"`), at + "body", "at most 65536"},
		{"a body in which a value could leave its place", callout(`,"body":"{\"login\": {#login}}"`), at + "body", "inside quotes"},
		{"a body of a type in which nothing is escaped", callout(`,"headers":[{"name":"Content-Type","value":"text/plain"}],"body":"{#login}"`), at + "body", "must be JSON, a form or XML"},
		{"a negative time", callout(`,"timeoutMillis":-1`), at + "timeoutMillis", "between 1 and 10000"},
		{"a long time", callout(`,"timeoutMillis":10001`), at + "timeoutMillis", "between 1 and 10000"},
		{"what a failure means", callout(`,"onFailure":"retry"`), at + "onFailure", "must be one of deny, continue"},
		{"the name of a header", callout(`,"headers":[{"name":"a b","value":"x"}]`), at + "headers[0].name", "must be the name of a header"},
		{"a header of the connection", callout(`,"headers":[{"name":"Host","value":"x"}]`), at + "headers[0].name", "is a header of the connection"},
		{"a header twice", callout(`,"headers":[{"name":"A","value":"x"},{"name":"a","value":"x"}]`), at + "headers[1].name", "must be given once"},
		{"a line break in a header", callout(`,"headers":[{"name":"A","value":"x\r\nB: y"}]`), at + "headers[0].value", "must not have control characters"},
		{"too many headers", callout(`,"headers":[` + many(21, `{"name":"A%d","value":"x"}`) + `]`), at + "headers", "at most 20"},
		{"a mask where nothing is stored", callout(`,"headers":[{"name":"A","value":"********"}]`), at + "headers[0].value", "a masked value"},
		{"two calls of one name", `[{"type":"root","pre":[{"name":"x","policy":"http-callout","configuration":{"url":"https://a.example/"}},{"name":"x","policy":"deny"}]}]`, "[0].pre[0].name", "must be unique"},
		{"too many steps", `[{"type":"root","pre":[` + many(21, `{"name":"s%d","policy":"deny"}`) + `]}]`, "[0].pre", "at most 20"},
		{"too many flows", `[` + many(51, `{"type":"root","name":"f%d"}`) + `]`, "", "at most 50"},
	} {
		a := h.send("PUT", path, tt.body)
		if a.code != 400 {
			t.Errorf("%s: %d %s", tt.name, a.code, a.body)
			continue
		}
		tree := a.tree()
		if tt.path != "" {
			first := tree["errors"].([]any)[0].(prototree.Object)
			if first["path"] != tt.path || !strings.Contains(first["detail"].(string), tt.text) {
				t.Errorf("%s: %s", tt.name, a.body)
			}
		} else if !strings.Contains(tree["message"].(string), tt.text) {
			t.Errorf("%s: %s", tt.name, a.body)
		}
	}
	a := h.send("PUT", path, `[{"type":"root"},{"type":"login","pre":[{"policy":"set-attributes","configuration":{"attributes":{"partner":"1 +\n nobody"}}}]}]`)
	if !strings.Contains(string(a.body), `"line":2,"column":2`) {
		t.Errorf("without its place: %s", a.body)
	}
	h.send("PUT", path, `{}`).refused(400, "Malformed json")
	h.send("PUT", path, `[`).refused(400, "Malformed json")
	if list := h.send("GET", path, "").array(); list[0]["id"] != id || list[0]["name"] != "Kept" || list[1]["id"] != nil {
		t.Errorf("a refusal changed something: %v", list)
	}
}

func TestFlowsAreNotLost(t *testing.T) {
	h := newHouse(t)
	domain, application, _ := levels(h)
	path := application + "/flows"
	seen := h.send("GET", path, "").header.Get("ETag")
	h.send("PUT", path, `[{"type":"login","name":"A"}]`, header("If-Match", seen)).status(http.StatusOK)
	h.send("PUT", path, `[{"type":"login","name":"B"}]`, header("If-Match", seen)).status(http.StatusPreconditionFailed)
	// Of lists that are put at once, one is there afterwards, whole.
	for _, path := range []string{path, domain + "/flows"} {
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				a := h.send("PUT", path, fmt.Sprintf(`[{"type":"login","name":"%d"},{"type":"login","name":"%d"}]`, i, i))
				if a.code != http.StatusOK && a.code != http.StatusConflict {
					t.Errorf("a racer got %d %s", a.code, a.body)
				}
			})
		}
		wg.Wait()
		var names []string
		for _, f := range h.send("GET", path, "").array() {
			if f["id"] != nil {
				names = append(names, f["name"].(string))
			}
		}
		if len(names) != 2 || names[0] != names[1] {
			t.Errorf("flows of several lists: %q", names)
		}
	}
}

func FuzzFlows(f *testing.F) {
	for _, seed := range []string{
		flowList, `[]`, `[{}]`, `[null]`, `{}`, `[{"type":"root","pre":[{"policy":"deny","configuration":[]}]}]`,
		`[{"type":"root","pre":[{"policy":"set-attributes","configuration":{"attributes":{"":"1","$x":"2","a.b":"3"}}}]}]`,
		`[{"type":"root","pre":[{"policy":"http-callout","configuration":{"url":"https://a.example/{#login}","timeoutMillis":1e4}}]}]`,
		`[{"type":"root","condition":"{#"}]`, `[[[[[[[]]]]]]]`, `[{"id":{},"type":"root"}]`,
	} {
		f.Add(seed)
	}
	h := newHouse(f)
	path := long + "/domains/" + h.domain("Fuzzed") + "/flows"
	f.Fuzz(func(t *testing.T, body string) {
		h := *h
		h.t = t
		a := h.send("PUT", path, body, header("Content-Type", "application/json"))
		if a.code >= http.StatusInternalServerError {
			t.Errorf("%q: %d %s", body, a.code, a.body)
		}
		list := h.send("GET", path, "").status(http.StatusOK)
		if a.code != http.StatusOK {
			return
		}
		back, _ := json.Marshal(list.array())
		h.send("PUT", path, string(back)).status(http.StatusOK)
	})
}
