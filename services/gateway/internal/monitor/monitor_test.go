package monitor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/monitor"
)

type rig struct {
	*gatewaytest.Harness
	handler   http.Handler
	connected bool
	ready     *serve.Readiness
	config    *gatewaytest.Config
}

func newRig(t *testing.T, password string) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	off := gatewaytest.NewConfig(t, "off", "/off")
	off.Domain.Enabled = false
	r := &rig{Harness: gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c, off), connected: true, config: c}
	r.ready = serve.NewReadiness("configuration")
	r.handler = monitor.New(monitor.Options{
		Domains: r.Domains, Readiness: r.ready, Metrics: http.NotFoundHandler(), Connected: func() bool { return r.connected },
		User: "admin", Password: password,
	})
	return r
}

func (r *rig) get(path, user, password string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

func TestWhoMayLook(t *testing.T) {
	r := newRig(t, "secret")
	for name, tt := range map[string]struct {
		user, password string
		status         int
	}{
		"the technical user": {"admin", "secret", 200},
		"nobody":             {"", "", 401},
		"a wrong password":   {"admin", "secre", 401},
		"a wrong name":       {"Admin", "secret", 401},
		"shifted":            {"admin\x00secret", "", 401},
	} {
		w := r.get("/_node/domains", tt.user, tt.password)
		if w.Code != tt.status || (tt.status == 401 && w.Header().Get("WWW-Authenticate") != `Basic realm="gatehouse"`) {
			t.Errorf("%s: status %d, challenge %q", name, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
	closed := newRig(t, "")
	for _, password := range []string{"", "x"} {
		if w := closed.get("/_node/domains", "admin", password); w.Code != 401 {
			t.Errorf("without a configured password %q is let in", password)
		}
	}
	if w := r.get("/livez", "", ""); w.Code != 200 {
		t.Errorf("/livez is %d", w.Code)
	}
	if w := r.get("/readyz", "", ""); w.Code != 503 {
		t.Errorf("/readyz is %d before the configuration", w.Code)
	}
	r.ready.Set("configuration", true, "")
	if w := r.get("/readyz", "", ""); w.Code != 200 {
		t.Errorf("/readyz is %d", w.Code)
	}
}

func TestDomains(t *testing.T) {
	r := newRig(t, "secret")
	id := r.config.Domain.GetId()
	ask := func(query string) (int, map[string]any) {
		t.Helper()
		w := r.get("/_node/domains"+query, "admin", "secret")
		var body map[string]any
		if w.Body.Len() > 0 && strings.HasPrefix(w.Body.String(), "{") {
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
		}
		return w.Code, body
	}
	t.Run("a ready domain", func(t *testing.T) {
		if status, body := ask("?domainId=" + id); status != 200 || body != nil {
			t.Errorf("status %d, body %v", status, body)
		}
		status, body := ask("?domainId=" + id + "&output=json")
		if status != 200 {
			t.Fatalf("status %d", status)
		}
		now := float64(r.Clock.Now().UnixMilli())
		want := map[string]any{
			"lastSync": now, "revision": 1.0, "stable": true, "synchronized": true, "status": "DEPLOYED",
			"syncState": map[string]any{id: true, "es": true, "rs": true, "staff": true},
			"creationState": map[string]any{
				id:      map[string]any{"id": id, "type": "domain", "success": true, "lastSync": now},
				"es":    map[string]any{"id": "es", "type": "certificate", "success": true, "lastSync": now},
				"rs":    map[string]any{"id": "rs", "type": "certificate", "success": true, "lastSync": now},
				"staff": map[string]any{"id": "staff", "type": "identity_provider", "success": true, "lastSync": now},
			},
			"ruleFailures": []any{},
		}
		if diff := cmp.Diff(want, body); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	})
	t.Run("all domains that are served", func(t *testing.T) {
		status, body := ask("?output=json")
		if names := slices.Collect(func(yield func(string) bool) {
			for name := range body {
				if !yield(name) {
					return
				}
			}
		}); status != 200 || len(names) != 1 || names[0] != id {
			t.Errorf("status %d, domains %v", status, names)
		}
	})
	t.Run("one that is not served", func(t *testing.T) {
		for _, unknown := range []string{"off", "nobody"} {
			if status, _ := ask("?domainId=" + unknown + "&output=json"); status != 404 {
				t.Errorf("%s is %d", unknown, status)
			}
		}
	})
	t.Run("a lost stream", func(t *testing.T) {
		r.connected = false
		defer func() { r.connected = true }()
		if status, body := ask("?domainId=" + id); status != 503 || body["synchronized"] != false || body["stable"] != true {
			t.Errorf("status %d, body %v", status, body)
		}
	})
	t.Run("a part that cannot be used", func(t *testing.T) {
		r.Domains.Apply(t.Context(), gatewaytest.Upserts(2, r.config.Certificate("bad", "ES256", func(c *configv1.Certificate) { c.PrivateKey = nil })))
		status, body := ask("?domainId=" + id)
		bad, _ := body["creationState"].(map[string]any)["bad"].(map[string]any)
		if status != 503 || body["stable"] != false || body["status"] != "ERROR" || body["syncState"].(map[string]any)["bad"] != false || bad["message"] == "" {
			t.Errorf("status %d, body %v", status, body)
		}
		if status, _ := ask("?output=json"); status != 503 {
			t.Errorf("all domains are %d although one is not ready", status)
		}
	})
}

func TestFailingRulesAreShown(t *testing.T) {
	r := newRig(t, "secret")
	app := func(revision int64, rule string) {
		changed := gatewaytest.NewApp(r.config.Domain.GetId(), "web", func(a *configv1.Application) {
			a.IdentityProviders[0].SelectionRule = rule
		})
		r.Apply(gatewaytest.Upserts(revision, changed))
	}
	failures := func() any {
		t.Helper()
		w := r.get("/_node/domains?output=json&domainId="+r.config.Domain.GetId(), "admin", "secret")
		var body map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 {
			t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
		}
		return body["ruleFailures"]
	}
	signIn := func() {
		r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", "ann", "password", "x"), gatewaytest.Basic("web"))
	}
	app(2, `request.params["tenant"][0] == "blue"`)
	signIn()
	signIn()
	now := r.Clock.Now().UTC().Format(time.RFC3339Nano)
	want := []any{map[string]any{
		"id": "app-web", "type": "application", "place": "selection", "name": "staff", "revision": 2.0, "count": 2.0,
		"first": now, "last": now, "message": "line 1, column 25: no such key: tenant",
	}}
	if diff := cmp.Diff(want, failures()); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	app(3, `"tenant" in request.params`)
	if got := failures(); len(got.([]any)) != 0 {
		t.Errorf("after the rule was mended: %v", got)
	}
	signIn()
	if got := failures(); len(got.([]any)) != 0 {
		t.Errorf("of a rule that works: %v", got)
	}
}
