package rest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// paths are the whole paths under which a route is served, with something in the place of every name.
func paths(rt Route) []string {
	all := []string{rt.Pattern}
	if !strings.HasPrefix(rt.Pattern, prefix) {
		all = []string{environment + rt.Pattern, prefix + rt.Pattern}
	}
	for i, path := range all {
		segments := strings.Split(path, "/")
		for j, segment := range segments {
			switch n := name(segment); n {
			case "":
			case "organization", "environment":
				segments[j] = "DEFAULT"
			default:
				segments[j] = "no-such-" + n
			}
		}
		all[i] = strings.Join(segments, "/")
	}
	return all
}

func TestEveryRouteNeedsATokenAndAPermission(t *testing.T) {
	h := newHouse(t, func(m *Mux) {
		m.Handle("GET /domains/{domain}/things/{thing}", "thing:read", func(http.ResponseWriter, *http.Request) error { return nil }, operation.Operation{})
	})
	h.operator("visitor", "a visitor's password")
	visitor := h.signIn("visitor", "a visitor's password")

	everyone, err := h.api.Operators.Role(t.Context(), operator.RoleOrganizationUser)
	if err != nil {
		t.Fatal(err)
	}
	everybodyMay := everyone.Permissions
	routes := h.api.Routes()
	if len(routes) < 30 {
		t.Fatalf("only %d routes", len(routes))
	}
	for _, rt := range routes {
		if rt.Permission == "" {
			t.Errorf("%s %s names no permission", rt.Method, rt.Pattern)
		}
		if rt.Permission == Public && rt.Pattern != tokenPath {
			t.Errorf("%s %s is public", rt.Method, rt.Pattern)
		}
		for _, path := range paths(rt) {
			a := h.send(rt.Method, path, "", anonymous)
			if rt.Permission == Public {
				a.status(http.StatusUnauthorized)
				continue
			}
			a.refused(http.StatusUnauthorized, "An access token is required")
			if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="gatehouse"` {
				t.Errorf("%s: WWW-Authenticate %q", a.what, got)
			}
			a = h.send(rt.Method, path, "", header("Authorization", "Bearer x.y.z"))
			a.refused(http.StatusUnauthorized, "The access token is invalid")
			if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="gatehouse", error="invalid_token"` {
				t.Errorf("%s: WWW-Authenticate %q", a.what, got)
			}
			if rt.Permission != AnyOperator && !everybodyMay[rt.Permission] {
				h.send(rt.Method, path, "{}", header("Authorization", "Bearer "+visitor)).
					refused(http.StatusForbidden, "Permission denied")
			}
		}
	}
}

func TestAPermissionOpensItsRoutesOnly(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Rights")
	h.operator("reader", "a reader's password", "application:list", "application:read")
	reader := header("Authorization", "Bearer "+h.signIn("reader", "a reader's password"))
	path := short + "/domains/" + domain + "/applications"
	h.send("GET", path, "", reader).status(http.StatusOK)
	h.send("POST", path, `{"name":"x","type":"SERVICE"}`, reader).refused(http.StatusForbidden, "Permission denied")
	h.send("GET", short+"/domains/"+domain, "", reader).refused(http.StatusForbidden, "Permission denied")
}

func TestEveryKindIsMounted(t *testing.T) {
	h := newHouse(t)
	routes := h.api.Routes()
	has := func(method, pattern string) bool {
		return slices.ContainsFunc(routes, func(rt Route) bool { return rt.Method == method && rt.Pattern == pattern })
	}
	for _, k := range catalog.All {
		at, ok := k.(interface{ Collection() string })
		item, ok2 := k.(interface{ Item() string })
		if !ok || !ok2 {
			t.Fatalf("%s has no routes", k.Descriptor().Arm)
		}
		methods := []string{"GET", "POST"}
		if k.Descriptor().Arm == catalog.Flows.Arm {
			methods = []string{"GET", "PUT"} // the list is put as a whole
		}
		for _, method := range methods {
			if !has(method, at.Collection()) {
				t.Errorf("%s %s is not mounted", method, at.Collection())
			}
		}
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			if !has(method, item.Item()) {
				t.Errorf("%s %s is not mounted", method, item.Item())
			}
		}
	}
}

func TestWhatIsNoRoute(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{
		"/management", "/management/", "/other", "/management/nothing", "/management/organizations/DEFAULT/nothing",
		"/management//domains", "/management/domains//applications", "/management/domains/%2e%2e/x",
		"/management/domains/a%00b", "/management/domains/%ff", "/management/domains/" + strings.Repeat("x", 600),
		"/managementdomains",
	} {
		h.send("GET", path, "").refused(http.StatusNotFound, "Not found")
	}
	for method, path := range map[string]string{
		"DELETE": "/management/domains",
		"PATCH":  "/management/auth/token",
		"POST":   "/management/domains/x",
		"GET":    "/management/domains/x/applications/y/type",
	} {
		a := h.send(method, path, "").refused(http.StatusMethodNotAllowed, "Method not allowed")
		if a.header.Get("Allow") == "" {
			t.Errorf("%s says nothing about what is allowed", a.what)
		}
	}
	if got := h.send("DELETE", "/management/domains", "").header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow %q", got)
	}
	h.send("GET", "/management/organizations/OTHER/environments/DEFAULT/domains", "").
		refused(http.StatusNotFound, "Organization [OTHER] can not be found.")
	h.send("GET", "/management/organizations/DEFAULT/environments/OTHER/domains", "").
		refused(http.StatusNotFound, "Environment [OTHER] can not be found.")
	h.send("GET", "/management/organizations/OTHER/environments", "").
		refused(http.StatusNotFound, "Organization [OTHER] can not be found.")
	h.send("HEAD", "/management/domains", "").status(http.StatusOK)
}

func TestRoutesOfOtherPackages(t *testing.T) {
	calls := 0
	h := newHouse(t, func(m *Mux) {
		m.Handle("POST /domains/{domain}/things", "thing:create", func(w http.ResponseWriter, r *http.Request) error {
			calls++
			if r.PathValue("organization") != "DEFAULT" || r.PathValue("environment") != "DEFAULT" || r.PathValue("domain") == "" {
				t.Errorf("path values %q %q %q", r.PathValue("organization"), r.PathValue("environment"), r.PathValue("domain"))
			}
			body, err := m.Body(r)
			if err != nil {
				return err
			}
			w.Header().Set("Location", m.Location(r, "a b"))
			return m.JSON(w, http.StatusCreated, body)
		}, operation.Operation{})
	})
	domain := h.domain("Things")
	for _, base := range []string{short, long} {
		a := h.send("POST", base+"/domains/"+domain+"/things", `{"size":1.50}`).status(http.StatusCreated)
		if string(a.body) != `{"size":1.50}` {
			t.Errorf("answered %s", a.body)
		}
		if got, want := a.header.Get("Location"), base+"/domains/"+domain+"/things/a%20b"; got != want {
			t.Errorf("Location %q, want %q", got, want)
		}
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
	h.send("POST", short+"/domains/nowhere/things", `{}`).refused(http.StatusNotFound, "Domain [nowhere] can not be found.")
	if calls != 2 {
		t.Error("the handler ran in a domain that does not exist")
	}
}

func TestRoutesAreRegisteredOnce(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a route without a permission was accepted")
		}
	}()
	(&Mux{api: &API{}}).Handle("GET /domains", "", nil, operation.Operation{})
}

func TestRequestsAreCountedByKind(t *testing.T) {
	for path, want := range map[string]string{
		prefix + "/auth/token":                                              "token",
		prefix + "/organizations/{organization}/environments":               "environments",
		environment + "/domains":                                            "domains",
		prefix + "/domains/{domain}":                                        "domains",
		prefix + "/domains/_hrid/{hrid}":                                    "domains",
		prefix + "/domains/{domain}/applications/{application}/secrets":     "applications",
		environment + "/domains/{domain}/users/{user}/resetPassword":        "users",
		environment + "/domains/{domain}/identities/{identity_provider}":    "identities",
		environment + "/domains/{domain}/certificates/rotate":               "certificates",
		environment + "/domains/{domain}/clients/{client}":                  "applications",
		environment + "/domains/{domain}/certificate-settings":              "certificate-settings",
		prefix + "/organizations/{organization}/environments/{environment}": "environments",
	} {
		if got := endpointOf(path); got != want {
			t.Errorf("%s is counted as %q, want %q", path, got, want)
		}
	}
}
