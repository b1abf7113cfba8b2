package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLiteralKeysAreThoseOfTheMapThatAnExpressionGives(t *testing.T) {
	tests := []struct {
		name, text string
		want       []Key
	}{
		{"of the map itself", `{"a": 1, "b": {"c": 2}}`, []Key{{"a", 1, 2}, {"b", 1, 10}}},
		{"of both branches of a choice", "true ?\n {\"a\": 1} : {\"b\": 1}", []Key{{"a", 2, 3}, {"b", 2, 14}}},
		{"of what functions put together", `deepMerge({"a": 1}, {"b": 1})`, []Key{{"a", 1, 12}, {"b", 1, 22}}},
		{"not of what is looked at", `{"a": {"b": 1}["b"] == 1}`, []Key{{"a", 1, 2}}},
		{"not those that are computed", `{user.username: 1}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := LiteralKeys(ClaimMapping, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := LiteralKeys(ClaimMapping, `{`); err == nil {
		t.Error("what does not compile has keys")
	}
}
