package rest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSignIn(t *testing.T) {
	h := newHouse(t)
	tests := []struct {
		name, query, body string
		options           []option
	}{
		{name: "without a body", options: nil},
		{name: "with a JSON body, which means nothing", body: `{"grant_type":"password","username":"someone","password":"else"}`},
		{
			name: "with a form, which means nothing", body: "grant_type=password&username=x",
			options: []option{header("Content-Type", "application/x-www-form-urlencoded")},
		},
		{name: "with an organization", query: "?org=DEFAULT"},
		{name: "with the name in another case", options: []option{basic("ADMIN", adminPassword)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := append([]option{basic(adminName, adminPassword)}, tt.options...)
			a := h.send("POST", "/management/auth/token"+tt.query, tt.body, options...).status(http.StatusOK)
			tree := a.tree()
			if len(tree) != 3 || tree["token_type"] != "bearer" {
				t.Errorf("answered %s", a.body)
			}
			if at, err := time.Parse(time.RFC3339, tree["expires_at"].(string)); err != nil || time.Until(at) < 7*time.Hour {
				t.Errorf("expires_at %v: %v", tree["expires_at"], err)
			}
			if a.header.Get("WWW-Authenticate") != "" || a.header.Get("Cache-Control") != "no-store" ||
				a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("header %v", a.header)
			}
			h.send("GET", "/management/domains", "", header("Authorization", "bearer "+tree["access_token"].(string))).status(http.StatusOK)
		})
	}
}

func TestSignInRefused(t *testing.T) {
	h := newHouse(t)
	tests := []struct {
		name    string
		option  option
		message string
	}{
		{"a wrong password", basic(adminName, "wrong"), "Bad credentials"},
		{"an unknown name", basic("nobody", adminPassword), "Bad credentials"},
		{"an empty name", basic("", adminPassword), "Bad credentials"},
		{"a name that is no text", basic("\xff\x00", adminPassword), "Bad credentials"},
		{"no credentials", anonymous, "Name and password are required, by HTTP Basic"},
		{"broken credentials", header("Authorization", "Basic !"), "Name and password are required, by HTTP Basic"},
		{"another scheme", header("Authorization", "Digest x"), "Name and password are required, by HTTP Basic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := h.send("POST", "/management/auth/token", `{"username":"admin","password":"`+adminPassword+`"}`, tt.option)
			a.refused(http.StatusUnauthorized, tt.message)
			if got := a.header.Get("WWW-Authenticate"); got != `Basic realm="gatehouse", charset="UTF-8"` {
				t.Errorf("WWW-Authenticate %q", got)
			}
		})
	}
	h.send("POST", "/management/auth/token?org=OTHER", "", basic(adminName, adminPassword)).
		refused(http.StatusNotFound, "Organization [OTHER] can not be found.")
	h.send("POST", "/management/auth/token", strings.Repeat("x", maxBody+1), basic(adminName, adminPassword)).
		refused(http.StatusRequestEntityTooLarge, "The body is larger than 1 MiB")
}

func TestGuessingIsSlowedDown(t *testing.T) {
	h := newHouse(t)
	for range 6 {
		h.send("POST", "/management/auth/token", "", basic("admin2", "guess")).status(http.StatusUnauthorized)
	}
	a := h.send("POST", "/management/auth/token", "", basic("admin2", "guess")).status(http.StatusTooManyRequests)
	if got := a.header.Get("Retry-After"); got == "" || got == "0" {
		t.Errorf("Retry-After %q", got)
	}
	h.signIn(adminName, adminPassword)
}

func TestAnOperatorLosesAccessAtOnce(t *testing.T) {
	h := newHouse(t)
	o := h.operator("second", "the second password", "domain:create", "domain:read")
	use := func(token string) *reply {
		return h.send("GET", "/management/domains/_hrid/nothing", "", header("Authorization", "Bearer "+token))
	}

	signedOut, kept := h.signIn("second", "the second password"), h.signIn("second", "the second password")
	use(signedOut).status(http.StatusNotFound)
	h.send("DELETE", "/management/auth/token", "", header("Authorization", "Bearer "+signedOut)).status(http.StatusNoContent)
	use(signedOut).refused(http.StatusUnauthorized, "The access token is invalid")
	use(kept).status(http.StatusNotFound)

	stored, err := h.store.Operators().Find(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	o = stored
	o.Memberships = nil
	if err := h.store.Operators().Replace(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	use(kept).refused(http.StatusForbidden, "Permission denied")

	o.Disabled = true
	if err := h.store.Operators().Replace(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	use(kept).refused(http.StatusUnauthorized, "The access token is invalid")
	h.send("POST", "/management/auth/token", "", basic("second", "the second password")).
		refused(http.StatusUnauthorized, "Bad credentials")
}

func TestOnlyTheBearerSchemeIsRead(t *testing.T) {
	h := newHouse(t)
	for _, field := range []string{"Bearer", "Bearer ", "Basic " + h.token, h.token, "Bearer" + h.token} {
		h.send("GET", "/management/domains", "", header("Authorization", field)).
			refused(http.StatusUnauthorized, "An access token is required")
	}
	h.send("GET", "/management/domains", "", func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+h.token) }).
		refused(http.StatusBadRequest, "Only one Authorization header is allowed")
	// A token in the query is no token (RFC 9700 §4.3.2).
	h.send("GET", "/management/domains?access_token="+h.token, "", anonymous).status(http.StatusUnauthorized)
}

func TestAPanicIsAnsweredInTheSameForm(t *testing.T) {
	w := httptest.NewRecorder()
	Failure().ServeHTTP(w, httptest.NewRequest("GET", "/management/domains", nil))
	if got, want := w.Body.String(), `{"message":"Internal error","http_status":500}`; w.Code != 500 || got != want {
		t.Errorf("answered %d %s", w.Code, got)
	}
}
