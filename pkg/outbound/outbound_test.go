package outbound

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// resolver answers every question for an IPv4 address with the one that next returns, and has no IPv6 addresses.
func resolver(t *testing.T, next func() string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			end := 12
			for end < n && buf[end] != 0 {
				end += int(buf[end]) + 1
			}
			question := buf[12 : end+5]
			answers := byte(0)
			if question[len(question)-3] == 1 {
				answers = 1
			}
			answer := append([]byte{buf[0], buf[1], 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0}, question...)
			if answers == 1 {
				ip := netip.MustParseAddr(next()).As4()
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, ip[:]...)
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// rig is a client and what it reported.
type rig struct {
	*Client
	mu      sync.Mutex
	reasons []Reason
	log     strings.Builder
}

func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{}
	o.Refused = func(reason Reason) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reasons = append(r.reasons, reason)
	}
	o.Logger = slog.New(slog.NewTextHandler(r, nil))
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Client = c
	return r
}

// secureServer is a server with a certificate of an authority of its own for example.com, its port and that authority's
// file.
func secureServer(t *testing.T, h http.HandlerFunc) (server *httptest.Server, port, caFile string) {
	t.Helper()
	server = httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return server, port, caFile
}

func plainServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func loopback() string { return "127.0.0.1" }

func get(t *testing.T, c *Client, address string, l Limits) (*Answer, Reason) {
	t.Helper()
	answer, err := c.Get(t.Context(), address, l)
	if err != nil && ReasonOf(err) == "" {
		t.Errorf("an error without a reason: %v", err)
	}
	return answer, ReasonOf(err)
}

func TestO1OnlyHTTPSIsFetched(t *testing.T) {
	server := plainServer(t, hello)
	named := strings.Replace(server.URL, "127.0.0.1", "keys.example.com", 1)
	host := strings.TrimPrefix(named, "http://")
	tests := []struct {
		name    string
		allow   []string
		address string
		want    Reason
	}{
		{"plain http", nil, server.URL, ReasonScheme},
		{"plain http to a host that is allowed by https", []string{"keys.example.com", "127.0.0.0/8"}, named, ReasonScheme},
		{"plain http to a host that is allowed by http", []string{"http://" + host}, named, ""},
		{"plain http to another port", []string{"http://keys.example.com:1"}, named, ReasonScheme},
		{"plain http to a network that is allowed by http", []string{"http://127.0.0.0/8"}, named, ""},
		{"plain http to an address outside of that network", []string{"http://10.0.0.0/8"}, named, ReasonScheme},
		{"another scheme", []string{"http://127.0.0.0/8"}, "file:///etc/passwd", ReasonURL},
		{"another scheme with a host", nil, "ftp://keys.example.com/", ReasonScheme},
		{"no host", nil, "https:///x", ReasonURL},
		{"credentials", []string{"http://" + host}, strings.Replace(named, "http://", "http://user:password@", 1), ReasonURL},
		{"something that is no URL", nil, "https://[::1", ReasonURL},
		{"a long URL", nil, "https://keys.example.com/" + strings.Repeat("x", 2048), ReasonURL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{Allow: tt.allow, Resolver: resolver(t, loopback)})
			answer, reason := get(t, r.Client, tt.address, Limits{})
			if reason != tt.want || (tt.want == "" && string(answer.Body) != "hello") {
				t.Errorf("%v, refused for %q, want %q", answer, reason, tt.want)
			}
			if strings.Contains(r.log.String(), "password") {
				t.Errorf("the log shows credentials: %s", r.log.String())
			}
		})
	}
}

func TestO2AddressesThatAreNotPublicAreRefused(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700:4700::1111": true,
		"0.0.0.0": false, "0.1.2.3": false, "127.0.0.1": false, "127.255.255.254": false, "10.1.2.3": false,
		"100.64.0.1": false, "100.100.100.200": false, "169.254.169.254": false, "172.16.0.1": false, "172.32.0.1": true,
		"192.168.1.1": false, "192.0.0.192": false, "198.18.0.1": false, "224.0.0.1": false, "255.255.255.255": false,
		"168.63.129.16": false, "203.0.113.7": false,
		"::": false, "::1": false, "fe80::1": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false, "fec0::1": false,
		"2001:db8::1": false, "100::1": false, "2001::1": false,
		"::ffff:127.0.0.1": false, "::ffff:8.8.8.8": true, "::127.0.0.1": false, "::8.8.8.8": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a00:1": false, "64:ff9b::808:808": true, "64:ff9b:1::808:808": false,
		"2002:7f00:1::1": false, "2002:a9fe:a9fe::": false, "2002:808:808::1": true,
		"2606:4700::5efe:a00:1": false, "2606:4700::200:5efe:a00:1": false, "2606:4700::5efe:808:808": true,
	} {
		if got := reachable(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: reachable %t, want %t", address, got, want)
		}
	}
	if reachable(netip.MustParseAddr("fe80::1%eth0")) || reachable(netip.Addr{}) {
		t.Error("an address with a zone, or none, is reachable")
	}
	_, port, ca := secureServer(t, hello)
	for _, host := range []string{"keys.example.com", "127.0.0.1", "[::ffff:127.0.0.1]", "localhost"} {
		r := newRig(t, Options{CAFile: ca, Resolver: resolver(t, loopback)})
		if _, reason := get(t, r.Client, "https://"+host+":"+port+"/", Limits{}); reason != ReasonAddress {
			t.Errorf("%s: refused for %q, want its address", host, reason)
		}
	}
}

// A name that resolved to an allowed address before resolves to another one later, where a server listens.
func TestO2ASecondAnswerOfDNSChangesNothing(t *testing.T) {
	_, port, ca := secureServer(t, hello)
	var answers atomic.Int32
	r := newRig(t, Options{CAFile: ca, Allow: []string{"127.0.0.1"}, Resolver: resolver(t, func() string {
		if answers.Add(1) == 1 {
			return "127.0.0.1"
		}
		return "127.0.0.2"
	})})
	address := "https://keys.example.com:" + port + "/"
	if answer, reason := get(t, r.Client, address, Limits{}); reason != "" || string(answer.Body) != "hello" {
		t.Fatalf("the first answer: refused for %q", reason)
	}
	r.secure.CloseIdleConnections()
	if _, reason := get(t, r.Client, address, Limits{}); reason != ReasonAddress {
		t.Errorf("the second answer: refused for %q, want its address", reason)
	}
}

func TestO3WhatIsAllowedPasses(t *testing.T) {
	_, port, ca := secureServer(t, hello)
	tests := []struct {
		name  string
		allow string
		want  Reason
	}{
		{"a host", "keys.example.com", ""},
		{"a host in other letters", "KEYS.example.com.", ""},
		{"a host with its port", "keys.example.com:" + port, ""},
		{"a host with another port", "keys.example.com:1", ReasonAddress},
		{"another host", "example.com", ReasonAddress},
		{"an address", "127.0.0.1", ""},
		{"a network", "127.0.0.0/8", ""},
		{"another network", "10.0.0.0/8", ReasonAddress},
		{"a host by http as well", "http://keys.example.com", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{CAFile: ca, Allow: []string{tt.allow}, Resolver: resolver(t, loopback)})
			if _, reason := get(t, r.Client, "https://keys.example.com:"+port+"/", Limits{}); reason != tt.want {
				t.Errorf("refused for %q, want %q", reason, tt.want)
			}
		})
	}
	for _, bad := range []string{"", "https://x", "host/path", "*.example.com", "host:0", "host:http", "10.0.0.0/33", "http://"} {
		if CheckAllow([]string{bad}) == nil {
			t.Errorf("%q is taken for a place", bad)
		}
	}
}

func TestO3WhatOneClientMayDoAnotherMayNot(t *testing.T) {
	_, port, ca := secureServer(t, hello)
	r := newRig(t, Options{CAFile: ca, Resolver: resolver(t, loopback)})
	wider, err := r.With("keys.example.com")
	if err != nil {
		t.Fatal(err)
	}
	address := "https://keys.example.com:" + port + "/"
	if _, reason := get(t, wider, address, Limits{}); reason != "" {
		t.Errorf("refused for %q", reason)
	}
	if _, reason := get(t, r.Client, address, Limits{}); reason != ReasonAddress {
		t.Errorf("a connection of the wider client was used: %q", reason)
	}
}

func TestO4CertificatesAreVerified(t *testing.T) {
	_, port, ca := secureServer(t, hello)
	allow := []string{"127.0.0.0/8"}
	for _, tt := range []struct {
		name, ca, host string
		want           Reason
	}{
		{"by an authority of the configuration", ca, "keys.example.com", ""},
		{"not by an unknown authority", "", "keys.example.com", ReasonTLS},
		{"not for another name", ca, "example.org", ReasonTLS},
	} {
		r := newRig(t, Options{CAFile: tt.ca, Allow: allow, Resolver: resolver(t, loopback)})
		if _, reason := get(t, r.Client, "https://"+tt.host+":"+port+"/", Limits{}); reason != tt.want {
			t.Errorf("%s: refused for %q, want %q", tt.name, reason, tt.want)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".missing"} {
		if _, err := New(Options{CAFile: file}); err == nil {
			t.Errorf("%s is taken for a file of authorities", file)
		}
	}
}

func TestO5AnswersHaveLimits(t *testing.T) {
	mux := http.NewServeMux()
	var hops atomic.Int32
	plain := plainServer(t, hello)
	mux.HandleFunc("/size/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		_, _ = io.WriteString(w, strings.Repeat("x", n))
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/hop/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		if hops.Add(1); n == 0 {
			hello(w, r)
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/hop/%d", n-1), http.StatusFound)
	})
	mux.HandleFunc("/down", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) })
	mux.HandleFunc("/inside", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://169.254.169.254/latest/meta-data", http.StatusFound)
	})
	mux.HandleFunc("/missing", http.NotFound)
	_, port, ca := secureServer(t, mux.ServeHTTP)
	// Plain http is allowed everywhere here, and still no redirect leads down to it.
	r := newRig(t, Options{CAFile: ca, Allow: []string{"http://127.0.0.0/8"}, Resolver: resolver(t, loopback)})
	base := "https://keys.example.com:" + port
	tests := []struct {
		name, path string
		limits     Limits
		want       Reason
	}{
		{"as many bytes as are allowed", "/size/1000", Limits{Bytes: 1000}, ""},
		{"one byte more", "/size/1001", Limits{Bytes: 1000}, ReasonSize},
		{"the standard limit", "/size/65536", Limits{}, ""},
		{"more than that", "/size/65537", Limits{}, ReasonSize},
		{"a body without an end", "/endless", JWKS, ReasonSize},
		{"no answer in time", "/slow", Limits{Timeout: 100 * time.Millisecond}, ReasonTime},
		{"an answer that does not end in time", "/drip", Limits{Timeout: 100 * time.Millisecond}, ReasonTime},
		{"three redirects", "/hop/3", JWKS, ""},
		{"four redirects", "/hop/4", JWKS, ReasonRedirect},
		{"a redirect of a request object", "/hop/1", RequestObject, ReasonRedirect},
		{"a redirect down to http", "/down", JWKS, ReasonRedirect},
		{"a redirect to a metadata service", "/inside", JWKS, ReasonAddress},
		{"another status", "/missing", JWKS, ReasonStatus},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, reason := get(t, r.Client, base+tt.path, tt.limits); reason != tt.want {
				t.Errorf("refused for %q, want %q", reason, tt.want)
			}
		})
	}
	if JWKS.Bytes != 256<<10 || RequestObject.Bytes != 64<<10 || Logo.Bytes != 512<<10 || wholeTimeout != 5*time.Second || connectTimeout != 2*time.Second {
		t.Error("the limits are others than documented")
	}
}

func TestO7RequestsCarryNothingOfOurs(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	var seen []http.Header
	server := plainServer(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Clone())
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "1"})
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/next", http.StatusFound)
			return
		}
		hello(w, r)
	})
	r := newRig(t, Options{Allow: []string{"http://127.0.0.1"}})
	if _, reason := get(t, r.Client, server.URL+"/#fragment", JWKS); reason != "" {
		t.Fatalf("refused for %q", reason)
	}
	if _, reason := get(t, r.Client, server.URL+"/next", JWKS); reason != "" {
		t.Fatalf("refused for %q", reason)
	}
	for _, h := range seen {
		if h.Get("Cookie") != "" || h.Get("Referer") != "" || h.Get("Authorization") != "" || h.Get("User-Agent") != "Gatehouse" {
			t.Errorf("a request with %v", h)
		}
	}
}

func TestO7EqualFetchesAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j joins
		fetches, release := 0, make(chan struct{})
		fetch := func(ctx context.Context) (*Answer, error) {
			fetches++
			<-release
			return &Answer{Body: []byte("hello")}, ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if _, err := j.do(ctx, joinKey{"a", JWKS}, fetch); err == nil {
				t.Error("a caller who left got an answer")
			}
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 31 {
			wg.Go(func() {
				if answer, err := j.do(t.Context(), joinKey{"a", JWKS}, fetch); err != nil || string(answer.Body) != "hello" {
					t.Errorf("%v, %v", answer, err)
				}
			})
		}
		synctest.Wait()
		cancel() // who began it leaves, and the others still get their answer
		synctest.Wait()
		close(release)
		wg.Wait()
		if fetches != 1 || len(j.pending) != 0 {
			t.Errorf("%d fetches for 32 equal requests, %d kept", fetches, len(j.pending))
		}
		if _, err := j.do(t.Context(), joinKey{"b", JWKS}, fetch); err != nil || fetches != 2 {
			t.Errorf("another address: %v after %d fetches", err, fetches)
		}
	})
}

func TestO7AHostIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2, 1, 10)
		one, err := s.take(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		two, err := s.take(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		other, err := s.take(t.Context(), "b")
		if err != nil {
			t.Fatalf("another host: %v", err)
		}
		got := make(chan func())
		go func() {
			release, err := s.take(t.Context(), "a")
			if err != nil {
				t.Error(err)
			}
			got <- release
		}()
		synctest.Wait() // the third waits, and a fourth is refused at once
		if _, err := s.take(t.Context(), "a"); err == nil {
			t.Error("a fourth request may wait")
		}
		one()
		one() // giving back twice changes nothing
		three := <-got
		expired, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.take(expired, "a"); err == nil {
			t.Error("a slot was taken that is not free")
		}
		two()
		three()
		other()
		if len(s.hosts) != 0 || len(s.all) != 0 {
			t.Errorf("%d hosts and %d slots are kept", len(s.hosts), len(s.all))
		}
	})
}

func TestO7ClientsApartDoNotWaitForEachOther(t *testing.T) {
	busy, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	apart := busy.Apart()
	for n := range everywhere {
		if _, err := busy.hosts.take(t.Context(), strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := busy.hosts.take(ended, "more"); err == nil {
		t.Fatal("a client that is full takes another request")
	}
	if _, err := apart.hosts.take(t.Context(), "more"); err != nil {
		t.Errorf("what fills one client fills the other: %v", err)
	}
}

func TestO8OperatorsLearnTheReason(t *testing.T) {
	r := newRig(t, Options{})
	_, err := r.Get(t.Context(), "https://127.0.0.1:1/keys?token=sesame", JWKS)
	if ReasonOf(err) != ReasonAddress {
		t.Fatal(err)
	}
	if len(r.reasons) != 1 || r.reasons[0] != ReasonAddress {
		t.Errorf("counted %v", r.reasons)
	}
	for _, want := range []string{"reason=address", "host=127.0.0.1:1", "--outbound-allow"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log does not say %s: %s", want, r.log.String())
		}
	}
	if strings.Contains(r.log.String(), "sesame") {
		t.Errorf("the log shows the query: %s", r.log.String())
	}
	r = newRig(t, Options{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}}})
	if _, reason := get(t, r.Client, "https://keys.example.com/", JWKS); reason != ReasonDNS {
		t.Errorf("a name that does not resolve: %q", reason)
	}
}

func TestFormsArePostedAndNotRedirected(t *testing.T) {
	server := plainServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("logout_token") != "a&b" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("posted %v", r.PostForm)
		}
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	r := newRig(t, Options{Allow: []string{"http://127.0.0.1"}})
	form := url.Values{"logout_token": {"a&b"}}
	for path, want := range map[string]int{"/": http.StatusNoContent, "/moved": http.StatusTemporaryRedirect} {
		answer, err := r.PostForm(t.Context(), server.URL+path, form, Notice)
		if err != nil || answer.Status != want {
			t.Errorf("%s: %v, %v", path, answer, err)
		}
	}
}

func TestLibrariesGoTheSameWay(t *testing.T) {
	server := plainServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100)) })
	r := newRig(t, Options{Allow: []string{"http://127.0.0.1"}})
	for limit, want := range map[int64]Reason{100: "", 99: ReasonSize} {
		client := http.Client{Transport: r.RoundTripper(limit)}
		response, err := client.Get(server.URL) //nolint:noctx // a library may do so
		if err == nil {
			_, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
		}
		if ReasonOf(err) != want {
			t.Errorf("a limit of %d: %v", limit, err)
		}
	}
	client := http.Client{Transport: newRig(t, Options{}).RoundTripper(100)}
	if _, err := client.Get("https://127.0.0.1:1/"); ReasonOf(err) != ReasonAddress { //nolint:noctx // a library may do so
		t.Errorf("an address that is not public: %v", err)
	}
}

func TestHowLongAnAnswerIsFresh(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, cacheControl, expires string
		want                        time.Duration
	}{
		{"one that says nothing", "", "", 5 * time.Minute},
		{"an hour", "public, max-age=3600", "", time.Hour},
		{"less than the least", "max-age=1", "", 5 * time.Minute},
		{"more than the most", "max-age=31536000", "", 24 * time.Hour},
		{"one that must not be kept", "no-store, max-age=3600", "", 5 * time.Minute},
		{"a date", "", "Fri, 01 May 2026 14:00:00 GMT", 2 * time.Hour},
		{"a date in the past", "", "0", 5 * time.Minute},
		{"an age that is no number", "max-age=x", "", 5 * time.Minute},
	} {
		h := http.Header{}
		if tt.cacheControl != "" {
			h.Set("Cache-Control", tt.cacheControl)
		}
		if tt.expires != "" {
			h.Set("Expires", tt.expires)
		}
		if got := (&Answer{Header: h}).Fresh(now, 5*time.Minute, 24*time.Hour); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
