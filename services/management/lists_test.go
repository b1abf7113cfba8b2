package management_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// names are those of a page, with how many there are on all pages.
func (r *running) names(path string) string {
	r.Helper()
	page := r.must(http.StatusOK, http.MethodGet, path, "")
	var names []string
	for _, entry := range page["data"].([]any) {
		names = append(names, fmt.Sprint(entry.(map[string]any)["name"]))
	}
	return fmt.Sprintf("%s of %v", strings.Join(names, ","), page["totalCount"])
}

// TestLists are answered from memory, in the documented forms.
func TestLists(t *testing.T) {
	h := newHouse(t)
	m := h.startReady()
	domain := m.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"Shop"}`)["id"].(string)
	m.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"bar"}`)
	applications := "/domains/" + domain + "/applications"
	ids := map[string]string{}
	for name, kind := range map[string]string{"Alpha": "service", "beta": "service", "Gamma": "web", "gamma 2": "service"} {
		body := fmt.Sprintf(`{"name":%q,"type":%q,"clientId":"client-of-%s","redirectUris":["https://app.example/cb"]}`, name, kind, strings.ReplaceAll(name, " ", "-"))
		ids[name] = m.must(http.StatusCreated, http.MethodPost, applications, body)["id"].(string)
	}
	// What this process wrote is in the next list.
	m.must(http.StatusOK, http.MethodPatch, applications+"/"+ids["beta"], `{"enabled":false}`)
	for path, want := range map[string]string{
		"/domains":                                         "bar,Shop of 2",
		"/domains?q=SHOP":                                  "Shop of 1",
		"/domains?size=1&page=1":                           "Shop of 2",
		applications:                                       "Alpha,beta,Gamma,gamma 2 of 4",
		applications + "?page=1&size=3":                    "gamma 2 of 4",
		applications + "?page=9":                           " of 4",
		applications + "?q=GAMMA*":                         "Gamma,gamma 2 of 2",
		applications + "?q=*of-beta":                       "beta of 1",
		applications + "?q=alph":                           " of 0",
		applications + "?type=web":                         "Gamma of 1",
		applications + "?type=WEB&type=native":             "Gamma of 1",
		applications + "?status=disabled":                  "beta of 1",
		applications + "?status=ENABLED&type=service":      "Alpha,gamma 2 of 2",
		applications + "?expand=x&q=*a&status=enabled":     "Alpha,Gamma of 2",
		"/domains/" + domain + "/scopes?q=openid&size=500": "OpenID of 1",
	} {
		if got := m.names(path); !strings.EqualFold(got, want) {
			t.Errorf("%s lists %s, want %s", path, got, want)
		}
	}
	m.must(http.StatusNoContent, http.MethodDelete, applications+"/"+ids["Alpha"], "")
	if got := m.names(applications + "?q=alpha"); got != " of 0" {
		t.Errorf("after its deletion it is listed: %s", got)
	}
	m.must(http.StatusNotFound, http.MethodGet, "/domains/nobody/applications", "")
	m.must(http.StatusBadRequest, http.MethodGet, applications+"?type=toaster", "")
}

// TestListsOfTwoReplicas: a change at one appears at the other, which need not be asked for anything else.
func TestListsOfTwoReplicas(t *testing.T) {
	h := newHouse(t)
	one, two := h.startReady(), h.startReady()
	two.token = one.token
	domain := one.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"Shop"}`)["id"].(string)
	applications := "/domains/" + domain + "/applications"
	made := one.must(http.StatusCreated, http.MethodPost, applications, `{"name":"Alpha","type":"service"}`)
	two.untilListed(applications, "Alpha of 1")
	two.must(http.StatusOK, http.MethodPatch, applications+"/"+made["id"].(string), `{"name":"Beta"}`)
	if diff := cmp.Diff("Beta of 1", two.names(applications)); diff != "" {
		t.Errorf("its own change (-want +got):\n%s", diff)
	}
	one.untilListed(applications, "Beta of 1")
	one.must(http.StatusNoContent, http.MethodDelete, applications+"/"+made["id"].(string), "")
	two.untilListed(applications, " of 0")
}

func (r *running) untilListed(path, want string) {
	r.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		got := r.names(path)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			r.Fatalf("%s still lists %s, want %s", path, got, want)
		}
		<-ticker.C
	}
}
