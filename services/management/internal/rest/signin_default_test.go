package rest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// identities returns the identity providers of an application, in the order of the answer.
func identities(t *testing.T, a prototree.Object) []string {
	t.Helper()
	list, _ := a["identityProviders"].([]any)
	var ids []string
	for _, p := range list {
		ids = append(ids, p.(prototree.Object)["identity"].(string))
	}
	return ids
}

func TestApplicationsWithAProviderCanBeSignedInTo(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Acme")
	base := long + "/domains/" + domain
	first := h.send("GET", base+"/identities", "").status(http.StatusOK).array()[0]["id"].(string)
	another := func(name, kind string) string {
		return h.send("POST", base+"/identities", jsonText(t, map[string]any{"name": name, "type": kind, "configuration": configured[kind]})).
			status(http.StatusCreated).tree()["id"].(string)
	}
	second := another("everybody else", "ldap-am-idp") // after the default one in the list, and internal as it is
	outside := another("A site", "google-am-idp")
	compose := func(application, provider string) (prototree.Object, string) {
		made := h.send("POST", base+"/applications/_compose", `{"application":`+application+provider+`}`).status(http.StatusCreated).tree()
		list, _ := made["warnings"].([]any)
		return made["application"].(prototree.Object), jsonText(t, list)
	}
	const web = `,"provider":{"type":"oauth2","configuration":{"redirectUris":["https://a.example/cb"]}}`

	a, warnings := compose(`{"name":"One"}`, web)
	if got, want := identities(t, a), []string{first, second}; !slices.Equal(got, want) || warnings != "[]" && warnings != "null" {
		t.Errorf("without any, the internal ones by name: %v, want %v; warnings %s", got, want, warnings)
	}
	for i, p := range a["identityProviders"].([]any) {
		if got := jsonText(t, p.(prototree.Object)["priority"]); got != []string{"0", "1"}[i] {
			t.Errorf("priority %s at %d", got, i)
		}
	}
	if a, _ := compose(`{"name":"Two","identityProviders":[{"identity":"`+outside+`"}]}`, web); !slices.Equal(identities(t, a), []string{outside}) {
		t.Errorf("what is asked for counts: %v", identities(t, a))
	}
	if a, _ := compose(`{"name":"Three"}`, ""); len(identities(t, a)) != 0 {
		t.Errorf("a bookmark signs nobody in: %v", identities(t, a))
	}
	h.send("PATCH", base, `{"portalSettings":{"identityProviders":["`+outside+`","`+first+`"]}}`).status(http.StatusOK)
	if a, _ := compose(`{"name":"Four"}`, web); !slices.Equal(identities(t, a), []string{outside, first}) {
		t.Errorf("as My applications: %v", identities(t, a))
	}

	waiting := h.send("POST", base+"/providers", `{"name":"P","type":"oauth2","configuration":{"redirectUris":["https://p.example/cb"]}}`).
		status(http.StatusCreated).tree()["id"].(string)
	bookmark := h.application(domain, `{"name":"Five","type":"bookmark"}`)["id"].(string)
	assigned := h.send("PUT", base+"/applications/"+bookmark+"/provider", `{"provider":"`+waiting+`"}`).status(http.StatusOK).tree()
	if !slices.Equal(identities(t, assigned), []string{outside, first}) {
		t.Errorf("a provider that is assigned: %v", identities(t, assigned))
	}
}

func TestAnApplicationThatNobodyCanSignInToIsWarnedAbout(t *testing.T) {
	h := newHouse(t)
	base := long + "/domains/" + h.domain("Acme")
	first := h.send("GET", base+"/identities", "").status(http.StatusOK).array()[0]["id"].(string)
	h.send("DELETE", base+"/identities/"+first, "").status(http.StatusNoContent)
	made := h.send("POST", base+"/applications/_compose", `{"application":{"name":"One"},"provider":{"type":"oauth2","configuration":{"redirectUris":["https://a.example/cb"]}}}`).
		status(http.StatusCreated).tree()
	if got := jsonText(t, made["warnings"]); !strings.Contains(got, "application.identityProviders") {
		t.Errorf("warnings %s", got)
	}
	service := h.send("POST", base+"/applications/_compose", `{"application":{"name":"Job"},"provider":{"type":"oauth2","configuration":{"grantTypes":["client_credentials"]}}}`).
		status(http.StatusCreated).tree()
	if got := jsonText(t, service["warnings"]); strings.Contains(got, "identityProviders") {
		t.Errorf("nobody signs in to a service, yet: %s", got)
	}
}
