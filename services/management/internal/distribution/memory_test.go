package distribution

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// registered is a client as RFC 7591 makes them, with what most of them say of themselves.
func registered(i int) *configv1.Application {
	on, id, at := true, secret.NewID(), time.Now()
	a := &configv1.Application{
		Name: fmt.Sprintf("Mobile app %d", i), Type: configv1.Application_NATIVE, Enabled: &on, Certificate: "4b7b3a5e-3c1f-4a53-9b0a-6a6f0c9f2a11",
		Registration: &configv1.ClientRegistration{},
		Settings: &configv1.ApplicationSettings{
			Advanced: &configv1.AdvancedSettings{FlowsInherited: &on},
			Oauth: &configv1.OAuthSettings{
				ClientId: secret.NewID(), ClientName: fmt.Sprintf("Mobile app %d", i), OptInScopeSelection: &on, ApplicationType: "native",
				RedirectUris: []string{"com.example.app:/callback"}, ResponseTypes: []string{"code"},
				GrantTypes: []string{"authorization_code", "refresh_token"}, TokenEndpointAuthMethod: "client_secret_basic",
				RegistrationAccessTokenHash: secret.NewID() + secret.NewID(), RegistrationClientUri: "https://gate.example/acme/oidc/register/" + secret.NewID(),
				AccessTokenValiditySeconds: 7200, RefreshTokenValiditySeconds: 14400, IdTokenValiditySeconds: 14400,
				ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid", DefaultScope: true}, {Scope: "email"}, {Scope: "profile"}},
			},
		},
		Secrets: []*configv1.ClientSecret{{Id: secret.NewID(), Name: "default"}},
	}
	resource.Stamp(a, resource.Stamps{ID: id, Domain: "0b7b3a5e-3c1f-4a53-9b0a-6a6f0c9f2a11", CreatedAt: at, UpdatedAt: at, Revision: int64(i)})
	return a
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// mostOfARegisteredClient is what management may keep of one, in the stream and the image together: a million have to fit into a few
// GiB, of which the garbage collector takes as much again.
const mostOfARegisteredClient = 3 << 9

func TestMemoryOfRegisteredClients(t *testing.T) {
	const n = 20_000
	d := New(Options{Publisher: configsync.NewPublisher(configsync.PublisherOptions{})})
	before, bytes := heap(), 0
	all := &loading{d: d, ctx: t.Context(), published: configsync.NewLoading(), image: image.NewLoading()}
	for i := range n {
		a := registered(i)
		all.Put(a)
		e, _ := d.encode(t.Context(), a)
		bytes += len(e.Message())
	}
	if err := d.Publisher.LoadFrom("i", n, all.published); err != nil {
		t.Fatal(err)
	}
	d.Image.LoadFrom(0, n, all.image)
	loaded := heap()
	t.Logf("%d bytes for each registered client, of %d encoded", (loaded-before)/n, bytes/n)
	if each := (loaded - before) / n; each > mostOfARegisteredClient {
		t.Errorf("a registered client takes %d bytes, at most %d are allowed", each, mostOfARegisteredClient)
	}
	all = nil
	// Those that come by the log take no more.
	for i := range n {
		if err := d.apply(t.Context(), store.Entry{Revision: int64(n + 1 + i), Upserts: []resource.Resource{registered(n + i)}}); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - loaded) / n
	t.Logf("%d bytes for each that registers", each)
	if each > mostOfARegisteredClient {
		t.Errorf("a client that registers takes %d bytes, at most %d are allowed", each, mostOfARegisteredClient)
	}
	runtime.KeepAlive(d)
}
