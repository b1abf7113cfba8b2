package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestConnReadsWhatServersSend(t *testing.T) {
	long := strings.Repeat("0123456789", 5000)
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/short":
			w.Header().Add("Set-Cookie", "a=1; Path=/")
			w.Header().Add("set-cookie", "b=2")
			fmt.Fprint(w, "hello")
		case "/chunks":
			for piece := range slices.Chunk([]byte(long), 7000) {
				w.Write(piece)
				w.(http.Flusher).Flush()
			}
		case "/nothing":
			w.WriteHeader(http.StatusNoContent)
		case "/unchanged":
			w.WriteHeader(http.StatusNotModified)
		case "/redirect":
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		case "/form":
			user, password, _ := r.BasicAuth()
			fmt.Fprint(w, r.Host, " ", r.FormValue("grant_type"), " ", user, " ", password)
		case "/json":
			body, _ := io.ReadAll(r.Body)
			fmt.Fprint(w, r.Header.Get("Content-Type"), " ", string(body), " ", r.Header.Get("Authorization"))
		case "/last":
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, "bye")
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()

	c := NewConn(s.Listener.Addr().String())
	defer c.Close()
	get := func(path string) []byte { return AppendGet(nil, "h", path, "Accept: */*") }
	steps := []struct {
		name    string
		request []byte
		status  int
		body    string
	}{
		{"a body with a length", get("/short"), 200, "hello"},
		{"a body in chunks", get("/chunks"), 200, long},
		{"no content", get("/nothing"), 204, ""},
		{"not modified", get("/unchanged"), 304, ""},
		{"a redirect", get("/redirect"), 302, ""},
		{"a posted form", AppendForm(nil, "h:1", "/form", "grant_type=x", Basic("a b", "c:d")), 200, "h:1 x a+b c%3Ad"},
		{"posted JSON", AppendJSON(nil, "h", "/json", `{"a":1}`, Bearer("t")), 200, `application/json {"a":1} Bearer t`},
		{"an answer that ends the connection", get("/last"), 200, "bye"},
		{"a request on a new connection", get("/short"), 200, "hello"},
	}
	for _, step := range steps {
		got, err := c.Do(t.Context(), step.request)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got.Status != step.status || string(got.Body) != step.body {
			t.Errorf("%s: %d %.60q; want %d %.60q", step.name, got.Status, got.Body, step.status, step.body)
		}
		switch step.name {
		case "a redirect":
			if got.Header("location") != "/elsewhere" {
				t.Errorf("location %q", got.Header("location"))
			}
		case "a body with a length":
			if cookies := slices.Collect(got.Headers("SET-COOKIE")); !slices.Equal(cookies, []string{"a=1; Path=/", "b=2"}) {
				t.Errorf("cookies %q", cookies)
			}
			if got.Header("absent") != "" {
				t.Error("a header that is not there has a value")
			}
		}
	}
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections were made; want one and one after it was closed", n)
	}
}

func TestConnRefusesWhatIsNoAnswer(t *testing.T) {
	for name, text := range map[string]string{
		"another protocol":            "SSH-2.0-x\r\n\r\n",
		"a status that is no number":  "HTTP/1.1 abc x\r\n\r\n",
		"a body without a length":     "HTTP/1.1 200 OK\r\n\r\nhello",
		"a length that is no number":  "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"a length beyond measure":     "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
		"a header without a colon":    "HTTP/1.1 200 OK\r\nfoo\r\n\r\n",
		"a chunk size that is none":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"a body that ends too early":  "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
		"headers that end too early":  "HTTP/1.1 200 OK\r\nContent-Le",
		"a chunk that ends too early": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel",
	} {
		var r Response
		if _, err := r.read(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestConnIsMadeAnewAfterAnError(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/break" {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "whole")
	})
	c := NewConn(address)
	defer c.Close()
	if _, err := c.Do(t.Context(), AppendGet(nil, "h", "/break")); err == nil {
		t.Error("a broken answer is no error")
	}
	if r, err := c.Do(t.Context(), AppendGet(nil, "h", "/")); err != nil || string(r.Body) != "whole" {
		t.Errorf("after it: %v", err)
	}
}

// A server that closes its first connection without a word, and says half an answer on the next.
func TestWhatHasNoByteOfAnAnswerIsSentAgainOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for _, says := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "", "HTTP/1.1 200 OK\r\nConte"} {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(conn).ReadString('\n')
			_, _ = io.WriteString(conn, says)
			_ = conn.Close()
		}
	}()
	c := NewConn(listener.Addr().String())
	var again, answers int
	c.Unanswered = func(err error) {
		if !errors.Is(err, ErrUnanswered) {
			t.Errorf("told %v", err)
		}
		again++
	}
	c.Answered = func(time.Duration) { answers++ }
	ask := func() error {
		_, err := c.Do(t.Context(), []byte("GET / HTTP/1.1\r\n"))
		return err
	}
	if err := ask(); err != nil || again != 1 || answers != 1 {
		t.Errorf("after a connection that was closed without a word: %v, sent again %d times, %d answers", err, again, answers)
	}
	if err := ask(); !errors.Is(err, ErrUnanswered) || again != 2 {
		t.Errorf("after two of them: %v, sent again %d times", err, again)
	}
	if err := ask(); err == nil || errors.Is(err, ErrUnanswered) || again != 2 {
		t.Errorf("after half an answer: %v, sent again %d times", err, again)
	}
}

func TestRunCountsEveryOperationOnce(t *testing.T) {
	var served atomic.Int64
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { served.Add(1); fmt.Fprint(w, "hello") })
	request := AppendGet(nil, "h", "/")
	got, err := Run(t.Context(), Plan{
		Address: address, Connections: 4, Duration: 100 * time.Millisecond, CheckEvery: 40, CheckFirst: true,
		Operation: func(int) Operation {
			return func(ctx context.Context, c *Conn, _ bool) error {
				_, err := c.Do(ctx, request)
				return err
			}
		},
	})
	if err != nil || got.Failures != 0 {
		t.Fatalf("%v, %d failures, %v", err, got.Failures, got.FirstError)
	}
	if got.Operations != served.Load() || got.Operations < 4 {
		t.Errorf("%d operations, %d served", got.Operations, served.Load())
	}
	if int64(got.Latency.Count()) != got.Operations-got.Checked || got.Latency.Quantile(0.5) <= 0 {
		t.Errorf("%d times of %d operations, %d of them checked", got.Latency.Count(), got.Operations, got.Checked)
	}
	if want := got.Operations / 40; got.Checked < want || got.Checked > want+4 {
		t.Errorf("%d of %d operations were checked; want one in 40 and each worker's first", got.Checked, got.Operations)
	}
	if got.Rate() <= 0 || got.Elapsed < 100*time.Millisecond {
		t.Errorf("rate %v in %v", got.Rate(), got.Elapsed)
	}
}

func TestRunEnds(t *testing.T) {
	refused := errors.New("refused")
	tests := []struct {
		name       string
		operation  func(n int) error
		operations int64
		failures   int64
		first      error
	}{
		{"when nothing is left to ask", func(n int) error {
			if n == 5 {
				return ErrDone
			}
			return nil
		}, 5, 0, nil},
		{"when everything fails", func(int) error { return refused }, 0, maxFailures, refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Run(t.Context(), Plan{Connections: 1, Duration: time.Minute, Operation: func(int) Operation {
				n := -1
				return func(context.Context, *Conn, bool) error { n++; return tt.operation(n) }
			}})
			if err != nil || got.Operations != tt.operations || got.Failures != tt.failures || !errors.Is(got.FirstError, tt.first) {
				t.Errorf("%d operations, %d failures, first %v; %v", got.Operations, got.Failures, got.FirstError, err)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Plan{Connections: 2, Duration: time.Minute, Operation: func(int) Operation {
		return func(context.Context, *Conn, bool) error { cancel(); return nil }
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
