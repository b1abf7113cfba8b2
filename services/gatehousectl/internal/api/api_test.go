package api_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
)

func TestServerURL(t *testing.T) {
	for name, tt := range map[string]struct {
		text  string
		plain bool
		want  string
	}{
		"a host":                             {"gatehouse.example.com", false, "https://gatehouse.example.com/management"},
		"a host with a port":                 {"gatehouse.example.com:8443", false, "https://gatehouse.example.com:8443/management"},
		"a URL":                              {"https://gatehouse.example.com/", false, "https://gatehouse.example.com/management"},
		"a URL with a path":                  {"https://example.com/am/management/", false, "https://example.com/am/management"},
		"http to this machine":               {"http://localhost:8093", false, "http://localhost:8093/management"},
		"http to this machine by its number": {"http://[::1]:8093", false, "http://[::1]:8093/management"},
		"http elsewhere":                     {"http://gatehouse.example.com", false, "in the clear"},
		"http elsewhere, allowed":            {"http://gatehouse.example.com", true, "http://gatehouse.example.com/management"},
		"a host that looks like this one":    {"http://localhost.example.com", false, "in the clear"},
		"another scheme":                     {"ftp://gatehouse.example.com", false, "the scheme ftp"},
		"a name and password":                {"https://me:hush@gatehouse.example.com", false, "is not a URL such as"},
		"a query":                            {"https://gatehouse.example.com?x=1", false, "is not a URL such as"},
		"a fragment":                         {"https://gatehouse.example.com#x", false, "is not a URL such as"},
		"nothing":                            {"", false, "is not a URL such as"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := api.ServerURL(tt.text, tt.plain)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want && (err == nil || !strings.Contains(got, tt.want)) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// served is a connection to a server that answers so.
func served(t *testing.T, answer http.HandlerFunc) *api.Conn {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	conn, err := api.New(api.Options{Server: server.URL, Token: "sesame", Timeout: 10 * time.Second, Agent: "gatehousectl/test"})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func answering(status int, media, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func asked(t *testing.T, conn *api.Conn, writes bool) (api.Answer, error) {
	t.Helper()
	return conn.Call(t.Context(), writes, func(ctx context.Context) (*http.Response, error) { return conn.GetDomain(ctx, "acme") })
}

// TestErrorsAreAnswers: each says what was wrong, where, and what to do.
func TestErrorsAreAnswers(t *testing.T) {
	const problem = "application/problem+json"
	for name, tt := range map[string]struct {
		status      int
		media, text string
		writes      bool
		want        []string
	}{
		"401": {401, problem, `{"message":"The token has ended.","http_status":401}`, false, []string{"The token has ended.", "\nSign in again: gatehousectl login"}},
		"403": {403, problem, `{"message":"Permission denied","http_status":403}`, true, []string{"Permission denied", "Your roles do not allow this"}},
		"404": {404, problem, `{"message":"Domain [acme] can not be found.","http_status":404}`, false, []string{"Domain [acme] can not be found."}},
		"409": {409, problem, `{"message":"The name is taken","http_status":409,"errors":[{"path":"name","detail":"is taken"}]}`, true, []string{"The name is taken\n  name: is taken"}},
		"412": {412, problem, `{"message":"It has changed","http_status":412}`, true, []string{"It has changed", "Read it again"}},
		"429": {429, problem, `{"message":"Slowly","http_status":429}`, false, []string{"Wait a little"}},
		"503": {503, problem, `{"message":"The database is not available. Try again later","http_status":503}`, true, []string{"its database may be away"}},
		"400 with a place in a text": {400, problem, `{"message":"No.","http_status":400,"errors":[{"path":"expression","detail":"is no expression","line":2,"column":7}]}`, false,
			[]string{"  expression: is no expression (line 2, column 7)"}},
		"a page of a proxy":                {502, "text/html", "<h1>Bad\x1b[31m Gateway</h1>", false, []string{"answers 502 with text/html, not JSON: <h1>Bad [31m Gateway</h1>", "does nothing stand before it"}},
		"nothing of a type, while writing": {500, "", "", true, []string{"answers 500", "It is not known whether the change was made"}},
		"half of JSON":                     {200, "application/json", `{"id":`, false, []string{"not JSON"}},
		"two values":                       {200, "application/json", `{} {}`, false, []string{"not JSON"}},
		"an error of another product":      {500, "application/json", `{"code":1}`, false, []string{"answers 500 with application/json"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := asked(t, served(t, answering(tt.status, tt.media, tt.text)), tt.writes)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q\nlacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%q", err)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	conn := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" || r.Header.Get("User-Agent") != "gatehousectl/test" || r.URL.Path != "/management/domains/acme" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		w.Header().Set("ETag", `"7"`)
		answering(200, "application/json; charset=utf-8", `{"id":"d1","n":12345678901234567890}`)(w, r)
	})
	answer, err := asked(t, conn, false)
	if err != nil || answer.ETag != `"7"` || answer.Object()["id"] != "d1" {
		t.Errorf("%+v %v", answer, err)
	}
	answer, err = asked(t, served(t, answering(204, "", "")), true)
	if err != nil || answer.Tree != nil || answer.Object() != nil {
		t.Errorf("%+v %v", answer, err)
	}
}

// TestWhoDoesNotAnswer: unreachable, silent, strange and interrupted servers are told apart.
func TestWhoDoesNotAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	nobody, err := api.New(api.Options{Server: "http://" + listener.Addr().String(), Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := asked(t, nobody, true); err == nil || !strings.Contains(err.Error(), "can not be reached") || !strings.Contains(err.Error(), "--server") {
		t.Errorf("%v", err)
	}
	silent := served(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	silent.Options.Timeout = 50 * time.Millisecond
	if _, err := asked(t, silent, true); err == nil || !strings.Contains(err.Error(), "does not answer within 50ms") || !strings.Contains(err.Error(), "--timeout") || !strings.Contains(err.Error(), "not known whether") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := silent.Call(ctx, false, func(ctx context.Context) (*http.Response, error) { return silent.GetDomain(ctx, "acme") }); err == nil || err.Error() != "interrupted" {
		t.Errorf("%v", err)
	}
	redirects := served(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://example.com/", http.StatusFound)
	})
	if _, err := asked(t, redirects, false); err == nil || !strings.Contains(err.Error(), "answers 302") {
		t.Errorf("%v", err)
	}
	strange := httptest.NewTLSServer(answering(200, "application/json", "{}"))
	defer strange.Close()
	conn, err := api.New(api.Options{Server: strange.URL, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := asked(t, conn, false); err == nil || !strings.Contains(err.Error(), "not trusted") || !strings.Contains(err.Error(), "--ca-file") {
		t.Errorf("%v", err)
	}
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := api.HTTPClient(empty); err == nil || !strings.Contains(err.Error(), "BEGIN CERTIFICATE") {
		t.Errorf("%v", err)
	}
	if _, err := api.HTTPClient(empty + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestFlows: a stream may take longer than the timeout while it moves, and is given up where it stands still.
func TestFlows(t *testing.T) {
	next := make(chan bool)
	conn := served(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		for <-next {
			_, _ = io.WriteString(w, "{}\n")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	})
	conn.Options.Timeout = 300 * time.Millisecond
	flow := conn.Flow(t.Context())
	defer flow.Close()
	go func() { next <- true }()
	body, err := flow.Send(func(ctx context.Context) (*http.Response, error) { return conn.GetDomain(ctx, "acme") })
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	began := time.Now()
	line := make([]byte, 3)
	for time.Since(began) < 2*conn.Options.Timeout {
		if _, err := io.ReadFull(body, line); err != nil {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		next <- true
	}
	go func() { next <- false }()
	if _, err := io.ReadAll(body); err == nil || !strings.Contains(err.Error(), "does not answer within 300ms") {
		t.Errorf("%v", err)
	}

	refused := served(t, answering(409, "application/problem+json", `{"message":"It is here already","http_status":409}`))
	flow = refused.Flow(t.Context())
	defer flow.Close()
	var p *api.Problem
	if _, err := flow.Send(func(ctx context.Context) (*http.Response, error) { return refused.GetDomain(ctx, "acme") }); !errors.As(err, &p) || p.Status != 409 {
		t.Errorf("%v", err)
	}
	other := served(t, answering(200, "application/json", `{}`))
	flow = other.Flow(t.Context())
	defer flow.Close()
	if _, err := flow.Send(func(ctx context.Context) (*http.Response, error) { return other.GetDomain(ctx, "acme") }); err == nil || !strings.Contains(err.Error(), "answers 200 with application/json") {
		t.Errorf("%v", err)
	}
	broken := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	flow = broken.Flow(t.Context())
	defer flow.Close()
	torn, err := flow.Send(func(ctx context.Context) (*http.Response, error) { return broken.GetDomain(ctx, "acme") })
	if err != nil {
		t.Fatal(err)
	}
	defer torn.Close()
	if _, err := io.ReadAll(torn); err == nil || !strings.Contains(err.Error(), "broke off its answer") || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}
