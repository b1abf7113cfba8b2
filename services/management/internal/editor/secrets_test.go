package editor

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const notThisApplication = "client_secret_jwt can't be used by this application"

const toJWT = `{"settings": {"oauth": {"tokenEndpointAuthMethod": "client_secret_jwt"}}}`

// TestSwitchToClientSecretJWT: a fresh secret can become a key, a secret of which only the hash is left cannot.
func TestSwitchToClientSecretJWT(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	now := time.Now().Truncate(time.Millisecond)
	r.opts.Now = func() time.Time { return now }
	r.opts.KeepSecrets = 24 * time.Hour
	keyOf := func(id string) string {
		t.Helper()
		a, err := Read(r.ctx, r.Editor, catalog.Applications, at, id)
		if err != nil {
			t.Fatal(err)
		}
		return string(a.GetSecrets()[0].GetKey())
	}
	for _, body := range []string{`{"name": "S", "type": "service"}`, `{"name": "C", "type": "service", "clientSecret": "chosen-and-as-long-as-a-hash-of-256-bits"}`} {
		a, plain := r.application(at, body)
		if keyOf(a.GetId()) != "" {
			t.Error("an application that sends its secret holds the value")
		}
		changed, err := r.patch(at, a.GetId(), toJWT)
		if err != nil || keyOf(a.GetId()) != plain {
			t.Fatalf("switched on the first day: %v", err)
		}
		if text, _ := json.Marshal(printed(t, changed)); bytes.Contains(text, []byte(plain)) || bytes.Contains(text, []byte(`"key"`)) {
			t.Errorf("printed %s", text)
		}
		if _, err := r.patch(at, a.GetId(), `{"settings": {"oauth": {"tokenEndpointAuthMethod": "client_secret_basic"}}}`); err != nil || keyOf(a.GetId()) != "" {
			t.Errorf("switched back: %v", err)
		}
	}

	short, _ := r.application(at, `{"name": "K", "type": "service", "clientSecret": "short"}`)
	_, err := r.patch(at, short.GetId(), toJWT)
	refused(t, "a chosen secret that is shorter than the hash", err, fault.Invalid,
		"[tokenEndpointAuthMethod: needs a client secret of at least 32 characters; renew a secret first]")

	a, first := r.application(at, `{"name": "T", "type": "service"}`)
	renewed, second, err := r.RenewSecret(r.ctx, at, a.GetId(), a.GetSecrets()[0].GetId())
	if err != nil || first == second || len(renewed.GetKey()) != 0 {
		t.Fatal(err)
	}
	now = now.Add(23 * time.Hour)
	if _, err := r.patch(at, a.GetId(), toJWT); err != nil || keyOf(a.GetId()) != second {
		t.Errorf("after a renewal: %v", err)
	}
	if _, third, err := r.RenewSecret(r.ctx, at, a.GetId(), renewed.GetId()); err != nil || keyOf(a.GetId()) != third {
		t.Errorf("the renewal of a key: %v", err)
	}

	b, _ := r.application(at, `{"name": "U", "type": "service"}`)
	now = now.Add(24 * time.Hour)
	_, err = r.patch(at, b.GetId(), toJWT)
	refused(t, "a day later", err, fault.Invalid, notThisApplication)
	if got := paths(err); len(got) != 1 || got[0] != "settings.oauth.tokenEndpointAuthMethod" {
		t.Errorf("paths %q", got)
	}
	_, err = r.patch(at, b.GetId(), `{"settings": {"oauth": {"userinfoSignedResponseAlg": "HS256"}}}`)
	refused(t, "an algorithm a day later", err, fault.Invalid,
		"[userinfoSignedResponseAlg: needs a client secret whose value is known, and only a hash of it is left; renew a secret first]")
	if _, _, err := r.AddSecret(r.ctx, at, b.GetId(), "fresh"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.patch(at, b.GetId(), toJWT); err != nil {
		t.Errorf("with a fresh secret beside the old one: %v", err)
	}

	r.opts.KeepSecrets = 0
	c, _ := r.application(at, `{"name": "V", "type": "service"}`)
	_, err = r.patch(at, c.GetId(), toJWT)
	refused(t, "where nothing is kept", err, fault.Invalid, notThisApplication)
}

// TestKeptValuesGo: with their time, their secret, their application and their domain.
func TestKeptValuesGo(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	r.opts.KeepSecrets = time.Hour
	a, plain := r.application(at, `{"name": "S", "type": "service"}`)
	kept := func(a *configv1.Application) int {
		t.Helper()
		values, err := r.store.SecretKeys().Get(r.ctx, a.GetId(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return len(values)
	}
	values, err := r.store.SecretKeys().Get(r.ctx, a.GetId(), time.Now())
	if err != nil || values[a.GetSecrets()[0].GetId()] != plain {
		t.Errorf("kept %d values, %v", len(values), err)
	}
	second, _, err := r.AddSecret(r.ctx, at, a.GetId(), "second")
	if err != nil || kept(a) != 2 {
		t.Fatalf("%d kept, %v", kept(a), err)
	}
	uses := r.store.SecretUses()
	use := store.SecretUse{Secret: second.GetId(), Domain: at.Domain, Application: a.GetId(), At: time.Now(), By: "gw"}
	if err := uses.Record(r.ctx, []store.SecretUse{use}); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteSecret(r.ctx, at, a.GetId(), second.GetId()); err != nil || kept(a) != 1 {
		t.Errorf("a removed secret: %d kept, %v", kept(a), err)
	}
	if left, err := uses.OfApplication(r.ctx, a.GetId()); err != nil || len(left) != 0 {
		t.Errorf("uses of a removed secret: %v, %v", left, err)
	}
	use.Secret = a.GetSecrets()[0].GetId()
	if err := uses.Record(r.ctx, []store.SecretUse{use}); err != nil {
		t.Fatal(err)
	}
	if _, err := Delete(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), 0); err != nil || kept(a) != 0 {
		t.Errorf("a deleted application: %d kept, %v", kept(a), err)
	}
	if left, err := uses.OfApplication(r.ctx, a.GetId()); err != nil || len(left) != 0 {
		t.Errorf("uses of a deleted application: %v, %v", left, err)
	}
	// A late report does not bring it back.
	if err := uses.Record(r.ctx, []store.SecretUse{use}); err != nil {
		t.Fatal(err)
	}
	if left, err := uses.OfApplication(r.ctx, a.GetId()); err != nil || len(left) != 0 {
		t.Errorf("a late report: %v, %v", left, err)
	}
	b, _ := r.application(at, `{"name": "T", "type": "service"}`)
	use.Application, use.Secret = b.GetId(), b.GetSecrets()[0].GetId()
	if err := uses.Record(r.ctx, []store.SecretUse{use}); err != nil {
		t.Fatal(err)
	}
	if _, err := Delete(r.ctx, r.Editor, catalog.Domains, here, at.Domain, 0); err != nil || kept(b) != 0 {
		t.Errorf("a deleted domain: %d kept, %v", kept(b), err)
	}
	if left, err := uses.OfApplication(r.ctx, b.GetId()); err != nil || len(left) != 0 {
		t.Errorf("uses of a deleted domain: %v, %v", left, err)
	}
}

func TestExpiringSecrets(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	_, other := r.domain("Other")
	now := time.Now().Truncate(time.Millisecond)
	r.opts.Now = func() time.Time { return now }
	made := map[string]*configv1.Application{}
	for _, app := range []struct {
		at    Place
		name  string
		hours int
	}{{at, "late", 500}, {at, "soon", 20}, {at, "sooner", 10}, {other, "elsewhere", 15}, {at, "never", 0}} {
		a, _ := r.application(app.at, `{"name": "`+app.name+`", "type": "service"}`)
		made[app.name] = a
		if app.hours == 0 {
			continue
		}
		body, _ := json.Marshal(map[string]any{"settings": map[string]any{
			"secretExpirationSettings": map[string]any{"enabled": true, "expiryTimeSeconds": app.hours * 3600},
		}})
		if _, err := r.patch(app.at, a.GetId(), string(body)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.RenewSecret(r.ctx, app.at, a.GetId(), a.GetSecrets()[0].GetId()); err != nil {
			t.Fatal(err)
		}
	}
	list := func(at Place, ahead time.Duration, page, size int) (string, int64) {
		t.Helper()
		found, total, err := r.ExpiringSecrets(r.ctx, at, now.Add(ahead), page, size)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range found {
			name := f.Application.GetName()
			if f.Use != nil {
				name += "@" + f.Use.By
			}
			names = append(names, name)
		}
		return strings.Join(names, " "), total
	}
	expect := func(what, got string, total int64, want string, wantTotal int64) {
		t.Helper()
		if got != want || total != wantTotal {
			t.Errorf("%s: %q of %d, want %q of %d", what, got, total, want, wantTotal)
		}
	}
	got, n := list(at, 24*time.Hour, 0, 50)
	expect("a day of a domain", got, n, "sooner soon", 2)
	got, n = list(at, 5000*time.Hour, 1, 2)
	expect("the second page", got, n, "late", 3)
	got, n = list(here, 24*time.Hour, 0, 0)
	expect("a day of the environment", got, n, "sooner elsewhere soon", 3)

	used := func(name string, at time.Time) {
		t.Helper()
		a := made[name]
		err := r.store.SecretUses().Record(r.ctx, []store.SecretUse{
			{Secret: a.GetSecrets()[0].GetId(), Domain: a.GetDomain(), Application: a.GetId(), At: at, By: "gw-1"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	used("soon", now.Add(time.Minute))
	used("sooner", now.Add(-time.Hour)) // of the value before its renewal
	now = now.Add(30 * time.Hour)
	got, n = list(at, 0, 0, 50)
	expect("what has ended", got, n, "sooner soon@gw-1", 2)
	if _, _, err := r.ExpiringSecrets(r.ctx, Place{Domain: "nobody"}, now, 0, 1); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown domain: %v", err)
	}
}
