package registration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// configure gives the domain other settings of registration.
func (rg *rig) configure(settings *configv1.ClientRegistrationSettings) {
	rg.Helper()
	d := proto.CloneOf(rg.set.Domain(acme).Settings)
	d.Oidc.ClientRegistrationSettings = settings
	rg.push(d)
}

// registered registers a client that has to be made.
func (rg *rig) registered(body string) answer {
	rg.Helper()
	made := rg.register(body)
	if made.status != http.StatusCreated {
		rg.Fatalf("%d %s", made.status, made.text)
	}
	return made
}

// verdict is what is kept of a client's statement.
func (rg *rig) verdict(made answer) *configv1.SoftwareStatementVerdict {
	rg.management.mu.Lock()
	defer rg.management.mu.Unlock()
	return clientmeta.Verdict(rg.management.clients[made.field("client_id")].GetSettings().GetOauth())
}

// asBefore takes away what was found about the statement of a client, as if it came from before that was kept.
func (rg *rig) asBefore(made answer, edit func(*configv1.OAuthSettings)) {
	rg.Helper()
	m := rg.management
	m.mu.Lock()
	app := proto.CloneOf(m.clients[made.field("client_id")])
	app.Settings.Oauth.SoftwareStatementVerdict = nil
	if edit != nil {
		edit(app.Settings.Oauth)
	}
	m.revision++
	app.Revision = m.revision
	m.clients[made.field("client_id")] = app
	m.mu.Unlock()
	rg.set.Learn(context.Background(), proto.CloneOf(app), nil)
}

// is checks what a change answered: a name, and a statement or none.
func (rg *rig) is(what string, got answer, name, statement string) {
	rg.Helper()
	if got.status != http.StatusOK || got.field("client_name") != name || got.field("software_statement") != statement {
		rg.Errorf("%s: %d %s, want the name %q and the statement %.20q", what, got.status, got.text, name, statement)
	}
}

const (
	renamed     = `{"client_name":"Mine"}`
	overwritten = `{"client_name":"Mine","redirect_uris":["https://client.example/cb"]}`
)

// Statements that were kept where nobody was trusted decide nothing when somebody is, or when statements begin to be compulsory. Their
// clients change themselves, send them again as they are, and shed them.
func TestStatementsThatWereNeverAcceptedDecideNothing(t *testing.T) {
	p, stranger := newPublisher(t), newPublisher(t)
	now := time.Unix(1_800_000_000, 0).Unix()
	for name, statement := range map[string]string{
		"that is none":                    "a.b.c",
		"of the issuer, by others":        stranger.sign(map[string]any{"iss": org, "client_name": "Bank of Ann"}),
		"of an issuer who is not trusted": p.sign(map[string]any{"iss": "https://evil.example", "client_name": "Bank of Ann"}),
		"that has expired since":          p.sign(map[string]any{"iss": org, "client_name": "Bank of Ann", "exp": now + 60}),
	} {
		t.Run(name, func(t *testing.T) {
			rg := newRig(t, open())
			body := with(statement, map[string]any{"client_name": "Before"})
			patched, put, administered := rg.registered(body), rg.registered(body), rg.registered(body)
			rg.now = rg.now.Add(2 * time.Minute)
			rg.configure(trusting(p.issuer(org)))
			admin := rg.admin()

			rg.is("PATCH", rg.change("PATCH", patched, renamed), "Mine", statement)
			again, err := json.Marshal(map[string]any{"client_name": "Mine", "software_statement": statement, "redirect_uris": []string{}, "response_types": []string{}, "grant_types": []string{"client_credentials"}})
			if err != nil {
				t.Fatal(err)
			}
			rg.is("PUT of all that it has", rg.change("PUT", put, string(again)), "Mine", statement)
			rg.is("PATCH of the statement itself", rg.change("PATCH", patched, with(statement, map[string]any{"client_name": "Ours"})), "Ours", statement)
			if v := rg.verdict(patched); v.GetAccepted() || v.GetIssuer() != "" {
				t.Errorf("it counts as accepted: %v", v)
			}
			rg.is("PATCH by an administrator", rg.do("PATCH", own(administered), renamed, bearer(admin)...), "Mine", statement)
			rg.is("PATCH that takes it away", rg.change("PATCH", patched, `{"software_statement":null}`), "Ours", "")
			rg.is("PUT that leaves it out", rg.change("PUT", put, overwritten), "Mine", "")
		})
	}
}

// One that is signed by who is trusted by now counts when it is sent again.
func TestAStatementThatIsSentAgainMayBeAccepted(t *testing.T) {
	p := newPublisher(t)
	rg := newRig(t, open())
	statement := p.sign(map[string]any{"iss": org, "client_name": "Bank of Ann"})
	made := rg.registered(with(statement, map[string]any{"client_name": "Mine"}))
	rg.configure(trusting(p.issuer(org)))
	rg.is("PATCH of the name", rg.change("PATCH", made, renamed), "Mine", statement)
	rg.is("PATCH of the statement", rg.change("PATCH", made, with(statement, nil)), "Bank of Ann", statement)
	if v := rg.verdict(made); v.GetIssuer() != org {
		t.Errorf("verdict %v", v)
	}
	rg.is("PATCH of the name", rg.change("PATCH", made, renamed), "Bank of Ann", statement)
}

// Who was let in by a statement stays as it says, whatever becomes of the issuer, and is not frozen by that.
func TestAcceptedStatementsStay(t *testing.T) {
	p, other := newPublisher(t), newPublisher(t)
	claims := map[string]any{
		"iss": org, "client_name": "Bank of Ann", "redirect_uris": []string{"https://bank.example/cb"}, "jwks_uri": "https://bank.example/jwks", "scope": "openid",
	}
	for _, tt := range []struct {
		name   string
		become func(rg *rig, settings *configv1.ClientRegistrationSettings)
	}{
		{"as long as the issuer is trusted", func(*rig, *configv1.ClientRegistrationSettings) {}},
		{"when another one is trusted in its place", func(_ *rig, s *configv1.ClientRegistrationSettings) {
			s.SoftwareStatementIssuers = []*configv1.SoftwareStatementIssuer{other.issuer("https://other.example")}
		}},
		{"when nobody is trusted any more", func(_ *rig, s *configv1.ClientRegistrationSettings) {
			s.SoftwareStatementIssuers, s.SoftwareStatementRequired = nil, false
		}},
		{"when the issuer has other keys", func(_ *rig, s *configv1.ClientRegistrationSettings) {
			s.SoftwareStatementIssuers = []*configv1.SoftwareStatementIssuer{other.issuer(org)}
		}},
		{"when the issuer's keys cannot be had", func(_ *rig, s *configv1.ClientRegistrationSettings) {
			s.SoftwareStatementIssuers = []*configv1.SoftwareStatementIssuer{{Issuer: org, JwksUri: "http://127.0.0.1:1"}}
		}},
		{"when it expires", func(rg *rig, _ *configv1.ClientRegistrationSettings) { rg.now = rg.now.Add(time.Hour) }},
		{"when what it names is away", func(rg *rig, _ *configv1.ClientRegistrationSettings) { delete(rg.web, "https://bank.example/jwks") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := trusting(p.issuer(org))
			rg := newRig(t, settings)
			rg.web["https://bank.example/jwks"] = publicKeys(t)
			claims["exp"] = rg.now.Add(time.Minute).Unix()
			statement := p.sign(claims)
			made := rg.registered(with(statement, map[string]any{"contacts": []string{"ann@bank.example"}}))
			if v := rg.verdict(made); v.GetIssuer() != org {
				t.Fatalf("verdict %v", v)
			}
			settings = proto.CloneOf(settings)
			tt.become(rg, settings)
			rg.configure(settings)

			for what, request := range map[string][2]string{
				"PATCH":                         {"PATCH", `{"client_name":"Mine","contacts":["bob@bank.example"],"redirect_uris":["https://evil.example/cb"],"jwks_uri":"https://evil.example/k","scope":"profile"}`},
				"PATCH that takes it away":      {"PATCH", `{"software_statement":null,"client_name":"Mine","contacts":["bob@bank.example"]}`},
				"PATCH with an empty one":       {"PATCH", `{"software_statement":"","scope":null,"contacts":["bob@bank.example"]}`},
				"PUT without it":                {"PUT", `{"client_name":"Mine","contacts":["bob@bank.example"],"redirect_uris":["https://evil.example/cb"]}`},
				"PUT without what it claims":    {"PUT", `{"contacts":["bob@bank.example"]}`},
				"PUT of it, and something else": {"PUT", with(statement, map[string]any{"client_name": "Mine", "contacts": []string{"bob@bank.example"}})},
			} {
				got := rg.change(request[0], made, request[1])
				rg.is(what, got, "Bank of Ann", statement)
				if got.field("jwks_uri") != "https://bank.example/jwks" || got.field("scope") != "openid" || !strings.Contains(got.text, "https://bank.example/cb") ||
					strings.Contains(got.text, "evil") || !strings.Contains(got.text, "bob@bank.example") {
					t.Errorf("%s: %s", what, got.text)
				}
			}
			if v := rg.verdict(made); v.GetIssuer() != org {
				t.Errorf("verdict %v", v)
			}
		})
	}
}

// Another statement in the place of one that was accepted is verified wholly, also where nobody is trusted any more; what only the one
// before claimed is the client's to change then.
func TestAnotherStatementReplacesTheFirst(t *testing.T) {
	p, stranger := newPublisher(t), newPublisher(t)
	settings := trusting(p.issuer(org))
	rg := newRig(t, settings)
	first := p.sign(map[string]any{"iss": org, "client_name": "Bank of Ann", "client_uri": "https://bank.example"})
	second := p.sign(map[string]any{"iss": org, "client_name": "Bank of Bob"})
	made := rg.registered(with(first, nil))
	for what, body := range map[string]string{
		"by somebody else":  stranger.sign(map[string]any{"iss": org, "client_name": "Mine"}),
		"that is none":      "a.b.c",
		"that has expired":  p.sign(map[string]any{"iss": org, "exp": rg.now.Add(-time.Hour).Unix()}),
		"for other servers": p.sign(map[string]any{"iss": org, "aud": "https://elsewhere.example"}),
	} {
		for _, method := range []string{"PATCH", "PUT"} {
			if got := rg.change(method, made, with(body, nil)); got.status != 400 || got.code() != string(oauth2.InvalidSoftwareStatement) {
				t.Errorf("%s of one %s: %d %s", method, what, got.status, got.text)
			}
		}
	}
	nobody := proto.CloneOf(settings)
	nobody.SoftwareStatementIssuers, nobody.SoftwareStatementRequired = nil, false
	rg.configure(nobody)
	rg.refused(rg.change("PATCH", made, with(second, nil)), 400, oauth2.UnapprovedSoftwareStatement, "The issuer of the software statement is not trusted")
	rg.configure(settings)
	rg.is("PATCH", rg.change("PATCH", made, with(second, nil)), "Bank of Bob", second)
	got := rg.change("PATCH", made, `{"client_name":"Mine","client_uri":"https://client.example"}`)
	rg.is("PATCH", got, "Bank of Bob", second)
	if got.field("client_uri") != "https://client.example" {
		t.Errorf("what the first statement claimed is held: %s", got.text)
	}
}

// An administrator takes an accepted statement away by null, also where statements are compulsory, and the client is its own again.
func TestAnAdministratorTakesAStatementAway(t *testing.T) {
	p := newPublisher(t)
	for _, method := range []string{"PATCH", "PUT"} {
		rg := newRig(t, trusting(p.issuer(org)))
		made := rg.registered(with(p.sign(map[string]any{"iss": org, "client_name": "Bank of Ann"}), nil))
		admin := rg.admin()
		held := rg.do(method, own(made), overwritten, bearer(admin)...)
		if held.field("client_name") != "Bank of Ann" || held.field("software_statement") == "" {
			t.Errorf("%s by an administrator: %s", method, held.text)
		}
		got := rg.do(method, own(made), `{"software_statement":null,"client_name":"Free","redirect_uris":["https://client.example/cb"]}`, bearer(admin)...)
		rg.is(method+" with null", got, "Free", "")
		made.body["registration_access_token"] = got.body["registration_access_token"]
		rg.is("PATCH by the client", rg.change("PATCH", made, renamed), "Mine", "")
	}
}

// Clients from before are not asked for what is required of new ones.
func TestStatementsAreRequiredOfNewClients(t *testing.T) {
	p := newPublisher(t)
	rg := newRig(t, open())
	made := rg.registered(minimal)
	rg.configure(trusting(p.issuer(org)))
	rg.refused(rg.register(minimal), 400, oauth2.InvalidSoftwareStatement, "Missing software_statement.")
	rg.is("PATCH", rg.change("PATCH", made, renamed), "Mine", "")
	rg.is("PUT", rg.change("PUT", made, overwritten), "Mine", "")
	rg.is("PATCH by an administrator", rg.do("PATCH", own(made), `{"client_name":"Ours"}`, bearer(rg.admin())...), "Ours", "")
}

// A rule does not take away what a statement gave: a client that may not say how its certificate is known cannot have that forgotten either.
func TestNothingElseChangesWhatAStatementClaims(t *testing.T) {
	p := newPublisher(t)
	rg := newRig(t, trusting(p.issuer(org)))
	made := rg.registered(with(p.sign(map[string]any{"iss": org, "tls_client_auth_subject_dn": "CN=bank"}), map[string]any{"token_endpoint_auth_method": "tls_client_auth"}))
	for _, body := range []string{`{"token_endpoint_auth_method":"client_secret_basic"}`, `{"token_endpoint_auth_method":"client_secret_basic","tls_client_auth_subject_dn":"CN=mine"}`} {
		rg.refused(rg.change("PATCH", made, body), 400, oauth2.InvalidClientMetadata, "tls_client_auth_subject_dn is what the software statement says, and would not stay so")
	}
	if got := rg.change("PATCH", made, renamed); got.status != 200 || got.field("tls_client_auth_subject_dn") != "CN=bank" {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// TestAStatementSaysGrantTypes, and response types follow where nobody says what they are: code, which is what they are otherwise, would
// bring another grant type.
func TestAStatementSaysGrantTypes(t *testing.T) {
	p := newPublisher(t)
	rg := newRig(t, trusting(p.issuer(org)))
	for _, tt := range []struct {
		claims, body map[string]any
		want         []string
	}{
		{map[string]any{"grant_types": []string{"client_credentials"}}, nil, nil},
		{map[string]any{"grant_types": []string{"client_credentials"}}, map[string]any{"response_types": []string{"code"}}, []string{"code"}},
		{map[string]any{"grant_types": []string{"authorization_code", "refresh_token"}}, nil, []string{"code"}},
		{map[string]any{"grant_types": []string{"implicit"}, "response_types": []string{"token"}}, nil, []string{"token"}},
	} {
		tt.claims["iss"] = org
		rg.registered(with(p.sign(tt.claims), tt.body))
		o := rg.management.last().GetApplication().GetSettings().GetOauth()
		if fmt.Sprint(o.GetGrantTypes()) != fmt.Sprint(tt.claims["grant_types"]) || !slices.Equal(o.GetResponseTypes(), tt.want) {
			t.Errorf("%v: %v, %v", tt.claims, o.GetGrantTypes(), o.GetResponseTypes())
		}
	}
}

// Clients from before verdicts were kept are looked at once more, with the first change that they make: nobody sheds a statement by waiting
// for a new version of the gateway, or for the issuer to be away, and nobody is frozen.
func TestStatementsFromBeforeAreLookedAtOnce(t *testing.T) {
	p, stranger := newPublisher(t), newPublisher(t)
	away := false
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if away {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{p.key.PublicJWK()}})
	}))
	defer site.Close()
	published := trusting(&configv1.SoftwareStatementIssuer{Issuer: org, JwksUri: site.URL})
	claims := func(rg *rig) map[string]any {
		return map[string]any{"iss": org, "client_name": "Bank of Ann", "exp": rg.now.Add(time.Minute).Unix()}
	}

	t.Run("what was accepted counts, expired or not", func(t *testing.T) {
		rg := newRig(t, trusting(p.issuer(org)))
		statement := p.sign(claims(rg))
		made := rg.registered(with(statement, nil))
		rg.asBefore(made, nil)
		rg.now = rg.now.Add(time.Hour)
		rg.is("PATCH", rg.change("PATCH", made, renamed), "Bank of Ann", statement)
		if v := rg.verdict(made); v.GetIssuer() != org {
			t.Errorf("verdict %v", v)
		}
	})
	t.Run("what was not decides nothing from then on", func(t *testing.T) {
		rg := newRig(t, open())
		statement := stranger.sign(claims(rg))
		made := rg.registered(with(statement, nil))
		rg.asBefore(made, nil)
		rg.configure(trusting(p.issuer(org)))
		rg.is("PATCH", rg.change("PATCH", made, renamed), "Mine", statement)
		if v := rg.verdict(made); v == nil || v.GetAccepted() {
			t.Errorf("verdict %v", v)
		}
	})
	t.Run("while the issuer is away, it holds", func(t *testing.T) {
		rg := newRig(t, published)
		statement := p.sign(claims(rg))
		made := rg.registered(with(statement, nil))
		rg.asBefore(made, nil)
		away = true
		rg.configure(trusting(&configv1.SoftwareStatementIssuer{Issuer: org, JwksUri: site.URL + "/moved"}))
		got := rg.change("PATCH", made, `{"client_name":"Mine","contacts":["ann@bank.example"]}`)
		rg.is("PATCH", got, "Bank of Ann", statement)
		if v := rg.verdict(made); v != nil || !strings.Contains(got.text, "ann@bank.example") {
			t.Errorf("verdict %v, %s", v, got.text)
		}
		away = false
		rg.now = rg.now.Add(time.Hour)
		rg.is("PATCH", rg.change("PATCH", made, renamed), "Bank of Ann", statement)
		if v, before := rg.verdict(made), asked; v.GetIssuer() != org || rg.change("PATCH", made, renamed).status != 200 || asked != before {
			t.Errorf("verdict %v, asked again: %v", v, asked != before)
		}
	})
	t.Run("an operator's statement is looked at, too", func(t *testing.T) {
		rg := newRig(t, trusting(p.issuer(org)))
		made := rg.registered(with(p.sign(claims(rg)), nil))
		statement := p.sign(map[string]any{"iss": org, "client_name": "Bank of Bob"})
		rg.asBefore(made, func(o *configv1.OAuthSettings) {
			o.SoftwareStatementVerdict = clientmeta.NewVerdict(o.SoftwareStatement, org) // which is about the one before
			o.SoftwareStatement = statement
		})
		rg.is("PATCH", rg.change("PATCH", made, renamed), "Bank of Bob", statement)
	})
}

// publicKeys is a key set as it is published.
func publicKeys(t *testing.T) string {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256, "c1")
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"keys": []any{key.PublicJWK()}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
