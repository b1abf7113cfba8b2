package rules

import "testing"

func TestEveryPlaceHasExamplesThatCompile(t *testing.T) {
	for _, p := range Places() {
		if len(examples[p]) == 0 {
			t.Errorf("%v has no example", p)
		}
		for _, e := range examples[p] {
			if _, err := Check(p, e.Text); err != nil {
				t.Errorf("%v: %s: %v", p, e.Text, err)
			}
			if e.Doc == "" {
				t.Errorf("%v: %s is not described", p, e.Text)
			}
		}
	}
}

func TestResponses(t *testing.T) {
	in := acme()
	in.Response = &Response{
		Status: 200, Headers: map[string][]string{"X-Partner": {"north"}}, Body: `{"partner":"south"}`,
		JSON: map[string]any{"partner": "south", "n": 1.5},
	}
	for _, tt := range []struct {
		text string
		want any
	}{
		{`response.status == 200`, true},
		{`response.status`, int64(200)},
		{`response.json.partner`, "south"},
		{`response.json.n`, 1.5},
		{`response.headers["x-partner"][0]`, "north"},
		{`response.body.contains("south") && login != ""`, true},
		{`response.json.?missing.orValue("none")`, "none"},
	} {
		tpl, err := CompileTemplate(FlowResponse, tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got, err := tpl.Value(t.Context(), in); err != nil || got != tt.want {
			t.Errorf("%s: %v, %v; want %v", tt.text, got, err, tt.want)
		}
	}
	if _, err := CompileTemplate(FlowValue, `response.status`); err == nil {
		t.Error("a step that calls nothing reads an answer")
	}
	tpl, err := CompileTemplate(FlowResponse, `response.status`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tpl.Value(t.Context(), &Input{}); err == nil {
		t.Errorf("without an answer: %v", got)
	}
}

func TestMappers(t *testing.T) {
	in := &Input{Profile: map[string]any{"sub": "1", "groups": []any{"admins"}}}
	rule, err := CompileRule(MapperCondition, `{#"admins" in profile.groups}`)
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := rule.Holds(t.Context(), in); !holds || err != nil {
		t.Errorf("a condition: %v, %v", holds, err)
	}
	if holds, err := rule.Holds(t.Context(), &Input{}); holds || err == nil {
		t.Errorf("without a profile: %v, %v", holds, err)
	}
	value, err := CompileTemplate(Mapper, `profile.?nickname.orValue(profile.sub)`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := value.Value(t.Context(), in); got != "1" || err != nil {
		t.Errorf("a value: %v, %v", got, err)
	}
	if _, err := CompileRule(MapperCondition, `login == ""`); err == nil {
		t.Error("a mapper reads the login")
	}
}
