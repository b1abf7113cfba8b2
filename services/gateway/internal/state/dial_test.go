package state_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/pkg/testkit/redistest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// crowd asks so much at once that there are many connections.
type crowd struct {
	t *testing.T
	s *state.Store
}

const crowdSize = 32

func (c crowd) one(id string) error {
	_, err := c.s.Once(c.t.Context(), "crowd", c.t.Name(), id, time.Minute)
	return err
}

func (c crowd) ask() {
	c.t.Helper()
	var all sync.WaitGroup
	for i := range crowdSize {
		all.Go(func() {
			if err := c.one(strconv.Itoa(i)); err != nil {
				c.t.Error(err)
			}
		})
	}
	all.Wait()
}

// askAgain asks one after the other, more often than there are connections.
func (c crowd) askAgain() {
	c.t.Helper()
	for i := range 2 * crowdSize {
		if err := c.one("later" + strconv.Itoa(i)); err != nil {
			c.t.Fatalf("%d afterwards: %v", i, err)
		}
	}
}

// TestConnectionsThatAreForgottenCostOneRequest: a firewall forgets all connections of a gateway that had many. The first request finds
// out, and the others are not to.
func TestConnectionsThatAreForgottenCostOneRequest(t *testing.T) {
	address, _, _ := strings.Cut(strings.TrimPrefix(gatewaytest.Redis(t), "redis://"), "/")
	for _, tt := range []struct {
		name, scheme string
		server       func(*testing.T, string) (string, *tls.Config)
	}{
		{"in the clear", "redis", func(_ *testing.T, server string) (string, *tls.Config) { return server, nil }},
		{"encrypted", "rediss", encrypted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, config := tt.server(t, address)
			network, err := faultproxy.Listen("", server)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = network.Close() })
			s, err := state.Open(tt.scheme+"://"+network.Address()+"/0", state.Options{TLS: config, Now: time.Now, Timeout: 4 * state.DefaultTimeout})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			many := crowd{t: t, s: s}
			many.ask()
			if network.Open() < 8 {
				t.Fatalf("%d connections are no crowd", network.Open())
			}
			if err := network.Set(faultproxy.Deaf); err != nil {
				t.Fatal(err)
			}
			if err := many.one("first"); !errors.Is(err, state.ErrUnavailable) {
				t.Errorf("the first: %v", err)
			}
			many.askAgain()
		})
	}
}

// TestConnectionsThatTheServerEndsCostNothing: Redis restarts, and nobody finds out by a request that fails, encrypted or not.
func TestConnectionsThatTheServerEndsCostNothing(t *testing.T) {
	e, err := redistest.StartEncrypted()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	plain := gatewaytest.StartRedis(t)
	for _, tt := range []struct {
		name string
		o    state.Options
		url  string
		ends func() error
	}{
		{"in the clear", state.Options{}, plain.URL, func() error { plain.Kill(t); plain.Restart(t); return nil }},
		{"encrypted", state.Options{TLS: trusting(t, e.CAFile, e.CertFile, e.KeyFile), Password: e.Password}, e.URL, func() error {
			e.Server.Kill()
			started := e.Server.Start()
			eventually(t, "the server answers", func() bool { _, err := e.Server.Do("PING"); return err == nil })
			return started
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Timeout = browsertest.RedisPatience
			s, err := state.Open(tt.url, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			many := crowd{t: t, s: s}
			many.ask()
			want(t, tt.ends(), nil)
			many.askAgain()
		})
	}
}

// encrypted puts TLS before a server.
func encrypted(t *testing.T, server string) (string, *tls.Config) {
	t.Helper()
	shown := httptest.NewTLSServer(http.NotFoundHandler())
	shown.Close()
	transport, _ := shown.Client().Transport.(*http.Transport)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: shown.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", server)
			if err != nil {
				_ = c.Close()
				continue
			}
			go func() { _, _ = io.Copy(s, c); _ = s.Close() }()
			go func() { _, _ = io.Copy(c, s); _ = c.Close() }()
		}
	}()
	return l.Addr().String(), &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12}
}
