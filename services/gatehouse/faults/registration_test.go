package faults

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// registers registers a client for itself at a gateway, with a key so that it may be asked for again; key may be empty.
func (w *world) registers(ctx context.Context, g *proc.Gateway, key string) (proc.Answer, error) {
	body := `{"redirect_uris":[],"grant_types":["client_credentials"],"response_types":[],"client_name":"load"}`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.at(g, "/oidc/register"), strings.NewReader(body))
	if err != nil {
		return proc.Answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return proc.Send(r)
}

// manages sends a request of a client about its own registration.
func (w *world) manages(ctx context.Context, method string, g *proc.Gateway, c proc.Object, body string) (proc.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.at(g, "/oidc/register/"+c.Text("client_id")), strings.NewReader(body))
	if err != nil {
		return proc.Answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.Text("registration_access_token"))
	return proc.Send(r)
}

// TestARegisteredClientIsServedByEveryGatewayInTheNextRequest, under load, where each gateway is told by a replica of management of
// its own, which follows the other one's changes now and then. What is asked there first is the database.
func TestARegisteredClientIsServedByEveryGatewayInTheNextRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	second := w.inst.StartManagement()
	w.gateways = append(w.gateways, w.inst.StartGateway(second, publicURL))
	w.api.Do("PATCH", w.in(""), object{"oidc": object{"clientRegistrationSettings": object{
		"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true,
	}}})
	w.settle()
	const writers, each = 4, 5
	var done atomic.Int32
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			here, there := w.gateways[n%2], w.gateways[(n+1)%2]
			for range each {
				answer, err := w.registers(t.Context(), here, "")
				if err == nil && answer.Status == http.StatusServiceUnavailable {
					continue // a machine that is too busy says so; that is not what is tested
				}
				if err != nil || answer.Status != http.StatusCreated {
					t.Errorf("registration at %s: %d %s, %v", here.Name, answer.Status, answer.Text, err)
					return
				}
				c := answer.JSON()
				for _, g := range []*proc.Gateway{here, there, here} {
					got, err := w.post(t.Context(), g, app{ClientID: c.Text("client_id"), Secret: c.Text("client_secret")}, "/oauth/token", ofService)
					if err != nil || got.Status != http.StatusOK {
						t.Errorf("a token at %s for a client of %s: %d %s, %v", g.Name, here.Name, got.Status, got.Text, err)
					}
				}
				// What it changes at one gateway counts at the other one: the new registration access token, too.
				changed, err := w.manages(t.Context(), "PATCH", there, c, `{"client_name":"changed"}`)
				if err == nil && changed.Status == http.StatusServiceUnavailable {
					continue
				}
				done.Add(1)
				if err != nil || changed.Status != http.StatusOK {
					t.Errorf("a change at %s: %d %s, %v", there.Name, changed.Status, changed.Text, err)
					return
				}
				if read, err := w.manages(t.Context(), "GET", here, changed.JSON(), ""); err != nil || read.Status != http.StatusOK || read.JSON().Text("client_name") != "changed" {
					t.Errorf("read at %s: %d %s, %v", here.Name, read.Status, read.Text, err)
				}
			}
		})
	}
	wg.Wait()
	if done.Load() == 0 {
		t.Error("no client was registered and changed")
	}
}

// TestRegistrationWithoutManagementSaysSo, leaves nothing half-made, and what was not answered is made by the same key afterwards.
func TestRegistrationWithoutManagementSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.api.Do("PATCH", w.in(""), object{"oidc": object{"clientRegistrationSettings": object{
		"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true,
	}}})
	w.settle()
	count := func() any { return w.api.Do("GET", w.in("/registrations"), nil)["totalCount"] }
	const key = "2f1b6f1e-8a37-4be4-9d3a-0e3d4f9bd001"
	g := w.gateways[0]
	w.management.Kill()
	answer, err := w.registers(t.Context(), g, key)
	if err != nil || answer.Status != http.StatusServiceUnavailable || answer.JSON().Text("error") != "temporarily_unavailable" || answer.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s, %v", answer.Status, answer.Text, err)
	}
	w.management.Relaunch()
	w.management.Ready()
	w.settle()
	if n := count(); n != float64(0) {
		t.Errorf("%v clients", n)
	}
	first, err := w.registers(t.Context(), g, key)
	if err != nil || first.Status != http.StatusCreated {
		t.Fatalf("%d %s, %v", first.Status, first.Text, err)
	}
	// A dead management remembers what it answered.
	w.management.Kill()
	w.management.Relaunch()
	w.management.Ready()
	w.settle()
	again, err := w.registers(t.Context(), g, key)
	if err != nil || again.Status != http.StatusCreated {
		t.Fatalf("%d %s, %v", again.Status, again.Text, err)
	}
	for _, name := range []string{"client_id", "client_secret", "registration_access_token"} {
		if first.JSON().Text(name) != again.JSON().Text(name) {
			t.Errorf("another %s", name)
		}
	}
	if n := count(); n != float64(1) {
		t.Errorf("%v clients", n)
	}
}

// TestCopiesThatAGatewayDoesNotHoldAreServedWhole: of a template's copies beyond its bound a gateway holds nothing, their forms and flows
// neither. What it serves of them is what a gateway that holds them does, also when it starts afterwards and when the template's
// belongings change for one of them.
func TestCopiesThatAGatewayDoesNotHoldAreServedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.openRegistration()
	w.api.Do("PATCH", w.in(""), object{"oidc": object{"clientRegistrationSettings": object{"isClientTemplateEnabled": true}}})
	bounded := func() *proc.Gateway {
		g := w.inst.StartGateway(w.management, publicURL, "--registered-clients", "2")
		w.gateways = append(w.gateways, g)
		return g
	}
	before := bounded()

	pattern := w.create("Pattern", "SERVICE", nil)
	at := w.in("/applications/" + pattern.ID)
	w.api.Do("PATCH", at, object{"template": true})
	w.api.Do("POST", at+"/forms", object{"template": "error", "enabled": true, "content": `<p id="pattern">{{.code}}</p>`})
	deny := func(message string) []any {
		return []any{object{"type": "token", "name": "refuse", "enabled": true, "pre": []any{object{
			"name": "refuse", "policy": "deny", "enabled": true, "configuration": object{"error": "invalid_scope", "message": message},
		}}}}
	}
	put := func(path string, flows []any) {
		t.Helper()
		if answer, err := w.api.Try(t.Context(), "PUT", path+"/flows", flows); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("flows: %d %s, %v", answer.Status, answer.Text, err)
		}
	}
	put(at, deny("of the pattern"))
	w.settle()

	var copies []proc.Object
	for range 5 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.at(w.gateways[0], "/oidc/register"), strings.NewReader(`{"software_id":"`+pattern.ID+`","redirect_uris":["`+callback+`"]}`))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := proc.Send(r)
		if err != nil || answer.Status != http.StatusCreated {
			t.Fatalf("%d %s, %v", answer.Status, answer.Text, err)
		}
		copies = append(copies, answer.JSON())
	}
	refuses := func(g *proc.Gateway, c proc.Object, message string) {
		t.Helper()
		answer, err := w.post(t.Context(), g, app{ClientID: c.Text("client_id"), Secret: c.Text("client_secret")}, "/oauth/token", ofService)
		if err != nil || answer.JSON().Text("error_description") != message {
			t.Errorf("%s: %d %s, %v", g.Name, answer.Status, answer.Text, err)
		}
	}
	for _, g := range []*proc.Gateway{w.gateways[0], before, bounded()} {
		for _, c := range copies {
			refuses(g, c, "of the pattern")
			page, err := fetch(t.Context(), w.at(g, "/oauth/authorize?client_id="+c.Text("client_id")+"&redirect_uri=https://nowhere.example"), "")
			if at := page.Header.Get("Location"); err == nil && page.Status == http.StatusFound {
				page, err = fetch(t.Context(), g.URL+strings.TrimPrefix(at, publicURL), "")
			}
			if err != nil || !strings.Contains(page.Text, `id="pattern"`) {
				t.Errorf("%s: %d %s, %v", g.Name, page.Status, page.Text, err)
			}
		}
	}
	if !strings.Contains(w.management.Stderr(), "RegistrationService/Resolve") {
		t.Error("no gateway asked for a client: they held everything")
	}
	put(w.in("/applications/"+copies[3].Text("id")), deny("of its own"))
	w.settle()
	for _, g := range w.gateways {
		refuses(g, copies[3], "of its own")
		refuses(g, copies[4], "of the pattern")
	}
}
