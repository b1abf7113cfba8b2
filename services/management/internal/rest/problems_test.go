package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// Bad input is answered with the documented text and the place, and changes nothing.
func TestBadInput(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Strict")
	app := h.application(domain, `{"name":"Strict App","type":"SERVICE"}`)["id"].(string)
	d, a := short+"/domains/"+domain, short+"/domains/"+domain+"/applications/"+app
	before := h.send("GET", d, "").status(http.StatusOK).header.Get("ETag")

	unknown := func(name string) string { return "Property [" + name + "] is not recognized as a valid property" }
	tests := []struct {
		name, method, path, body string
		status                   int
		message                  string
		paths                    []string
	}{
		{"nothing at all", "PATCH", d, " ", 400, "Malformed json", nil},
		{"half an object", "PATCH", d, `{"name":`, 400, "Malformed json", nil},
		{"something after the object", "PATCH", d, `{"enabled":true} x`, 400, "Malformed json", nil},
		{"a member twice", "PATCH", d, `{"enabled":true,"enabled":false}`, 400, "Malformed json", nil},
		{"a list", "PATCH", d, `[]`, 400, "Malformed json", nil},
		{"a text", "PATCH", d, `"x"`, 400, "Malformed json", nil},
		{"null", "PATCH", d, `null`, 400, "Malformed json", nil},
		{"too deep", "PATCH", d, strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100), 400, "Malformed json", nil},
		{"text that is not UTF-8", "PATCH", d, "{\"name\":\"\xff\"}", 400, "Malformed json", nil},
		{"malformed on creation", "POST", short + "/domains", `{`, 400, "Malformed json", nil},
		{"malformed for a kind", "PUT", a, `{`, 400, "Malformed json", nil},

		{"an unknown member", "PATCH", d, `{"nope":1}`, 400, unknown("nope"), []string{"nope"}},
		{"an unknown member that is null", "PATCH", d, `{"nope":null}`, 400, unknown("nope"), []string{"nope"}},
		{
			"an unknown member far down", "PATCH", d, `{"oidc":{"clientRegistrationSettings":{"isDynamicClientRegistrationEnable":true}}}`, 400,
			unknown("isDynamicClientRegistrationEnable"), []string{"oidc.clientRegistrationSettings.isDynamicClientRegistrationEnable"},
		},
		{
			"the form without is", "PATCH", d, `{"oidc":{"clientRegistrationSettings":{"dynamicClientRegistrationEnabled":true}}}`, 400,
			unknown("dynamicClientRegistrationEnabled"), []string{"oidc.clientRegistrationSettings.dynamicClientRegistrationEnabled"},
		},
		{"an unknown member in a list", "PATCH", a, `{"identityProviders":[{"identity":"x","rule":"y"}]}`, 400, unknown("rule"), []string{"identityProviders[0].rule"}},
		{
			"several faults at once", "PATCH", a, `{"nope":1,"enabled":"yes","settings":{"oauth":{"redirectUris":[1],"none":1}}}`, 400, unknown("nope"),
			[]string{"nope", "enabled", "settings.oauth.none", "settings.oauth.redirectUris[0]"},
		},
		{"an internal member", "PATCH", d, `{"secret":"c2VjcmV0"}`, 400, unknown("secret"), []string{"secret"}},
		{"a member of another message", "POST", d + "/applications", `{"name":"x","type":"WEB","template":true}`, 400, unknown("template"), []string{"template"}},

		{"a text for a switch", "PATCH", d, `{"enabled":"yes"}`, 400, "[enabled: must be a boolean]", []string{"enabled"}},
		{"a number for a text", "PATCH", d, `{"name":1}`, 400, "[name: must be a string]", []string{"name"}},
		{
			"a number for a group", "PATCH", d, `{"oidc":{"clientRegistrationSettings":7}}`, 400,
			"[clientRegistrationSettings: must be an object]", []string{"oidc.clientRegistrationSettings"},
		},
		{
			"a text for a list", "PATCH", d, `{"oidc":{"clientRegistrationSettings":{"defaultScopes":"openid"}}}`, 400,
			"[defaultScopes: must be a list of strings]", []string{"oidc.clientRegistrationSettings.defaultScopes"},
		},
		{"a wrong kind in a list", "PATCH", a, `{"settings":{"oauth":{"redirectUris":[1]}}}`, 400, "", []string{"settings.oauth.redirectUris[0]"}},
		{"an unknown word", "POST", d + "/applications", `{"name":"x","type":"TOASTER"}`, 400, "", []string{"type"}},
		{"a number beyond its range", "PATCH", a, `{"settings":{"oauth":{"accessTokenValiditySeconds":99999999999}}}`, 400, "", []string{"settings.oauth.accessTokenValiditySeconds"}},

		{"no known member for a domain", "PATCH", d, `{}`, 400, "You need to specify at least one value to update.", nil},
		{"only output of a domain", "PUT", d, `{"id":"x"}`, 400, "You need to specify at least one value to update.", nil},
		{"no known member for an application", "PATCH", a, `{}`, 400, "You need to specify at least one value to update.", nil},

		{"an unknown domain", "GET", short + "/domains/nope", "", 404, "Domain [nope] can not be found.", nil},
		{"an unknown domain, changed", "PATCH", short + "/domains/nope", `{"enabled":true}`, 404, "Domain [nope] can not be found.", nil},
		{"an unknown domain, deleted", "DELETE", short + "/domains/nope", "", 404, "Domain [nope] can not be found.", nil},
		{"an unknown human-readable id", "GET", short + "/domains/_hrid/nope", "", 404, "Domain [nope] can not be found.", nil},
		{"a collection of an unknown domain", "GET", short + "/domains/nope/applications", "", 404, "Domain [nope] can not be found.", nil},
		{"a creation in an unknown domain", "POST", short + "/domains/nope/applications", `{"name":"x","type":"SERVICE"}`, 404, "Domain [nope] can not be found.", nil},
		{"entrypoints of an unknown domain", "GET", short + "/domains/nope/entrypoints", "", 404, "Domain [nope] can not be found.", nil},
		{"audits of an unknown domain", "GET", short + "/domains/nope/audits", "", 404, "Domain [nope] can not be found.", nil},
		{"an unknown application", "GET", d + "/applications/nope", "", 404, "Application [nope] can not be found.", nil},
		{"an unknown client", "PATCH", d + "/clients/nope", `{"template":true}`, 404, "Application [nope] can not be found.", nil},
		{"an unknown provider", "GET", d + "/identities/nope", "", 404, "Identity Provider [nope] can not be found.", nil},
		{"an unknown scope", "DELETE", d + "/scopes/nope", "", 404, "Scope [nope] can not be found.", nil},
		{"an unknown certificate", "GET", d + "/certificates/nope", "", 404, "Certificate [nope] can not be found.", nil},
		{"an unknown secret, renewed", "POST", a + "/secrets/nope/_renew", "", 404, "Secret [nope] can not be found.", nil},
		{"an unknown secret, deleted", "DELETE", a + "/secrets/nope", "", 404, "Secret [nope] can not be found.", nil},

		{"a page that is no number", "GET", d + "/applications?page=x", "", 400, "[x: must be a whole number]", []string{"page"}},
		{"an empty page", "GET", d + "/applications?page=", "", 400, "[page: must be a whole number]", []string{"page"}},
		{"a negative page", "GET", d + "/applications?page=-1", "", 400, "[-1: must be greater than or equal to 0]", []string{"page"}},
		{"a page beyond all bounds", "GET", d + "/applications?page=99999999999999999999", "", 400, "[99999999999999999999: must be a whole number]", []string{"page"}},
		{"a page beyond ours", "GET", d + "/applications?page=2147483647", "", 400, "[2147483647: must be less than or equal to 1073741824]", []string{"page"}},
		{"a size of nothing", "GET", short + "/domains?size=0", "", 400, "[0: must be greater than or equal to 1]", []string{"size"}},
		{"half an entry", "GET", d + "/scopes?size=1.5", "", 400, "[1.5: must be a whole number]", []string{"size"}},
		{"a search that is no text", "GET", d + "/applications?q=%ff", "", 400, "[q: must be text in UTF-8]", []string{"q"}},
		{"a search of a novel", "GET", d + "/applications?q=" + strings.Repeat("x", 300), "", 400, "[q: size must be at most 256]", []string{"q"}},
		{"a broken query", "GET", d + "/applications?page=%zz", "", 400, "The query is malformed", nil},
		{"an unknown type to list", "GET", d + "/applications?type=toaster", "", 400, "[toaster: must be one of web, native, browser, service, resource_server, bookmark]", []string{"type"}},
		{"an unknown status to list", "GET", d + "/applications?status=maybe", "", 400, "[maybe: must be one of enabled, disabled]", []string{"status"}},

		{"a body that is too large", "PATCH", d, `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 413, "The body is larger than 1 MiB", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := *h
			h.t = t
			got := h.send(tt.method, tt.path, tt.body)
			if tt.message == "" {
				tt.message, _ = got.tree()["message"].(string)
			}
			got.refused(tt.status, tt.message, tt.paths...)
		})
	}
	if after := h.send("GET", d, "").status(http.StatusOK).header.Get("ETag"); after != before {
		t.Errorf("the domain went from %s to %s", before, after)
	}
	if strings.Contains(h.log.String(), `"level":"ERROR"`) {
		t.Errorf("bad input is an error of ours:\n%s", h.log)
	}
}

func TestABodyOfUnknownLengthIsLimitedToo(t *testing.T) {
	h := newHouse(t)
	h.send("POST", short+"/domains", `{"name":"`+strings.Repeat("x", maxBody)+`"}`, func(r *http.Request) { r.ContentLength = -1 }).
		refused(http.StatusRequestEntityTooLarge, "The body is larger than 1 MiB")
}

func TestOnlyJSONIsRead(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Types")
	for contentType, ok := range map[string]bool{
		"application/json":                  true,
		"application/json;charset=UTF-8":    true,
		"application/json; charset=utf-8":   true,
		"Application/JSON":                  true,
		"":                                  false,
		"text/plain":                        false,
		"application/x-www-form-urlencoded": false,
		"application/jsonp":                 false,
		"application/json;charset=utf-16":   false,
		"application/json;charset":          false,
	} {
		a := h.send("PATCH", short+"/domains/"+domain, `{"enabled":true}`, header("Content-Type", contentType))
		if ok {
			a.status(http.StatusOK)
		} else {
			a.refused(http.StatusUnsupportedMediaType, "The content type must be application/json")
		}
	}
	a := h.send("GET", short+"/domains/"+domain, "").status(http.StatusOK)
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" ||
		a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header %v", a.header)
	}
}

func TestADatabaseThatIsAway(t *testing.T) {
	h := newHouse(t)
	if err := h.store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.send("GET", short+"/domains", "").refused(http.StatusServiceUnavailable, "The database is not available. Try again later")
}

func TestFailuresOfOurs(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		code int
		body string
	}{
		{"an error without a kind", t.Context(), errors.New("the password is x"), 500, `{"message":"Internal error","http_status":500}`},
		{
			"a stored document that cannot be read", t.Context(), fmt.Errorf("domain d: %w", &prototree.Error{Path: "a", Leaf: "a"}), 500,
			`{"message":"Internal error","http_status":500}`,
		},
		{
			"a body that cannot be read", t.Context(), &prototree.Error{Path: "a.b", Leaf: "b", Reason: prototree.Unknown, Detail: "is unknown"}, 400,
			`{"message":"Property [b] is not recognized as a valid property","http_status":400,"errors":[{"path":"a.b","detail":"is unknown"}]}`,
		},
		{"a client that is gone", gone, fmt.Errorf("database: %w", context.Canceled), 499, `{"message":"The request was abandoned","http_status":499}`},
		{"a conflict", t.Context(), fault.Conflictf("It is <there>"), 409, `{"message":"It is <there>","http_status":409}`},
	} {
		w := httptest.NewRecorder()
		answerError(w, httptest.NewRequestWithContext(tt.ctx, "GET", "/management/domains", nil), tt.err)
		if got := w.Body.String(); w.Code != tt.code || got != tt.body {
			t.Errorf("%s: answered %d %s", tt.name, w.Code, got)
		}
	}
}
