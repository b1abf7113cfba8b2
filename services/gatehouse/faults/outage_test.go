package faults

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestWithoutManagementAGatewayServesWhatItKnowsAndRecoversByItself(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		away func(*proc.Management)
		back func(*proc.Management)
	}{
		{
			name: "management was killed",
			away: func(m *proc.Management) { m.Kill() },
			back: func(m *proc.Management) { m.Relaunch(); m.Ready() },
		},
		{
			name: "management answers no more",
			away: func(m *proc.Management) { m.Pause() },
			back: func(m *proc.Management) { m.Continue() },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			g := w.gateways[0]
			w.openRegistration()
			b, code := w.signedIn(g)
			made := w.aliceAt(g)
			w.works("userinfo", w.at(g, "/oidc/userinfo"), made.Access)
			before := w.applications()

			tt.away(w.management)
			w.keepsServing(g, made.Access)
			w.granted(g, w.web, codeOf(code))
			refreshed := w.granted(g, w.web, refreshOf(made.Refresh))
			p, err := b.open(t.Context(), w.authorization(w.web, nil))
			if err != nil {
				t.Fatal(err)
			}
			if code, err = p.code(); err != nil {
				t.Errorf("authorization with a session: %v", err)
			}
			w.granted(g, w.web, codeOf(code))
			var asking sync.WaitGroup
			asking.Go(func() {
				w.temporarilyUnavailable("a password of the directory", func(ctx context.Context) (proc.Answer, error) {
					return w.post(ctx, g, w.staff, "/oauth/token", passwordOf(bob, bobsPassword))
				})
			})
			asking.Go(func() {
				w.temporarilyUnavailable("registration", func(ctx context.Context) (proc.Answer, error) { return w.register(ctx, g) })
			})
			asking.Wait()
			w.keepsServing(g, refreshed.Access)

			tt.back(w.management)
			proc.Await(t, "the directory answers again", soon, func(ctx context.Context) error {
				answer, err := w.post(ctx, g, w.staff, "/oauth/token", passwordOf(bob, bobsPassword))
				if err == nil && answer.Status != http.StatusOK {
					err = fmt.Errorf("%d %s", answer.Status, answer.Text)
				}
				return err
			})
			w.settle()
			if after := w.applications(); after != before {
				t.Errorf("a registration that was answered with 503 changed the applications from %s to %s", before, after)
			}
			answer, err := w.register(t.Context(), g)
			if err != nil || answer.Status != http.StatusCreated {
				t.Errorf("registration: %d %s %v", answer.Status, answer.Text, err)
			}
		})
	}
}

// openRegistration lets anybody register clients.
func (w *world) openRegistration() {
	w.t.Helper()
	w.api.Do("PATCH", w.in(""), object{"oidc": object{"clientRegistrationSettings": object{
		"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true,
	}}})
	w.settle()
}

func (w *world) register(ctx context.Context, g *proc.Gateway) (proc.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.at(g, "/oidc/register"), strings.NewReader(
		`{"client_name": "Registered", "redirect_uris": ["`+callback+`"]}`))
	if err != nil {
		return proc.Answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	return proc.Send(r)
}

// applications names those that management has.
func (w *world) applications() string {
	w.t.Helper()
	list := w.api.Do("GET", w.in("/applications?size=100"), nil)
	var names []string
	all, _ := list.At("data").([]any)
	for _, a := range all {
		one, _ := a.(map[string]any)
		names = append(names, object(one).Text("name"))
	}
	return strings.Join(names, ", ")
}

// temporarilyUnavailable demands 503 in the protocol's form. How long it takes is up to what is asked: a directory that
// is silent gets as long as one that is busy.
func (w *world) temporarilyUnavailable(what string, ask func(context.Context) (proc.Answer, error)) {
	w.t.Helper()
	answer, err := ask(w.t.Context())
	if err != nil || answer.Status != http.StatusServiceUnavailable || answer.JSON().Text("error") != "temporarily_unavailable" {
		w.t.Errorf("%s: %d %s %v", what, answer.Status, answer.Text, err)
	}
}

func TestALoginOfTheDirectoryShowsAPageWith503WhileManagementIsAway(t *testing.T) {
	w := newWorld(t, 1)
	g := w.gateways[0]
	b := newBrowser(t, g)
	login, err := b.open(t.Context(), w.authorization(w.staff, nil))
	if err != nil {
		t.Fatal(err)
	}
	w.management.Kill()
	p, err := b.logIn(t.Context(), login, bob, bobsPassword)
	if err != nil {
		t.Fatal(err)
	}
	if p.Status != http.StatusServiceUnavailable || !strings.Contains(p.Text, "<html") {
		t.Errorf("login: %s", p)
	}
	w.management.Relaunch()
	w.management.Ready()
	proc.Await(t, "the login goes on", soon, func(ctx context.Context) error {
		p, err := b.logIn(ctx, login, bob, bobsPassword)
		if err != nil {
			return err
		}
		code, err := p.code()
		if err != nil {
			return err
		}
		w.granted(g, w.staff, codeOf(code))
		return nil
	})
}

func TestWithoutTheDatabaseManagementAnswers503AndRecoversByItself(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		away func(*proc.MongoDB)
		back func(*proc.MongoDB)
	}{
		{
			name: "the database was killed",
			away: func(m *proc.MongoDB) { m.Kill() },
			back: func(m *proc.MongoDB) { m.Relaunch(); m.Ready() },
		},
		{
			name: "the database answers no more",
			away: func(m *proc.MongoDB) { m.Pause() },
			back: func(m *proc.MongoDB) { m.Continue() },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			g := w.gateways[0]
			made := w.aliceAt(g)
			w.works("userinfo", w.at(g, "/oidc/userinfo"), made.Access)
			spare := w.create("Spare", "SERVICE", nil)
			m := newModel(w)
			writers := m.start(4)
			m.await(40)

			tt.away(w.mongo)
			writers.stop()
			var asking sync.WaitGroup
			for _, request := range []struct {
				method, path string
				body         any
			}{
				{"GET", w.in("/applications"), nil},
				{"PATCH", w.in(""), object{"description": "while the database is away"}},
				{"POST", w.in("/scopes"), object{"key": "away", "name": "Away", "description": "While the database is away"}},
				{"DELETE", w.in("/applications/" + spare.ID), nil},
			} {
				asking.Go(func() { w.refusedByManagement(request.method, request.path, request.body) })
			}
			asking.Wait()
			w.keepsServing(g, made.Access)

			tt.back(w.mongo)
			proc.Await(t, "management writes again", soon, func(ctx context.Context) error {
				answer, err := w.api.Try(ctx, "PATCH", w.in(""), object{"description": "the database is back"})
				if err == nil && answer.Status != http.StatusOK {
					err = fmt.Errorf("%d %s", answer.Status, answer.Text)
				}
				return err
			})
			m.check()
			m.checkLog()
			w.management.Ready()
		})
	}
}

// refusedByManagement demands 503 in the form of the management API, in about the time that one question to the database
// may take.
func (w *world) refusedByManagement(method, path string, body any) {
	w.t.Helper()
	began := time.Now()
	answer, err := w.api.Try(w.t.Context(), method, path, body)
	took := time.Since(began)
	if err != nil || answer.Status != http.StatusServiceUnavailable {
		w.t.Errorf("%s %s: %d %s %v", method, path, answer.Status, answer.Text, err)
		return
	}
	o := answer.JSON()
	if o.Text("message") == "" || o.At("http_status") != 503.0 {
		w.t.Errorf("%s %s: 503 with %s", method, path, answer.Text)
	}
	if took > patience {
		w.t.Errorf("%s %s took %s", method, path, took)
	}
}

// patience is what one question to the database may take, 5 s, and a little for a busy machine.
const patience = 7 * time.Second
