package domain_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/builtin"
)

// rig is a set with the domain acme.
type rig struct {
	*domain.Set
	t        testing.TB
	id       string
	config   *gatewaytest.Config
	revision int64
}

func newSet(o domain.Options) *domain.Set {
	if o.PublicURL == "" {
		o.PublicURL = gatewaytest.PublicURL
	}
	o.Open = builtin.Tools{Hasher: secret.NewHasher()}.Open
	if o.Metadata == nil {
		o.Metadata = func(c *domain.Core) []byte { return []byte(c.Issuer + strings.Join(c.DiscoveryScopes, " ")) }
	}
	o.Logger = slog.New(slog.DiscardHandler)
	return domain.NewSet(o)
}

func newRig(t testing.TB, o domain.Options, apps ...string) *rig {
	t.Helper()
	r := &rig{Set: newSet(o), t: t, config: gatewaytest.NewAcme(t)}
	r.id = r.config.Domain.GetId()
	for _, app := range apps {
		r.config.App(app)
	}
	r.accept(r.config.Batch(10))
	return r
}

// apply applies a batch and returns the rejections as texts.
func (r *rig) apply(b configsync.Batch) []string {
	r.t.Helper()
	r.revision = b.Revision
	var texts []string
	for _, rejection := range r.Apply(context.Background(), b) {
		texts = append(texts, rejection.GetKey().GetKind()+" "+rejection.GetKey().GetId()+": "+rejection.GetReason())
	}
	return texts
}

// accept applies a batch of which nothing may be rejected.
func (r *rig) accept(b configsync.Batch) {
	r.t.Helper()
	if rejected := r.apply(b); len(rejected) > 0 {
		r.t.Fatalf("rejected: %v", rejected)
	}
}

// upsert brings resources at the next revision.
func (r *rig) upsert(parts ...resource.Resource) []string {
	r.t.Helper()
	return r.apply(gatewaytest.Upserts(r.revision+1, parts...))
}

func (r *rig) remove(parts ...resource.Resource) {
	r.t.Helper()
	r.accept(gatewaytest.Deletes(r.revision+1, parts...))
}

func (r *rig) app(clientID string, change ...func(*configv1.Application)) *configv1.Application {
	return gatewaytest.NewApp(r.id, clientID, change...)
}

// client returns the application id behind a client identifier, "" if there is none that may be used.
func (r *rig) client(clientID string) string {
	r.t.Helper()
	c, err := r.Domain(r.id).Client(r.t.Context(), clientID)
	switch {
	case errors.Is(err, domain.ErrNoClient):
		return ""
	case err != nil:
		r.t.Fatalf("client %s: %v", clientID, err)
	}
	return c.ID
}

func (r *rig) wantClient(clientID, id string) {
	r.t.Helper()
	if got := r.client(clientID); got != id {
		r.t.Errorf("client %s is application %q, want %q", clientID, got, id)
	}
}

func named(id string) func(*configv1.Application) {
	return func(a *configv1.Application) { a.Id = id }
}

func stamped(app *configv1.Application, revision int64) *configv1.Application {
	resource.Stamp(app, resource.Stamps{Revision: revision})
	return app
}
