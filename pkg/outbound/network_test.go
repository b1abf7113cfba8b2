package outbound

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
)

// TestAConnectionThatIsForgottenIsReplaced: with HTTP/2 all requests to a site go over one connection, and one that a firewall has
// forgotten would be used on and on, since a request that takes too long ends by itself and not with its connection.
func TestAConnectionThatIsForgottenIsReplaced(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/2": true, "HTTP/1.1": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, file := site(t, http2, func(w http.ResponseWriter, r *http.Request) {
				if (r.ProtoMajor == 2) != http2 {
					t.Errorf("asked by %s", r.Proto)
				}
				hello(w, r)
			})
			network, err := faultproxy.Listen("", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = network.Close() })
			c := newRig(t, Options{Allow: []string{loopback()}, CAFile: file})
			address := "https://" + network.Address() + "/"
			if _, reason := get(t, c.Client, address, Limits{}); reason != "" {
				t.Fatal(reason)
			}
			if err := network.Set(faultproxy.Deaf); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for failed := 0; ; failed++ {
				_, reason := get(t, c.Client, address, Limits{Timeout: time.Second})
				if reason == "" {
					break
				}
				if took := time.Since(began); took > noticed+2*time.Second {
					t.Fatalf("%d requests failed in %s", failed+1, took)
				}
			}
		})
	}
}

// noticed is how long it takes at most until a connection is known to be dead.
const noticed = pingAfter + pingTimeout

// site is secureServer with HTTP/2 or without.
func site(t *testing.T, http2 bool, h http.HandlerFunc) (*httptest.Server, string) {
	t.Helper()
	old, _, file := secureServer(t, h)
	if !http2 {
		return old, file
	}
	modern := httptest.NewUnstartedServer(h)
	modern.EnableHTTP2, modern.TLS = true, nil
	modern.StartTLS()
	t.Cleanup(modern.Close)
	return modern, file // the certificate of all such servers is one
}

const (
	answered = "an answer"
	nothing  = "no answer, and the reason is logged and counted"
)

// toSites is what is stated of the way to sites outside; see deploy/handbook/failures.md.
var toSites = faultproxy.Pair{
	Name: "gateway → sites outside: OIDC and HTTP providers, jwks_uri, callouts, logout tokens",
	Meanwhile: "everything that does not need the site. A login by it is answered within 10 s (503, or the page of the provider's error); keys that were read " +
		"are used for an hour; logout tokens are tried again for 40 minutes. A request may take 5 s, here 1 s; a site has 8 connections at most.",
	Rows: []faultproxy.Row{
		{Fault: faultproxy.Latency(20*time.Millisecond, 20*time.Millisecond), Seen: answered, By: time.Second, Back: time.Second},
		{Fault: faultproxy.Cut, Seen: nothing, By: 1500 * time.Millisecond, Back: time.Second},
		{Fault: faultproxy.Refused, Seen: nothing, By: 1500 * time.Millisecond, Back: time.Second},
		{Fault: faultproxy.HalfOpen, Seen: nothing, By: 1500 * time.Millisecond, Back: noticed + 2*time.Second},
		{Fault: faultproxy.Deaf, Seen: nothing, By: 1500 * time.Millisecond, Back: noticed + 2*time.Second, Note: "The connection is replaced while the fault lasts"},
		{Fault: faultproxy.Stalled, Seen: nothing, By: 1500 * time.Millisecond, Back: 2 * time.Second},
		{Fault: faultproxy.AnswersLost, Seen: nothing, By: 1500 * time.Millisecond, Back: noticed + 2*time.Second, Note: "The site may have done what it was asked"},
		{Fault: faultproxy.SlowClose, Seen: answered, By: time.Second, Back: time.Second},
		{Fault: faultproxy.Truncated(10), Seen: nothing, By: 1500 * time.Millisecond, Back: time.Second},
	},
}

func TestNetworkToSites(t *testing.T) {
	if err := toSites.StatedIn(filepath.Join("..", "..", "deploy", "handbook", "failures.md")); err != nil {
		t.Error(err)
	}
	for _, row := range toSites.Rows {
		t.Run(row.Fault.String(), func(t *testing.T) {
			t.Parallel()
			server, file := site(t, true, hello)
			network, err := faultproxy.Listen("", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = network.Close() })
			c := newRig(t, Options{Allow: []string{loopback()}, CAFile: file})
			ask := func() string {
				answer, reason := get(t, c.Client, "https://"+network.Address()+"/", Limits{Timeout: time.Second})
				if reason == "" && string(answer.Body) == "hello" {
					return answered
				}
				return nothing
			}
			if got := ask(); got != answered {
				t.Fatal(got)
			}
			if err := network.Set(row.Fault); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if got := ask(); got != row.Seen {
				t.Errorf("%s, stated is %s", got, row.Seen)
			}
			if took := time.Since(began); took > faultproxy.Allowed(row.By) {
				t.Errorf("after %s", took)
			}
			if told := len(c.reasons) == 1; told != (row.Seen == nothing) {
				t.Errorf("counted: %v", c.reasons)
			}
			if err := network.Heal(); err != nil {
				t.Fatal(err)
			}
			began = time.Now()
			for ask() != answered {
				if took := time.Since(began); took > faultproxy.Allowed(row.Back) {
					t.Fatalf("not as before after %s", took)
				}
			}
			if open := network.Open(); open > 2 {
				t.Errorf("%d connections are open", open)
			}
		})
	}
}
