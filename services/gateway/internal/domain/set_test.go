package domain_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestLookup(t *testing.T) {
	set := newSet(domain.Options{})
	all := configsync.Batch{Installation: "test", Revision: 1, Reset: true}
	for id, path := range map[string]string{
		"short": "/acme", "long": "/acme/eu", "deep": "/a/b/c", "slash": "/slashed/", "off": "/off", "dotted": "/x.y_z-1~",
	} {
		c := gatewaytest.NewConfig(t, id, path)
		c.Domain.Enabled = id != "off"
		c.Certificate("es", jose.ES256)
		all.Upserts = append(all.Upserts, c.Batch(1).Upserts...)
	}
	if rejected := set.Apply(t.Context(), all); len(rejected) > 0 {
		t.Fatalf("rejected: %v", rejected)
	}
	tests := []struct{ path, domain, rest string }{
		{"/acme/oauth/token", "short", "/oauth/token"},
		{"/acme", "short", ""},
		{"/acme/", "short", "/"},
		{"/acme/eu/oauth/token", "long", "/oauth/token"},
		{"/acme/europe/oauth/token", "short", "/europe/oauth/token"},
		{"/acmeeu/oauth/token", "", ""},
		{"/ACME/oauth/token", "", ""},
		{"/a/b/c/login", "deep", "/login"},
		{"/a/b/login", "", ""},
		{"/slashed/login", "slash", "/login"},
		{"/x.y_z-1~/login", "dotted", "/login"},
		{"/off/login", "", ""},
		{"//acme/login", "", ""},
		{"acme/login", "", ""},
		{"/", "", ""},
		{"", "", ""},
		{"*", "", ""},
	}
	for _, tt := range tests {
		d, rest := set.Lookup(tt.path)
		id := ""
		if d != nil {
			id = d.ID
		}
		if id != tt.domain || rest != tt.rest {
			t.Errorf("%q leads to domain %q with rest %q, want %q with %q", tt.path, id, rest, tt.domain, tt.rest)
		}
	}
	if d := set.Domain("slash"); d.Path != "/slashed" || d.Base != "https://gw.example/slashed" || d.Issuer != "https://gw.example/slashed/oidc" {
		t.Errorf("path %q, base %q, issuer %q", d.Path, d.Base, d.Issuer)
	}
	if d := set.Domain("off"); d == nil || d.Enabled() {
		t.Error("a disabled domain is not known as such")
	}
}

func FuzzLookup(f *testing.F) {
	set := newSet(domain.Options{})
	c := gatewaytest.NewConfig(f, "d", "/a/b")
	c.Certificate("es", jose.ES256)
	set.Apply(context.Background(), c.Batch(1))
	for _, path := range []string{"", "/", "/a/b", "/a/b/", "//", "/a//b", "a/b", "/a/b/c"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		d, rest := set.Lookup(path)
		inside := path == "/a/b" || strings.HasPrefix(path, "/a/b/")
		if (d != nil) != inside || inside && "/a/b"+rest != path {
			t.Errorf("%q leads to %v with %q", path, d, rest)
		}
	})
}

func TestDomainsComeAndGo(t *testing.T) {
	r := newRig(t, domain.Options{}, "web")
	serves := func(path string) bool { d, _ := r.Lookup(path + "/login"); return d != nil }
	change := func(f func(*configv1.Domain)) []string {
		d := proto.CloneOf(r.config.Domain)
		f(d)
		r.config.Domain = d
		return r.upsert(d)
	}
	if !serves("/acme") {
		t.Fatal("the domain is not served")
	}
	before := r.Domain(r.id)
	if rejected := change(func(d *configv1.Domain) { d.Path = "/moved" }); rejected != nil {
		t.Fatal(rejected)
	}
	if serves("/acme") || !serves("/moved") {
		t.Error("the domain did not move")
	}
	if d := r.Domain(r.id); d.Issuer != "https://gw.example/moved/oidc" || before.Issuer != "https://gw.example/acme/oidc" {
		t.Errorf("issuers %q and before %q", d.Issuer, before.Issuer)
	}
	change(func(d *configv1.Domain) { d.Enabled = false })
	if serves("/moved") {
		t.Error("a disabled domain is served")
	}
	change(func(d *configv1.Domain) { d.Enabled = true })
	r.wantClient("web", "app-web")
	r.remove(r.config.Domain)
	if serves("/moved") || r.Domain(r.id) != nil || len(r.Statuses()) != 0 {
		t.Error("a deleted domain is still there")
	}
	if _, err := before.Client(t.Context(), "nobody"); !errors.Is(err, domain.ErrNoClient) {
		t.Errorf("a request that outlives its domain gets %v", err)
	}
}

func TestApplicationsComeAndGo(t *testing.T) {
	tests := []struct {
		name string
		do   func(r *rig)
	}{
		{"a new one is a client", func(r *rig) {
			r.upsert(r.app("new"))
			r.wantClient("new", "app-new")
		}},
		{"a deleted one is none", func(r *rig) {
			r.remove(r.app("web"))
			r.wantClient("web", "")
			r.wantClient("other", "app-other")
		}},
		{"a disabled one and a template are none", func(r *rig) {
			r.upsert(r.app("web", func(a *configv1.Application) { a.Enabled = proto.Bool(false) }),
				r.app("other", func(a *configv1.Application) { a.Template = true }))
			r.wantClient("web", "")
			r.wantClient("other", "")
			r.upsert(r.app("web", func(a *configv1.Application) { a.Enabled = proto.Bool(true) }))
			r.wantClient("web", "app-web")
		}},
		{"a changed one is compiled anew", func(r *rig) {
			r.wantClient("web", "app-web")
			r.upsert(r.app("web", func(a *configv1.Application) { a.Settings.Oauth.AccessTokenValiditySeconds = 60 }))
			c, err := r.Domain(r.id).Client(r.t.Context(), "web")
			if err != nil || c.AccessTTL.Seconds() != 60 {
				r.t.Errorf("client %+v, error %v", c, err)
			}
		}},
		{"one that is brought again unchanged is not", func(r *rig) {
			before, _ := r.Domain(r.id).Client(r.t.Context(), "web")
			r.accept(r.config.Batch(10))
			if after, _ := r.Domain(r.id).Client(r.t.Context(), "web"); after != before {
				r.t.Error("it was compiled again")
			}
		}},
		{"a client identifier moves to another application in one batch, whatever the order", func(r *rig) {
			b := gatewaytest.Upserts(r.revision+1, r.app("web", named("second")))
			b.Deletes = gatewaytest.Deletes(0, r.app("web")).Deletes
			r.accept(b)
			r.wantClient("web", "second")
			r.remove(r.app("web")) // the first one, once more
			r.wantClient("web", "second")
		}},
		{"an application changes its client identifier", func(r *rig) {
			r.upsert(r.app("renamed", named("app-web")))
			r.wantClient("renamed", "app-web")
			r.wantClient("web", "")
		}},
		{"a correction with an earlier revision counts", func(r *rig) {
			r.upsert(r.app("web", func(a *configv1.Application) { a.Name = "late" }))
			r.accept(gatewaytest.Upserts(3, r.app("web", func(a *configv1.Application) { a.Name = "early" })))
			if c, _ := r.Domain(r.id).Client(r.t.Context(), "web"); c.Name != "early" {
				r.t.Errorf("the name is %q", c.Name)
			}
		}},
		{"a reset takes away what it does not bring", func(r *rig) {
			fresh := gatewaytest.NewAcme(r.t)
			fresh.Domain.Id, fresh.Domain.Domain = r.id, r.id
			b := gatewaytest.Upserts(20, r.config.Domain, r.app("third"))
			b.Reset = true
			b.Upserts = append(b.Upserts, r.config.Batch(20).Upserts[1]) // a certificate
			r.accept(b)
			r.wantClient("third", "app-third")
			r.wantClient("web", "")
			if len(r.Domain(r.id).Scopes) != 0 || len(r.Domain(r.id).Providers) != 0 {
				r.t.Error("scopes or providers are left")
			}
		}},
		{"a reset to another database starts over", func(r *rig) {
			r.Learn(t.Context(), stamped(r.app("learned"), 500), nil)
			b := r.config.Batch(3)
			b.Installation = "restored"
			r.accept(b)
			r.wantClient("learned", "")
			r.wantClient("web", "app-web")
		}},
		{"what belongs to a deleted domain goes with it", func(r *rig) {
			r.remove(r.config.Domain)
			r.upsert(r.config.Domain) // which has no keys now
			if len(r.Domain(r.id).Scopes) != 0 {
				r.t.Error("the scopes are back")
			}
		}},
		{"an application before its domain waits for it", func(r *rig) {
			late := gatewaytest.NewConfig(r.t, "late", "/late")
			r.accept(gatewaytest.Upserts(r.revision+1, gatewaytest.NewApp("late", "web")))
			if r.Domain("late") != nil {
				r.t.Fatal("a domain without itself is there")
			}
			late.Certificate("es", jose.ES256)
			b := late.Batch(r.revision + 1)
			b.Reset = false
			r.accept(b)
			if _, err := r.Domain("late").Client(r.t.Context(), "web"); err != nil {
				r.t.Error(err)
			}
		}},
		{"a kind that only later gateways know is passed over", func(r *rig) {
			for _, reset := range []bool{false, true} {
				b := r.config.Batch(r.revision + 1)
				b.Reset, b.Upserts = reset, append(b.Upserts, &configv1.Resource{})
				b.Deletes = append(b.Deletes, &configv1.Key{Kind: "hologram", Domain: r.id, Id: "1"}, &configv1.Key{Kind: "hologram", Domain: "x", Id: "1"})
				r.accept(b)
				r.wantClient("web", "app-web")
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.do(newRig(t, domain.Options{}, "web", "other")) })
	}
}

func TestAheadOfTheStream(t *testing.T) {
	tests := []struct {
		name string
		do   func(r *rig)
	}{
		{"a registration made here is a client at once", func(r *rig) {
			held := r.Domain(r.id) // a request that began before
			r.Learn(t.Context(), stamped(r.app("new"), 15), nil)
			r.wantClient("new", "app-new")
			if _, err := held.Client(r.t.Context(), "new"); err != nil {
				r.t.Errorf("a request that began before: %v", err)
			}
		}},
		{"older news from the stream does not undo it", func(r *rig) {
			r.Learn(t.Context(), stamped(r.app("web", func(a *configv1.Application) { a.Name = "learned" }), 15), nil)
			r.accept(gatewaytest.Upserts(12, r.app("web", func(a *configv1.Application) { a.Name = "older" })))
			if c, _ := r.Domain(r.id).Client(r.t.Context(), "web"); c.Name != "learned" {
				r.t.Errorf("the name is %q", c.Name)
			}
			r.accept(gatewaytest.Deletes(13, r.app("web")))
			r.wantClient("web", "app-web")
			b := r.config.Batch(14)
			r.accept(b)
			if c, _ := r.Domain(r.id).Client(r.t.Context(), "web"); c.Name != "learned" {
				r.t.Errorf("the name is %q after a reset", c.Name)
			}
		}},
		{"a reset before it leaves it alone, one after it counts", func(r *rig) {
			r.Learn(t.Context(), stamped(r.app("new"), 15), nil)
			r.accept(r.config.Batch(14))
			r.wantClient("new", "app-new")
			r.accept(r.config.Batch(15))
			r.wantClient("new", "")
		}},
		{"newer news from the stream counts", func(r *rig) {
			r.Learn(t.Context(), stamped(r.app("new"), 15), nil)
			r.accept(gatewaytest.Deletes(16, r.app("new")))
			r.wantClient("new", "")
		}},
		{"a deletion made here counts at once", func(r *rig) {
			r.Forget(r.id, "app-web", 15)
			r.wantClient("web", "")
			r.accept(gatewaytest.Upserts(14, r.app("web")))
			r.wantClient("web", "")
		}},
		{"what was found before a deletion here does not bring it back", func(r *rig) {
			r.Forget(r.id, "app-web", 15)
			r.Learn(t.Context(), stamped(r.app("web"), 14), nil)
			r.wantClient("web", "")
			r.accept(gatewaytest.Upserts(14, r.app("web")))
			r.wantClient("web", "")
		}},
		{"what was found before a deletion in the stream does not bring it back", func(r *rig) {
			r.accept(gatewaytest.Deletes(20, r.app("web")))
			r.Learn(t.Context(), stamped(r.app("web"), 10), nil)
			r.wantClient("web", "")
		}},
		{"a late answer about a deletion does not take away what came after", func(r *rig) {
			r.accept(gatewaytest.Upserts(20, r.app("web")))
			r.Forget(r.id, "app-web", 15)
			r.wantClient("web", "app-web")
		}},
		{"news of a domain that is not here is passed over", func(r *rig) {
			r.Learn(t.Context(), stamped(gatewaytest.NewApp("elsewhere", "x"), 99), nil)
			r.Forget("elsewhere", "x", 99)
			if r.Domain("elsewhere") != nil {
				r.t.Error("a domain came out of nothing")
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.do(newRig(t, domain.Options{}, "web")) })
	}
}

func TestWhatIsSharedBetweenRevisions(t *testing.T) {
	r := newRig(t, domain.Options{}, "web", "other")
	before := r.Domain(r.id)
	c, _ := before.Client(t.Context(), "web")
	r.upsert(r.app("other", func(a *configv1.Application) { a.Name = "changed" }))
	after := r.Domain(r.id)
	if after == before || after.Core != before.Core {
		t.Error("a change of one application made the domain's core anew, or no new domain")
	}
	if same, _ := after.Client(t.Context(), "web"); same != c {
		t.Error("another application was compiled again")
	}
	r.upsert(r.config.Scope("fresh", func(s *configv1.Scope) { s.Discovery = true }))
	third := r.Domain(r.id)
	if third.Core == before.Core || third.Scopes["fresh"] == nil || before.Scopes["fresh"] != nil {
		t.Error("a new scope did not make a new core")
	}
	if third.Keys != before.Keys || &third.JWKS.Body[0] != &before.JWKS.Body[0] {
		t.Error("the keys were made anew although no certificate changed")
	}
	if string(third.Metadata.Body) == string(before.Metadata.Body) || third.Metadata.ETag == before.Metadata.ETag {
		t.Error("the metadata did not follow")
	}
	r.upsert(r.config.Certificate("young", jose.ES256))
	if fourth := r.Domain(r.id); fourth.Keys == before.Keys || !fourth.Keys.Has("young") {
		t.Error("a new certificate did not make new keys")
	}
}

func TestProvidersInOrder(t *testing.T) {
	r := newRig(t, domain.Options{})
	var list []*configv1.ApplicationIdentityProvider
	for _, p := range []struct {
		id       string
		priority int32
	}{{"unset1", -1}, {"b", 2}, {"gone", 0}, {"a1", 1}, {"unset2", -5}, {"a2", 1}, {"first", 0}} {
		if p.id != "gone" {
			r.upsert(r.config.Inline(p.id, "ann"))
		}
		list = append(list, &configv1.ApplicationIdentityProvider{Identity: p.id, Priority: p.priority})
	}
	r.upsert(r.app("web", func(a *configv1.Application) { a.IdentityProviders = list }))
	c, err := r.Domain(r.id).Client(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range c.Providers {
		got = append(got, p.ID)
	}
	if diff := cmp.Diff([]string{"first", "a1", "a2", "b", "unset1", "unset2"}, got); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
}

// TestReadersDuringChanges is for the race detector: requests use domains while batches replace them.
func TestReadersDuringChanges(t *testing.T) {
	r := newRig(t, domain.Options{}, "web", "other")
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				d, rest := r.Lookup("/acme/oauth/token")
				if d == nil || rest != "/oauth/token" {
					t.Error("the domain is gone")
					return
				}
				if c, err := d.Client(t.Context(), "web"); err != nil || c.AccessKey == nil || !d.Keys.Has(c.AccessKey.ID()) {
					t.Errorf("client %v, error %v", c, err)
					return
				}
				r.Statuses()
				r.Revision()
			}
		})
	}
	for i := range 60 {
		name := func(a *configv1.Application) { a.Name = fmt.Sprint(i) }
		switch i % 4 {
		case 0:
			r.upsert(r.app("web", name))
		case 1:
			r.upsert(r.config.Scope(fmt.Sprintf("s%d", i)))
		case 2:
			r.Learn(t.Context(), stamped(r.app("learned", name), r.revision+5), nil)
		case 3:
			r.apply(r.config.Batch(r.revision + 1))
		}
	}
	close(done)
	readers.Wait()
}

func TestClientMembers(t *testing.T) {
	r := newRig(t, domain.Options{})
	r.upsert(r.app("plain", func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "" }),
		r.app("rich", func(a *configv1.Application) {
			o := a.Settings.Oauth
			o.TokenEndpointAuthMethod, o.DefaultMaxAge, o.DisableRefreshTokenRotation = "none", proto.Int64(0), true
			o.OptInScopeSelection, o.AccessTokenValiditySeconds = proto.Bool(false), -1
			o.ScopeSettings[0].DefaultScope = true
			a.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), IdentifierFirstEnabled: true}
		}))
	r.upsert(r.app("patient", func(a *configv1.Application) { a.Settings.Oauth.DefaultMaxAge = proto.Int64(math.MaxInt64) }))
	if c, _ := r.Domain(r.id).Client(t.Context(), "patient"); c.DefaultMaxAge < 292*365*24*time.Hour {
		t.Errorf("the longest default_max_age is %v", c.DefaultMaxAge)
	}
	plain, _ := r.Domain(r.id).Client(t.Context(), "plain")
	if plain.AccessTTL.Seconds() != 7200 || plain.RefreshTTL.Seconds() != 14400 || plain.IDTTL.Seconds() != 14400 ||
		!plain.RotatesRefresh || !plain.OptInScopes || plain.RequiresPKCE || plain.DefaultMaxAge >= 0 || plain.Public() ||
		plain.IdentifierFirst || len(plain.DefaultScopes) != 0 || len(plain.Scopes) != 6 {
		t.Errorf("defaults %+v", plain)
	}
	rich, _ := r.Domain(r.id).Client(t.Context(), "rich")
	if !rich.Public() || !rich.RequiresPKCE || rich.RotatesRefresh || rich.OptInScopes || rich.DefaultMaxAge != 0 ||
		!rich.IdentifierFirst || rich.AccessTTL.Seconds() != 7200 || !rich.HasGrant(oauth2.GrantPassword) || !rich.HasResponseType(oauth2.ResponseCode) ||
		cmp.Diff([]string{"openid"}, rich.DefaultScopes) != "" {
		t.Errorf("chosen %+v", rich)
	}
}

func TestLockoutOfClients(t *testing.T) {
	r := newRig(t, domain.Options{})
	account := func(inherited bool, own *configv1.AccountSettings) func(a *configv1.Application) {
		return func(a *configv1.Application) {
			own.Inherited = proto.Bool(inherited)
			a.Settings.Account = own
		}
	}
	on := func() *configv1.AccountSettings {
		return &configv1.AccountSettings{LoginAttemptsDetectionEnabled: true}
	}
	chosen := on()
	chosen.MaxLoginAttempts, chosen.LoginAttemptsResetTime, chosen.AccountBlockedDuration = 3, 60, 90
	r.upsert(r.app("plain"), r.app("standard", account(false, on())), r.app("chosen", account(false, chosen)),
		r.app("inherits", account(true, on())), r.app("off", account(false, &configv1.AccountSettings{MaxLoginAttempts: 3})))
	for name, want := range map[string]*domain.Lockout{
		"plain": nil, "inherits": nil, "off": nil,
		"standard": {Max: 10, Reset: 12 * time.Hour, Block: 2 * time.Hour},
		"chosen":   {Max: 3, Reset: time.Minute, Block: 90 * time.Second},
	} {
		c, _ := r.Domain(r.id).Client(t.Context(), name)
		if diff := cmp.Diff(want, c.Lockout); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
