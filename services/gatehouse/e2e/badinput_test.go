package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// trace is what the inside of a program looks like.
var trace = regexp.MustCompile(`goroutine \d|panic|runtime error|\.go:\d|github\.com/|mongodb|redis|SQLITE|FerretDB`)

// TestBadInput sends what no client should send. The answer is the documented one, in its own form, and shows nothing of
// the inside.
func TestBadInput(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	s := newSite(t, g, "bad")
	s.bob()
	web, service := s.web(), s.service("profile")
	s.registration(true, true)
	s.settle()
	management, domain := g.ManagementURL, g.ManagementURL+"/domains/"+s.id

	asOperator := http.Header{"Authorization": {"Bearer " + s.api.Token}, "Content-Type": {"application/json"}}
	with := func(h http.Header, name, value string) http.Header {
		h = h.Clone()
		h[name] = []string{value}
		return h
	}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	basic := func(c credentials) http.Header {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(c.id, c.secret)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r.Header
	}
	asJSON := http.Header{"Content-Type": {"application/json"}}
	deep := strings.Repeat(`{"oidc":`, 2000) + "1" + strings.Repeat("}", 2000)
	large := strings.Repeat("x", 2<<20)
	authorize := func(change url.Values) string {
		query := url.Values{"client_id": {web.id}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid"}}
		for name, values := range change {
			query[name] = values
		}
		return s.base + "/oauth/authorize?" + query.Encode()
	}

	tests := []struct {
		name   string
		method string
		url    string
		header http.Header
		body   string
		status int
		want   string // part of the body, or of the Location of a redirect
	}{
		// Management.
		{"management: JSON that ends early", "POST", management + "/domains", asOperator, `{"name": "x`, 400, "Malformed json"},
		{"management: no JSON at all", "POST", management + "/domains", asOperator, "name=x", 400, "Malformed json"},
		{"management: JSON followed by more", "PATCH", domain, asOperator, `{"name":"x"} {"name":"y"}`, 400, "Malformed json"},
		{"management: the same member twice", "PATCH", domain, asOperator, `{"description":"x","description":"y"}`, 400, ""},
		{"management: a list instead of an object", "PATCH", domain, asOperator, `[]`, 400, ""},
		{"management: null instead of an object", "PATCH", domain, asOperator, `null`, 400, ""},
		{"management: an empty body", "POST", management + "/domains", asOperator, "", 400, ""},
		{"management: nothing to change", "PATCH", domain, asOperator, `{}`, 400, "You need to specify at least one value to update."},
		{"management: an unknown member", "PATCH", domain, asOperator, `{"nam":"x"}`, 400, "Property [nam] is not recognized as a valid property"},
		{"management: an unknown member deep inside", "PATCH", domain, asOperator,
			`{"oidc":{"clientRegistrationSettings":{"isDynamicClientRegistrationEnable":true}}}`, 400, `"path":"oidc.clientRegistrationSettings.isDynamicClientRegistrationEnable"`},
		{"management: a text instead of a switch", "PATCH", domain, asOperator, `{"enabled":"yes"}`, 400, `"path":"enabled"`},
		{"management: a number instead of an object", "PATCH", domain, asOperator, `{"oidc":1}`, 400, `"path":"oidc"`},
		{"management: a number that is no integer", "PATCH", domain, asOperator, `{"sessionSettings":{"idleSeconds":1.5}}`, 400, "sessionSettings.idleSeconds"},
		{"management: a number beyond all bounds", "PATCH", domain, asOperator, `{"sessionSettings":{"idleSeconds":1e400}}`, 400, ""},
		{"management: a text that is not UTF-8", "PATCH", domain, asOperator, "{\"description\":\"\xff\xfe\"}", 400, ""},
		{"management: 2000 objects in one another", "PATCH", domain, asOperator, deep, 400, ""},
		{"management: 2 MiB", "POST", management + "/domains", asOperator, `{"name":"` + large + `"}`, 413, ""},
		{"management: another content type", "POST", management + "/domains", with(asOperator, "Content-Type", "text/plain"), `{"name":"x"}`, 415, ""},
		{"management: an unknown domain", "GET", management + "/domains/nowhere", asOperator, "", 404, "Domain [nowhere] can not be found."},
		{"management: an application of an unknown domain", "GET", management + "/domains/nowhere/applications/x", asOperator, "", 404, ""},
		{"management: an unknown application", "GET", domain + "/applications/nothing", asOperator, "", 404, "Application [nothing] can not be found."},
		{"management: an unknown type", "POST", domain + "/applications", asOperator, `{"name":"x","type":"TOASTER"}`, 400, ""},
		{"management: an application without a name", "POST", domain + "/applications", asOperator, `{"type":"SERVICE"}`, 400, ""},
		{"management: an identity provider whose configuration is no JSON", "POST", domain + "/identities", asOperator,
			`{"name":"x","type":"inline-am-idp","configuration":"{"}`, 400, ""},
		{"management: an unknown type of identity provider", "POST", domain + "/identities", asOperator,
			`{"name":"x","type":"crystal-ball","configuration":"{}"}`, 400, ""},
		{"management: a page that is no number", "GET", domain + "/applications?page=first", asOperator, "", 400, ""},
		{"management: a page below zero", "GET", domain + "/applications?page=-1", asOperator, "", 400, ""},
		{"management: a query that cannot be decoded", "GET", domain + "/applications?q=%zz", asOperator, "", 400, ""},
		{"management: a search for everything special", "GET", domain + "/applications?q=" + url.QueryEscape(`.*+?^${}()|[]\'"$where`), asOperator, "", 200, ""},
		{"management: a control character in the path", "GET", management + "/domains/%00", asOperator, "", 404, ""},
		{"management: an operator of the database as a name", "GET", management + "/domains/%7B%22$ne%22:1%7D", asOperator, "", 404, ""},
		{"management: a stale revision", "PATCH", domain, with(asOperator, "If-Match", `"1"`), `{"description":"x"}`, 412, ""},
		{"management: an If-Match that is no revision", "PATCH", domain, with(asOperator, "If-Match", `latest`), `{"description":"x"}`, 412, ""},
		{"management: no token", "GET", management + "/domains", nil, "", 401, ""},
		{"management: a token that is none", "GET", management + "/domains", http.Header{"Authorization": {"Bearer x.y.z"}}, "", 401, ""},
		{"management: another scheme", "GET", management + "/domains", http.Header{"Authorization": {"Basic eDp5"}}, "", 401, ""},
		{"management: a wrong password", "POST", management + "/auth/token", http.Header{"Authorization": {"Basic eDp5"}}, "", 401, ""},
		{"management: credentials that are not Base64", "POST", management + "/auth/token", http.Header{"Authorization": {"Basic %%%"}}, "", 401, ""},
		{"management: an unknown path", "GET", management + "/nothing/here", asOperator, "", 404, ""},
		{"management: a verb the path does not have", "DELETE", management + "/domains", asOperator, "", 405, ""},

		// The gateway.
		{"gateway: an unknown domain", "GET", g.GatewayURL + "/nowhere/oidc/.well-known/openid-configuration", nil, "", 404, ""},
		{"gateway: an unknown endpoint", "GET", s.base + "/oauth/nothing", nil, "", 404, ""},
		{"gateway: a verb the endpoint does not have", "GET", s.base + "/oauth/token", nil, "", 405, "method_not_allowed"},
		{"token: nothing at all", "POST", s.base + "/oauth/token", form, "", 400, "invalid_request"},
		{"token: a parameter twice", "POST", s.base + "/oauth/token", basic(service), "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"},
		{"token: once in the query and once in the body", "POST", s.base + "/oauth/token?grant_type=client_credentials", basic(service), "grant_type=client_credentials", 400, "invalid_request"},
		{"token: no client", "POST", s.base + "/oauth/token", form, "grant_type=client_credentials", 401, "Invalid client: missing or unsupported authentication method"},
		{"token: an unknown client", "POST", s.base + "/oauth/token", basic(credentials{id: "x", secret: "y"}), "grant_type=client_credentials", 401, "invalid_client"},
		{"token: a wrong secret", "POST", s.base + "/oauth/token", basic(credentials{id: service.id, secret: "y"}), "grant_type=client_credentials", 401, "Client authentication failed due to unknown clientId, expired or invalid client secret"},
		{"token: credentials that are not Base64", "POST", s.base + "/oauth/token", with(form, "Authorization", "Basic %%%"), "grant_type=client_credentials", 401, "invalid_client"},
		{"token: an unknown grant type", "POST", s.base + "/oauth/token", basic(service), "grant_type=magic", 400, "Unsupported grant type: magic"},
		{"token: a grant type of others", "POST", s.base + "/oauth/token", basic(service), "grant_type=refresh_token&refresh_token=x", 400, "unsupported_grant_type"},
		{"token: a scope the client does not have", "POST", s.base + "/oauth/token", basic(service), "grant_type=client_credentials&scope=email", 400, "Invalid scope(s): email"},
		{"token: an unknown code", "POST", s.base + "/oauth/token", basic(web), "grant_type=authorization_code&code=x&redirect_uri=" + url.QueryEscape(callback), 400, "invalid_grant"},
		{"token: a code as long as a book", "POST", s.base + "/oauth/token", basic(web), "grant_type=authorization_code&code=" + large[:100000], 400, ""},
		{"token: an unknown refresh token", "POST", s.base + "/oauth/token", basic(web), "grant_type=refresh_token&refresh_token=x", 400, "invalid_grant"},
		{"token: a wrong user password", "POST", s.base + "/oauth/token", basic(web), "grant_type=password&username=bob&password=x", 400, "invalid_grant"},
		{"token: an unknown user", "POST", s.base + "/oauth/token", basic(web), "grant_type=password&username=%24where&password=x", 400, "invalid_grant"},
		{"token: a form that cannot be decoded", "POST", s.base + "/oauth/token", basic(service), "grant_type=%zz", 400, "invalid_request"},
		{"token: another content type", "POST", s.base + "/oauth/token", with(basic(service), "Content-Type", "application/json"), `{"grant_type":"client_credentials"}`, 400, "invalid_request"},
		{"token: 2 MiB", "POST", s.base + "/oauth/token", basic(service), "x=" + large, 400, "The request body is larger than"},
		{"introspection: no client", "POST", s.base + "/oauth/introspect", form, "token=x", 401, "invalid_client"},
		{"introspection: nonsense", "POST", s.base + "/oauth/introspect", basic(service), "token=x.y.z", 200, `{"active":false}`},
		{"revocation: no client", "POST", s.base + "/oauth/revoke", form, "token=x", 401, "invalid_client"},
		{"revocation: nonsense", "POST", s.base + "/oauth/revoke", basic(service), "token=x.y.z", 200, ""},
		{"userinfo: no token", "GET", s.base + "/oidc/userinfo", nil, "", 401, ""},
		{"userinfo: nonsense", "GET", s.base + "/oidc/userinfo", http.Header{"Authorization": {"Bearer x.y.z"}}, "", 401, "invalid_token"},
		{"authorize: nothing at all", "GET", s.base + "/oauth/authorize", nil, "", 302, "/oauth/error"},
		{"authorize: a parameter twice", "GET", authorize(nil) + "&state=a&state=b", nil, "", 302, "invalid_request"},
		{"authorize: an unknown client", "GET", authorize(url.Values{"client_id": {"<script>"}}), nil, "", 302, "/oauth/error"},
		{"authorize: an unknown response type", "GET", authorize(url.Values{"response_type": {"magic"}}), nil, "", 302, "unsupported_response_type"},
		{"authorize: a redirect URI that is not registered", "GET", authorize(url.Values{"redirect_uri": {"https://evil.example/"}}), nil, "", 302, "/oauth/error"},
		{"authorize: a challenge that is too short", "GET", authorize(url.Values{"code_challenge": {"x"}}), nil, "", 302, "invalid_request"},
		{"authorize: prompt=none without a session", "GET", authorize(url.Values{"prompt": {"none"}}), nil, "", 302, "login_required"},
		{"error page: a script as description", "GET", s.base + "/oauth/error?error=invalid_request&error_description=" + url.QueryEscape("<script>alert(1)</script>"), nil, "", 400, ""},
		{"login: a form without a session", "POST", s.base + "/login", form, "username=bob&password=x", 302, ""},
		{"consent: a form without a session", "POST", s.base + "/oauth/consent", form, "user_oauth_approval=true", 302, ""},
		{"logout: an address that is not registered", "GET", s.base + "/logout?post_logout_redirect_uri=https://evil.example/", nil, "", 200, ""},
		{"registration: an empty body", "POST", s.base + "/oidc/register", asJSON, "", 400, "invalid_client_metadata"},
		{"registration: JSON that ends early", "POST", s.base + "/oidc/register", asJSON, `{"redirect_uris":`, 400, "invalid_client_metadata"},
		{"registration: a number instead of a list", "POST", s.base + "/oidc/register", asJSON, `{"redirect_uris":1}`, 400, ""},
		{"registration: without redirect URIs", "POST", s.base + "/oidc/register", asJSON, `{}`, 400, "Missing or invalid redirect_uris."},
		{"registration: an unknown grant type", "POST", s.base + "/oidc/register", asJSON, `{"redirect_uris":["https://a.example/"],"grant_types":["magic"]}`, 400, "Missing or invalid grant type."},
		{"registration: an unknown scope", "POST", s.base + "/oidc/register", asJSON, `{"redirect_uris":["https://a.example/"],"scope":"magic"}`, 400, "scope magic is not valid."},
		{"registration: 2 MiB", "POST", s.base + "/oidc/register", asJSON, `{"client_name":"` + large + `"}`, 400, "The request body is larger than"},
		{"registration: reading without a token", "GET", s.base + "/oidc/register/x", nil, "", 401, "invalid_token"},
		{"registration: reading with nonsense", "GET", s.base + "/oidc/register/x", http.Header{"Authorization": {"Bearer x"}}, "", 401, "invalid_token"},
		{"technical: no password", "GET", g.TechnicalURL + "/_node/domains", nil, "", 401, ""},
		{"technical: an unknown domain", "GET", g.TechnicalURL + "/_node/domains?domainId=x", http.Header{"Authorization": {"Basic YWRtaW46YWRtaW5hZG1pbg=="}}, "", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := request(t, tt.method, tt.url, tt.body, tt.header)
			if answer.Status != tt.status {
				t.Errorf("status %d, want %d", answer.Status, tt.status)
			}
			said := answer.Text
			if answer.Status/100 == 3 {
				said, _ = url.QueryUnescape(answer.Header.Get("Location"))
			}
			if !strings.Contains(said, tt.want) {
				t.Errorf("it does not say %q", tt.want)
			}
			if found := trace.FindString(answer.Text); found != "" {
				t.Errorf("it shows its inside: %q", found)
			}
			if strings.Contains(answer.Text, "<script>alert") {
				t.Error("it repeats a script")
			}
			isPage := strings.HasPrefix(answer.Header.Get("Content-Type"), "text/")
			if answer.Status >= 400 && answer.Status != 404 && !isPage && tt.method != "HEAD" && !json.Valid([]byte(answer.Text)) {
				t.Error("the body is not JSON")
			}
			if t.Failed() {
				t.Logf("%d %s\n%.500s", answer.Status, answer.Header, said)
			}
		})
	}
	if strings.Contains(g.Stderr(), "handler panicked") {
		t.Error("a handler panicked")
	}
}
