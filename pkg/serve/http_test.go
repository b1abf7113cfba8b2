package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"strings"
	"testing"
	"time"
)

// running is a server's Run under way.
type running struct {
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, run func(context.Context) error) running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := running{cancel, make(chan error, 1)}
	go func() { r.done <- run(ctx) }()
	t.Cleanup(cancel)
	return r
}

func (r running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not stop")
		return nil
	}
}

func listening(t *testing.T, h *HTTP) string {
	t.Helper()
	if err := h.Listen(); err != nil {
		t.Fatal(err)
	}
	return h.Addr()
}

func TestHTTPStopLetsRequestsFinish(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	ready := NewReadiness()
	h := &HTTP{Name: "gateway", Address: "127.0.0.1:0", Readiness: ready, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		if r.Context().Err() != nil {
			t.Error("the request's context ended with the server's")
		}
		_, _ = io.WriteString(w, "whole")
	})}
	address := listening(t, h)
	server := start(t, h.Run)

	type result struct {
		body string
		err  error
	}
	answered := make(chan result, 1)
	go func() {
		answer, err := http.Get("http://" + address)
		if err != nil {
			answered <- result{err: err}
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		answered <- result{string(body), err}
	}()
	<-entered
	server.stop()
	for { // the listener closes before the request ends
		c, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + address)
		if err != nil {
			break
		}
		c.Body.Close()
	}
	if ok, _ := ready.Ready(); ok {
		t.Error("a stopping server is ready")
	}
	select {
	case err := <-server.done:
		t.Fatalf("stopped while a request was under way: %v", err)
	default:
	}
	close(leave)
	if got := <-answered; got.err != nil || got.body != "whole" {
		t.Errorf("the request under way got %q, %v", got.body, got.err)
	}
	if err := server.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestHTTPStopEndsWhatTakesTooLong(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{})
	h := &HTTP{Name: "gateway", Address: "127.0.0.1:0", Grace: 10 * time.Millisecond, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(ended)
	})}
	address := listening(t, h)
	server := start(t, h.Run)
	answered := make(chan error, 1)
	go func() {
		_, err := http.Get("http://" + address)
		answered <- err
	}()
	<-entered
	server.stop()
	if err := server.wait(t); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run: %v", err)
	}
	<-ended
	if err := <-answered; err == nil {
		t.Error("the client got an answer")
	}
}

// A long answer that is broken off, such as an export, does not look like a whole one.
func TestHTTPStopBreaksOffAStreamSoThatItsClientSees(t *testing.T) {
	begun := make(chan struct{})
	h := &HTTP{Name: "management", Address: "127.0.0.1:0", Grace: 10 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first record\n")
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-r.Context().Done()
	})}
	address := listening(t, h)
	server := start(t, h.Run)
	answer, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	<-begun
	server.stop()
	text, err := io.ReadAll(answer.Body)
	if err == nil || string(text) != "first record\n" {
		t.Errorf("the client read %q, %v", text, err)
	}
	if err := server.wait(t); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run: %v", err)
	}
}

func TestHTTPServesWhileItDrains(t *testing.T) {
	ready := NewReadiness()
	h := &HTTP{
		Name: "technical", Address: "127.0.0.1:0", Readiness: ready, Drain: 300 * time.Millisecond, Handler: ready.ReadyHandler(),
	}
	address := listening(t, h)
	server := start(t, h.Run)
	status := func() int {
		answer, err := http.Get("http://" + address)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	if got := status(); got != 200 {
		t.Errorf("before the stop: %d", got)
	}
	server.stop()
	seen := false
	for got := status(); got != 0; got = status() {
		seen = seen || got == 503
	}
	if !seen {
		t.Error("load balancers had no time to notice")
	}
	if err := server.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A client that is busy is told to come back over another connection, while there is time: it never finds one closed.
func TestHTTPEndsConnectionsWithAnAnswerWhileItDrains(t *testing.T) {
	management, gateway, err := DevelopmentAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, secure := range []bool{false, true} {
		ready := NewReadiness()
		h := &HTTP{
			Name: "gateway", Address: "127.0.0.1:0", Readiness: ready, Drain: 5 * time.Second,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }),
		}
		transport := &http.Transport{ForceAttemptHTTP2: true}
		url := "http://"
		if secure {
			url = "https://"
			h.TLS = reloader(t, management, ReloaderOptions{}).ServerTLS(RoleGateway)
			transport.TLSClientConfig = reloader(t, gateway, ReloaderOptions{}).ClientTLS("127.0.0.1", RoleManagement)
		}
		url += listening(t, h)
		server := start(t, h.Run)
		// used asks over the connection that there is, and reports whether there was one.
		used := func() (reused bool) {
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }})
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			return reused
		}
		if used() || !used() || !used() {
			t.Errorf("secure %v: connections are not kept", secure)
		}
		server.stop()
		for ok := true; ok; ok, _ = ready.Ready() {
			runtime.Gosched()
		}
		if !used() {
			t.Errorf("secure %v: the connection was closed although nobody had asked over it", secure)
		}
		for range 2 {
			if used() {
				t.Errorf("secure %v: a connection outlives its answer while the server drains", secure)
			}
		}
	}
}

func TestHTTPOverTLSSpeaksHTTP2(t *testing.T) {
	management, gateway, err := DevelopmentAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &HTTP{
		Name: "gateway", Address: "127.0.0.1:0", TLS: reloader(t, management, ReloaderOptions{}).ServerTLS(RoleGateway),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }),
	}
	address := listening(t, h)
	server := start(t, h.Run)
	transport := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: reloader(t, gateway, ReloaderOptions{}).ClientTLS("127.0.0.1", RoleManagement),
	}
	answer, err := (&http.Client{Transport: transport}).Get("https://" + address)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if string(body) != "HTTP/2.0" {
		t.Errorf("protocol = %s", body)
	}
	transport.CloseIdleConnections()
	server.stop()
	if err := server.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestHTTPAddresses(t *testing.T) {
	first := &HTTP{Name: "first", Address: "127.0.0.1:0"}
	if first.Addr() != "" {
		t.Errorf("address before Listen = %q", first.Addr())
	}
	address := listening(t, first)
	second := &HTTP{Name: "second", Address: address}
	if err := second.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "second: listen tcp") {
		t.Errorf("a taken address: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Listen(); err != nil {
		t.Errorf("a freed address: %v", err)
	}
	second.Close()
}

func TestHTTPBoundsHeaders(t *testing.T) {
	h := &HTTP{Name: "gateway", Address: "127.0.0.1:0", MaxHeaderBytes: 4096, Handler: http.NotFoundHandler()}
	address := listening(t, h)
	server := start(t, h.Run)
	answer, err := http.Get("http://" + address + "/?" + strings.Repeat("x", 16<<10))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status = %d", answer.StatusCode)
	}
	server.stop()
	if err := server.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	s := h.server(t.Context())
	if s.ReadHeaderTimeout != DefaultReadHeaderTimeout || s.IdleTimeout != DefaultIdleTimeout || s.WriteTimeout != DefaultWriteTimeout {
		t.Errorf("timeouts = %v, %v, %v", s.ReadHeaderTimeout, s.IdleTimeout, s.WriteTimeout)
	}
	h.WriteTimeout = -1
	if got := h.server(t.Context()).WriteTimeout; got != 0 {
		t.Errorf("no write timeout = %v", got)
	}
}

func TestLimitBody(t *testing.T) {
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); TooLarge(err) {
			w.WriteHeader(http.StatusTeapot)
		} else if err != nil {
			t.Error(err)
		}
	})
	tests := []struct {
		name      string
		body      string
		announced bool
		tooLarge  http.Handler
		want      int
	}{
		{name: "a body of the limit is read", body: "12345", announced: true, want: 200},
		{name: "no body is read", announced: true, want: 200},
		{name: "a larger one is refused before it is read", body: "123456", announced: true, want: 413},
		{
			name: "in the form of the service", body: "123456", announced: true, want: 400,
			tooLarge: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }),
		},
		{name: "one that does not tell its length fails while it is read", body: "123456", want: http.StatusTeapot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
			if !tt.announced {
				r.ContentLength = -1
			}
			w := httptest.NewRecorder()
			LimitBody(read, 5, tt.tooLarge).ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d", w.Code, tt.want)
			}
		})
	}
}

func TestRecover(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		answer  http.Handler
		want    int // 0 for a broken connection
		body    string
		logged  int
	}{
		{name: "no panic, no trace", handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }, want: 200, body: "ok"},
		{name: "a panic is a bare 500", handler: func(http.ResponseWriter, *http.Request) { panic("deep inside") }, want: 500, body: "Internal Server Error\n", logged: 1},
		{
			name: "or what the service answers", handler: func(http.ResponseWriter, *http.Request) { panic("deep inside") },
			answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }), want: 502, logged: 1,
		},
		{
			name: "a half answer is broken off",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half")
				w.(http.Flusher).Flush()
				panic("deep inside")
			},
			logged: 1,
		},
		{name: "a deliberate end is not logged", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			server := httptest.NewServer(Recover(tt.handler, slog.New(slog.NewTextHandler(&log, nil)), tt.answer))
			status, body := 0, ""
			if answer, err := http.Get(server.URL); err == nil {
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err == nil {
					status, body = answer.StatusCode, string(text)
				}
			}
			server.Close()
			if status != tt.want || body != tt.body {
				t.Errorf("answer = %d %q, want %d %q", status, body, tt.want, tt.body)
			}
			if got := strings.Count(log.String(), "deep inside"); got != tt.logged {
				t.Errorf("logged %d times:\n%s", got, log.String())
			}
		})
	}
}
