package mergepatch_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

func TestMerge(t *testing.T) {
	tests := []struct{ name, target, patch, want string }{
		// RFC 7396 Appendix A, as far as target and patch are objects.
		{"RFC 7396 A: a value replaces", `{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{"RFC 7396 A: a new member is added", `{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{"RFC 7396 A: null removes", `{"a":"b"}`, `{"a":null}`, `{}`},
		{"RFC 7396 A: null removes only its member", `{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{"RFC 7396 A: text replaces a list", `{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{"RFC 7396 A: a list replaces text", `{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{"RFC 7396 A: objects merge", `{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{"RFC 7396 A: lists are replaced whole", `{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{"RFC 7396 A: a null that is stored stays", `{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{"RFC 7396 A: an object replaces a value that is none", `{"a":"foo"}`, `{"a":{"b":"c"}}`, `{"a":{"b":"c"}}`},
		{"RFC 7396 A: nulls of a new object are left out", `{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{
			"RFC 7396 §3: the example",
			`{"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},"tags":["example","sample"],"content":"This will be unchanged"}`,
			`{"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},"tags":["example"]}`,
			`{"title":"Hello!","author":{"givenName":"John"},"tags":["example"],"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}`,
		},
		{"an empty patch changes nothing", `{"a":{"b":[1,null]}}`, `{}`, `{"a":{"b":[1,null]}}`},
		{"an empty object keeps what is there", `{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":1}}`},
		{"an empty list replaces", `{"a":[1]}`, `{"a":[]}`, `{"a":[]}`},
		{"null inside a list is content", `{}`, `{"a":[null,{"b":null}]}`, `{"a":[null,{"b":null}]}`},
		{"removing what is not there is no fault", `{}`, `{"a":null}`, `{}`},
		{"numbers keep their digits", `{}`, `{"a":9007199254740993}`, `{"a":9007199254740993}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, patch := tree(t, tt.target), tree(t, tt.patch)
			got := mergepatch.Merge(target, patch)
			if diff := cmp.Diff(tree(t, tt.want), got); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tree(t, tt.target), target); diff != "" {
				t.Errorf("the target changed:\n%s", diff)
			}
			if diff := cmp.Diff(tree(t, tt.patch), patch); diff != "" {
				t.Errorf("the patch changed:\n%s", diff)
			}
		})
	}
}

func TestMergeWithNothing(t *testing.T) {
	if got := mergepatch.Merge(nil, nil); len(got) != 0 || got == nil {
		t.Errorf("nothing merged with nothing is %v, not an empty object", got)
	}
	if diff := cmp.Diff(tree(t, `{"a":1}`), mergepatch.Merge(nil, tree(t, `{"a":1,"b":null}`))); diff != "" {
		t.Errorf("patch of nothing (-want +got):\n%s", diff)
	}
}

// TestMergeLaws checks on random trees what RFC 7396 implies: the result says what the patch says, a patch applied
// twice is a patch applied once, what the patch does not name stays, and nothing is shared.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target, patch := object(3).Draw(t, "target"), object(3).Draw(t, "patch")
		before := printed(t, target) + printed(t, patch)
		got := mergepatch.Merge(target, patch)
		if diff := cmp.Diff(got, mergepatch.Merge(got, patch)); diff != "" {
			t.Fatalf("the second time changed something:\n%s", diff)
		}
		for name, v := range target {
			if _, touched := patch[name]; !touched {
				if diff := cmp.Diff(v, got[name]); diff != "" {
					t.Fatalf("untouched member %q changed:\n%s", name, diff)
				}
			}
		}
		says(t, got, patch)
		spoil(got)
		if after := printed(t, target) + printed(t, patch); after != before {
			t.Fatalf("the result shares something with the arguments:\n%s\n%s", before, after)
		}
	})
}

func says(t *rapid.T, got, patch prototree.Object) {
	for name, v := range patch {
		value, there := got[name]
		switch v := v.(type) {
		case nil:
			if there {
				t.Fatalf("member %q was not removed", name)
			}
		case prototree.Object:
			inner, ok := value.(prototree.Object)
			if !ok {
				t.Fatalf("member %q is no object", name)
			}
			says(t, inner, v)
		default:
			if diff := cmp.Diff(v, value); diff != "" {
				t.Fatalf("member %q was not replaced:\n%s", name, diff)
			}
		}
	}
}

// spoil changes everything in a value that can be changed.
func spoil(v any) {
	switch v := v.(type) {
	case prototree.Object:
		for _, inner := range v {
			spoil(inner)
		}
		v["spoilt"] = true
	case []any:
		for i := range v {
			spoil(v[i])
			v[i] = "spoilt"
		}
	}
}

func object(depth int) *rapid.Generator[prototree.Object] {
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), value(depth), 0, 4)
}

func value(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.SampledFrom([]string{"x", "y"}).AsAny(),
		rapid.Just[any](json.Number("1e400")),
	}
	if depth > 0 {
		leaves = append(leaves, object(depth-1).AsAny(), rapid.SliceOfN(value(depth-1), 0, 3).AsAny())
	}
	return rapid.OneOf(leaves...)
}

func tree(t *testing.T, text string) prototree.Object {
	t.Helper()
	o, err := prototree.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func printed(t *rapid.T, o prototree.Object) string {
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
