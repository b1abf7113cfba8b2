package registration_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// publisher is somebody who signs software statements.
type publisher struct {
	t   testing.TB
	key *jose.Key
}

func newPublisher(t testing.TB) *publisher {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256, "p1")
	if err != nil {
		t.Fatal(err)
	}
	return &publisher{t, key}
}

// issuer is the publisher as a domain trusts it, by value.
func (p *publisher) issuer(name string) *configv1.SoftwareStatementIssuer {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{"keys": []any{p.key.PublicJWK()}})
	if err != nil {
		p.t.Fatal(err)
	}
	set := &structpb.Struct{}
	if err := set.UnmarshalJSON(body); err != nil {
		p.t.Fatal(err)
	}
	return &configv1.SoftwareStatementIssuer{Issuer: name, Jwks: set}
}

func (p *publisher) sign(claims map[string]any) string {
	p.t.Helper()
	return p.signAs("JWT", claims)
}

func (p *publisher) signAs(typ string, claims map[string]any) string {
	p.t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	statement, err := p.key.Sign(typ, body)
	if err != nil {
		p.t.Fatal(err)
	}
	return statement
}

// with is a registration's body with a statement and more members.
func with(statement string, more map[string]any) string {
	members := map[string]any{"redirect_uris": []string{"https://client.example/cb"}, "software_statement": statement}
	maps.Copy(members, more)
	body, _ := json.Marshal(members)
	return string(body)
}

func trusting(issuers ...*configv1.SoftwareStatementIssuer) *configv1.ClientRegistrationSettings {
	settings := open()
	settings.SoftwareStatementIssuers, settings.SoftwareStatementRequired = issuers, true
	return settings
}

const org = "https://org.example"

func TestSoftwareStatements(t *testing.T) {
	p, stranger := newPublisher(t), newPublisher(t)
	rg := newRig(t, trusting(p.issuer(org)))
	now := rg.now.Unix()
	good := map[string]any{
		"iss": org, "iat": now, "client_name": "Bank of Ann", "software_id": "soft-1", "redirect_uris": []string{"https://bank.example/cb"},
		"scope": "openid", "client_id": "chosen", "id": "chosen",
	}
	got := rg.register(with(p.sign(good), map[string]any{"client_name": "Another", "client_uri": "https://client.example"}))
	if got.status != 201 || got.field("client_name") != "Bank of Ann" || got.field("software_id") != "soft-1" || got.field("scope") != "openid" ||
		!strings.Contains(got.text, "https://bank.example/cb") || strings.Contains(got.text, "https://client.example/cb") ||
		got.field("client_uri") != "https://client.example" || got.field("client_id") == "chosen" {
		t.Fatalf("what the statement claims does not come before the body: %d %s", got.status, got.text)
	}

	other := func(change func(map[string]any)) map[string]any {
		c := maps.Clone(good)
		change(c)
		return c
	}
	parts := strings.Split(p.sign(good), ".")
	tests := []struct {
		name, body  string
		code        oauth2.Code
		description string
	}{
		{"none, where one is required", minimal, oauth2.InvalidSoftwareStatement, "Missing software_statement."},
		{"null is none", `{"redirect_uris":[],"software_statement":null}`, oauth2.InvalidSoftwareStatement, "Missing software_statement."},
		{"a number", `{"redirect_uris":[],"software_statement":1}`, oauth2.InvalidSoftwareStatement, "software_statement must be a string"},
		{"no JWT", with("a.b.c", nil), oauth2.InvalidSoftwareStatement, "The software statement is invalid"},
		{"of an issuer who is not trusted", with(p.sign(other(func(c map[string]any) { c["iss"] = "https://evil.example" })), nil),
			oauth2.UnapprovedSoftwareStatement, "The issuer of the software statement is not trusted"},
		{"of no issuer", with(p.sign(other(func(c map[string]any) { delete(c, "iss") })), nil),
			oauth2.UnapprovedSoftwareStatement, "The issuer of the software statement is not trusted"},
		{"signed by somebody else", with(stranger.sign(good), nil), oauth2.InvalidSoftwareStatement, "The software statement is invalid"},
		{"with other claims than were signed", with(parts[0]+".eyJpc3MiOiJodHRwczovL29yZy5leGFtcGxlIn0."+parts[2], nil),
			oauth2.InvalidSoftwareStatement, "The software statement is invalid"},
		{"unsigned", with("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL29yZy5leGFtcGxlIn0.", nil), oauth2.InvalidSoftwareStatement, "The software statement is invalid"},
		{"that is a token for something else", with(p.signAs("at+jwt", good), nil), oauth2.InvalidSoftwareStatement, "The software statement is a token of another kind"},
		{"that has expired", with(p.sign(other(func(c map[string]any) { c["exp"] = now - 60 })), nil), oauth2.InvalidSoftwareStatement, "The software statement is invalid"},
		{"for another server", with(p.sign(other(func(c map[string]any) { c["aud"] = "https://elsewhere.example" })), nil),
			oauth2.InvalidSoftwareStatement, "The software statement is meant for another server"},
		{"for two other servers", with(p.sign(other(func(c map[string]any) { c["aud"] = []string{"https://elsewhere.example", "https://gate.example"} })), nil),
			oauth2.InvalidSoftwareStatement, "The software statement is meant for another server"},
		{"for another domain of this gateway", with(p.sign(other(func(c map[string]any) { c["aud"] = "https://gate.example/other/oidc" })), nil),
			oauth2.InvalidSoftwareStatement, "The software statement is meant for another server"},
		{"for nobody", with(p.sign(other(func(c map[string]any) { c["aud"] = []string{} })), nil),
			oauth2.InvalidSoftwareStatement, "The software statement is meant for another server"},
		{"for nobody, in one text", with(p.sign(other(func(c map[string]any) { c["aud"] = "" })), nil),
			oauth2.InvalidSoftwareStatement, "The software statement is meant for another server"},
		{"whose audience is null", with(p.sign(other(func(c map[string]any) { c["aud"] = nil })), nil), oauth2.InvalidSoftwareStatement, "The software statement is invalid"},
		{"whose claims break a rule", with(p.sign(other(func(c map[string]any) { c["subject_type"] = "none" })), nil),
			oauth2.InvalidClientMetadata, "Unsupported subject type"},
		{"that gives administrative scopes", with(p.sign(other(func(c map[string]any) { c["scope"] = "openid dcr_admin" })), nil),
			oauth2.InvalidClientMetadata, "scope dcr_admin is not valid."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := *rg
			rg.TB = t
			rg.refused(rg.register(tt.body), 400, tt.code, tt.description)
		})
	}

	for name, aud := range map[string]any{
		"says this domain's issuer": "https://gate.example/acme/oidc", "says its registration endpoint": endpoint,
		"lists one of them among others": []string{"https://elsewhere.example", endpoint},
	} {
		t.Run("is for this server if its audience "+name, func(t *testing.T) {
			if got := rg.register(with(p.sign(other(func(c map[string]any) { c["aud"] = aud })), nil)); got.status != 201 {
				t.Errorf("%d %s", got.status, got.text)
			}
		})
	}

	t.Run("goes on counting when the client changes itself", func(t *testing.T) {
		rg := *rg
		rg.TB = t
		rg.now = rg.now.Add(time.Hour)
		made := rg.register(with(p.sign(other(func(c map[string]any) { c["exp"] = now + 7200 })), nil))
		if made.status != 201 {
			t.Fatal(made.text)
		}
		for method, body := range map[string]string{
			"PATCH": `{"client_name": "Mine", "software_statement": "", "contacts": ["ann@client.example"]}`,
			"PUT":   `{"redirect_uris": ["https://client.example/cb"], "client_name": "Mine", "contacts": ["ann@client.example"]}`,
		} {
			changed := rg.change(method, made, body)
			if changed.status != 200 || changed.field("client_name") != "Bank of Ann" || !strings.Contains(changed.text, "https://bank.example/cb") ||
				!strings.Contains(changed.text, "ann@client.example") {
				t.Fatalf("%s: %d %s", method, changed.status, changed.text)
			}
			made.body["registration_access_token"] = changed.body["registration_access_token"]
		}
		rg.now = rg.now.Add(3 * time.Hour) // the statement has expired since it was accepted
		if changed := rg.change("PATCH", made, `{"client_name": "Mine"}`); changed.status != 200 || changed.field("client_name") != "Bank of Ann" {
			t.Errorf("%d %s", changed.status, changed.text)
		}
	})
}

func TestStatementsByPublishedKeys(t *testing.T) {
	p := newPublisher(t)
	away := false
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{p.key.PublicJWK()}})
	}))
	defer site.Close()
	rg := newRig(t, trusting(&configv1.SoftwareStatementIssuer{Issuer: org, JwksUri: site.URL}))
	statement := p.sign(map[string]any{"iss": org, "client_name": "Bank of Ann", "aud": "https://gate.example/acme/oidc"})
	away = true
	rg.refused(rg.register(with(statement, nil)), 503, oauth2.TemporarilyUnavailable, "The software statement cannot be verified just now")
	away = false
	rg.now = rg.now.Add(time.Minute)
	if got := rg.register(with(statement, nil)); got.status != 201 || got.field("client_name") != "Bank of Ann" {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestStatementsAreKeptWhereNobodyIsTrusted(t *testing.T) {
	p := newPublisher(t)
	rg := newRig(t, open())
	statement := p.sign(map[string]any{"iss": org, "client_name": "Bank of Ann"})
	got := rg.register(with(statement, map[string]any{"client_name": "Mine"}))
	if got.status != 201 || got.field("client_name") != "Mine" || got.field("software_statement") != statement {
		t.Errorf("%d %s", got.status, got.text)
	}
}
