package domain_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// TestRotation walks a key through its life: published before it signs, signing in the place of the one before it,
// published afterwards. Everybody follows except who chose an uploaded certificate.
func TestRotation(t *testing.T) {
	r := newRig(t, domain.Options{}, "web")
	epoch := timestamppb.New(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	old := r.config.Certificate("es", jose.ES256, func(c *configv1.Certificate) { c.CreatedAt = epoch })
	own := r.config.Certificate("own", jose.ES256, func(c *configv1.Certificate) { c.System = false })
	next := r.config.Certificate("next", jose.ES256, func(c *configv1.Certificate) {
		c.Status, c.LineSince = configv1.Certificate_NEXT, epoch
	})
	r.upsert(
		own,
		r.app("rs", func(a *configv1.Application) { a.Certificate = "rs" }),
		r.app("es", func(a *configv1.Application) { a.Certificate = "es" }),
		r.app("next", func(a *configv1.Application) { a.Certificate = "next" }),
		r.app("own", func(a *configv1.Application) { a.Certificate = "own" }),
		r.app("named", func(a *configv1.Application) { a.Settings.Oauth.AccessTokenSigningAlg = "ES256" }),
	)
	var fallback *configv1.Domain
	// The life of the two keys, and who signs for whom meanwhile.
	for _, tt := range []struct {
		what      string
		old, next configv1.Certificate_Status
		published []string
		signs     map[string]string
	}{
		{
			"before", 0, -1, []string{"es", "rs", "own"},
			map[string]string{"web": "es", "rs": "rs", "es": "es", "next": "es", "own": "own", "named": "es"},
		},
		{
			"the successor is published and does not sign", configv1.Certificate_ACTIVE, configv1.Certificate_NEXT,
			[]string{"es", "next", "rs", "own"},
			map[string]string{"web": "es", "rs": "rs", "es": "es", "next": "es", "own": "own", "named": "es"},
		},
		{
			"the successor signs, the old key is published", configv1.Certificate_RETIRED, configv1.Certificate_ACTIVE,
			[]string{"es", "next", "rs", "own"},
			map[string]string{"web": "next", "rs": "rs", "es": "next", "next": "next", "own": "own", "named": "next"},
		},
		{
			"the old key is gone", -1, configv1.Certificate_ACTIVE, []string{"next", "rs", "own"},
			map[string]string{"web": "next", "rs": "rs", "es": "next", "next": "next", "own": "own", "named": "next"},
		},
	} {
		for _, step := range []struct {
			c      *configv1.Certificate
			status configv1.Certificate_Status
		}{{old, tt.old}, {next, tt.next}} {
			if step.status < 0 {
				r.remove(step.c)
				continue
			}
			step.c.Status = step.status
			wantTexts(t, nil, r.upsert(clone(step.c)))
		}
		if fallback == nil {
			fallback = clone(r.config.Domain)
			fallback.CertificateSettings = &configv1.CertificateSettings{FallbackCertificate: "es"}
			wantTexts(t, nil, r.upsert(fallback))
		}
		d := r.Domain(r.id)
		for _, kid := range tt.published {
			if !d.Keys.Has(kid) {
				t.Errorf("%s: %s is not published", tt.what, kid)
			}
		}
		if n := d.Keys.Len(); n != len(tt.published) {
			t.Errorf("%s: %d keys are published, want %d", tt.what, n, len(tt.published))
		}
		for client, kid := range tt.signs {
			c, err := d.Client(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			if c.AccessKey.ID() != kid {
				t.Errorf("%s: tokens of %s are signed by %s, want %s", tt.what, client, c.AccessKey.ID(), kid)
			}
		}
	}
}

// TestTheDefaultKeyStaysTheDefault has another system key that is older than the successor of the domain's first one.
func TestTheDefaultKeyStaysTheDefault(t *testing.T) {
	r := newRig(t, domain.Options{}, "web")
	first := r.config.Certificate("es", jose.ES256)
	successor := r.config.Certificate("successor", jose.ES256, func(c *configv1.Certificate) {
		c.Status = configv1.Certificate_ACTIVE
		c.LineSince = timestamppb.New(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	})
	r.upsert(successor)
	r.remove(first)
	c, err := r.Domain(r.id).Client(t.Context(), "web")
	if err != nil || c.AccessKey.ID() != "successor" {
		t.Errorf("signed by %v, error %v", c.AccessKey, err)
	}
}

// TestNoKeyIsActive has nothing but keys that do not sign any more, or not yet: they verify, and the domain says what it lacks.
func TestNoKeyIsActive(t *testing.T) {
	r := newRig(t, domain.Options{}, "web")
	lacks := []string{"domain " + r.id + ": the domain has no usable signing key"}
	set := func(status configv1.Certificate_Status) []string {
		t.Helper()
		var all []resource.Resource
		for _, key := range []struct {
			id  string
			alg jose.Algorithm
		}{{"es", jose.ES256}, {"rs", jose.RS256}} {
			all = append(all, r.config.Certificate(key.id, key.alg, func(c *configv1.Certificate) { c.Status = status }))
		}
		return r.upsert(all...)
	}
	for _, status := range []configv1.Certificate_Status{configv1.Certificate_RETIRED, configv1.Certificate_NEXT} {
		wantTexts(t, lacks, set(status))
		d := r.Domain(r.id)
		if c, err := d.Client(t.Context(), "web"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v: client %v, error %v", status, c, err)
		}
		if !d.Keys.Has("es") || !d.Keys.Has("rs") {
			t.Errorf("%v: the keys are not published", status)
		}
		if s := r.Statuses()[0]; s.Stable() {
			t.Errorf("%v: status %+v", status, s)
		}
		wantTexts(t, lacks, r.upsert(r.app("web"))) // it stays reported
		off := clone(r.config.Domain)
		off.Enabled = false
		wantTexts(t, nil, r.upsert(off)) // nobody misses it
		wantTexts(t, lacks, r.upsert(r.config.Domain))
	}
	for _, status := range []configv1.Certificate_Status{configv1.Certificate_ACTIVE, configv1.Certificate_STATUS_UNSPECIFIED} {
		wantTexts(t, nil, set(status))
		if c, err := r.Domain(r.id).Client(t.Context(), "web"); err != nil || c.AccessKey.ID() != "es" {
			t.Errorf("%v: client %v, error %v", status, c, err)
		}
	}
}

// TestAProviderThatWaits is configured with a type that nothing runs yet: it is no fault of the domain.
func TestAProviderThatWaits(t *testing.T) {
	r := newRig(t, domain.Options{}, "web")
	people := &configv1.IdentityProvider{
		Id: "corporate", Domain: r.id, Name: "Corporate",
		Config: &configv1.IdentityProvider_Saml2{Saml2: &configv1.SAML2Provider{EntityId: "x"}},
	}
	wantTexts(t, nil, r.upsert(people, r.app("web", func(a *configv1.Application) {
		a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "corporate"}}
	})))
	c, err := r.Domain(r.id).Client(t.Context(), "web")
	if err != nil || len(c.Providers) != 0 {
		t.Errorf("client %v, error %v", c, err)
	}
	for _, s := range r.Statuses() {
		if !s.Stable() {
			t.Errorf("status %+v", s)
		}
	}
	wantTexts(t, nil, r.upsert(r.config.Domain)) // nor later
}

func clone[M proto.Message](m M) M { return proto.CloneOf(m) }

func TestSigningKeys(t *testing.T) {
	r := newRig(t, domain.Options{})
	r.upsert(
		r.config.Certificate("own-es", jose.ES256, func(c *configv1.Certificate) { c.System = false }),
		r.config.Certificate("own-rs", jose.RS256, func(c *configv1.Certificate) { c.System = false }),
	)
	tests := []struct {
		name        string
		domainAlg   string
		fallback    string
		change      func(*configv1.Application)
		access, idt string
	}{
		{"the domain's default is the oldest system certificate", "", "", nil, "es", "es"},
		{"the application's own certificate signs", "", "", func(a *configv1.Application) { a.Certificate = "own-rs" }, "own-rs", "own-rs"},
		{"a certificate that is gone gives way to the fallback", "", "rs", func(a *configv1.Application) { a.Certificate = "gone" }, "rs", "rs"},
		{"a fallback that is gone gives way to the default", "", "gone", nil, "es", "es"},
		{"the domain chooses the algorithm of access tokens", "RS256", "", nil, "rs", "es"},
		{"the application's choice goes before the domain's", "RS256", "", func(a *configv1.Application) { a.Settings.Oauth.AccessTokenSigningAlg = "ES256" }, "es", "es"},
		{"of several fitting certificates the application's own signs", "RS256", "", func(a *configv1.Application) { a.Certificate = "own-rs" }, "own-rs", "own-rs"},
		{"an algorithm nobody has is passed over", "PS512", "", nil, "es", "es"},
		{"the registered algorithm of ID tokens counts for them alone", "", "", func(a *configv1.Application) { a.Settings.Oauth.IdTokenSignedResponseAlg = "RS256" }, "es", "rs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := proto.CloneOf(r.config.Domain)
			d.Oidc.AccessTokenSigningAlg = tt.domainAlg
			d.CertificateSettings = &configv1.CertificateSettings{FallbackCertificate: tt.fallback}
			app := r.app("web")
			if tt.change != nil {
				tt.change(app)
			}
			wantTexts(t, nil, r.upsert(d, app))
			c, err := r.Domain(r.id).Client(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			if c.AccessKey.ID() != tt.access || c.IDKey.ID() != tt.idt {
				t.Errorf("access tokens by %s, ID tokens by %s; want %s and %s", c.AccessKey.ID(), c.IDKey.ID(), tt.access, tt.idt)
			}
		})
	}
	t.Run("clashing kids are told apart, and signing uses the published one", func(t *testing.T) {
		twin := r.config.Certificate("twin", jose.ES256, func(c *configv1.Certificate) { c.Kid = "es"; c.System = false })
		wantTexts(t, nil, r.upsert(twin, r.app("web", func(a *configv1.Application) { a.Certificate = "twin" })))
		c, err := r.Domain(r.id).Client(t.Context(), "web")
		if err != nil || c.AccessKey.ID() == "es" || !r.Domain(r.id).Keys.Has(c.AccessKey.ID()) || !r.Domain(r.id).Keys.Has("es") {
			t.Errorf("key %v, error %v", c.AccessKey, err)
		}
	})
}
