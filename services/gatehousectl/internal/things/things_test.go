package things

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/document"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
)

func tree(t *testing.T, text string) Object {
	t.Helper()
	var o Object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestMerge has the examples of RFC 7396 appendix A whose target and patch are objects.
func TestMerge(t *testing.T) {
	for _, tt := range []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"a":"foo"}`, `{"b":{"c":null}}`, `{"a":"foo","b":{}}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		if diff := cmp.Diff(tree(t, tt.want), merge(tree(t, tt.target), tree(t, tt.patch))); diff != "" {
			t.Errorf("%s merged with %s (-want +got):\n%s", tt.target, tt.patch, diff)
		}
	}
}

// client works on a management that answers so, by method and path.
func served(t *testing.T, answers map[string]string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/management")
		w.Header().Set("Content-Type", "application/json")
		text, ok := answers[asked+"?"+r.URL.RawQuery]
		if !ok {
			text, ok = answers[asked]
		}
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"message":"Not there","http_status":404}`
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	conn, err := api.New(api.Options{Server: server.URL, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return &Client{Conn: conn}
}

func kind(t *testing.T, name string) *kinds.Kind {
	t.Helper()
	k, err := kinds.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestPlace: where something lies is found by names, level by level, and whoever says too little is asked.
func TestPlace(t *testing.T) {
	c := served(t, map[string]string{
		"GET /domains":                     `{"data":[],"totalCount":0}`,
		"GET /domains/_hrid/acme":          `{"id":"d1","name":"Acme","hrid":"acme"}`,
		"GET /domains/d1":                  `{"id":"d1","name":"Acme","hrid":"acme"}`,
		"GET /domains/d1/applications":     `{"data":[{"id":"a1","name":"Payroll"},{"id":"a2","name":"Payroll"},{"id":"a3","name":"Robot"}],"totalCount":3}`,
		"GET /domains/d1/applications/a3":  `{"id":"a3","name":"Robot"}`,
		"GET /organizations":               `[{"id":"DEFAULT","name":"Default"}]`,
		"GET /organizations/DEFAULT/users": `{"data":[],"totalCount":0}`,
	})
	for name, tt := range map[string]struct {
		kind string
		in   map[string]string
		want []string
		err  string
	}{
		"a level":                     {"groups", map[string]string{"domain": "acme"}, []string{"d1"}, ""},
		"two levels":                  {"secrets", map[string]string{"domain": "acme", "application": "Robot"}, []string{"d1", "a3"}, ""},
		"the only one there is":       {"operators", nil, []string{"DEFAULT"}, ""},
		"nothing":                     {"domains", nil, []string{}, ""},
		"a level that is not said":    {"groups", nil, nil, "in which domain? Say --domain, or metadata.domain in a file"},
		"a lower one that is not":     {"secrets", map[string]string{"domain": "acme"}, nil, "in which application? Say --application"},
		"one that there is not":       {"groups", map[string]string{"domain": "nobody"}, nil, `there is no domain "nobody"`},
		"one of which there are many": {"secrets", map[string]string{"domain": "acme", "application": "Payroll"}, nil, "2 of kind application are called \"Payroll\"; say which by its id:\n  a1  Payroll\n  a2  Payroll"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.Place(t.Context(), kind(t, tt.kind), tt.in)
			if tt.err == "" && (err != nil || cmp.Diff(tt.want, got) != "") || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%v %v, want %v %s", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestPlan: what applying a document comes to is known before anything is written.
func TestPlan(t *testing.T) {
	answers := map[string]string{
		"GET /domains/acme":                       `{"id":"d1","name":"Acme","hrid":"acme"}`,
		"GET /domains/d1/groups":                  `{"data":[{"id":"g1","name":"Finance"}],"totalCount":1}`,
		"GET /domains/d1/groups/g1":               `{"id":"g1","name":"Finance","description":"old"}`,
		"PATCH /domains/d1/groups/g1?dryRun=true": `{"id":"g1","name":"Finance","description":"new"}`,
		"POST /domains/d1/groups?dryRun=true":     `{"name":"Sales"}`,
	}
	in := map[string]string{"domain": "acme"}
	for name, tt := range map[string]struct {
		d      document.Document
		action string
		err    string
	}{
		"a change":                        {document.Document{Kind: "group", In: in, Name: "Finance", Spec: Object{"description": "new"}}, Change, ""},
		"something new":                   {document.Document{Kind: "group", In: in, Spec: Object{"name": "Sales"}}, Create, ""},
		"a kind that there is not":        {document.Document{Kind: "gruop", In: in}, "", "Did you mean group?"},
		"a place that there is not":       {document.Document{Kind: "group"}, "", "in which domain?"},
		"an identifier that is not there": {document.Document{Kind: "group", In: in, ID: "g9", Spec: Object{}}, "", `there is no group "g9"`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := served(t, answers).Plan(t.Context(), tt.d, Options{})
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%v, want %s", err, tt.err)
				}
			case err != nil || p.Action != tt.action:
				t.Errorf("%+v %v, want %s", p, err, tt.action)
			}
		})
	}
}

// TestNames: what has no name is called by its identifier.
func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"Payroll","clientId":"c","id":"a1"}`: "Payroll", `{"clientId":"c","id":"a1"}`: "c", `{"id":"a1"}`: "a1", `{"name":"","tokenId":"t1"}`: "t1", `{}`: "",
	} {
		if got := Name(kind(t, "application"), tree(t, text)); got != want {
			t.Errorf("%s is called %q, want %q", text, got, want)
		}
	}
	var missing *Missing
	_, err := served(t, map[string]string{"GET /domains": `{"data":[]}`}).Find(t.Context(), kind(t, "domain"), nil, "x")
	if !errors.As(err, &missing) || missing.Kind != "domain" || missing.Name != "x" {
		t.Errorf("%v", err)
	}
}
