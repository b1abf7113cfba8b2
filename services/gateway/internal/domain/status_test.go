package domain_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestLastSyncRisesWithEveryWriteToTheDomain(t *testing.T) {
	clock := gatewaytest.NewClock() // it stands still
	r := newRig(t, domain.Options{Now: clock.Now}, "web")
	other := gatewaytest.NewConfig(t, "other", "/other")
	r.upsert(other.Domain, other.Certificate("es", jose.ES256))
	last := func(id string) int64 {
		for _, s := range r.Statuses() {
			if s.ID == id {
				return s.LastSync
			}
		}
		t.Fatalf("domain %s has no status", id)
		return 0
	}
	if now := clock.Now().UnixMilli(); last(r.id) != now {
		t.Errorf("lastSync %d, want %d", last(r.id), now)
	}
	for name, write := range map[string]func(){
		"an application is changed":             func() { r.upsert(r.app("web", func(a *configv1.Application) { a.Name = "x" })) },
		"an application is written unchanged":   func() { r.upsert(r.app("web", func(a *configv1.Application) { a.Name = "x" })) },
		"the domain is written unchanged":       func() { r.upsert(r.config.Domain) },
		"something unknown is deleted":          func() { r.remove(r.app("nobody")) },
		"a scope is made":                       func() { r.upsert(r.config.Scope("s")) },
		"the domain is written and not usable":  func() { d := proto.CloneOf(r.config.Domain); d.Secret = nil; r.upsert(d) },
		"a registration is learned":             func() { r.Learn(t.Context(), stamped(r.app("learned"), r.revision+5), nil) },
		"the same comes by the stream":          func() { r.accept(gatewaytest.Upserts(r.revision+5, r.app("learned"))) },
		"an application is deleted by a client": func() { r.Forget(r.id, "app-learned", r.revision+5) },
	} {
		before, beforeOther := last(r.id), last("other")
		write()
		if after := last(r.id); after <= before {
			t.Errorf("when %s, lastSync goes from %d to %d", name, before, after)
		}
		if last("other") != beforeOther {
			t.Errorf("when %s, another domain's lastSync changes", name)
		}
		r.upsert(r.config.Domain)
	}
}

func TestStatus(t *testing.T) {
	r := newRig(t, domain.Options{}, "web")
	bad := r.config.Certificate("bad", "ES256", func(c *configv1.Certificate) { c.PrivateKey = nil })
	r.upsert(bad)
	r.upsert(gatewaytest.NewConfig(t, "off", "/off").Domain)
	off := gatewaytest.NewConfig(t, "off", "/off").Domain
	off.Enabled = false
	r.upsert(off)
	all := r.Statuses()
	if len(all) != 2 || all[1].ID != "off" || all[1].Enabled || !all[1].Stable() {
		t.Fatalf("statuses %+v", all)
	}
	s := all[0]
	want := []domain.Part{
		{ID: r.id, Type: "domain", Success: true},
		{ID: "bad", Type: "certificate", Message: "unusable key: neither PEM nor PKCS #8"},
		{ID: "es", Type: "certificate", Success: true},
		{ID: "rs", Type: "certificate", Success: true},
		{ID: "staff", Type: "identity_provider", Success: true},
	}
	if diff := cmp.Diff(want, s.Parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if s.Stable() || !s.Enabled || s.Revision == 0 {
		t.Errorf("status %+v", s)
	}
	if revision, when := r.Revision(); revision != r.revision || when.IsZero() {
		t.Errorf("revision %d at %v", revision, when)
	}
}
