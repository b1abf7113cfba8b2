package management_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// sample is a body for an operation, and what is known about it.
type sample struct {
	text []byte
	tree any // nil where the text is no JSON
	// what was done to it, for people
	mutation string
	// refused says that the body must be refused, whatever the operation does with it.
	refused bool
}

// sampler makes bodies out of the schemas of a document.
type sampler struct {
	*rand.Rand
	schemas map[string]any
	// serial keeps names apart.
	serial int
}

func newSampler(document map[string]any, seed uint64) *sampler {
	components := document["components"].(map[string]any)
	return &sampler{Rand: rand.New(rand.NewPCG(seed, 20261122)), schemas: components["schemas"].(map[string]any)}
}

// resolve follows a reference.
func (s *sampler) resolve(schema map[string]any) map[string]any {
	for {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		schema = s.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	}
}

// value makes a value that a schema allows. What lies deep is small.
func (s *sampler) value(schema map[string]any, name string, depth int) any {
	schema = s.resolve(schema)
	if choices, ok := schema["anyOf"].([]any); ok && schema["properties"] == nil {
		return s.value(choices[s.IntN(len(choices))].(map[string]any), name, depth)
	}
	if words, ok := schema["enum"].([]any); ok {
		return words[s.IntN(len(words))]
	}
	kind, _ := schema["type"].(string)
	if kinds, ok := schema["type"].([]any); ok {
		kind = kinds[s.IntN(len(kinds))].(string)
	}
	switch kind {
	case "null":
		return nil
	case "boolean":
		return s.IntN(2) == 0
	case "integer":
		return json.Number(fmt.Sprint([]int64{0, 1, 60, 7200, 86400, 1 << 31, -1}[s.IntN(7)]))
	case "number":
		return json.Number("0.5")
	case "string":
		if schema["contentMediaType"] == "application/json" {
			return "{}"
		}
		return s.word(name)
	case "array":
		list := []any{}
		items, _ := schema["items"].(map[string]any)
		for range s.IntN(3) {
			if depth < 6 {
				list = append(list, s.value(items, name, depth+1))
			}
		}
		return list
	}
	made := map[string]any{}
	if entries, ok := schema["additionalProperties"].(map[string]any); ok {
		made[s.word("key")] = s.value(entries, name, depth+1)
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		member := properties[name].(map[string]any)
		if depth < 5 && s.IntN(4+2*depth) == 0 {
			made[name] = s.value(member, name, depth+1)
		}
	}
	return made
}

// word makes a text that fits a name, as far as the name says what fits.
func (s *sampler) word(name string) string {
	s.serial++
	switch lower := strings.ToLower(name); {
	case strings.Contains(lower, "uri") || strings.Contains(lower, "url"):
		return fmt.Sprintf("https://x%d.example/callback", s.serial)
	case strings.Contains(lower, "mail"):
		return fmt.Sprintf("x%d@acme.example", s.serial)
	case strings.Contains(lower, "rule") || strings.Contains(lower, "condition") || strings.Contains(lower, "expression"):
		return "true"
	}
	return []string{"x", "Ä ö ", "x-", "a.b$c", ""}[s.IntN(5)] + strconv.Itoa(s.serial)
}

// place is somewhere in a tree that can be read and replaced.
type place struct {
	value any
	set   func(any)
}

// places returns every place of a tree, the root first.
func places(tree any, set func(any)) []place {
	all := []place{{tree, set}}
	switch v := tree.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, places(v[name], func(x any) { v[name] = x })...)
		}
	case []any:
		for i := range v {
			all = append(all, places(v[i], func(x any) { v[i] = x })...)
		}
	}
	return all
}

// strange are values that fit hardly anywhere.
var strange = []any{
	nil, true, json.Number("-1"), json.Number("1e308"), json.Number("9223372036854775808"), json.Number("0.1"), "", "\u0000", "$x",
	"{#", "{#1 + }", "../..", "javascript:alert(1)", "https://*.example/\u202e", "********", []any{}, []any{nil}, map[string]any{},
	map[string]any{"$gt": ""}, map[string]any{"": nil}, strings.Repeat("long ", 5000), "\ufeff\u200b", []any{[]any{[]any{}}},
}

// mutate changes a body in one way.
func (s *sampler) mutate(tree any) sample {
	tree = clone(tree)
	root := []any{tree}
	all := places(tree, func(v any) { root[0] = v })
	pick := func(fits func(any) bool) *place {
		var some []place
		for _, p := range all {
			if fits(p.value) {
				some = append(some, p)
			}
		}
		if some == nil {
			return nil
		}
		return &some[s.IntN(len(some))]
	}
	object := func(v any) bool { _, ok := v.(map[string]any); return ok }
	done := func(mutation string) sample {
		text, _ := json.Marshal(root[0]) // it is made of what encoding/json reads
		return sample{text: text, tree: root[0], mutation: mutation}
	}
	switch s.IntN(8) {
	case 0:
		return done("nothing")
	case 1: // an unknown member of the body itself
		if body, ok := root[0].(map[string]any); ok {
			body["noSuchMember"] = s.IntN(2) == 0
			made := done("an unknown member")
			made.refused = true
			return made
		}
	case 2: // a member that a message further inside may not have
		if p := pick(object); p != nil {
			p.value.(map[string]any)["no.such\u00a0member"] = "x"
			return done("an unknown member inside")
		}
	case 3:
		deep := strings.Repeat(`{"a":`, 12000) + "1" + strings.Repeat("}", 12000)
		return sample{text: []byte(deep), mutation: "deep nesting", refused: true}
	case 4:
		text, _ := json.Marshal(root[0])
		switch s.IntN(3) {
		case 0:
			return sample{text: text[:len(text)/2], mutation: "half of it", refused: len(text) > 2}
		case 1:
			return sample{text: append(text, "{}"...), mutation: "two bodies", refused: true}
		}
		bad := []byte(strings.Replace(string(text), `":"`, "\":\"\xff\xfe", 1))
		return sample{text: bad, mutation: "text that is not UTF-8", refused: string(bad) != string(text)}
	case 5:
		text, _ := json.Marshal(root[0])
		if body, ok := root[0].(map[string]any); ok && len(body) > 0 {
			name := slices.Sorted(maps.Keys(body))[0]
			again, _ := json.Marshal(map[string]any{name: nil})
			twice := append(append(again[:len(again)-1:len(again)-1], ','), text[1:]...)
			return sample{text: twice, mutation: "a member twice", refused: true}
		}
	}
	p := all[s.IntN(len(all))]
	p.set(clone(strange[s.IntN(len(strange))]))
	return done("something strange")
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		made := map[string]any{}
		for name, value := range v {
			made[name] = clone(value)
		}
		return made
	case []any:
		made := make([]any, len(v))
		for i, value := range v {
			made[i] = clone(value)
		}
		return made
	}
	return v
}
