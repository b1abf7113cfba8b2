package store

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// TestApplicationsOfBeforeTheSlugsGetOne: a document that was stored before there were slugs has no member of the unique index.
func TestApplicationsOfBeforeTheSlugsGetOne(t *testing.T) {
	s := fresh(t, nil)
	ctx := t.Context()
	c := s.db.Collection("applications")
	old := func(domain, name, clientID string, registered bool) string {
		t.Helper()
		a := &configv1.Application{Id: secret.NewID(), Domain: domain, Name: name, Settings: &configv1.ApplicationSettings{
			Oauth: &configv1.OAuthSettings{ClientId: clientID},
		}}
		if registered {
			a.Registration = &configv1.ClientRegistration{Status: configv1.ClientRegistration_ACTIVE}
		}
		create(t, s, a)
		return a.Id
	}
	first, second := old("d1", "Payroll", "c1", false), old("d1", "Payroll", "c2", false)
	stranger, reserved, elsewhere := old("d1", "Payroll", "c3", true), old("d1", "Login", "c4", false), old("d2", "Payroll", "c1", false)
	if err := c.Indexes().DropOne(ctx, ours+"unique_"+catalog.UniqueSlug); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateMany(ctx, bson.M{}, bson.M{"$unset": bson.M{memberSlug: ""}}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may be repeated
		if err := s.migrations().removeMany(ctx, bson.M{}); err != nil { // a version that did not note such things
			t.Fatal(err)
		}
		if err := s.Prepare(ctx); err != nil {
			t.Fatal(err)
		}
	}
	slugOf := func(id string) string {
		a, err := Get(ctx, s, catalog.Applications, id)
		if err != nil {
			t.Fatal(err)
		}
		found, err := FindByUnique(ctx, s, catalog.Applications, catalog.UniqueSlug, catalog.DomainKey(a.GetDomain(), a.GetSlug()))
		if err != nil || found.GetId() != id {
			t.Errorf("by slug %q: %v, %v", a.GetSlug(), found.GetId(), err)
		}
		return a.GetSlug()
	}
	if a, b := slugOf(first), slugOf(second); a != "payroll" && b != "payroll" || a != "payroll-2" && b != "payroll-2" {
		t.Errorf("two of one name: %q, %q", a, b)
	}
	if slugOf(stranger) != stranger || slugOf(reserved) != "login-2" || slugOf(elsewhere) != "payroll" {
		t.Errorf("registered %q, reserved %q, of another domain %q", slugOf(stranger), slugOf(reserved), slugOf(elsewhere))
	}
	a, err := Get(ctx, s, catalog.Applications, first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(ctx, Change{Ops: []Op{{Old: a, New: proto.CloneOf(a)}}}); err != nil {
		t.Errorf("it cannot be changed any more: %v", err)
	}
}
