package registration_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/registration"
)

// from registers a client from a peer, with what proxies wrote into X-Forwarded-For, and returns the status.
func (rg *rig) from(peer string, forwarded ...string) int {
	rg.Helper()
	r := httptest.NewRequest("POST", "https://gate.example/acme/oidc/register", strings.NewReader(minimal))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = peer
	for _, value := range forwarded {
		r.Header.Add("X-Forwarded-For", value)
	}
	w := httptest.NewRecorder()
	rg.handler.ServeHTTP(w, r)
	return w.Code
}

// TestTheLimitIsThatOfTheSource: where a registration comes from is the last address that no trusted proxy has, and of IPv6 the 64 bits that
// one client may have for itself.
func TestTheLimitIsThatOfTheSource(t *testing.T) {
	type sent struct {
		peer      string
		forwarded []string
	}
	const proxy, inner = "10.0.0.1:40000", "10.0.0.2:40000"
	by := func(peer string, forwarded ...string) sent { return sent{peer, forwarded} }
	for _, tt := range []struct {
		name          string
		first, second sent
		same          bool
	}{
		{"two connections of one address are one source", by("192.0.2.1:1000"), by("192.0.2.1:2000"), true},
		{"two addresses are two", by("192.0.2.1:1000"), by("192.0.2.2:1000"), false},
		{"two clients behind a trusted proxy are two", by(proxy, "192.0.2.1"), by(proxy, "192.0.2.2"), false},
		{"one client behind two trusted proxies is one", by(proxy, "192.0.2.1"), by(inner, "192.0.2.1"), true},
		{"a client behind two trusted proxies in a row is known by its own address", by(proxy, "192.0.2.1, 10.0.0.2"), by(proxy, "192.0.2.2, 10.0.0.2"), false},
		{"so it is where each wrote a field of its own", by(proxy, "192.0.2.1", "10.0.0.2"), by(inner, "192.0.2.1"), true},
		{"what a client wrote before the proxy does not count", by(proxy, "198.51.100.1, 192.0.2.1"), by(proxy, "198.51.100.2, 192.0.2.1"), true},
		{"what a client writes who comes through no proxy does not count", by("192.0.2.1:1000", "198.51.100.1"), by("192.0.2.1:1000", "198.51.100.2"), true},
		{"what cannot be read as an address leaves the proxy's own", by(proxy, "unknown"), by(proxy, "_hidden"), true},
		{"an address with a port is the address", by(proxy, "192.0.2.1:1000"), by(proxy, "192.0.2.1:2000"), true},
		{"two addresses of 64 bits of IPv6 are one source", by("[2001:db8:0:1::1]:1000"), by("[2001:db8:0:1:ffff::2]:1000"), true},
		{"two networks of IPv6 are two", by("[2001:db8:0:1::1]:1000"), by("[2001:db8:0:2::1]:1000"), false},
		{"so it is behind a proxy", by(proxy, "2001:db8:0:1::1"), by(proxy, "[2001:db8:0:1::2]:1000"), true},
		{"and two networks behind a proxy are two", by(proxy, "2001:db8:0:1::1"), by(proxy, "2001:db8:0:2::1"), false},
		{"IPv4 in the form of IPv6 is the same address", by("192.0.2.1:1000"), by("[::ffff:192.0.2.1]:1000"), true},
		{"and its neighbour in that form is another", by("[::ffff:192.0.2.1]:1000"), by("[::ffff:192.0.2.2]:1000"), false},
		{"a zone makes no other source", by("[fe80::1%eth0]:1000"), by("[fe80::1%eth1]:1000"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := open()
			settings.RegistrationsPerAddress = 1
			proxies, err := observe.ParseProxies([]string{"10.0.0.0/8"})
			if err != nil {
				t.Fatal(err)
			}
			rg := newRig(t, settings, func(o *registration.Options) { o.Proxies = proxies })
			if got := rg.from(tt.first.peer, tt.first.forwarded...); got != http.StatusCreated {
				t.Fatalf("the first: %d", got)
			}
			want := http.StatusCreated
			if tt.same {
				want = http.StatusTooManyRequests
			}
			if got := rg.from(tt.second.peer, tt.second.forwarded...); got != want {
				t.Errorf("the second: %d, want %d", got, want)
			}
		})
	}
}
