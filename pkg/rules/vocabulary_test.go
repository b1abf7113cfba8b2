package rules

import (
	"slices"
	"testing"
)

func TestVocabulary(t *testing.T) {
	for _, p := range Places() {
		v, err := VocabularyOf(p)
		if err != nil {
			t.Fatal(err)
		}
		if v.Name != p.String() || v.Place != p {
			t.Errorf("vocabulary of %v is called %q", p, v.Name)
		}
		for _, x := range v.Variables {
			if x.Doc == "" || x.Type == "" {
				t.Errorf("%v: variable %s has no description or type", p, x.Name)
			}
		}
		for _, f := range v.Functions {
			if f.Doc == "" || len(f.Signatures) == 0 {
				t.Errorf("%v: function %s has no description or signature", p, f.Name)
			}
		}
	}
	if _, err := VocabularyOf(Place(99)); err == nil {
		t.Error("an unknown place has a vocabulary")
	}
}

func TestVocabularyOfSelectionRules(t *testing.T) {
	v, err := VocabularyOf(SelectionRule)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, x := range v.Variables {
		types[x.Name] = x.Type
	}
	for name, want := range map[string]string{
		"login": "string", "request": "Request", "request.params": "map(string, list(string))",
		"request.headers": "map(string, list(string))", "request.ip": "string", "request.path": "string",
		"request.method": "string", "request.scheme": "string", "request.id": "string", "client.id": "string",
		"client.clientId": "string", "client.name": "string", "client.type": "string", "client.grantTypes": "list(string)",
		"client.scopes": "list(string)", "client.metadata": "map(string, dyn)", "user": "map(string, dyn)",
		"context.attributes": "map(string, dyn)", "context.domain.id": "string", "context.domain.name": "string",
		"context.domain.path": "string", "identityProvider.id": "string", "identityProvider.name": "string",
		"identityProvider.type": "string", "identityProvider.external": "bool",
		"identityProvider.domainWhitelist": "list(string)",
	} {
		if types[name] != want {
			t.Errorf("%s has type %q, want %q", name, types[name], want)
		}
	}
	signatures := map[string][]string{}
	for _, f := range v.Functions {
		signatures[f.Name] = f.Signatures
	}
	for name, want := range map[string]string{
		"endsWith": "string.endsWith(string) -> bool", "lowerAscii": "string.lowerAscii() -> string",
		"exists": "list.exists(x, condition) -> bool", "containsIP": "cidr.containsIP(string) -> bool",
		"orValue": "optional(V).orValue(V) -> V",
	} {
		if !slices.Contains(signatures[name], want) {
			t.Errorf("%s has signatures %q, want %q", name, signatures[name], want)
		}
	}
	policies, err := VocabularyOf(AccessPolicy)
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, f := range policies.Functions {
		described[f.Name] = true
	}
	for name := range functionDocs {
		if !described[name] {
			t.Errorf("%s is described but does not exist", name)
		}
	}
	for _, hidden := range []string{"in", "_==_", "json.encode", "math.@max"} {
		if signatures[hidden] != nil {
			t.Errorf("%s is listed", hidden)
		}
	}
}

// TestEveryMacroExists compiles a use of every macro of the vocabulary.
func TestEveryMacroExists(t *testing.T) {
	uses := map[string]string{
		"has": `has(client.name)`, "exists": `[1].exists(x, x == 1) && {"a": 1}.exists(k, v, v == 1)`,
		"all": `[1].all(x, x == 1)`, "exists_one": `[1].exists_one(x, x == 1)`, "existsOne": `[1].existsOne(i, x, x == 1)`,
		"filter": `[1].filter(x, x == 1)`, "map": `[1].map(x, x + 1)`, "sortBy": `[1].sortBy(x, -x)`,
		"transformList": `{"a": 1}.transformList(k, v, v)`, "transformMap": `{"a": 1}.transformMap(k, v, v)`,
		"transformMapEntry": `{"a": "b"}.transformMapEntry(k, v, {v: k})`, "optMap": `optional.of(1).optMap(x, x)`,
		"optFlatMap": `optional.of(1).optFlatMap(x, optional.of(x))`, "greatest": `math.greatest(1, 2)`, "least": `math.least([1])`,
	}
	for _, m := range macros {
		use, ok := uses[m.Name]
		if !ok {
			t.Errorf("no use of %s", m.Name)
			continue
		}
		tpl, err := CompileTemplate(FlowValue, use)
		if err != nil {
			t.Errorf("%s: %v", use, err)
			continue
		}
		if _, err := tpl.Value(t.Context(), acme()); err != nil {
			t.Errorf("%s: %v", use, err)
		}
	}
	env, err := SelectionRule.definition().env()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range env.Macros() {
		if !slices.ContainsFunc(macros, func(f Function) bool { return f.Name == m.Function() }) {
			t.Errorf("macro %s is not described", m.Function())
		}
	}
}
