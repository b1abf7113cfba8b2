package grants_test

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestRegisteredClientsThatAreNotHeld: what a client may do does not depend on whether its gateway holds it, and while management is
// away a client that is held is served, and any other one temporarily unavailable.
func TestRegisteredClientsThatAreNotHeld(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web")
	id := c.Domain.GetId()
	known := map[string]*configv1.Application{}
	withheld := configsync.Withheld{Domain: id}
	for _, client := range []string{"one", "two", "three"} {
		app := gatewaytest.NewApp(id, client, func(a *configv1.Application) { a.Registration = &configv1.ClientRegistration{} })
		app.Revision = 1
		known[client] = app
		withheld.Clients = append(withheld.Clients, configsync.HashClient(client))
	}
	var away atomic.Bool
	h := gatewaytest.New(t, gatewaytest.Options{MostRegistered: 1, Resolve: gatewaytest.Resolve(func(_ context.Context, _, clientID string) (*configv1.Application, error) {
		switch app := known[clientID]; {
		case away.Load():
			return nil, fault.Unavailablef("management is away")
		case app == nil:
			return nil, domain.ErrNoClient
		default:
			return proto.CloneOf(app), nil
		}
	})})
	r := &rig{h, t, id}
	b := c.Batch(1)
	b.Withheld = []configsync.Withheld{withheld}
	h.Apply(b)

	own := func(client string) gatewaytest.Answer {
		return r.token(client, "grant_type", "client_credentials", "scope", "read")
	}
	first, second := r.redeemed("one"), r.redeemed("two") // which lets one go
	if got := r.granted(r.refresh("one", first.RefreshToken)); got.RefreshToken == "" {
		t.Errorf("refreshed %+v", got)
	}
	for _, client := range []string{"one", "two", "three", "web"} {
		token := r.granted(own(client)).AccessToken
		// The token is known, its client introspects and revokes it.
		asked := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", token), gatewaytest.Basic(client))
		if asked.JSON(t)["active"] != true {
			t.Errorf("%s: introspection %d: %s", client, asked.Status, asked.Body)
		}
		if a := r.Post("/acme/oauth/revoke", gatewaytest.Form("token", token), gatewaytest.Basic(client)); a.Status != http.StatusOK {
			t.Errorf("%s: revocation %d: %s", client, a.Status, a.Body)
		}
		if r.alive(token) {
			t.Errorf("%s: a token lives that was revoked", client)
		}
	}

	second = r.granted(r.refresh("two", second.RefreshToken))
	away.Store(true)
	if got := r.granted(r.refresh("two", second.RefreshToken)); got.AccessToken == "" {
		t.Errorf("a client that is held, while management is away: %+v", got)
	}
	for _, client := range []string{"one", "three"} {
		for _, a := range []gatewaytest.Answer{own(client), r.refresh(client, "anything")} {
			if a.Status != http.StatusServiceUnavailable || a.JSON(t)["error"] != "temporarily_unavailable" {
				t.Errorf("%s, while management is away: %d %s", client, a.Status, a.Body)
			}
		}
	}
	if a := own("web"); a.Status != http.StatusOK {
		t.Errorf("an application of an operator, while management is away: %d %s", a.Status, a.Body)
	}
	away.Store(false)
	if a := own("one"); a.Status != http.StatusOK {
		t.Errorf("afterwards: %d %s", a.Status, a.Body)
	}

	// Its deletion ends it at once, held or not.
	for revision, client := range slices.All([]string{"one", "three"}) {
		app := known[client]
		delete(known, client)
		h.Apply(gatewaytest.Deletes(int64(2+revision), app))
		if a := own(client); a.Status != http.StatusUnauthorized {
			t.Errorf("%s, deleted: %d %s", client, a.Status, a.Body)
		}
	}
}
