package rest

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

func TestTakingADenyBindingAwayWaitsForConfirmation(t *testing.T) {
	g := newGuarded(t)
	ids := g.people(5)
	barred := g.group("Barred")
	g.join(barred, ids[:2]...)
	d := g.a + "/bindings/" + g.bind(fmt.Sprintf(`{"group":%q,"effect":"deny"}`, barred))["id"].(string)
	g.opened(true, 3)
	for _, body := range []string{`{"enabled":false}`, `{"reportOnly":true}`, `{"negate":true,"enabled":false}`} {
		g.send("PATCH", d, body).asks("opens", 3, 5)
	}
	g.send("DELETE", d, "").asks("opens", 3, 5)
	g.send("PUT", g.a+"/access", `{"bindings":[]}`).asks("opens", 3, 5)
	g.opened(true, 3)

	// What keeps nobody out is not asked for, and neither is whom the same change lets in otherwise.
	empty := g.bind(fmt.Sprintf(`{"group":%q,"effect":"deny"}`, g.group("Empty")))["id"].(string)
	g.send("PATCH", g.a+"/bindings/"+empty, `{"enabled":false}`).status(http.StatusOK)
	g.send("PUT", g.a+"/access", fmt.Sprintf(`{"bindings":[{"group":%q,"effect":"deny","order":7},{"user":"p0"}]}`, barred)).status(http.StatusOK)
	g.send("PUT", g.a+"/access", fmt.Sprintf(`{"bindings":[{"group":%q,"effect":"deny"},{"user":"p0"},{"user":"p3"}]}`, barred)).status(http.StatusOK)
	g.send("PUT", g.a+"/access", `{"bindings":[{"user":"p0"},{"user":"p4"}]}`).asks("opens", 1, 2)
	g.send("PUT", g.a+"/access?confirm=opens", `{"bindings":[{"user":"p0"},{"user":"p4"}]}`).status(http.StatusOK)
	g.opened(false, 2)
}

func TestTakingAGroupOutOfADeniedOneWaitsForConfirmation(t *testing.T) {
	g := newGuarded(t)
	ids := g.people(5)
	inner := g.group("Inner")
	g.join(inner, ids[0])
	banned := g.group("Banned", fmt.Sprintf(`"groups":[%q]`, inner))
	g.join(banned, ids[1])
	let := g.group("Let")
	g.join(let, ids...)
	g.bind(fmt.Sprintf(`{"group":%q,"effect":"deny"}`, banned))
	g.bind(fmt.Sprintf(`{"group":%q}`, let))
	g.opened(false, 3)
	at := g.d + "/groups/" + banned
	g.send("PATCH", at, `{"groups":[]}`).asks("opens", 3, 4)
	g.send("PATCH", at, `{"description":"nothing else"}`).status(http.StatusOK)
	g.opened(false, 3)
	g.send("PATCH", at+"?confirm=opens", `{"groups":[]}`).status(http.StatusOK)
	g.opened(false, 4)
}

func TestRestoringADeletedApplicationThatWouldBeOpenWaitsForConfirmation(t *testing.T) {
	g := newGuarded(t)
	g.people(4)
	revision := g.send("GET", g.a, "").tree()["revision"]
	g.bind(`{"user":"p0"}`)
	bound := g.send("GET", g.a, "").tree()["revision"]
	g.send("DELETE", g.a, "").status(http.StatusNoContent)
	restore := fmt.Sprintf("%s/history/%v/_restore", g.a, revision)
	g.send("POST", restore, `{}`).asks("opens", 1, 4)
	g.send("GET", g.a, "").status(http.StatusNotFound)
	g.send("POST", fmt.Sprintf("%s/history/%v/_restore", g.a, bound), `{}`).status(http.StatusOK)
	g.opened(false, 1)
	g.send("DELETE", g.a, "").status(http.StatusNoContent)
	g.send("POST", restore+"?confirm=opens", `{}`).status(http.StatusOK)
	g.opened(true, 4)
}

func TestARepeatedCompositionKeepsTheSecretOfAProviderThatItTookIn(t *testing.T) {
	g := newGuarded(t)
	configuration := `{"applicationType":"web","redirectUris":["https://pay.example/cb"]}`
	id, _ := g.send("POST", g.d+"/providers", `{"name":"Old","type":"oauth2","configuration":`+configuration+`}`).status(http.StatusCreated).tree()["id"].(string)
	for _, tt := range []struct {
		name     string
		provider *managementv1.ComposedProvider
		renewed  bool
	}{
		{"taken in", &managementv1.ComposedProvider{Id: id}, false},
		{"made", &managementv1.ComposedProvider{
			Type: "oauth2", Configuration: &configv1.OAuthSettings{ApplicationType: "web", RedirectUris: []string{"https://pay.example/cb"}},
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			at := editor.Place{Organization: "DEFAULT", Environment: "DEFAULT", Domain: g.domain}
			ed := editor.New(editor.Options{Store: g.store, Hasher: g.hasher, Logger: slog.New(slog.DiscardHandler)})
			first, _, err := ed.BeginAttempt(ctx, g.domain, "o", tt.name, "f")
			if err != nil {
				t.Fatal(err)
			}
			c := editor.Composition{Application: &configv1.Application{Name: "Pay"}, Provider: tt.provider, ID: first.Application()}
			made, err := ed.Compose(ctx, at, c, false)
			if err != nil {
				t.Fatal(err)
			}
			first.Fail(ctx, fmt.Errorf("the database is away for a moment"))
			again, _, err := ed.BeginAttempt(ctx, g.domain, "o", tt.name, "f")
			if err != nil {
				t.Fatal(err)
			}
			there, plain, err := again.Made(ctx, at, c)
			if err != nil || there.GetId() != made.Application.GetId() {
				t.Fatalf("made %v: %v", there, err)
			}
			same := there.GetSecrets()[0].GetHash() == made.Application.GetSecrets()[0].GetHash()
			if same == tt.renewed || (plain != "") != tt.renewed {
				t.Errorf("the secret is the same: %t, and told: %t", same, plain != "")
			}
		})
	}
}
