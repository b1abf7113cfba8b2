package domain_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// copied makes an application the copy of a template.
func copied(a *configv1.Application) { a.Registration = &configv1.ClientRegistration{Template: "t1"} }

func pageOf(app *configv1.Application, id, content string, revision int64) *configv1.Form {
	return &configv1.Form{
		Id: id, Domain: app.GetDomain(), Application: app.GetId(), Level: app.GetId(), Revision: revision, Template: configv1.Form_LOGIN, Enabled: true, Content: content,
	}
}

// denying is a flow that refuses every login of an application.
func denying(app *configv1.Application, id string, revision int64) *configv1.Flow {
	return &configv1.Flow{
		Id: id, Domain: app.GetDomain(), Application: app.GetId(), Level: app.GetId(), Revision: revision, Type: configv1.Flow_LOGIN, Enabled: proto.Bool(true),
		Post: []*configv1.FlowStep{{Name: "deny", Config: &configv1.FlowStep_Deny{Deny: &configv1.DenyStep{Error: "access_denied", Message: "no"}}}},
	}
}

func belongings(all ...resource.Resource) *registrationv1.Belongings {
	b := &registrationv1.Belongings{}
	for _, r := range all {
		b.Resources = append(b.Resources, resource.Wrap(r))
	}
	return b
}

// has checks what a client has of its own.
func (r *rig) has(when, clientID string, page, flow bool) {
	r.t.Helper()
	d := r.Domain(r.id)
	c, err := d.Client(r.t.Context(), clientID)
	if err != nil {
		r.t.Fatalf("%s: %v", when, err)
	}
	if got := d.Form(c, "login") != nil; got != page {
		r.t.Errorf("%s: has a page of its own: %v, want %v", when, got, page)
	}
	if got := c.Flows != nil; got != flow {
		r.t.Errorf("%s: has a flow of its own: %v, want %v", when, got, flow)
	}
}

// TestACopyIsNeverServedWithoutItsFlows: a flow of a template may be what refuses somebody, so its copies have it from the first
// request on, wherever that comes.
func TestACopyIsNeverServedWithoutItsFlows(t *testing.T) {
	var app *configv1.Application
	var known *registrationv1.Belongings
	var asked int
	var away error
	r := newRig(t, domain.Options{
		Resolve: gatewaytest.Resolve(func(context.Context, string, string) (*configv1.Application, error) { return app, nil }),
		Belongings: func(context.Context, string, string) (*registrationv1.Belongings, error) {
			asked++
			return known, away
		},
	}, "web")
	unavailable := func(when, clientID string) {
		t.Helper()
		if _, err := r.Domain(r.id).Client(t.Context(), clientID); oauth2.CodeOf(err) != oauth2.TemporarilyUnavailable {
			t.Errorf("%s: %v, want temporarily_unavailable", when, err)
		}
	}

	app = stamped(r.app("copy", copied), r.revision+5)
	r.Learn(t.Context(), app, belongings(pageOf(app, "f", "<p>x</p>", r.revision+3), denying(app, "deny", r.revision+4)))
	r.has("where it was registered", "copy", true, true)
	if asked != 0 {
		t.Errorf("asked %d times for what the answer had", asked)
	}

	app = stamped(r.app("other", copied), r.revision+5)
	known = belongings(denying(app, "deny-2", r.revision+4))
	r.has("where somebody else registered it", "other", false, true)

	app = stamped(r.app("third", copied), r.revision+5)
	known = nil
	r.Learn(t.Context(), app, nil) // by a management that does not say
	unavailable("while what belongs to it is not known", "third")
	known, away = nil, fmt.Errorf("away")
	unavailable("while that cannot be asked", "third")
	r.accept(gatewaytest.Upserts(r.revision+5, denying(app, "deny-3", r.revision+4), app))
	r.has("once the stream has brought it", "third", false, true)

	app = stamped(r.app("plain"), r.revision+50)
	r.has("one that is no copy", "plain", false, false)
}

// TestWhatBelongsToOneClientMakesNoOtherAnew: the form or flow of a copy is no reason to compile all clients of the domain again.
func TestWhatBelongsToOneClientMakesNoOtherAnew(t *testing.T) {
	r := newRig(t, domain.Options{}, "web")
	client := func() *domain.Client {
		t.Helper()
		c, err := r.Domain(r.id).Client(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	web := client()
	app := r.app("copy", copied)
	accept := func(all ...resource.Resource) {
		t.Helper()
		r.accept(gatewaytest.Upserts(r.revision+1, all...))
	}
	accept(app, pageOf(app, "f", "<p>x</p>", 1), denying(app, "deny", 1))
	r.has("registered", "copy", true, true)
	page := func() int64 {
		d := r.Domain(r.id)
		c, err := d.Client(t.Context(), "copy")
		if err != nil {
			t.Fatal(err)
		}
		return d.Form(c, "login").Revision
	}
	accept(pageOf(app, "f", "<p>y</p>", 7))
	if n := page(); n != r.revision {
		t.Errorf("the page is that of revision %d, want %d", n, r.revision)
	}
	gone := gatewaytest.Upserts(r.revision + 1)
	gone.Deletes = []*configv1.Key{resource.Key{Kind: "flow", Domain: r.id, ID: "deny"}.Proto()}
	r.accept(gone)
	r.has("without its flow", "copy", true, false)
	gone = gatewaytest.Upserts(r.revision + 1)
	gone.Deletes = []*configv1.Key{resource.Key{Kind: "form", Domain: r.id, ID: "f"}.Proto()}
	r.accept(gone)
	r.has("without anything of its own", "copy", false, false)
	if client() != web {
		t.Error("another client was made anew")
	}
	accept(&configv1.Form{Id: "all", Domain: r.id, Template: configv1.Form_LOGIN, Enabled: true, Content: "<p>all</p>", Revision: 9})
	r.has("with a page of the domain", "copy", true, false)
	if client() == web {
		t.Error("a page of the domain is not seen")
	}
	// What came before its application is there with it.
	late := r.app("late")
	accept(pageOf(late, "g", "<p>x</p>", 1), denying(late, "deny-late", 1))
	accept(late)
	r.has("after what belongs to it", "late", true, true)
}

// TestAClientIsNeverServedWithTheKeyOfAnotherAlgorithm: the first client of a domain that chooses an algorithm comes with the key for it,
// or is not served before the key is there.
func TestAClientIsNeverServedWithTheKeyOfAnotherAlgorithm(t *testing.T) {
	var app *configv1.Application
	var known *registrationv1.Belongings
	var asked int
	r := newRig(t, domain.Options{
		Resolve: gatewaytest.Resolve(func(context.Context, string, string) (*configv1.Application, error) { return app, nil }),
		Belongings: func(context.Context, string, string) (*registrationv1.Belongings, error) {
			asked++
			return known, nil
		},
	}, "web")
	signing := func(alg jose.Algorithm) func(*configv1.Application) {
		return func(a *configv1.Application) { a.GetSettings().GetOauth().IdTokenSignedResponseAlg = string(alg) }
	}
	key := func(id string, alg jose.Algorithm, revision int64) *configv1.Certificate {
		return r.config.Certificate(id, alg, func(c *configv1.Certificate) { c.Revision = revision })
	}
	signs := func(when, clientID string, want jose.Algorithm) {
		t.Helper()
		c, err := r.Domain(r.id).Client(t.Context(), clientID)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := c.IDKey.Algorithm(); got != want {
			t.Errorf("%s: ID tokens are signed by %s, want %s", when, got, want)
		}
	}

	app = stamped(r.app("first", signing(jose.PS256)), r.revision+5)
	known = belongings(key("ps", jose.PS256, r.revision+5))
	r.Learn(t.Context(), app, nil)
	signs("where it was registered", "first", jose.PS256)
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	app = stamped(r.app("second", signing(jose.PS256)), r.revision+6)
	r.Learn(t.Context(), app, nil)
	signs("the next by the same algorithm", "second", jose.PS256)
	if asked != 1 {
		t.Errorf("asked %d times for a key that is there", asked)
	}

	app = stamped(r.app("elsewhere", signing(jose.EdDSA)), r.revision+7)
	known = nil
	if _, err := r.Domain(r.id).Client(t.Context(), "elsewhere"); oauth2.CodeOf(err) != oauth2.TemporarilyUnavailable {
		t.Errorf("while the key is not known: %v, want temporarily_unavailable", err)
	}
	known = belongings(key("ed", jose.EdDSA, r.revision+7))
	signs("where somebody else registered it", "elsewhere", jose.EdDSA)

	app = stamped(r.app("web", signing(jose.ES384)), r.revision+8)
	known = belongings(key("es384", jose.ES384, r.revision+8))
	r.Learn(t.Context(), app, nil)
	signs("after a change", "web", jose.ES384)

	asked, app = 0, stamped(r.app("mac", signing(jose.HS256)), r.revision+9)
	r.Learn(t.Context(), app, nil)
	if asked != 0 {
		t.Error("asked for the key of an HMAC, which is the client's secret")
	}
}
