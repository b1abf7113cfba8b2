package rules

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
)

func TestReplacementsAreThoseOfTheStandardLibrary(t *testing.T) {
	patterns := []string{``, `a`, `a*`, `^`, `$`, `\b`, `(a)(b)?`, `(?P<x>b+)(c|$)`, `^(.*)@.*$`, `(?s).*`, `[ä-ü]?`, `x*y?`}
	texts := []string{"", "a", "aab abc", "ann@acme.example", "häßlich", "abcabcabc", "\xffa\xff"}
	withs := []string{"", "x", "$1", "$$", "$$1", "$", "$$$1", "${1}y", "$1y", "${x}", "$x$x", "${", "${1", "$0$0", "a$", "$9", "$01", "-$2-$1-", "$ä", "ä$$$"}
	for _, p := range patterns {
		pattern := regexp.MustCompile(p)
		for _, text := range texts {
			for _, with := range withs {
				got, ok := replaceBounded(pattern, text, with)
				if want := pattern.ReplaceAllString(text, with); !ok || got != want {
					t.Errorf("%q in %q by %q: %q, %v; want %q", p, text, with, got, ok, want)
				}
			}
		}
	}
}

func TestReplacementsAreBoundedWhileTheyAreMade(t *testing.T) {
	in := accessInput(t)
	long, err := structpb.NewStruct(map[string]any{"a": strings.Repeat("a", 16000)})
	if err != nil {
		t.Fatal(err)
	}
	in.Access.User.AdditionalInformation = long
	for name, call := range map[string]string{
		"a long replacement for each letter": `"a", "` + strings.Repeat("b", 3900) + `"`,
		"the whole text again and again":     `"^.*$", "` + strings.Repeat("$0", 1900) + `"`,
		"groups that are not there":          `"a", "` + strings.Repeat("$9", 1900) + `"`,
		"more groups than anybody needs":     `"a` + strings.Repeat("()", 300) + `", "b"`,
	} {
		r, err := CompileRule(AccessPolicy, `regexReplace(string(user.attributes.a), `+call+`) == ""`)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err = r.Holds(t.Context(), in)
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "regexReplace makes more than") && !strings.Contains(err.Error(), "costs more") {
			t.Errorf("%s: %v", name, err)
		}
		if size := after.TotalAlloc - before.TotalAlloc; size > 16<<20 && !raceDetector || took > 10*time.Second {
			t.Errorf("%s took %v and %d bytes", name, took, size)
		}
	}
}

// What a call costs grows with the text and with what the pattern compiles to, not with how it is spelt: few of them are enough.
func TestPatternsAreCountedByTextAndProgram(t *testing.T) {
	in := accessInput(t)
	long, err := structpb.NewStruct(map[string]any{"a": strings.Repeat("a", 16000)})
	if err != nil {
		t.Fatal(err)
	}
	in.Access.User.AdditionalInformation = long
	for _, text := range []string{
		`lists.range(1000).exists(i, regexReplace(string(user.attributes.a), "a", "` + strings.Repeat("b", 3900) + `") == "")`,
		`lists.range(1000).exists(i, regexReplace(string(user.attributes.a), "(?:b?){500}c", "") == "")`,
		`lists.range(1000).exists(i, string(user.attributes.a).matches("(?:b?){500}c"))`,
	} {
		r, err := CompileRule(AccessPolicy, text)
		if err != nil {
			t.Errorf("%.60s: %v", text, err)
			continue
		}
		began := time.Now()
		if _, err := r.Holds(t.Context(), in); !r.Counted() || err == nil || !strings.Contains(err.Error(), "costs more than") {
			t.Errorf("%.60s: counted %v, %v", text, r.Counted(), err)
		}
		if took := time.Since(began); took > 20*time.Second { // without the count it is hours
			t.Errorf("%.60s took %v", text, took)
		}
	}
}
