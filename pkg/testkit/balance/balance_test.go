package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// replica says its name, and whether it is ready.
type replica struct {
	*httptest.Server
	ready atomic.Bool
}

func start(t *testing.T, name string) *replica {
	t.Helper()
	r := &replica{}
	r.ready.Store(true)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/readyz" && !r.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, name)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *replica) at() string { return r.Listener.Addr().String() }

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit, tick := time.NewTimer(10*time.Second), time.NewTicker(time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s: not so", what)
		}
	}
}

func TestConnectionsGoToServersThatAreReady(t *testing.T) {
	const lag = 50 * time.Millisecond
	b, err := Listen("127.0.0.1:0", Options{Poll: 5 * time.Millisecond, Lag: lag})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	one, two := start(t, "one"), start(t, "two")
	for _, r := range []*replica{one, two} {
		b.Add(Server{Address: r.at(), Technical: r.at()})
		await(t, "a ready server is in rotation", func() bool { return b.InRotation(r.at()) })
	}
	get := func(c *http.Client) string {
		answer, err := c.Get("http://" + b.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if got := get(fresh) + get(fresh) + get(fresh) + get(fresh); strings.Count(got, "one") != 2 || strings.Count(got, "two") != 2 {
		t.Errorf("four connections go to %s, want each server twice", got)
	}
	kept := &http.Client{Transport: &http.Transport{}}
	defer kept.CloseIdleConnections()
	for get(kept) != "one" {
		kept.CloseIdleConnections()
	}

	one.ready.Store(false)
	began := time.Now()
	await(t, "a server that is not ready leaves", func() bool { return !b.InRotation(one.at()) })
	if took := time.Since(began); took < lag {
		t.Errorf("it left after %s, want a lag of %s", took, lag)
	}
	if got := b.Rotation(); !slices.Equal(got, []string{two.at()}) {
		t.Errorf("in rotation are %v", got)
	}
	if got := get(fresh) + get(fresh); got != "twotwo" {
		t.Errorf("new connections go to %s", got)
	}
	if got := get(kept); got != "one" {
		t.Errorf("a connection that was there goes to %s", got)
	}

	b.Remove(two.at())
	if _, err := fresh.Get("http://" + b.Address()); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("without servers: %v", err)
	}
	if b.Refused() == 0 {
		t.Error("no connection was counted as refused")
	}
}

func TestNamesAreThoseOfTheMoment(t *testing.T) {
	known := []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.3")}
	n, err := ListenNames(func() []netip.Addr { return known })
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
	got, err := r.LookupHost(t.Context(), "anything.test")
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []string{"127.0.0.2", "127.0.0.3"}) {
		t.Errorf("addresses %v, %v", got, err)
	}
	if target := n.Target("18094"); target != "dns://"+n.conn.LocalAddr().String()+"/replicas.test:18094" {
		t.Errorf("the target is %s", target)
	}
}

// What a server does to a connection, its client sees.
func TestResetsAreHandedOn(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	technical := start(t, "technical")
	b, err := Listen("127.0.0.1:0", Options{Poll: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.Add(Server{Address: server.Addr().String(), Technical: technical.at()})
	await(t, "it is in rotation", func() bool { return b.InRotation(server.Addr().String()) })
	for _, reset := range []bool{false, true} {
		client, err := net.Dial("tcp", b.Address())
		if err != nil {
			t.Fatal(err)
		}
		taken, err := server.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if reset {
			_ = taken.(*net.TCPConn).SetLinger(0)
		}
		_ = taken.Close()
		_, err = client.Read(make([]byte, 1))
		if errors.Is(err, syscall.ECONNRESET) != reset || errors.Is(err, io.EOF) == reset {
			t.Errorf("reset: %v; the client sees %v", reset, err)
		}
		_ = client.Close()
	}
}
