package editor

import (
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

func TestIdentityProviders(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	p, _, err := Create(r.ctx, r.Editor, catalog.IdentityProviders, at, r.tree(`{"id": "staff", "name": "Staff", "type": "inline-am-idp", "external": false,
		"configuration": "{\"users\":[{\"username\":\"Ann\",\"password\":\"one\"},{\"username\":\"bob\",\"password\":\"two\"}]}"}`))
	if err != nil {
		t.Fatal(err)
	}
	if p.GetId() != "staff" || p.GetExternal() {
		t.Errorf("provider %s, external %v", p.GetId(), p.GetExternal())
	}
	fits := func(i int, password string) bool {
		t.Helper()
		ok, _, err := hasher.Verify(r.ctx, p.GetInline().GetUsers()[i].GetPassword(), password)
		return err == nil && ok
	}
	if !fits(0, "one") || !fits(1, "two") {
		t.Error("the passwords are not hashed")
	}
	tree := printed(t, p)
	configuration, _ := tree["configuration"].(string)
	if strings.Count(configuration, `"password":"********"`) != 2 || tree["type"] != "inline-am-idp" {
		t.Errorf("printed %v", tree)
	}
	// What was read can be sent back: the passwords stay, whatever the order.
	hashes := []string{p.GetInline().GetUsers()[0].GetPassword(), p.GetInline().GetUsers()[1].GetPassword()}
	p, err = Replace(r.ctx, r.Editor, catalog.IdentityProviders, at, "staff", r.tree(`{"name": "Staff 2", "type": "inline-am-idp",
		"configuration": {"users":[{"username":"bob","password":"********","email":"b@x"},{"username":"Ann","password":"********"}]}}`), 0)
	if err != nil {
		t.Fatal(err)
	}
	if u := p.GetInline().GetUsers(); u[0].GetPassword() != hashes[1] || u[1].GetPassword() != hashes[0] || p.GetName() != "Staff 2" {
		t.Error("masked passwords were not kept")
	}
	// A hash is kept, a new password hashed.
	p, err = Patch(r.ctx, r.Editor, catalog.IdentityProviders, at, "staff", r.tree(`{"configuration": {"users":[
		{"username":"cid","password":"`+hashes[0]+`"},{"username":"bob","password":"three"}]}}`), 0)
	if err != nil || p.GetInline().GetUsers()[0].GetPassword() != hashes[0] || !fits(1, "three") {
		t.Errorf("changed passwords: %v", err)
	}

	create := func(body string) error {
		_, _, err := Create(r.ctx, r.Editor, catalog.IdentityProviders, at, r.tree(body))
		return err
	}
	inline := func(users string) string {
		return `{"name": "x", "type": "inline-am-idp", "configuration": {"users": [` + users + `]}}`
	}
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", `{}`, "[type: must not be blank, configuration: must not be blank]"},
		{"no configuration", `{"name": "x", "type": "mongo-am-idp"}`, "[configuration: must not be blank]"},
		{"an empty configuration", `{"name": "x", "type": "mongo-am-idp", "configuration": ""}`, "[configuration: must not be blank]"},
		{"a malformed configuration", `{"name": "x", "type": "mongo-am-idp", "configuration": "{"}`, "[configuration: must be a JSON object, or the text of one]"},
		{"an unknown type", `{"name": "x", "type": "nobody", "configuration": "{}"}`, "[nobody: must be one of inline-am-idp, mongo-am-idp, " +
			"http-am-idp, ldap-am-idp, oauth2-generic-am-idp, google-am-idp, github-am-idp, azure-ad-am-idp, facebook-am-idp, " +
			"linkedin-am-idp, franceconnect-am-idp, jdbc-am-idp, saml2-generic-am-idp]"},
		{"no name", `{"type": "mongo-am-idp", "configuration": "{}"}`, "[name: must not be blank]"},
		{"a mask where nothing is stored", inline(`{"username": "a", "password": "********"}`), "[password: a masked value can only be sent back where a value is stored]"},
		{"a user without password", inline(`{"username": "a"}`), "[password: must not be blank]"},
		{"two users with one name", inline(`{"username": "a", "password": "x"}, {"username": "A", "password": "x"}`), "[A: must be unique in any case]"},
	} {
		refused(t, tt.name, create(tt.body), fault.Invalid, tt.want)
	}
	if err := create(`{"id": "a/b", "name": "x", "type": "mongo-am-idp", "configuration": "{}"}`); !fault.Is(err, fault.Invalid) {
		t.Errorf("a bad identifier: %v", err)
	}
	refused(t, "a taken identifier", create(`{"id": "staff", "name": "x", "type": "mongo-am-idp", "configuration": "{}"}`),
		fault.Invalid, "Identity Provider [staff] already exists.")
	_, err = Replace(r.ctx, r.Editor, catalog.IdentityProviders, at, "staff", r.tree(`{"name": "x", "type": "mongo-am-idp", "configuration": "{}"}`), 0)
	refused(t, "another type", err, fault.Invalid, "The type of an identity provider can not be changed.")

	a, _ := r.application(at, webApplication)
	if _, err := r.patch(at, a.GetId(), `{"identityProviders": [{"identity": "staff"}]}`); err != nil {
		t.Fatal(err)
	}
	_, err = Delete(r.ctx, r.Editor, catalog.IdentityProviders, at, "staff", 0)
	refused(t, "the deletion of a used provider", err, fault.Invalid, "You can't delete an identity provider with existing clients.")
	if _, err := r.patch(at, a.GetId(), `{"identityProviders": []}`); err != nil {
		t.Fatal(err)
	}
	if _, err := Delete(r.ctx, r.Editor, catalog.IdentityProviders, at, "staff", 0); err != nil {
		t.Error(err)
	}
}

func TestOnlyHashesOfPasswordsAreImported(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	argon, err := hasher.Password(r.ctx, "one")
	if err != nil {
		t.Fatal(err)
	}
	const bcrypt = "$2y$10$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for name, tt := range map[string]struct {
		sent string
		kept bool
	}{
		"argon2id is kept":                         {argon, true},
		"bcrypt is kept":                           {bcrypt, true},
		"bcrypt of $2a$ is kept":                   {"$2a$" + bcrypt[4:], true},
		"bcrypt of $2b$ is kept":                   {"$2b$" + bcrypt[4:], true},
		"the hash of a generated secret is a text": {secret.Generated("one"), false},
		"an unknown hash is a text":                {"$1$abc$def", false},
		"a torn argon2id hash is a text":           {argon[:len(argon)/2], false},
	} {
		p, _, err := Create(r.ctx, r.Editor, catalog.IdentityProviders, at, map[string]any{
			"name": name, "type": "inline-am-idp",
			"configuration": map[string]any{"users": []any{map[string]any{"username": "ann", "password": tt.sent}}},
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		stored := p.GetInline().GetUsers()[0].GetPassword()
		if tt.kept {
			if stored != tt.sent {
				t.Errorf("%s: it was changed", name)
			}
			continue
		}
		if ok, _, err := hasher.Verify(r.ctx, stored, tt.sent); stored == tt.sent || err != nil || !ok {
			t.Errorf("%s: it does not sign in (%v)", name, err)
		}
	}
}

// TestTheLastCertificateOfAnAlgorithmStays: without it, tokens of whoever names the algorithm could not be signed.
func TestTheLastCertificateOfAnAlgorithmStays(t *testing.T) {
	const byApplication = "You can't delete a certificate with existing applications."
	app := func(member string) func(t *testing.T, r *rig, at Place, alg string) {
		return func(t *testing.T, r *rig, at Place, alg string) {
			a, _ := r.application(at, webApplication)
			if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"`+member+`": `+alg+`}}}`); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name string
		use  func(t *testing.T, r *rig, at Place, alg string)
		want string
	}{
		{"named by the domain", func(t *testing.T, r *rig, at Place, alg string) {
			if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, at.Domain, r.tree(`{"oidc": {"accessTokenSigningAlg": `+alg+`}}`), 0); err != nil {
				t.Fatal(err)
			}
		}, "You can't delete the last certificate for the signing algorithm of the domain."},
		{"named for access tokens of an application", app("accessTokenSigningAlg"), byApplication},
		{"named for ID tokens of an application", app("idTokenSignedResponseAlg"), byApplication},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			_, at := r.domain("Acme")
			_, elsewhere := r.domain("Other")
			key := func(at Place, name string) *configv1.Certificate {
				t.Helper()
				c, _, err := Create(r.ctx, r.Editor, catalog.Certificates, at, r.tree(`{"name": "`+name+`", "type": "generated-am-certificate",
					"configuration": {"algorithm": "ES256"}}`))
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			first, second := key(at, "one"), key(at, "two")
			theirs := key(elsewhere, "three")
			tt.use(t, r, at, `"ES256"`)
			if _, err := Delete(r.ctx, r.Editor, catalog.Certificates, at, first.GetId(), 0); err != nil {
				t.Errorf("one of two: %v", err)
			}
			_, err := Delete(r.ctx, r.Editor, catalog.Certificates, at, second.GetId(), 0)
			refused(t, "the last one", err, fault.Invalid, tt.want)
			if _, err := Read(r.ctx, r.Editor, catalog.Certificates, at, second.GetId()); err != nil {
				t.Errorf("it is gone all the same: %v", err)
			}
			if _, err := Delete(r.ctx, r.Editor, catalog.Certificates, elsewhere, theirs.GetId(), 0); err != nil {
				t.Errorf("the last one of another domain, where nobody names it: %v", err)
			}
			if _, err := Delete(r.ctx, r.Editor, catalog.Domains, here, at.Domain, 0); err != nil {
				t.Errorf("with its domain: %v", err)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	generated, _, err := Create(r.ctx, r.Editor, catalog.Certificates, at, r.tree(`{"name": "EC key", "type": "generated-am-certificate",
		"configuration": "{\"algorithm\":\"ES256\"}"}`))
	if err != nil || generated.GetKid() != "ec-key" || generated.GetAlgorithm() != "ES256" || generated.GetSystem() {
		t.Fatalf("%v, %v", generated.GetKid(), err)
	}
	if key, err := jose.ParsePrivateKey(generated.GetPrivateKey(), "x", jose.ES256); err != nil || key.Thumbprint() == "" {
		t.Errorf("the key: %v", err)
	}
	key, err := jose.GenerateKey(jose.RS256, "x")
	if err != nil {
		t.Fatal(err)
	}
	pem, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	upload := func(alias, algorithm string) map[string]any {
		return map[string]any{"name": "Mine", "type": "pem-am-certificate", "configuration": map[string]any{
			"privateKey": string(pem), "alias": alias, "algorithm": algorithm,
		}}
	}
	mine, _, err := Create(r.ctx, r.Editor, catalog.Certificates, at, upload("mine", "PS256"))
	if err != nil || mine.GetKid() != "mine" || mine.GetAlgorithm() != "PS256" || mine.GetExpiresAt() == nil {
		t.Fatalf("%v, %v", mine.GetKid(), err)
	}
	if mine.GetPem().GetPrivateKey() != "" || len(mine.GetPrivateKey()) == 0 {
		t.Error("the key did not move to where it is sealed")
	}
	if c, _ := printed(t, mine)["configuration"].(string); strings.Contains(c, "PRIVATE") || printed(t, mine)["privateKey"] != nil {
		t.Errorf("printed %v", printed(t, mine))
	}
	_, _, err = Create(r.ctx, r.Editor, catalog.Certificates, at, upload("mine", ""))
	refused(t, "a taken alias", err, fault.Conflict, "A certificate [mine] already exists.")
	_, _, err = Create(r.ctx, r.Editor, catalog.Certificates, at, upload("other", ""))
	refused(t, "the same key", err, fault.Conflict, "A certificate [other] already exists.")
	for _, body := range []string{
		`{"name": "x", "type": "pem-am-certificate", "configuration": {"privateKey": "nonsense", "alias": "x"}}`,
		`{"name": "x", "type": "pem-am-certificate", "configuration": {"alias": "x"}}`,
		`{"name": "x", "type": "generated-am-certificate", "configuration": {"algorithm": "HS256"}}`,
		`{"name": "x", "type": "generated-am-certificate"}`,
	} {
		if _, _, err := Create(r.ctx, r.Editor, catalog.Certificates, at, r.tree(body)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", body, err)
		}
	}

	renamed, err := Replace(r.ctx, r.Editor, catalog.Certificates, at, mine.GetId(), r.tree(`{"name": "Renamed"}`), 0)
	if err != nil || renamed.GetName() != "Renamed" || renamed.GetKid() != "mine" || string(renamed.GetPrivateKey()) != string(mine.GetPrivateKey()) {
		t.Errorf("renamed: %v, %v", renamed.GetName(), err)
	}
	if _, err := Replace(r.ctx, r.Editor, catalog.Certificates, at, mine.GetId(), printed(t, renamed), 0); err != nil {
		t.Errorf("sent back: %v", err)
	}
	for _, body := range []string{
		`{"configuration": {"alias": "other"}}`, `{"configuration": {"algorithm": "RS512"}}`,
		`{"type": "generated-am-certificate", "configuration": {"algorithm": "PS256"}}`,
	} {
		if _, err := Patch(r.ctx, r.Editor, catalog.Certificates, at, mine.GetId(), r.tree(body), 0); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", body, err)
		}
	}

	a, _ := r.application(at, webApplication)
	if _, err := r.patch(at, a.GetId(), `{"certificate": "`+mine.GetId()+`"}`); err != nil {
		t.Fatal(err)
	}
	_, err = Delete(r.ctx, r.Editor, catalog.Certificates, at, mine.GetId(), 0)
	refused(t, "the deletion of a used certificate", err, fault.Invalid, "You can't delete a certificate with existing applications.")
	if domain, err := r.SetFallbackCertificate(r.ctx, at, generated.GetId()); err != nil || domain.GetCertificateSettings().GetFallbackCertificate() != generated.GetId() {
		t.Errorf("fallback: %v", err)
	}
	if _, err := Delete(r.ctx, r.Editor, catalog.Certificates, at, generated.GetId(), 0); err != nil {
		t.Error(err)
	}
	domain, err := Read(r.ctx, r.Editor, catalog.Domains, here, d.GetId())
	if err != nil || domain.GetCertificateSettings().GetFallbackCertificate() != "" {
		t.Errorf("the domain still names it: %v", err)
	}
	if _, err := r.SetFallbackCertificate(r.ctx, at, ""); err != nil {
		t.Errorf("none: %v", err)
	}
}
