package faults

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestManagementKilledInTheMiddleOfWritesLosesNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	const rounds = 3
	w := newWorld(t, 2)
	m := newModel(w)
	for range rounds {
		writers := m.start(6)
		m.await(50)
		w.management.Kill()
		writers.stop()
		w.management.Relaunch()
		w.management.Ready()
		m.check()
		m.checkLog()
		m.checkGateways()
	}
	for _, g := range w.gateways {
		w.resumed(g, rounds)
	}
}

// resumed demands that a gateway, after so many restarts of management, was sent everything only once: at its own start.
func (w *world) resumed(g *proc.Gateway, restarts int) {
	w.t.Helper()
	var from []int64
	for line := range strings.Lines(w.management.Stderr()) {
		var record struct {
			Message  string `json:"msg"`
			Node     string `json:"node"`
			Revision int64  `json:"revision"`
		}
		if json.Unmarshal([]byte(line), &record) == nil && record.Message == "gateway subscribed" &&
			record.Node == "gateway-"+strings.TrimPrefix(g.URL, "http://") {
			from = append(from, record.Revision)
		}
	}
	if len(from) < 1+restarts || !slices.IsSorted(from) || slices.Contains(from[1:], 0) {
		w.t.Errorf("%s subscribed from revisions %v, want the one at its start and then where it was, %d times", g.Name, from, restarts)
	}
}

// A write has three steps: announce, write, settle. Here management dies between two of them. What was
// written stays, and gateways that resume learn of it although its change was never settled.
func TestAWriteInterruptedBetweenItsStepsIsThereOnEveryGatewayOrNowhere(t *testing.T) {
	t.Parallel()
	w, p := newWorldWithProxy(t, 2)
	tests := []struct {
		name string
		// write is sent by a client that gets no answer, and stopped at a command of management's.
		write   func(context.Context, app) error
		command command
		// want is the lifetime of the client's tokens afterwards, 0 for a client that is gone; shown whether discovery has the
		// scope of the test.
		want  int64
		shown bool
	}{
		{
			name:    "a client that was announced and not changed is as before",
			write:   w.patching(1111),
			command: command{"update", "applications"},
			want:    7200,
		},
		{
			name:    "a client that was changed and not settled is changed",
			write:   w.patching(2222),
			command: command{"update", "changes"},
			want:    2222,
		},
		{
			name:    "a client that was announced for deletion and not deleted lives",
			write:   w.deleting,
			command: command{"delete", "applications"},
			want:    7200,
		},
		{
			name:    "a client that was deleted and not settled is gone",
			write:   w.deleting,
			command: command{"update", "changes"},
		},
		{
			name:    "a scope that was created and not settled is there",
			write:   w.creatingScope,
			command: command{"update", "changes"},
			want:    7200,
			shown:   true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := w.during(t)
			client := w.create("Client of "+tt.name, "SERVICE", nil)
			w.settle()
			for _, g := range w.gateways {
				w.granted(g, client, ofService)
			}
			w.dieAt(p, tt.command, func(ctx context.Context) error { return tt.write(ctx, client) })
			log := w.decided()
			if last := log[len(log)-1]; last.State != "dropped" {
				t.Errorf("the change of the dead writer, revision %d, is %s", last.Revision, last.State)
			}
			w.settle()
			for _, g := range w.gateways {
				w.clientIs(g, client, tt.want)
				metadata := w.works("discovery", w.at(g, "/oidc/.well-known/openid-configuration"), "").JSON()
				shown, _ := metadata.At("scopes_supported").([]any)
				if got := slices.Contains(shown, any(unsettledScope)); got != tt.shown {
					t.Errorf("%s shows the scope: %v, want %v", g.Name, got, tt.shown)
				}
			}
			if after := w.decided(); int64(len(after)) != after[len(after)-1].Revision {
				t.Errorf("%d entries up to revision %d", len(after), after[len(after)-1].Revision)
			}
		})
	}
	for _, g := range w.gateways {
		w.resumed(g, len(tests))
	}
}

// dieAt kills management at a command to the database, which is not done, while it serves a write; and starts it again.
func (w *world) dieAt(p *proxy, c command, write func(context.Context) error) {
	w.t.Helper()
	caught := p.catch(c.sent)
	answered := make(chan error, 1)
	go func() { answered <- write(context.Background()) }()
	select {
	case <-caught:
	case err := <-answered:
		w.t.Fatalf("answered before it was stopped: %v", err)
	}
	w.management.Kill()
	if err := <-answered; err == nil {
		w.t.Fatal("management answered a write that it had not finished")
	}
	p.release()
	p.cut()
	w.management.Relaunch()
	w.management.Ready()
}

// A change set names several resources under one revision: a domain is created with everything in it.
func TestAnInterruptedCreationOrDeletionOfADomain(t *testing.T) {
	t.Parallel()
	w, p := newWorldWithProxy(t, 1)
	settle := command{"update", "changes"}
	t.Run("a domain whose creation was not settled is nowhere, and its name is free", func(t *testing.T) {
		w := w.during(t)
		create := func(ctx context.Context) error { return w.send(ctx, "POST", "/domains", object{"name": "halfmade"}) }
		w.dieAt(p, settle, create)
		answer, err := w.api.Try(t.Context(), "GET", "/domains?size=50", nil)
		if err != nil || answer.Status != http.StatusOK || strings.Contains(answer.Text, "halfmade") {
			t.Errorf("domains: %d %s %v", answer.Status, answer.Text, err)
		}
		if err := create(t.Context()); err != nil {
			t.Errorf("creating it again: %v", err)
		}
		w.settle() // the gateway has found management again
	})
	// A deletion begins with the domain itself, alone: once that is gone, what was in it is nowhere and follows.
	t.Run("a domain whose deletion was not settled is gone everywhere, and its name is free", func(t *testing.T) {
		w := w.during(t)
		w.dieAt(p, settle, func(ctx context.Context) error { return w.send(ctx, "DELETE", w.in(""), nil) })
		for _, path := range []string{"", "/applications", "/scopes", "/identities", "/certificates", "/users"} {
			answer, err := w.api.Try(t.Context(), "GET", w.in(path), nil)
			if err != nil || answer.Status != http.StatusNotFound {
				t.Errorf("%s: %d %s %v", path, answer.Status, answer.Text, err)
			}
		}
		proc.Await(t, "the gateway to stop serving the domain", 20*time.Second, func(ctx context.Context) error {
			answer, err := w.post(ctx, w.gateways[0], w.service, "/oauth/token", ofService)
			if err == nil && answer.Status != http.StatusNotFound {
				err = fmt.Errorf("%d %s", answer.Status, answer.Text)
			}
			return err
		})
		if err := w.send(t.Context(), "POST", "/domains", object{"name": "faults"}); err != nil {
			t.Errorf("creating it again: %v", err)
		}
	})
	for i, e := range w.decided() {
		if e.Revision != int64(i+1) {
			t.Errorf("revision %d where %d was due", e.Revision, i+1)
		}
	}
	w.resumed(w.gateways[0], 2)
}

const unsettledScope = "unsettled"

func (w *world) patching(seconds int) func(context.Context, app) error {
	return func(ctx context.Context, a app) error {
		return w.send(ctx, "PATCH", w.in("/applications/"+a.ID),
			object{"settings": object{"oauth": object{"accessTokenValiditySeconds": seconds}}})
	}
}

func (w *world) deleting(ctx context.Context, a app) error {
	return w.send(ctx, "DELETE", w.in("/applications/"+a.ID), nil)
}

func (w *world) creatingScope(ctx context.Context, _ app) error {
	return w.send(ctx, "POST", w.in("/scopes"), object{
		"key": unsettledScope, "name": "Unsettled", "description": "Made by a test", "discovery": true,
	})
}

// send fails unless management answers that it is done.
func (w *world) send(ctx context.Context, method, path string, body any) error {
	answer, err := w.api.Try(ctx, method, path, body)
	if err == nil && answer.Status >= 300 {
		err = fmt.Errorf("%d %s", answer.Status, answer.Text)
	}
	return err
}

// clientIs demands the lifetime of a client's tokens at management and a gateway; 0 for a client that is gone.
func (w *world) clientIs(g *proc.Gateway, a app, seconds int64) {
	w.t.Helper()
	stored, err := w.api.Try(w.t.Context(), "GET", w.in("/applications/"+a.ID), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	got, _ := stored.JSON().At("settings", "oauth", "accessTokenValiditySeconds").(float64)
	if int64(got) != seconds || (seconds == 0) != (stored.Status == http.StatusNotFound) {
		w.t.Errorf("management has the client with %d s, %d; want %d s", int64(got), stored.Status, seconds)
	}
	answer := w.must(g, a, "/oauth/token", ofService)
	got, _ = answer.JSON().At("expires_in").(float64)
	if int64(got) != seconds || (seconds == 0) != (answer.Status == http.StatusUnauthorized) {
		w.t.Errorf("%s answers the client with %d %s; want a token for %d s", g.Name, answer.Status, answer.Text, seconds)
	}
}

// command is a command of a MongoDB client on a collection.
type command struct{ name, collection string }

// sent recognises the command: an element of type string, of which both the name and the value are known.
func (c command) sent(message []byte) bool {
	element := append([]byte{2}, c.name+"\x00"...)
	element = binary.LittleEndian.AppendUint32(element, uint32(len(c.collection)+1))
	return bytes.Contains(message, append(element, c.collection+"\x00"...))
}
