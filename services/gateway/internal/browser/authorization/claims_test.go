package authorization

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

func TestParseClaims(t *testing.T) {
	deep := `{"id_token":{"a":{"value":` + strings.Repeat("[", 6) + strings.Repeat("]", 6) + `}}}`
	tests := []struct {
		name, sent string
		want       claimsRequest
		bad        bool
	}{
		{name: "nothing", want: claimsRequest{}},
		{
			name: "OpenID Connect Core §5.5",
			sent: `{"userinfo": {"given_name": {"essential": true}, "nickname": null, "http://example.info/claims/groups": null},
				"id_token": {"auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}}}`,
			want: claimsRequest{
				kept: json.RawMessage(`{"id_token":{"acr":{"values":["urn:mace:incommon:iap:silver"]},"auth_time":{"essential":true}},` +
					`"userinfo":{"given_name":{"essential":true},"http://example.info/claims/groups":null,"nickname":null}}`),
				acr: claim{asked: true, values: []string{"urn:mace:incommon:iap:silver"}},
			},
		},
		{name: "an empty object", sent: "{}"},
		{name: "empty members", sent: `{"userinfo":{},"id_token":null}`},
		{name: "members and properties that nobody knows", sent: `{"tea":[1],"id_token":{"x":{"blend":true}}}`, want: claimsRequest{kept: json.RawMessage(`{"id_token":{"x":{"blend":true}}}`)}},
		{name: "names are compared exactly", sent: `{"ID_TOKEN":{"sub":{"value":"x"}}}`},
		{name: "a subject", sent: `{"id_token":{"sub":{"value":"248289761001"}}}`, want: claimsRequest{kept: json.RawMessage(`{"id_token":{"sub":{"value":"248289761001"}}}`), subjects: []string{"248289761001"}}},
		{name: "a value that is no text names nobody", sent: `{"id_token":{"sub":{"value":1,"values":["a",null]}}}`, want: claimsRequest{kept: json.RawMessage(`{"id_token":{"sub":{"value":1,"values":["a",null]}}}`), subjects: []string{"a"}}},
		{name: "as deep as is read", sent: strings.TrimRight(deep, "[]}") + "[[[[[1]]]]]}}}", want: claimsRequest{kept: json.RawMessage(`{"id_token":{"a":{"value":[[[[[1]]]]]}}}`)}},
		{name: "brackets in texts are no depth", sent: `{"id_token":{"a":{"value":"[[[[[[[[[\"[["}}}`, want: claimsRequest{kept: json.RawMessage(`{"id_token":{"a":{"value":"[[[[[[[[[\"[["}}}`)}},

		{name: "no JSON", sent: "x", bad: true},
		{name: "a list", sent: "[]", bad: true},
		{name: "null", sent: "null", bad: true},
		{name: "two values", sent: "{}{}", bad: true},
		{name: "a member that is no object", sent: `{"id_token":[]}`, bad: true},
		{name: "a claim that is no object", sent: `{"id_token":{"sub":"x"}}`, bad: true},
		{name: "an essential that is no boolean", sent: `{"id_token":{"sub":{"essential":"true"}}}`, bad: true},
		{name: "values that are no list", sent: `{"userinfo":{"sub":{"values":"x"}}}`, bad: true},
		{name: "too deep", sent: deep, bad: true},
		{name: "too deep to be read as JSON", sent: strings.Repeat("[", 5000), bad: true},
		{name: "too long", sent: `{"id_token":{"x":{"value":"` + strings.Repeat("x", oauth2.MaxClaimsRequest) + `"}}}`, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseClaims(tt.sent)
			if tt.bad {
				if oauth2.CodeOf(err) != oauth2.InvalidRequest || got.kept != nil {
					t.Errorf("%+v, error %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(claimsRequest{}, claim{})); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseClaims(f *testing.F) {
	f.Add(`{"id_token":{"acr":{"essential":true,"values":["a"]},"sub":{"value":"x"}},"userinfo":{"email":null}}`)
	f.Add(`{"id_token":{"a":{"value":"[\"["}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseClaims(s)
		if err != nil {
			return
		}
		again, err := parseClaims(string(got.kept))
		if err != nil && len(got.kept) <= oauth2.MaxClaimsRequest {
			t.Fatalf("%q is kept as %q, which is none", s, got.kept)
		}
		if err == nil && string(again.kept) != string(got.kept) {
			t.Errorf("%q is kept as %q and then as %q", s, got.kept, again.kept)
		}
	})
}

func TestLocales(t *testing.T) {
	for sent, want := range map[string]string{
		"fr-CA fr en":                           "fr-CA fr en",
		"de-CH-1996 de de":                      "de-CH-1996 de",
		"x! en -fr fr- a--b 1de a<b":            "en",
		"abcdefghi en":                          "en",
		strings.Repeat("a-", 40) + "b":          "",
		"":                                      "",
		"en\tfr":                                "en fr",
		"a b c d e f g h i j k l m n o p q r s": "a b c d e f g h i j k l m n o p",
	} {
		if got := strings.Join(locales(sent), " "); got != want {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}
