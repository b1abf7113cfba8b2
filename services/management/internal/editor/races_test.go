package editor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// TestOneOfManyWins lets 32 callers of two processes want the same value at the same time.
func TestOneOfManyWins(t *testing.T) {
	r := newRig(t)
	editors := []*Editor{r.Editor, rigOn(t, r.options).Editor}
	_, at := r.domain("Acme")
	shared, _ := r.application(at, `{"name": "S", "type": "service"}`)
	var domains []string
	for i := range 8 {
		d, _ := r.domain(fmt.Sprint("D", i))
		domains = append(domains, d.GetId())
	}
	for _, tt := range []struct {
		what string
		want string // of one of those that lose
		do   func(e *Editor, i int) error
	}{
		{"the name of a domain", "A domain [Taken] already exists.", func(e *Editor, _ int) error {
			_, _, err := Create(t.Context(), e, catalog.Domains, here, prototree.Object{"name": "Taken"})
			return err
		}},
		{"a client id", "A client [taken] already exists for domain [" + at.Domain + "]", func(e *Editor, i int) error {
			_, _, err := Create(t.Context(), e, catalog.Applications, at,
				prototree.Object{"name": fmt.Sprint("A", i), "type": "service", "clientId": "taken"})
			return err
		}},
		{"the name of a secret", "Secret with description taken already exists", func(e *Editor, _ int) error {
			_, _, err := e.AddSecret(t.Context(), at, shared.GetId(), " taken ")
			return err
		}},
		{"the path of a domain", "A domain [/taken-path] already exists.", func(e *Editor, i int) error {
			if i >= len(domains) {
				return errNotTried
			}
			_, err := Patch(t.Context(), e, catalog.Domains, here, domains[i], prototree.Object{"path": "/taken-path"}, 0)
			return err
		}},
		{"a virtual host", "A domain [login.example.com/] already exists.", func(e *Editor, i int) error {
			if i >= len(domains) {
				return errNotTried
			}
			_, err := Patch(t.Context(), e, catalog.Domains, here, domains[i], r.tree(fmt.Sprintf(
				`{"vhostMode": true, "vhosts": [{"host": "d%d.example.com"}, {"host": "Login.example.com", "path": "/"}]}`, i)), 0)
			return err
		}},
	} {
		var mu sync.Mutex
		won, lost := 0, 0
		race(32, func(i int) {
			err := tt.do(editors[i%2], i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, errNotTried):
			case fault.Is(err, fault.Conflict): // too many at once; nothing was made
			default:
				lost++
				refused(t, tt.what, err, fault.Invalid, tt.want)
			}
		})
		if won != 1 || lost == 0 {
			t.Errorf("%s: %d have won, %d have lost", tt.what, won, lost)
		}
	}
	a, err := Read(r.ctx, r.Editor, catalog.Applications, at, shared.GetId())
	if err != nil || len(a.GetSecrets()) != 2 {
		t.Errorf("%d secrets, %v", len(a.GetSecrets()), err)
	}
}

var errNotTried = errors.New("this one does not take part")

// TestVirtualHostsAreUnique also between domains that are not in that mode any more.
func TestVirtualHostsAreUnique(t *testing.T) {
	r := newRig(t)
	a, _ := r.domain("A")
	b, _ := r.domain("B")
	patch := func(id, body string) error {
		_, err := Patch(r.ctx, r.Editor, catalog.Domains, here, id, r.tree(body), 0)
		return err
	}
	const hosts = `"vhosts": [{"host": "x.example"}, {"host": "y.example:8443", "path": "/eu"}]`
	for _, step := range []struct{ what, id, body, want string }{
		{"in no mode, nothing is taken", a.GetId(), `{` + hosts + `}`, ""},
		{"the first", b.GetId(), `{"vhostMode": true, ` + hosts + `}`, ""},
		{"the second", a.GetId(), `{"vhostMode": true}`, "A domain [x.example/] already exists."},
		{"another path of a host", a.GetId(), `{"vhostMode": true, "vhosts": [{"host": "y.example:8443", "path": "/us"}]}`, ""},
		{"a host of the other's", a.GetId(), `{"vhosts": [{"host": "z.example"}, {"host": "Y.example:8443", "path": "eu/"}]}`, "A domain [y.example:8443/eu] already exists."},
		{"the first again", b.GetId(), `{"description": "x"}`, ""},
		{"the first leaves", b.GetId(), `{"vhostMode": false}`, ""},
		{"the second comes", a.GetId(), `{` + hosts + `}`, ""},
	} {
		err := patch(step.id, step.body)
		if step.want == "" && err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		if step.want != "" {
			refused(t, step.what, err, fault.Invalid, step.want)
		}
	}
	err := patch(b.GetId(), `{"vhostMode": true, "vhosts": [{"host": "z.example"}, {"host": "x.example"}]}`)
	if got := paths(err); len(got) != 1 || got[0] != "vhosts[1]" {
		t.Errorf("paths %q", got)
	}
}

// TestRedirectExpressionsLookAtApplications: the switch of the domain is refused while it would mix up an application's
// redirect URIs, and keeps applications from having such ones afterwards.
func TestRedirectExpressionsLookAtApplications(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	enable := func(on bool) error {
		body, _ := json.Marshal(map[string]any{"oidc": map[string]any{
			"clientRegistrationSettings": map[string]any{"allowRedirectUriParamsExpressionLanguage": on},
		}})
		_, err := Patch(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), r.tree(string(body)), 0)
		return err
	}
	const text = "Only one redirect URI with the same hostname and path is allowed."
	pair := `{"settings": {"oauth": {"redirectUris": ["https://app.example.com/cb?a=1", "https://app.example.com/cb?a=2"]}}}`
	a, _ := r.application(at, webApplication)
	if _, err := r.patch(at, a.GetId(), pair); err != nil {
		t.Fatal(err)
	}
	err := enable(true)
	refused(t, "the switch", err, fault.Invalid, text)
	if d := fault.BodyOf(err).Errors; len(d) != 1 || !strings.Contains(d[0].Detail, a.GetId()) ||
		d[0].Path != "oidc.clientRegistrationSettings.allowRedirectUriParamsExpressionLanguage" {
		t.Errorf("the application is not named: %v", d)
	}
	if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"redirectUris": ["https://app.example.com/cb?a={#login}"]}}}`); fault.BodyOf(err).Message !=
		"redirect_uri with fragment is forbidden" {
		t.Errorf("an expression before the switch: %v", err)
	}
	if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"redirectUris": ["https://app.example.com/cb"]}}}`); err != nil {
		t.Fatal(err)
	}
	if err := enable(true); err != nil {
		t.Fatal(err)
	}
	_, err = r.patch(at, a.GetId(), pair)
	refused(t, "an application with such a pair", err, fault.Invalid, text)
	if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"redirectUris": ["https://app.example.com/cb?a={#login}"]}}}`); err != nil {
		t.Errorf("an expression: %v", err)
	}
	if err := enable(false); err != nil {
		t.Error(err)
	}
}
