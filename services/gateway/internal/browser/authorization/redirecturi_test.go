package authorization

import (
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	exact := Matching{}
	prefix := Matching{Prefix: true}
	patterns := Matching{Patterns: true}
	native := Matching{LoopbackPort: true}
	tests := []struct {
		name            string
		m               Matching
		uri, registered string
		want            bool
	}{
		{"the same text matches", exact, "https://a.example/cb?x=1", "https://a.example/cb?x=1", true},
		{"a query that was not registered does not", exact, "https://a.example/cb?x=1", "https://a.example/cb", false},
		{"a longer path does not", exact, "https://a.example/cb/more", "https://a.example/cb", false},
		{"a slash more does not", exact, "https://a.example/cb/", "https://a.example/cb", false},
		{"another case of the host does not", exact, "https://A.example/cb", "https://a.example/cb", false},
		{"a default port spelled out does not", exact, "https://a.example:443/cb", "https://a.example/cb", false},
		{"another scheme does not", exact, "http://a.example/cb", "https://a.example/cb", false},
		{"a host that begins alike does not", exact, "https://a.example.evil.example/cb", "https://a.example/cb", false},
		{"user information never matches", exact, "https://a.example@evil.example/cb", "https://a.example@evil.example/cb", false},
		{"a fragment never matches", exact, "https://a.example/cb#f", "https://a.example/cb#f", false},
		{"a backslash never matches", exact, `https://a.example\cb`, `https://a.example\cb`, false},
		{"white space never matches", exact, "https://a.example/c b", "https://a.example/c b", false},
		{"a line break never matches", exact, "https://a.example/cb\n", "https://a.example/cb\n", false},
		{"a script never matches", exact, "javascript:alert(1)", "javascript:alert(1)", false},
		{"data never matches", exact, "data:text/html,x", "data:text/html,x", false},
		{"a relative URI never matches", exact, "//evil.example/cb", "//evil.example/cb", false},
		{"a URI without host never matches", exact, "https:/cb", "https:/cb", false},
		{"a private-use scheme matches by equality", exact, "com.app:/cb", "com.app:/cb", true},
		{"a pattern is a text where patterns are not allowed", exact, "https://x.a.example/cb", "https://*.a.example/cb", false},

		{"prefix: a longer path matches", prefix, "https://a.example/cb/more?x=1", "https://a.example/cb", true},
		{"prefix: a path that goes on without a slash matches", prefix, "https://a.example/cbmore", "https://a.example/cb", true},
		{"prefix: the query is ignored", prefix, "https://a.example/cb?x=1", "https://a.example/cb?y=2", true},
		{"prefix: the default port is the same port", prefix, "https://a.example:443/cb", "https://a.example/cb", true},
		{"prefix: another port does not match", prefix, "https://a.example:8443/cb", "https://a.example/cb", false},
		{"prefix: another host does not match", prefix, "https://b.example/cb", "https://a.example/cb", false},
		{"prefix: a host that begins alike does not match", prefix, "https://a.example.evil.example/cb", "https://a.example", false},
		{"prefix: another scheme does not match", prefix, "http://a.example/cb", "https://a.example/cb", false},
		{"prefix: a shorter path does not match", prefix, "https://a.example/", "https://a.example/cb", false},
		{"prefix: no path is the root", prefix, "https://a.example", "https://a.example/", true},
		{"prefix: dots that lead out do not match", prefix, "https://a.example/cb/../evil", "https://a.example/cb", false},
		{"prefix: encoded dots do not match", prefix, "https://a.example/cb/%2e%2e/evil", "https://a.example/cb", false},
		{"prefix: encoded slashes do not match", prefix, "https://a.example/cb%2f..%2fevil", "https://a.example/cb", false},
		{"prefix: a private-use scheme matches by equality only", prefix, "com.app:/cb/more", "com.app:/cb", false},
		{"prefix: user information never matches", prefix, "https://a.example@evil.example/cb", "https://a.example/cb", false},

		{"pattern: a label of the host", patterns, "https://x.a.example/cb", "https://*.a.example/cb", true},
		{"pattern: part of a label", patterns, "https://pr-12.a.example/cb", "https://pr-*.a.example/cb", true},
		{"pattern: two labels are not one", patterns, "https://x.y.a.example/cb", "https://*.a.example/cb", false},
		{"pattern: an empty label is none", patterns, "https://.a.example/cb", "https://*.a.example/cb", false},
		{"pattern: another end of the host", patterns, "https://x.a.example.evil.example/cb", "https://*.a.example/cb", false},
		{"pattern: a host cannot hide in the path", patterns, "https://evil.example/x.a.example/cb", "https://*.a.example/cb", false},
		{"pattern: a host cannot hide in the query", patterns, "https://evil.example?.a.example/cb", "https://*.a.example/cb", false},
		{"pattern: another port", patterns, "https://x.a.example:1/cb", "https://*.a.example/cb", false},
		{"pattern: a segment of the path", patterns, "https://a.example/t/7/cb", "https://a.example/t/*/cb", true},
		{"pattern: two segments are not one", patterns, "https://a.example/t/7/8/cb", "https://a.example/t/*/cb", false},
		{"pattern: two stars are any number of segments", patterns, "https://a.example/t/7/8/cb", "https://a.example/t/**/cb", true},
		{"pattern: part of a segment", patterns, "https://a.example/cb-7.html", "https://a.example/cb-*.html", true},
		{"pattern: dots that lead out do not match", patterns, "https://a.example/t/..", "https://a.example/t/*", false},
		{"pattern: the query must be the same", patterns, "https://x.a.example/cb?x=1", "https://*.a.example/cb", false},
		{"pattern and prefix: the query is ignored", Matching{Patterns: true, Prefix: true}, "https://x.a.example/cb?x=1", "https://*.a.example/cb", true},
		{"pattern: a registered URI without a star is a text", patterns, "https://a.example/cb/x", "https://a.example/cb", false},

		{"native: the port of a loopback address may differ", native, "http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", true},
		{"native: of IPv6 too", native, "http://[::1]:51004/cb", "http://[::1]:1/cb", true},
		{"native: the path may not differ", native, "http://127.0.0.1:51004/other", "http://127.0.0.1/cb", false},
		{"native: the query may not differ", native, "http://127.0.0.1:51004/cb?x=1", "http://127.0.0.1/cb", false},
		{"native: localhost is no address", native, "http://localhost:51004/cb", "http://localhost/cb", false},
		{"native: another address does not match", native, "http://127.0.0.2:51004/cb", "http://127.0.0.1/cb", false},
		{"native: a public address needs its port", native, "http://192.0.2.1:51004/cb", "http://192.0.2.1/cb", false},
		{"other clients need the port of a loopback address", exact, "http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.m.Match(tt.uri, []string{"https://other.example/", tt.registered}); got != tt.want {
				t.Errorf("%q against %q: %v, want %v", tt.uri, tt.registered, got, tt.want)
			}
		})
	}
}

func TestMatchTakesLittleTime(t *testing.T) {
	m := Matching{Patterns: true}
	pattern := "https://a.example/" + strings.Repeat("**/*a", 500)
	uri := "https://a.example/" + strings.Repeat("a/", 2000)
	began := time.Now()
	m.Match(uri, []string{pattern})
	// It takes a third of a second. Without a bound on the work it would take for ever, so a busy machine has its time.
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("a hostile URI took %v", took)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("https://x.a.example/cb", "https://*.a.example/*")
	f.Fuzz(func(t *testing.T, uri, registered string) {
		for _, m := range []Matching{{}, {Prefix: true}, {Patterns: true}, {LoopbackPort: true}} {
			if m.Match(uri, []string{registered}) && strings.ContainsAny(uri, "\\#\r\n ") {
				t.Errorf("%q matches %q", uri, registered)
			}
		}
	})
}
