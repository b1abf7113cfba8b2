package flows_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

// site is a server that answers as its path says.
func site(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Partner", "north")
		_, _ = fmt.Fprintf(w, `{"method":%q,"path":%q,"q":%q,"key":%q,"type":%q,"body":%q}`,
			r.Method, r.URL.Path, r.URL.Query().Get("q"), r.Header.Get("X-Key"), r.Header.Get("Content-Type"), body)
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 8<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/echo/", http.StatusFound) })
	mux.HandleFunc("/fails", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"reason":"closed"}`, http.StatusForbidden)
	})
	mux.HandleFunc("/breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// runner runs flows without a gateway around them.
func runner(t *testing.T) (*flows.Engine, *ruleerrors.Reporter) {
	t.Helper()
	out, err := outbound.New(outbound.Options{Allow: []string{"http://127.0.0.0/8"}})
	if err != nil {
		t.Fatal(err)
	}
	failures := ruleerrors.New(slog.New(slog.DiscardHandler), gatewaytest.NewClock().Now, nil)
	return flows.New(out, failures, slog.New(slog.DiscardHandler)), failures
}

func compiled(t *testing.T, list ...*configv1.Flow) *flows.Set {
	t.Helper()
	var level []*flows.Flow
	for i, message := range list {
		message.Order = int32(i)
		f, err := flows.Compile(message)
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			level = append(level, f)
		}
	}
	return flows.Combine(level)
}

func TestACalloutThatIsAnswered(t *testing.T) {
	e, failures := runner(t)
	set := compiled(t, pre(flows.Login, callout(&configv1.HTTPCalloutStep{
		Url: site(t) + "/echo/{#login}?q={#login}", Method: "POST", TimeoutMillis: 2000,
		Headers: []*configv1.FlowHeader{{Name: "X-Key", Value: "k {#login}"}},
		Body:    `{"login": "{#login}"}`,
		Attributes: map[string]string{
			"said": "response.json", "status": "response.status", "partner": `response.headers["x-partner"][0]`, "missing": "response.json.nothing",
		},
	})))
	in := &rules.Input{Login: `a/b&c="d`}
	out, err := e.Run(t.Context(), set, flows.Login, flows.Pre, flows.Scope{Domain: "d"}, in)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"status": int64(200), "partner": "north",
		"said": map[string]any{
			"method": "POST", "path": `/echo/a/b&c="d`, "q": `a/b&c="d`, "key": `k a/b&c="d`, "type": "application/json",
			"body": `{"login": "a/b\u0026c=\"d"}`,
		},
	}
	if diff := cmp.Diff(want, out.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if list := failures.Of("d"); len(list) != 1 || list[0].Name != "pre ask: missing" {
		t.Errorf("failures %+v", list)
	}
}

func TestACalloutThatFails(t *testing.T) {
	e, _ := runner(t)
	base := site(t)
	for name, tt := range map[string]struct {
		url    string
		login  string
		set    map[string]any
		header string
	}{
		"a server that is slow":              {url: base + "/slow"},
		"an endless answer":                  {url: base + "/endless"},
		"a redirect, which is not followed":  {url: base + "/redirect", set: map[string]any{"status": int64(302)}},
		"another status":                     {url: base + "/fails", set: map[string]any{"status": int64(403)}},
		"a connection that breaks":           {url: base + "/breaks"},
		"nobody there":                       {url: "http://127.0.0.1:1/"},
		"a place that is not allowed":        {url: "http://192.0.2.1/"},
		"a value that would leave its place": {url: base + "/echo/{#login}/x", login: ".."},
		"a value that would with a slash":    {url: base + "/echo/{#login}/x", login: "../admin"},
		"a value that breaks a header":       {url: base + "/echo/", login: "x", header: `{#"a" + "\r\n" + login}`},
		"an expression that fails":           {url: base + `/echo/{#request.params["x"][0]}`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, failure := range []string{"deny", "continue"} {
				config := &configv1.HTTPCalloutStep{
					Url: tt.url, Method: "GET", TimeoutMillis: 300, OnFailure: failure, Attributes: map[string]string{"status": "response.status"},
				}
				if tt.header != "" {
					config.Headers = []*configv1.FlowHeader{{Name: "X-Key", Value: tt.header}}
				}
				set := compiled(t, pre(flows.Login, callout(config), set("after", "1")))
				out, err := e.Run(t.Context(), set, flows.Login, flows.Pre, flows.Scope{Domain: "d"}, &rules.Input{Login: tt.login})
				_, went := out.Attributes["after"]
				if denied := (*flows.Denied)(nil); failure == "deny" && (!asDenied(err, &denied) || denied.Code != "access_denied" || went) {
					t.Errorf("it does not refuse: %v, %v", err, out.Attributes)
				}
				if failure == "continue" && (err != nil || !went || out.Attributes["status"] != tt.set["status"]) {
					t.Errorf("it does not go on: %v, %v", err, out.Attributes)
				}
			}
		})
	}
}

func asDenied(err error, to **flows.Denied) bool {
	d, ok := err.(*flows.Denied) //nolint:errorlint // Run returns it bare
	*to = d
	return ok
}

func TestWhatFlowsSetIsBounded(t *testing.T) {
	e, failures := runner(t)
	run := func(scope map[string]any, steps ...*configv1.FlowStep) map[string]any {
		t.Helper()
		out, err := e.Run(t.Context(), compiled(t, pre(flows.Login, steps...)), flows.Login, flows.Pre, flows.Scope{Domain: "d", Attributes: scope},
			&rules.Input{Login: strings.Repeat("x", 3000)})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	if got := run(nil, set("a", "login"), set("b", "login"), set("c", "1")); got["a"] == nil || got["b"] != nil || got["c"] != int64(1) {
		t.Errorf("beyond four kilobytes: %d attributes", len(got))
	}
	many := map[string]any{}
	for i := range flows.MaxAttributes {
		many[fmt.Sprint("n", i)] = int64(i)
	}
	if got := run(many, set("more", "1"), set("n3", "33")); got["more"] != nil || got["n3"] != int64(33) || many["n3"] != int64(3) {
		t.Errorf("beyond the number: more %v, n3 %v, before %v", got["more"], got["n3"], many["n3"])
	}
	if got := run(map[string]any{"a": "old"}, set("a", "null")); len(got) != 0 {
		t.Errorf("null takes an attribute away: %v", got)
	}
	if got := run(map[string]any{"a": "old"}, set("a", `request.params["x"][0]`)); got["a"] != "old" {
		t.Errorf("a value that fails: %v", got)
	}
	if list := failures.Of("d"); len(list) != 3 {
		t.Errorf("failures %+v", list)
	}
	if _, err := flows.Compile(pre(flows.Login, set("user", "1"))); err == nil {
		t.Error("an attribute of the login itself can be set")
	}
}

func TestStepsRunInOrderUnderTheirConditions(t *testing.T) {
	e, _ := runner(t)
	off := set("off", "1")
	off.Enabled = new(bool)
	conditional := set("c", `context.attributes["a"] + 1`)
	conditional.Condition = `context.attributes["a"] == 1`
	failing := set("d", "1")
	failing.Condition = `request.params["x"][0] == "1"`
	whole := pre(flows.Login, set("e", "1"))
	whole.Condition = "false"
	disabled := pre(flows.Login, set("f", "1"))
	disabled.Enabled = new(bool)
	s := compiled(t, pre(flows.Login, set("a", "1"), off, conditional, failing), whole, disabled, post(flows.Login, set("g", "1")))
	in := &rules.Input{Attributes: map[string]any{"ip_address": "192.0.2.7"}}
	out, err := e.Run(t.Context(), s, flows.Login, flows.Pre, flows.Scope{Domain: "d"}, in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": int64(1), "c": int64(2)}, out.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"a": int64(1), "c": int64(2), "ip_address": "192.0.2.7"}, in.Attributes); diff != "" {
		t.Errorf("what later expressions see (-want +got):\n%s", diff)
	}
}

func TestAClientWithoutFlowsPaysNothing(t *testing.T) {
	e, _ := runner(t)
	in := &rules.Input{}
	var none *flows.Set
	if n := testing.AllocsPerRun(100, func() {
		if none.InLogins() || none.Tokens() || none.Has(flows.Token, flows.Pre) {
			t.Error("nothing runs somewhere")
		}
	}); n != 0 {
		t.Errorf("%v allocations to see that there is nothing", n)
	}
	if out, err := e.Run(context.Background(), none, flows.Login, flows.Pre, flows.Scope{}, in); err != nil || out.Changed {
		t.Errorf("%+v, %v", out, err)
	}
	if flows.Combine(nil, nil) != nil {
		t.Error("no flows make a set")
	}
}
