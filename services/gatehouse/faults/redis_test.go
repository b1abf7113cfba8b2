package faults

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestWithoutRedisAGatewayServesWhatNeedsNoneAndRecoversByItself(t *testing.T) {
	tests := []struct {
		name      string
		away      func(*proc.Redis)
		back      func(*proc.Redis)
		forgetful bool // what Redis held is lost
	}{
		{
			name:      "Redis was killed",
			away:      func(r *proc.Redis) { r.Kill() },
			back:      func(r *proc.Redis) { r.Relaunch(); r.Ready() },
			forgetful: true,
		},
		{
			name: "Redis answers no more",
			away: func(r *proc.Redis) { r.Pause() },
			back: func(r *proc.Redis) { r.Continue() },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			g := w.gateways[0]
			b, code := w.signedIn(g)
			made := w.aliceAt(g)
			w.works("userinfo", w.at(g, "/oidc/userinfo"), made.Access)
			newcomer := newBrowser(t, g)
			login, err := newcomer.open(t.Context(), w.authorization(w.web, nil))
			if err != nil {
				t.Fatal(err)
			}

			tt.away(w.redis)
			w.unavailable("code", g, w.web, "/oauth/token", codeOf(code))
			w.unavailable("refresh", g, w.web, "/oauth/token", refreshOf(made.Refresh))
			w.unavailable("introspection of a refresh token", g, w.web, "/oauth/introspect", url.Values{"token": {made.Refresh}})
			w.unavailable("revocation", g, w.web, "/oauth/revoke", url.Values{"token": {made.Refresh}})
			w.crowdIsRefused(g, refreshOf(made.Refresh))
			w.showsUnavailable("authorize with a session", func(ctx context.Context) (*page, error) {
				return b.open(ctx, w.authorization(w.web, nil))
			})
			w.showsUnavailable("login", func(ctx context.Context) (*page, error) {
				return newcomer.logIn(ctx, login, alice, alicesPassword)
			})
			w.keepsServing(g, made.Access)

			tt.back(w.redis)
			proc.Await(t, "a password is worth a refresh token again", soon, func(ctx context.Context) error {
				answer, err := w.post(ctx, g, w.web, "/oauth/token", passwordOf(alice, alicesPassword))
				if err == nil && answer.Status != http.StatusOK {
					err = fmt.Errorf("%d %s", answer.Status, answer.Text)
				}
				return err
			})
			w.granted(g, w.web, refreshOf(w.aliceAt(g).Refresh))
			_, code = w.signedIn(g)
			w.granted(g, w.web, codeOf(code))
			w.revocationsAreFollowed(g)
			if tt.forgetful {
				return
			}
			// Nobody has used them: what could not be answered was not half done.
			w.granted(g, w.web, refreshOf(made.Refresh))
			p, err := b.open(t.Context(), w.authorization(w.web, url.Values{"prompt": {"none"}}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.code(); err != nil {
				t.Errorf("the session from before: %v", err)
			}
		})
	}
}

// crowdIsRefused demands that requests which are more than the connections to Redis do not wait for each other.
func (w *world) crowdIsRefused(g *proc.Gateway, form url.Values) {
	w.t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	for range 150 {
		all.Go(func() {
			answer, err := w.post(w.t.Context(), g, w.web, "/oauth/token", form)
			if err != nil || answer.Status != http.StatusServiceUnavailable {
				w.t.Errorf("one of many refreshes: %d %s %v", answer.Status, answer.Text, err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > 2*time.Second {
		w.t.Errorf("many refreshes took %s", took)
	}
}

// showsUnavailable demands a page for people, with 503, within a second.
func (w *world) showsUnavailable(what string, visit func(context.Context) (*page, error)) {
	w.t.Helper()
	w.withinASecond(what, func() {
		p, err := visit(w.t.Context())
		switch {
		case err != nil:
			w.t.Errorf("%s: %v", what, err)
		case p.Status != http.StatusServiceUnavailable || !strings.Contains(p.Text, "<html"):
			w.t.Errorf("%s: %s", what, p)
		}
	})
}

// revocationsAreFollowed waits until a gateway hears of revocations made elsewhere: by a second gateway that is started
// for it.
func (w *world) revocationsAreFollowed(g *proc.Gateway) {
	w.t.Helper()
	other := w.inst.StartGateway(w.management, publicURL)
	proc.Await(w.t, "revocations are followed", soon, func(ctx context.Context) error {
		made := w.aliceAt(g)
		w.must(other, w.web, "/oauth/revoke", url.Values{"token": {made.Access}})
		patience, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		for {
			active, err := w.active(patience, g, made.Access)
			if err == nil && !active {
				return nil
			}
			if patience.Err() != nil {
				return fmt.Errorf("not within a second: %v %v", active, err) //nolint:errorlint // err may be nil
			}
		}
	})
}
