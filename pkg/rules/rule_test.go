package rules

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// acme is an input with something in every variable.
func acme() *Input {
	return &Input{
		Login: "Ann@ACME.example",
		Request: Request{
			Params: url.Values{
				"username": {"user"}, "password": {"hunter2"}, "tenant": {"blue"}, "code": {"abc"}, "empty": {},
			},
			Headers: http.Header{
				"X-Zone": {"intranet", "lab"}, "Authorization": {"Basic c2VjcmV0"}, "Cookie": {"sid=1"},
			},
			IP: "10.1.2.3", Path: "/acme/login", Method: "POST", Scheme: "https", ID: "r-1",
		},
		Client: NewClient(ClientFields{
			ID: "1", ClientID: "shop", Name: "Shop", Type: "web",
			GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid", "email"},
			Metadata: map[string]any{"region": "eu", "tiers": []any{"gold", map[string]any{"n": 2.0}}},
		}),
		User: map[string]any{
			"email": "ann@acme.example", "groups": []string{"ops", "dev"},
			"additionalInformation": map[string]any{"dept": "sales", "level": 7.0},
		},
		Attributes: map[string]any{
			"partner": "north", "user": map[string]any{"email": "ann@acme.example"}, "flag": true, "count": 3,
		},
		Domain: NewDomain(DomainFields{ID: "d1", Name: "acme", Path: "/acme"}),
		IdentityProvider: NewIdentityProvider(IdentityProviderFields{
			ID: "idp", Name: "Staff", Type: "inline-am-idp", External: true, DomainWhitelist: []string{"x.example", "ACME.example"},
		}),
	}
}

func TestARuleHolds(t *testing.T) {
	tests := []struct {
		name, rule string
		want       bool
	}{
		{"an e-mail domain, any case", `login.lowerAscii().endsWith("@acme.example")`, true},
		{"exactly this name", `request.params["username"][0].matches("^user$")`, true},
		{"not exactly this name", `request.params["username"][0].matches("^use$")`, false},
		{"matches finds", `request.params["username"][0].matches("se")`, true},
		{"matches with repetitions", `login.matches("^[A-Za-z]{2,3}@")`, true},
		{"a parameter that may be missing", `"tenant" in request.params && request.params["tenant"][0] == "blue"`, true},
		{"a parameter that is missing", `"tenants" in request.params && request.params["tenants"][0] == "blue"`, false},
		{"a header set by the front", `"x-zone" in request.headers && "intranet" in request.headers["x-zone"]`, true},
		{"the provider's own white list", `identityProvider.domainWhitelist.exists(d, login.endsWith("@" + d))`, true},
		{"decided by a flow", `context.attributes["partner"] == "north"`, true},
		{"one kind of application", `client.metadata["region"] == "eu"`, true},
		{"always", `true`, true},
		{"never", `false`, false},
		{"inside braces", `{#login.endsWith("}")}`, false},
		{"inside braces with blanks around", " \n{# client.type == 'web' }\n", true},
		{"double quotes and single quotes", `{#request.params['username'][0].matches('^user$')}`, true},
		{"a flag of a flow", `context.attributes["flag"]`, true},
		{"a number of a flow", `context.attributes["count"] > 2`, true},
		{"a fraction compared with a whole number", `user.additionalInformation.level >= 7`, true},
		{"an address range", `cidr("10.0.0.0/8").containsIP(request.ip)`, true},
		{"a scope", `"email" in client.scopes && !("phone" in client.scopes)`, true},
		{"a field of the domain", `context.domain.path == "/acme" && context.domain.id == "d1"`, true},
		{"a flag of the provider", `identityProvider.external`, true},
		{"the whole request", `request.method == "POST" && request.scheme == "https" && request.path.startsWith("/acme") && request.id == "r-1"`, true},
		{"an optional key", `request.params[?"nothing"].orValue(["x"])[0] == "x"`, true},
		{"an optional key of a user", `user.?additionalInformation.?dept.orValue("") == "sales"`, true},
		{"has a key", `has(context.attributes.partner) && !has(context.attributes.other)`, true},
		{"has a field", `has(client.name) && has(request.params)`, true},
		{"a group", `user.groups.exists(g, g == "dev")`, true},
		{"nested metadata", `client.metadata.tiers[1].n == 2`, true},
		{"an object equals itself", `client == client && [client] == [client]`, true},
		{"a name in another case", `"X-Zone" in request.headers`, false},
		{"a password", `"password" in request.params`, false},
		{"a code", `has(request.params.code)`, false},
		{"an authorization", `"authorization" in request.headers || "cookie" in request.headers`, false},
		{"any value of all parameters", `request.params.exists(k, v, v.exists(x, x == "hunter2" || x == "abc"))`, false},
		{"the number of parameters", `size(request.params) == 3`, true},
		{"the number of headers", `size(request.headers) == 1`, true},
		{"the names of parameters, in order", `request.params.map(k, k) == ["empty", "tenant", "username"]`, true},
		{"all parameters as a map", `request.params == {"empty": [], "tenant": ["blue"], "username": ["user"]}`, true},
		{"an error beside a truth", `client.metadata["nothing"] == 1 || login != ""`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := CompileRule(SelectionRule, tt.rule)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Holds(t.Context(), acme())
			if err != nil || got != tt.want {
				t.Errorf("%s = %v, %v; want %v", tt.rule, got, err, tt.want)
			}
			if r.Text() != tt.rule {
				t.Errorf("Text() = %q", r.Text())
			}
		})
	}
}

func TestTheExamplesRunUnobserved(t *testing.T) {
	for _, text := range []string{
		`login.lowerAscii().endsWith("@acme.example")`,
		`request.params["username"][0].matches("^user$")`,
		`"tenant" in request.params && request.params["tenant"][0] == "blue"`,
		`"x-zone" in request.headers && "intranet" in request.headers["x-zone"]`,
		`identityProvider.domainWhitelist.exists(d, login.endsWith("@" + d))`,
		`context.attributes["partner"] == "north"`,
		`client.metadata["region"] == "eu"`,
		`user.groups.exists(g, g == "dev")`,
	} {
		r, err := CompileRule(SelectionRule, text)
		if err != nil {
			t.Fatal(err)
		}
		if r.program.counted {
			t.Errorf("%s is counted", text)
		}
	}
}

func TestARuleIsRefused(t *testing.T) {
	tests := []struct {
		name, rule   string
		line, column int
		detail       string
	}{
		{"an unknown variable", `logn == "x"`, 1, 1, "undeclared reference to 'logn'"},
		{"an unknown field", `request.parms["x"][0] == "y"`, 1, 8, "undefined field 'parms'"},
		{"an unknown field of a client", `client.id == "1" &&` + "\n  client.nam == ''", 2, 9, "undefined field 'nam'"},
		{"an unknown field of a domain", `context.domain.nam == ""`, 1, 15, "undefined field 'nam'"},
		{"an unknown function", `login.lower() == "x"`, 1, 12, "undeclared reference to 'lower'"},
		{"names known elsewhere", `transactionId == ""`, 1, 1, "undeclared reference to 'transactionId'"},
		{"a comparison of different types", `login == 1`, 1, 7, "'==' cannot be applied to (string, int)"},
		{"an index of the wrong type", `request.params[0] == ["x"]`, 1, 15, "'[]' cannot be applied to (map(string, list(string)), int)"},
		{"a string", `login`, 1, 1, "the expression must give true or false; it gives string"},
		{"a string inside braces", "\n {#login}", 2, 4, "the expression must give true or false; it gives string"},
		{"half an expression", `login == `, 1, 10, "unexpected end of the expression"},
		{"an open string", `'abc`, 1, 1, "the string is not closed"},
		{"a string over two lines", "login == 'a\n'", 1, 10, "the string is not closed"},
		{"a stray sign", `login == #`, 1, 10, "cannot read #"},
		{"a fault in braces on the second line", "{#true &&\n  logn}", 2, 3, "undeclared reference to 'logn'"},
		{"a fault after wide characters", `"äöü" == logn`, 1, 10, "undeclared reference to 'logn'"},
		{"open braces", `{#true`, 1, 1, "{# without its closing brace"},
		{"empty braces", `{# }`, 1, 3, "the expression is empty"},
		{"text after the braces", `{#true} or`, 1, 8, "there must be nothing outside of {#…}"},
		{"text between braces", `{#true}x{#true}`, 1, 8, "there must be nothing outside of {#…}"},
		{"no pattern", `login.matches("(")`, 1, 15, "the pattern is not a regular expression"},
		{"a pattern that is not written out", `login.matches(login)`, 1, 15, "the pattern of matches must be a string literal"},
		{"a huge pattern", `login.matches("a{1000}b{1000}c{1000}")`, 1, 15, "the pattern is too large"},
		{"a replacement that is not written out", `login.replace("", login) == ""`, 1, 19, "the replacement must be a string literal"},
		{"a separator that is not written out", `client.scopes.join(login) == ""`, 1, 20, "the separator must be a string literal"},
		{"a message", `Client{id: "x"} == client`, 1, 7, "messages cannot be made in an expression"},
		{"no UTF-8", "login == \"\xff\"", 1, 1, "the expression is not valid UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := CompileRule(SelectionRule, tt.rule)
			wantError(t, err, Error{Line: tt.line, Column: tt.column, Detail: tt.detail})
			if !strings.Contains(err.Error(), "line ") || !strings.Contains(err.Error(), "column ") {
				t.Errorf("text %q lacks the position", err)
			}
		})
	}
}

// wantError fails the test unless err is this error, whatever it keeps to itself.
func wantError(t *testing.T, err error, want Error) {
	t.Helper()
	var got *Error
	if !errors.As(err, &got) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(Error{})); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestPlacesDiffer(t *testing.T) {
	if _, err := CompileRule(FlowCondition, `identityProvider.id == "x"`); err == nil {
		t.Error("a flow condition knows the candidate")
	}
	if _, err := CompileRule(Claim, `true`); err == nil {
		t.Error("a claim is a rule")
	}
	if _, err := CompileRule(Place(99), `true`); err == nil {
		t.Error("an unknown place has rules")
	}
	for _, p := range Places() {
		if got, ok := ParsePlace(p.String()); !ok || got != p {
			t.Errorf("ParsePlace(%q) = %v, %v", p.String(), got, ok)
		}
	}
	if _, ok := ParsePlace("nowhere"); ok {
		t.Error("ParsePlace knows nowhere")
	}
}

func TestBlankIsNoRule(t *testing.T) {
	for _, text := range []string{"", " ", "\n\t "} {
		r, err := CompileRule(SelectionRule, text)
		if r != nil || err != nil {
			t.Errorf("CompileRule(%q) = %v, %v", text, r, err)
		}
		if holds, err := r.Holds(t.Context(), acme()); holds || err == nil {
			t.Errorf("no rule holds: %v, %v", holds, err)
		}
	}
}

func TestARuleCannotBeEvaluated(t *testing.T) {
	tests := []struct {
		name, rule string
		change     func(*Input)
		want       string
	}{
		{"a missing key", `client.metadata["nothing"] == "x"`, nil, `line 1, column 16: no such key: nothing`},
		{"a missing parameter", `request.params["nothing"][0] == "x"`, nil, `line 1, column 26: no such key: nothing`},
		{"a hidden parameter", `request.params["password"][0] == "x"`, nil, `line 1, column 27: no such key: password`},
		{"a missing attribute", `true && context.attributes.nothing == "x"`, nil, `line 1, column 27: no such key: nothing`},
		{"an empty list", `request.params["empty"][0] == "x"`, nil, `line 1, column 24: index out of bounds`},
		{"a key that came with the request", `client.metadata[login] == "x"`, nil, `line 1, column 16: no such key`},
		{"a value that came with the request", `int(login) == 1`, nil, `line 1, column 4: a function could not use its arguments`},
		{"a user too early", `user.email == "x"`, func(in *Input) { in.User = nil }, `user is not known here`},
		{"no client", `client.id == "x"`, func(in *Input) { in.Client = nil }, `client is not known here`},
		{"no domain", `context.domain.id == "x"`, func(in *Input) { in.Domain = nil }, `context.domain is not known here`},
		{"no candidate", `identityProvider.id == "x"`, func(in *Input) { in.IdentityProvider = nil }, `identityProvider is not known here`},
		{"no boolean", `context.attributes["partner"]`, nil, `the expression must give true or false; it gave string`},
		{"different types", `context.attributes["partner"] + 1 == 2`, nil, `met a value of the wrong type`},
		{"a division", `1 / context.attributes["zero"] == 1`, func(in *Input) { in.Attributes["zero"] = 0 }, `division by zero`},
		{"too long a login", `login == "x"`, func(in *Input) { in.Login = strings.Repeat("x", 5000) }, `login is longer than 4096 bytes`},
		{"too long a parameter", `request.params["tenant"][0] == "x"`,
			func(in *Input) { in.Request.Params["tenant"][0] = strings.Repeat("x", 20000) }, `longer than 16384 bytes`},
		{"too many values", `"x" in request.params["tenant"]`,
			func(in *Input) { in.Request.Params["tenant"] = make([]string, 65) }, `more than 64 values`},
		{"too many parameters", `"x" in request.params`, func(in *Input) {
			for i := range 300 {
				in.Request.Params[strings.Repeat("n", i)] = nil
			}
		}, `the request has more than 256 parameters`},
		{"too long an attribute", `context.attributes["partner"] == "x"`,
			func(in *Input) { in.Attributes["partner"] = strings.Repeat("x", 70000) }, `a text is longer than 65536 bytes`},
		{"too many groups", `"x" in user.groups`,
			func(in *Input) { in.User["groups"] = make([]any, 5000) }, `more than 4096 entries`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := CompileRule(SelectionRule, tt.rule)
			if err != nil {
				t.Fatal(err)
			}
			in := acme()
			if tt.change != nil {
				tt.change(in)
			}
			holds, err := r.Holds(t.Context(), in)
			if holds || err == nil {
				t.Fatalf("%v, %v", holds, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
			if strings.Contains(err.Error(), "ACME") {
				t.Errorf("error %q quotes the login", err)
			}
		})
	}
}

func TestAnEmptyInputIsEnoughForWhatReadsNothing(t *testing.T) {
	r, err := CompileRule(SelectionRule, `login == "" && size(request.headers) == 0 && !("x" in context.attributes)`)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []*Input{nil, {}} {
		if holds, err := r.Holds(context.Background(), in); !holds || err != nil {
			t.Errorf("%v, %v", holds, err)
		}
	}
}

func TestNewClientKeepsNoReference(t *testing.T) {
	meta := map[string]any{"list": []any{"a"}}
	c := NewClient(ClientFields{Metadata: meta})
	meta["list"].([]any)[0] = "b"
	meta["more"] = true
	r, err := CompileRule(SelectionRule, `client.metadata.list[0] == "a" && !has(client.metadata.more)`)
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := r.Holds(t.Context(), &Input{Client: c}); !holds || err != nil {
		t.Errorf("%v, %v", holds, err)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		place      Place
		text, want string
	}{
		{SelectionRule, `true`, "bool"},
		{SelectionRule, ` `, ""},
		{FlowCondition, `context.attributes["x"]`, "dyn"},
		{Claim, `{#client.scopes}`, "list(string)"},
		{Claim, `a {#client.id}`, "string"},
		{Claim, ``, "string"},
		{FlowValue, `{"a": 1}`, "map(string, int)"},
		{RedirectParam, `{#login}`, "string"},
	}
	for _, tt := range tests {
		if got, err := Check(tt.place, tt.text); got != tt.want || err != nil {
			t.Errorf("Check(%v, %q) = %q, %v; want %q", tt.place, tt.text, got, err, tt.want)
		}
	}
	if _, err := Check(RedirectParam, `{#1}`); err == nil {
		t.Error("a redirect parameter is a number")
	}
	if _, err := Check(Place(-1), `true`); err == nil {
		t.Error("an unknown place has expressions")
	}
}

func TestVisibleNames(t *testing.T) {
	for _, name := range []string{
		"password", "Password", "new_password", "client_secret", "client_assertion", "assertion", "code", "code_verifier",
		"refresh_token", "access_token", "token", "id_token_hint", "subject_token", "actor_token", "request", "device_code",
		"X-XSRF-TOKEN", "SAMLResponse", "logout_token", strings.Repeat("n", 300),
	} {
		if VisibleParam(name) {
			t.Errorf("%s is visible", name)
		}
	}
	for _, name := range []string{"username", "login_hint", "state", "code_challenge", "client_assertion_type",
		"subject_token_type", "token_type_hint", "request_uri", "response_type", "acr_values"} {
		if !VisibleParam(name) {
			t.Errorf("%s is hidden", name)
		}
	}
	for name, want := range map[string]bool{"Authorization": false, "cookie": false, "Proxy-Authorization": false,
		"X-Csrf-Token": false, "user-agent": true, "X-Forwarded-For": true} {
		if VisibleHeader(name) != want {
			t.Errorf("VisibleHeader(%q) = %v", name, !want)
		}
	}
}
