package registration_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const org = "https://org.example"

// stating gives an application a statement, and what a gateway found about one; nothing where it is empty.
func stating(o *configv1.OAuthSettings, statement, about, issuer string) {
	o.SoftwareStatement, o.SoftwareStatementVerdict = statement, nil
	if about != "" {
		o.SoftwareStatementVerdict = clientmeta.NewVerdict(about, issuer)
	}
}

// TestWhatWasFoundOfAStatementStaysWithIt: what the gateway says is kept for the statement that it is about, and for no other one.
func TestWhatWasFoundOfAStatementStaysWithIt(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	made := h.register(domain, func(r *registrationv1.CreateRequest) { stating(r.Application.Settings.Oauth, "a.b.c", "a.b.c", org) })
	app, token := made.GetApplication(), made.GetRegistrationAccessToken()
	is := func(what, issuer string, known bool) {
		t.Helper()
		found, err := h.server.Resolve(t.Context(), &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID(app)})
		if err != nil {
			t.Fatal(err)
		}
		o := found.GetApplication().GetSettings().GetOauth()
		if (o.GetSoftwareStatementVerdict() != nil) != known || clientmeta.StatementIssuer(o) != issuer {
			t.Errorf("%s: %v, want the issuer %q", what, o.GetSoftwareStatementVerdict(), issuer)
		}
	}
	update := func(edit func(*configv1.OAuthSettings)) {
		t.Helper()
		answer, err := h.server.Update(t.Context(), updating(app, token, edit))
		if err != nil {
			t.Fatal(err)
		}
		app, token = answer.GetApplication(), answer.GetRegistrationAccessToken()
	}
	is("registered", org, true)
	update(func(o *configv1.OAuthSettings) { o.ClientName, o.SoftwareStatementVerdict = "Store", nil })
	is("a change by a gateway that says nothing of it", org, true)
	update(func(o *configv1.OAuthSettings) { stating(o, "d.e.f", "d.e.f", "https://other.example") })
	is("another statement", "https://other.example", true)
	update(func(o *configv1.OAuthSettings) { stating(o, "a.b.c", "", "") })
	is("another one by a gateway that says nothing of it", "", false)
	update(func(o *configv1.OAuthSettings) { stating(o, "a.b.c", "d.e.f", org) })
	is("what was found of another one", "", false)
	update(func(o *configv1.OAuthSettings) { stating(o, "a.b.c", "a.b.c", "") })
	is("one that was not accepted", "", true)
	update(func(o *configv1.OAuthSettings) { stating(o, "a.b.c", "a.b.c", org) })

	patch := func(oauth prototree.Object) {
		t.Helper()
		body := prototree.Object{"settings": prototree.Object{"oauth": oauth}}
		changed, err := editor.Patch(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, app.GetId(), body, 0)
		if err != nil {
			t.Fatal(err)
		}
		app = changed
	}
	patch(prototree.Object{"softwareStatementVerdict": prototree.Object{"accepted": false, "issuer": "https://evil.example"}, "clientUri": "https://x.example"})
	is("an operator who says what was found", org, true)
	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: domain, Kind: "application", Whole: true})
	if err != nil || len(records) == 0 || !strings.Contains(records[0].After, org) {
		t.Errorf("the record does not say who signed it: %v, %v", records, err)
	}
	patch(prototree.Object{"softwareStatement": "d.e.f"})
	is("another one by an operator", "", false)
	patch(prototree.Object{"softwareStatement": nil})
	is("none", "", false)
}

// TestResponseTypesDoNotChangeTheGrantTypesOfAStatement: grant types follow response types, but those that a statement says only with
// operators.
func TestResponseTypesDoNotChangeTheGrantTypesOfAStatement(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	statement := part(`{"alg":"ES256"}`) + "." + part(`{"iss":"`+org+`","grant_types":["authorization_code"]}`) + "." + part("signature")
	asked := func(issuer string, responses ...string) *registrationv1.CreateRequest {
		r := request(domain)
		o := r.Application.Settings.Oauth
		stating(o, statement, statement, issuer)
		o.GrantTypes, o.ResponseTypes = []string{"authorization_code"}, responses
		return r
	}
	for _, responses := range [][]string{{"token"}, {"code", "id_token"}, {}} {
		_, err := h.server.Create(t.Context(), asked(org, responses...))
		wantKind(t, fmt.Sprint("registered with ", responses), err, fault.Invalid)
	}
	if _, err := h.server.Create(t.Context(), asked("", "token")); err != nil {
		t.Errorf("a statement that was not accepted: %v", err)
	}
	made, err := h.server.Create(t.Context(), asked(org, "code"))
	if err != nil {
		t.Fatal(err)
	}
	app, token := made.GetApplication(), made.GetRegistrationAccessToken()
	_, err = h.server.Update(t.Context(), updating(app, token, func(o *configv1.OAuthSettings) { o.ResponseTypes = []string{"token"} }))
	wantKind(t, "changed", err, fault.Invalid)
	if _, err := h.server.Update(t.Context(), updating(app, token, func(o *configv1.OAuthSettings) { o.ClientName = "Store" })); err != nil {
		t.Errorf("another name: %v", err)
	}
	body := prototree.Object{"settings": prototree.Object{"oauth": prototree.Object{"grantTypes": []any{"implicit"}, "responseTypes": []any{"token"}}}}
	changed, err := editor.Patch(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, app.GetId(), body, 0)
	if err != nil || changed.GetSettings().GetOauth().GetGrantTypes()[0] != "implicit" {
		t.Errorf("an operator: %v, %v", changed.GetSettings().GetOauth().GetGrantTypes(), err)
	}
}

// TestACopyIsNotAcceptedByTheStatementOfItsTemplate, but by its own.
func TestACopyIsNotAcceptedByTheStatementOfItsTemplate(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isClientTemplateEnabled": true})
	made := h.register(domain, func(r *registrationv1.CreateRequest) { stating(r.Application.Settings.Oauth, "a.b.c", "a.b.c", org) })
	template := made.GetApplication()
	if _, err := editor.Patch(t.Context(), h.editor, catalog.Applications, editor.Place{Domain: domain}, template.GetId(), prototree.Object{"template": true}, 0); err != nil {
		t.Fatal(err)
	}
	copied := func(edit func(*registrationv1.CreateRequest)) *configv1.SoftwareStatementVerdict {
		t.Helper()
		a := h.register(domain, func(r *registrationv1.CreateRequest) {
			r.Template, r.Given = template.GetId(), []string{"redirect_uris"}
			edit(r)
		}).GetApplication()
		if a.GetSettings().GetOauth().GetSoftwareStatement() == "" {
			t.Errorf("no statement: %v", a)
		}
		return a.GetSettings().GetOauth().GetSoftwareStatementVerdict()
	}
	if v := copied(func(*registrationv1.CreateRequest) {}); v == nil || v.GetAccepted() {
		t.Errorf("with the template's statement: %v", v)
	}
	if v := copied(func(r *registrationv1.CreateRequest) {
		stating(r.Application.Settings.Oauth, "d.e.f", "d.e.f", org)
		r.Given = append(r.Given, "software_statement")
	}); v.GetIssuer() != org {
		t.Errorf("with its own: %v", v)
	}
}

// TestAStatementMakesNoRegisteredClient of what an operator made and an administrator gave a statement through the registration endpoint.
func TestAStatementMakesNoRegisteredClient(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	a := h.byHand(domain, prototree.Object{"name": "by hand", "type": "service"})
	changed, err := h.server.Update(t.Context(), asBoss(a, func(o *configv1.OAuthSettings) { stating(o, "a.b.c", "a.b.c", org) }))
	if err != nil {
		t.Fatal(err)
	}
	a = changed.GetApplication()
	if catalog.IsRegistered(a) || clientmeta.StatementIssuer(a.GetSettings().GetOauth()) != org {
		t.Errorf("registered %v, verdict %v", catalog.IsRegistered(a), a.GetSettings().GetOauth().GetSoftwareStatementVerdict())
	}
}
