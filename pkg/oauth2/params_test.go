package oauth2

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseParams(t *testing.T) {
	tests := []struct {
		name, query, body string
		want              url.Values
		error             string
	}{
		{"query and body are merged", "a=1&b=x+y", "c=%C3%A9",
			url.Values{"a": {"1"}, "b": {"x y"}, "c": {"é"}}, ""},
		{"a repetition in the query is refused", "state=1&state=2", "", nil, "Parameter [state] is included more than once"},
		{"a repetition in the body is refused", "", "code=1&code=1", nil, "Parameter [code] is included more than once"},
		{"a repetition over both is refused", "client_id=x", "client_id=x", nil, "Parameter [client_id] is included more than once"},
		{"an encoded name is the same name", "st%61te=1&state=2", "", nil, "Parameter [state] is included more than once"},
		{"an empty value counts as a repetition", "scope=&scope=a", "", nil, "Parameter [scope] is included more than once"},
		{"resource may be repeated (RFC 8707 §2)", "resource=a&resource=b", "resource=c",
			url.Values{"resource": {"a", "b", "c"}}, ""},
		{"empty pairs are skipped", "&a=1&&", "", url.Values{"a": {"1"}}, ""},
		{"a name without a value is empty", "a&b=", "", url.Values{"a": {""}, "b": {""}}, ""},
		{"a semicolon is an ordinary character", "a=1;b=2", "", url.Values{"a": {"1;b=2"}}, ""},
		{"bad encoding of a value is refused", "a=%zz", "", nil, "The parameters are not form-encoded"},
		{"bad encoding of a name is refused", "", "%=1", nil, "The parameters are not form-encoded"},
		{"too many parameters are refused", strings.Repeat("resource=a&", 257), "", nil, "The request has too many parameters"},
		{"too large a body is refused", "", strings.Repeat("a", 1<<20+1), nil, "The request is too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParseParams(tt.query, tt.body)
			if tt.error != "" {
				if e := AsError(err); e == nil || e.Code != InvalidRequest || e.Description != tt.error {
					t.Fatalf("error %v, want %s", err, tt.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, p.Values()); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParams(t *testing.T) {
	p, err := ParseParams("scope=&a=1", "b=2&resource=&resource=r")
	if err != nil {
		t.Fatal(err)
	}
	if p.Get("a") != "1" || p.Get("scope") != "" || p.Get("missing") != "" {
		t.Error("Get is wrong")
	}
	if p.Has("scope") || !p.Sent("scope") || p.Sent("missing") || !p.Has("b") {
		t.Error("an empty value does not count as absent, or as not sent")
	}
	if !p.InQuery("a") || p.InQuery("b") || !p.AnyInQuery() {
		t.Error("InQuery is wrong")
	}
	if diff := cmp.Diff([]string{"r"}, p.All("resource")); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b", "resource", "scope"}, p.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	q := p.With("a", "9")
	if q.Get("a") != "9" || p.Get("a") != "1" || q.Get("b") != "2" {
		t.Error("With changed the original or lost the rest")
	}
	p.Values()["a"][0] = "changed"
	if p.Get("a") != "1" {
		t.Error("Values is not a copy")
	}
	if (Params{}).Get("x") != "" || (Params{}).With("x", "1").Get("x") != "1" {
		t.Error("the zero value is not empty parameters")
	}
}

func TestParamsOf(t *testing.T) {
	p, err := ParamsOf(url.Values{"username": {"ann"}, "resource": {"a", "b"}})
	if err != nil || p.Get("username") != "ann" || len(p.All("resource")) != 2 || p.AnyInQuery() {
		t.Errorf("%v, %v", p, err)
	}
	_, err = ParamsOf(url.Values{"z": {"1", "2"}, "a": {"1", "2"}})
	if e := AsError(err); e == nil || e.Description != "Parameter [a] is included more than once" {
		t.Errorf("error %v", err)
	}
}
