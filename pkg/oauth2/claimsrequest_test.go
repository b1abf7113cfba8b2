package oauth2

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseClaimsRequest(t *testing.T) {
	raw := func(values ...string) (list []json.RawMessage) {
		for _, v := range values {
			list = append(list, json.RawMessage(v))
		}
		return list
	}
	tests := []struct {
		name, parameter string
		want            *ClaimsRequest // nil: refused
	}{
		{"the example of OpenID Connect Core §5.5", `{
			"userinfo": {
				"given_name": {"essential": true},
				"nickname": null,
				"email": {"essential": true},
				"email_verified": {"essential": true},
				"picture": null,
				"http://example.info/claims/groups": null
			},
			"id_token": {
				"auth_time": {"essential": true},
				"acr": {"values": ["urn:mace:incommon:iap:silver"]}
			}
		}`, &ClaimsRequest{
			UserInfo: []RequestedClaim{
				{Name: "email", Essential: true}, {Name: "email_verified", Essential: true}, {Name: "given_name", Essential: true},
				{Name: "http://example.info/claims/groups"}, {Name: "nickname"}, {Name: "picture"},
			},
			IDToken: []RequestedClaim{{Name: "acr", Values: raw(`"urn:mace:incommon:iap:silver"`)}, {Name: "auth_time", Essential: true}},
		}},
		{"no claim at all", `{}`, &ClaimsRequest{}},
		{"members that are not known are ignored", `{"other":{"a":1},"userinfo":{"name":{"purpose":"x"}}}`,
			&ClaimsRequest{UserInfo: []RequestedClaim{{Name: "name"}}}},
		{"a value goes before values, and space inside does not matter", `{"id_token":{"a":{"values":[2,"c"],"value":{ "x" : [1] }}}}`,
			&ClaimsRequest{IDToken: []RequestedClaim{{Name: "a", Values: raw(`{"x":[1]}`, "2", `"c"`)}}}},
		{"a member that is null", `{"userinfo":null}`, &ClaimsRequest{UserInfo: []RequestedClaim{}}},
		{"nothing", ``, nil},
		{"null", `null`, nil},
		{"a list", `[]`, nil},
		{"a text in the place of a member", `{"userinfo":"name"}`, nil},
		{"a list in the place of a member", `{"userinfo":["name"]}`, nil},
		{"a text in the place of a wish", `{"userinfo":{"name":"x"}}`, nil},
		{"a boolean in the place of a wish", `{"userinfo":{"name":true}}`, nil},
		{"essential is no boolean", `{"userinfo":{"name":{"essential":"true"}}}`, nil},
		{"values is no list", `{"userinfo":{"name":{"values":"x"}}}`, nil},
		{"more text after the object", `{} {}`, nil},
		{"too large", `{"x":"` + strings.Repeat("x", MaxClaimsRequest) + `"}`, nil},
		{"too long a name", `{"userinfo":{"` + strings.Repeat("x", 129) + `":null}}`, nil},
		{"too many values", `{"userinfo":{"a":{"values":[` + strings.Repeat("1,", 16) + `1]}}}`, nil},
		{"too large values", `{"userinfo":{"a":{"value":"` + strings.Repeat("x", 1024) + `"}}}`, nil},
		{"too many claims", `{"userinfo":{` + manyClaims(65) + `}}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseClaimsRequest([]byte(tt.parameter))
			if (err != nil) != (tt.want == nil) || err != nil && !errors.Is(err, ErrClaimsRequest) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func manyClaims(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = `"` + strings.Repeat("x", i+1) + `":null`
	}
	return strings.Join(list, ",")
}

func TestRequestedValues(t *testing.T) {
	r, err := ParseClaimsRequest([]byte(`{
		"userinfo": {"updated_at": {"value": 7}, "email_verified": {"value": true}, "name": null, "sub": {"value": "ann"}},
		"id_token": {"acr": {"essential": true, "values": ["gold", 5, "silver"]}, "sub": {"values": ["bob", "ann"]}}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) RequestedClaim {
		for _, c := range r.UserInfo {
			if c.Name == name {
				return c
			}
		}
		t.Fatalf("no claim %q", name)
		return RequestedClaim{}
	}
	if !find("updated_at").Accepts(int64(7)) || find("updated_at").Accepts("7") || !find("email_verified").Accepts(true) ||
		find("email_verified").Accepts(false) || !find("name").Accepts("anything") || find("updated_at").Accepts(func() {}) {
		t.Error("values are not compared as JSON")
	}
	if !r.AcceptsSubject("ann") || r.AcceptsSubject("bob") || !(*ClaimsRequest)(nil).AcceptsSubject("bob") {
		t.Error("a request that names a person is for somebody else")
	}
	values, essential := r.ACR()
	if diff := cmp.Diff([]string{"gold", "silver"}, values); diff != "" || !essential {
		t.Errorf("essential %t, classes (-want +got):\n%s", essential, diff)
	}
	if values, essential := (*ClaimsRequest)(nil).ACR(); values != nil || essential {
		t.Errorf("no request wants %v", values)
	}
}

func FuzzParseClaimsRequest(f *testing.F) {
	f.Add([]byte(`{"userinfo":{"given_name":{"essential":true},"nickname":null},"id_token":{"acr":{"values":["a","b"]}}}`))
	f.Add([]byte(`{"id_token":{"sub":{"value":"248289761001"},"a#de":{"value":1e400}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseClaimsRequest(raw)
		if err != nil {
			if r != nil || !errors.Is(err, ErrClaimsRequest) {
				t.Fatalf("request %v with error %v", r, err)
			}
			return
		}
		for _, list := range [][]RequestedClaim{r.UserInfo, r.IDToken} {
			size := 0
			for i, c := range list {
				if i > 0 && c.Name <= list[i-1].Name {
					t.Errorf("%q follows %q", c.Name, list[i-1].Name)
				}
				for _, v := range c.Values {
					size += len(v)
					var value any
					if json.Unmarshal(v, &value) != nil || !c.Accepts(value) {
						t.Errorf("the claim %q does not accept %s", c.Name, v)
					}
				}
			}
			if len(list) > maxRequestedClaims || size > maxRequestedValueSize {
				t.Errorf("%d claims with %d bytes of values", len(list), size)
			}
		}
		r.AcceptsSubject("x")
		r.ACR()
	})
}
