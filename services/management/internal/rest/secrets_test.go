package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestClientSecrets(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Secrets")
	app := h.application(domain, `{"name":"Keeper","type":"SERVICE"}`)
	id := app["id"].(string)
	path := short + "/domains/" + domain + "/applications/" + id + "/secrets"

	list := h.send("GET", path, "").status(http.StatusOK).array()
	if len(list) != 1 || list[0]["name"] != "Default" || list[0]["expiresAt"] != nil {
		t.Errorf("secrets %v", list)
	}
	for name := range list[0] {
		switch name {
		case "id", "name", "settingsId", "createdAt":
		default:
			t.Errorf("a secret in the list has %s", name)
		}
	}
	first := list[0]["id"].(string)
	h.send("DELETE", path+"/"+first, "").refused(400, "Cannot remove last secret")

	made := h.send("POST", path, `{"name":" second "}`).status(http.StatusCreated)
	second := made.tree()
	if second["name"] != "second" || second["secret"] == nil || second["id"] == nil {
		t.Errorf("made %v", second)
	}
	if got, want := made.header.Get("Location"), path+"/"+second["id"].(string); got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	h.send("POST", path, `{"name":"second"}`).refused(400, "Secret with description second already exists", "name")
	h.send("POST", path, `{"name":"  "}`).refused(400, "[name: must not be blank]", "name")
	h.send("POST", path, `{"name":"x","secret":"y"}`).refused(400, "Property [secret] is not recognized as a valid property", "secret")

	renewed := h.send("POST", path+"/"+second["id"].(string)+"/_renew", "").status(http.StatusOK).tree()
	if renewed["secret"] == second["secret"] || renewed["id"] != second["id"] || renewed["createdAt"] == nil || renewed["settingsId"] == nil {
		t.Errorf("renewed %v", renewed)
	}
	stored, err := store.Get(t.Context(), h.store, catalog.Applications, id)
	if err != nil {
		t.Fatal(err)
	}
	for plain, works := range map[string]bool{renewed["secret"].(string): true, second["secret"].(string): false} {
		if ok, err := secret.VerifyGenerated(stored.GetSecrets()[1].GetHash(), plain); err != nil || ok != works {
			t.Errorf("a secret works: %t, %v; want %t", ok, err, works)
		}
	}

	for i := range 8 {
		h.send("POST", path, `{"name":"more `+string(rune('a'+i))+`"}`).status(http.StatusCreated)
	}
	h.send("POST", path, `{"name":"one too many"}`).refused(400, "Too many Client Secrets. Cannot create more than 10 secrets")
	h.send("DELETE", path+"/"+first, "").status(http.StatusNoContent)
	if got := len(h.send("GET", path, "").status(http.StatusOK).array()); got != 9 {
		t.Errorf("%d secrets left", got)
	}

	h.send("PATCH", short+"/domains/"+domain, `{"secretSettings":{"enabled":true,"expiryTimeSeconds":60}}`).status(http.StatusOK)
	expiring := h.send("POST", path, `{"name":"expiring"}`).status(http.StatusCreated).tree()
	if expiring["expiresAt"] == nil {
		t.Errorf("made %v", expiring)
	}
}

// A plain secret is in the answer that makes it and nowhere else: in no other answer, no audit record, no log, and not
// in the database.
func TestSecretsAreSeenOnce(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Quiet")
	d := short + "/domains/" + domain
	const chosen, person, password = "chosen-by-a-person", "operator", "operators-second-password"
	h.operator(person, password, "owner")
	h.signIn(person, password)
	h.send("POST", short+"/auth/token", "", basic(password, person)).status(http.StatusUnauthorized) // into the wrong field

	generated := h.application(domain, `{"name":"Generated","type":"SERVICE"}`)
	own := h.application(domain, `{"name":"Chosen","type":"SERVICE","clientSecret":"`+chosen+`"}`)
	a := d + "/applications/" + generated["id"].(string)
	second := h.send("POST", a+"/secrets", `{"name":"second"}`).status(http.StatusCreated).tree()
	renewed := h.send("POST", a+"/secrets/"+second["id"].(string)+"/_renew", "").status(http.StatusOK).tree()
	provider := h.send("POST", d+"/identities",
		`{"name":"inline","type":"inline-am-idp","configuration":{"users":[{"username":"ann","password":"anns-plain-password"}]}}`).status(http.StatusCreated)
	p := d + "/identities/" + provider.tree()["id"].(string)
	pemKey := testKey(t)
	pem := h.send("POST", d+"/certificates", `{"name":"pem","type":"pem-am-certificate","configuration":{"alias":"pem","privateKey":`+quote(pemKey)+`}}`).
		status(http.StatusCreated)

	secrets := map[string]string{
		"the generated secret":   at(generated, "settings.oauth.clientSecret").(string),
		"the chosen secret":      chosen,
		"the second secret":      second["secret"].(string),
		"the renewed secret":     renewed["secret"].(string),
		"a person's password":    "anns-plain-password",
		"an operator's password": password,
		"the admin's password":   adminPassword,
		"a private key":          strings.Split(pemKey, "\n")[1],
	}
	kinds := map[string][]byte{"POST provider": provider.body, "POST certificate": pem.body}
	for _, path := range []string{
		d, short + "/domains", d + "/applications", a, a + "/secrets", d + "/applications/" + own["id"].(string),
		d + "/identities", p, d + "/certificates", d + "/certificates/" + pem.tree()["id"].(string),
		d + "/clients/" + at(generated, "settings.oauth.clientId").(string),
		d + "/audits?size=1000", "/management/organizations/DEFAULT/audits?size=1000",
	} {
		kinds["GET "+path] = h.send("GET", path, "").status(http.StatusOK).body
	}
	kinds["PATCH application"] = h.send("PATCH", a, `{"description":"x"}`).status(http.StatusOK).body
	kinds["PUT application"] = h.send("PUT", a, `{"description":"y"}`).status(http.StatusOK).body
	kinds["PUT type"] = h.send("PUT", a+"/type", `{"type":"RESOURCE_SERVER"}`).status(http.StatusOK).body
	kinds["PATCH provider"] = h.send("PATCH", p, `{"name":"x"}`).status(http.StatusOK).body
	kinds["PUT provider"] = h.send("PUT", p, string(kinds["GET "+p])).status(http.StatusOK).body
	kinds["the log"] = []byte(h.log.String())
	database := string(h.dump())
	for what, value := range secrets {
		if strings.Contains(database, value) {
			t.Errorf("%s is in the database", what)
		}
	}
	for where, text := range kinds {
		for what, value := range secrets {
			if strings.Contains(string(text), value) {
				t.Errorf("%s is in %s:\n%s", what, where, text)
			}
		}
		for _, mark := range []string{"$argon2id$", "$sha256$", "sealed:v1:"} {
			if strings.Contains(string(text), mark) {
				t.Errorf("%s… is in %s:\n%s", mark, where, text)
			}
		}
	}
	for _, where := range []string{"GET " + a, "PATCH application"} {
		if strings.Contains(string(kinds[where]), "clientSecret") {
			t.Errorf("%s has a clientSecret: %s", where, kinds[where])
		}
	}
	if !strings.Contains(string(kinds["GET "+p]), `\"password\":\"`+prototree.Mask) {
		t.Errorf("no mask in %s", kinds["GET "+p])
	}

	// The mask that was sent back has left the password alone.
	stored, err := store.Get(t.Context(), h.store, catalog.IdentityProviders, provider.tree()["id"].(string))
	if err != nil {
		t.Fatal(err)
	}
	users := stored.GetInline().GetUsers()
	if ok, _, err := h.hasher.Verify(t.Context(), users[0].GetPassword(), "anns-plain-password"); err != nil || !ok {
		t.Errorf("the password does not work after the mask was sent back: %v", err)
	}
}
