package oauth2

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseResponseType(t *testing.T) {
	tests := []struct {
		in   string
		want ResponseType
		ok   bool
	}{
		{"code", ResponseCode, true},
		{"token", ResponseToken, true},
		{"id_token", ResponseIDToken, true},
		{"token id_token", ResponseIDTokenToken, true},
		{"id_token code", ResponseCodeIDToken, true},
		{"token code", ResponseCodeToken, true},
		{"token id_token code", ResponseCodeIDTokenToken, true},
		{"", "", false},
		{"none", "", false},
		{"code code", "", false},
		{"code  token", "", false},
		{" code", "", false},
		{"CODE", "", false},
		{"code\ttoken", "", false},
	}
	for _, tt := range tests {
		if got, ok := ParseResponseType(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("%q is %q, %v; want %q, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestEveryResponseType(t *testing.T) {
	all := ResponseTypes()
	if len(all) != 7 || !slices.IsSorted(all) {
		t.Fatalf("response types %v are not seven, sorted", all)
	}
	type facts struct {
		Code, Token, IDToken bool
		Mode                 ResponseMode
		Grants               []GrantType
	}
	code, implicit := GrantAuthorizationCode, GrantImplicit
	want := map[ResponseType]facts{
		ResponseCode:             {true, false, false, ModeQuery, []GrantType{code}},
		ResponseToken:            {false, true, false, ModeFragment, []GrantType{implicit}},
		ResponseIDToken:          {false, false, true, ModeFragment, []GrantType{implicit}},
		ResponseIDTokenToken:     {false, true, true, ModeFragment, []GrantType{implicit}},
		ResponseCodeIDToken:      {true, false, true, ModeFragment, []GrantType{code}},
		ResponseCodeToken:        {true, true, false, ModeFragment, []GrantType{code}},
		ResponseCodeIDTokenToken: {true, true, true, ModeFragment, []GrantType{code}},
	}
	for _, r := range all {
		got := facts{r.HasCode(), r.HasToken(), r.HasIDToken(), r.DefaultMode(), r.GrantTypes()}
		if diff := cmp.Diff(want[r], got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", r, diff)
		}
		if same, ok := ParseResponseType(string(r)); !ok || same != r {
			t.Errorf("%q does not parse to itself", r)
		}
	}
}

func TestParseResponseMode(t *testing.T) {
	tests := []struct {
		name  string
		mode  string
		typ   ResponseType
		want  ResponseMode
		error Code
	}{
		{"a code travels in the query by default", "", ResponseCode, ModeQuery, ""},
		{"tokens travel in the fragment by default", "", ResponseCodeIDToken, ModeFragment, ""},
		{"jwt is query.jwt for a code", "jwt", ResponseCode, ModeQueryJWT, ""},
		{"jwt is fragment.jwt for tokens", "jwt", ResponseToken, ModeFragmentJWT, ""},
		{"a code may travel in the fragment", "fragment", ResponseCode, ModeFragment, ""},
		{"everything may travel in a form", "form_post", ResponseCodeIDTokenToken, ModeFormPost, ""},
		{"everything may travel in a signed form", "form_post.jwt", ResponseIDToken, ModeFormPostJWT, ""},
		{"tokens never travel in the query (MRT §5)", "query", ResponseIDToken, "", InvalidRequest},
		{"tokens never travel in a signed query", "query.jwt", ResponseCodeToken, "", InvalidRequest},
		{"an unknown mode is unsupported", "web_message", ResponseCode, "", UnsupportedResponseMode},
		{"modes are compared exactly", "Query", ResponseCode, "", UnsupportedResponseMode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseResponseMode(tt.mode, tt.typ)
			if got != tt.want {
				t.Errorf("mode %q, want %q", got, tt.want)
			}
			if (err != nil) != (tt.error != "") || (err != nil && CodeOf(err) != tt.error) {
				t.Errorf("error %v, want %q", err, tt.error)
			}
		})
	}
	if !ModeQueryJWT.Signed() || !ModeJWT.Signed() || ModeQuery.Signed() {
		t.Error("Signed is wrong")
	}
	if ModeFormPostJWT.Carrier() != ModeFormPost || ModeQuery.Carrier() != ModeQuery {
		t.Error("Carrier is wrong")
	}
}

func TestParsePrompt(t *testing.T) {
	tests := []struct {
		in   string
		want Prompt
		ok   bool
	}{
		{"", 0, true},
		{"none", PromptNone, true},
		{"login consent", PromptLogin | PromptConsent, true},
		{"consent  login", PromptLogin | PromptConsent, true},
		{"select_account", PromptSelectAccount, true},
		{"none login", 0, false},
		{"Login", 0, false},
		{"login something", 0, false},
	}
	for _, tt := range tests {
		got, err := ParsePrompt(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q is %v, %v", tt.in, got, err)
		}
		if err != nil && CodeOf(err) != InvalidRequest {
			t.Errorf("%q: code %s", tt.in, CodeOf(err))
		}
	}
	if p := PromptLogin | PromptConsent; !p.Has(PromptLogin) || p.Has(PromptNone) {
		t.Error("Has is wrong")
	}
}

func TestNamesAreTheRegisteredOnes(t *testing.T) {
	for _, g := range GrantTypes() {
		if got, ok := ParseGrantType(string(g)); !ok || got != g {
			t.Errorf("grant type %q does not parse", g)
		}
	}
	for _, short := range []string{"", "jwt-bearer", "device_code", "Password"} {
		if _, ok := ParseGrantType(short); ok {
			t.Errorf("%q is taken for a grant type", short)
		}
	}
	for _, m := range AuthMethods() {
		if got, ok := ParseAuthMethod(string(m)); !ok || got != m {
			t.Errorf("method %q does not parse", m)
		}
	}
	if _, ok := ParseAuthMethod("basic"); ok {
		t.Error("basic is taken for a method")
	}
	if !AuthSecretJWT.UsesSecret() || AuthPrivateKeyJWT.UsesSecret() || AuthNone.UsesSecret() {
		t.Error("UsesSecret is wrong")
	}
}

func TestScopes(t *testing.T) {
	if diff := cmp.Diff([]string{"openid", "a"}, SplitScope(" openid  a openid ")); diff != "" {
		t.Errorf("split (-want +got):\n%s", diff)
	}
	if SplitScope("") != nil || SplitScope("  ") != nil {
		t.Error("no scopes are not nil")
	}
	if got := JoinScope([]string{"a", "b"}); got != "a b" {
		t.Errorf("joined %q", got)
	}
	for s, want := range map[string]bool{"a openid": true, "openid": true, "openid2": false, "": false} {
		if HasScope(s, "openid") != want {
			t.Errorf("%q has openid: %v", s, !want)
		}
	}
	if HasScope("a  b", "") {
		t.Error("the empty scope is in every text")
	}
	for s, want := range map[string]bool{"read:any": true, "a/b~!": true, "": false, "a b": false, `a"`: false, `a\`: false, "é": false} {
		if ValidScope(s) != want {
			t.Errorf("%q valid: %v", s, !want)
		}
	}
}
