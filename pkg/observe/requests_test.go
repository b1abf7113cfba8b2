package observe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRequests(t *testing.T) {
	metrics := NewMetrics("gateway", "v1")
	token := metrics.Endpoint("token")
	proxies, err := ParseProxies([]string{"192.0.2.1"}) // the peer of httptest's requests
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		handler    http.HandlerFunc
		id         string
		proxies    *Proxies
		wantStatus int
		wantBody   string
		wantID     string // "" means a new one
		wantRecord map[string]any
		outcome    string
		endpoint   string
	}{
		{
			name:       "an answer is logged for debugging",
			handler:    func(w http.ResponseWriter, r *http.Request) { token.Mark(r.Context()); _, _ = io.WriteString(w, "ok") },
			wantStatus: 200, wantBody: "ok",
			wantRecord: map[string]any{"level": "DEBUG", "endpoint": "token", "status": 200.0, "bytes": 2.0},
			endpoint:   "token", outcome: "ok",
		},
		{
			name: "a refusal is logged with what the handler adds",
			handler: func(w http.ResponseWriter, r *http.Request) {
				token.Mark(r.Context())
				Annotate(r.Context(), slog.String("domain", "d"), slog.String("client_id", "c"))
				RecordError(r.Context(), errors.New("the cause"))
				RecordError(r.Context(), errors.New("its consequence"))
				w.WriteHeader(400)
			},
			wantStatus: 400,
			wantRecord: map[string]any{
				"level": "INFO", "endpoint": "token", "status": 400.0, "bytes": 0.0, "domain": "d", "client_id": "c", "err": "the cause",
			},
			endpoint: "token", outcome: "refused",
		},
		{
			name:       "a fault is logged as an error, under other if nobody names the endpoint",
			handler:    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
			wantStatus: 503,
			wantRecord: map[string]any{"level": "ERROR", "endpoint": "other", "status": 503.0, "bytes": 0.0},
			endpoint:   "other", outcome: "error",
		},
		{
			name: "a panic is a fault without detail for the client",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				panic("deep inside")
			},
			wantStatus: 500, wantBody: "Internal Server Error\n",
			wantRecord: map[string]any{"level": "ERROR", "endpoint": "other", "status": 500.0, "bytes": 22.0, "panic": "deep inside"},
			endpoint:   "other", outcome: "error",
		},
		{
			name: "a trusted proxy names the request", id: "abc-1.2_3~4", proxies: proxies, wantID: "abc-1.2_3~4",
			handler:    func(http.ResponseWriter, *http.Request) {},
			wantStatus: 200,
			wantRecord: map[string]any{"level": "DEBUG", "endpoint": "other", "status": 200.0, "bytes": 0.0},
			endpoint:   "other", outcome: "ok",
		},
		{
			name: "anyone else does not", id: "abc",
			handler:    func(http.ResponseWriter, *http.Request) {},
			wantStatus: 200,
			wantRecord: map[string]any{"level": "DEBUG", "endpoint": "other", "status": 200.0, "bytes": 0.0},
			endpoint:   "other", outcome: "ok",
		},
		{
			name: "a name that could disturb a log is replaced", id: "a b\"", proxies: proxies,
			handler:    func(http.ResponseWriter, *http.Request) {},
			wantStatus: 200,
			wantRecord: map[string]any{"level": "DEBUG", "endpoint": "other", "status": 200.0, "bytes": 0.0},
			endpoint:   "other", outcome: "ok",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			var inside string
			type otherKey struct{}
			h := Requests(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				inside = RequestID(context.WithValue(r.Context(), otherKey{}, 1))
				tt.handler(w, r)
			}), RequestsOptions{Log: NewLogger(&log, slog.LevelDebug, JSON), Metrics: metrics, Proxies: tt.proxies})

			before := testutil.ToFloat64(metrics.requests.WithLabelValues(tt.endpoint, tt.outcome))
			r := httptest.NewRequest("POST", "/d/oauth/token?code=hush", nil)
			r.RemoteAddr = "192.0.2.1:1234"
			if tt.id != "" {
				r.Header.Set(RequestIDHeader, tt.id)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)

			if w.Code != tt.wantStatus || w.Body.String() != tt.wantBody {
				t.Errorf("answer = %d %q, want %d %q", w.Code, w.Body, tt.wantStatus, tt.wantBody)
			}
			id := w.Header().Get(RequestIDHeader)
			if tt.wantID != "" && id != tt.wantID || tt.wantID == "" && (len(id) != 16 || id == tt.id) {
				t.Errorf("request id = %q, want %q", id, tt.wantID)
			}
			if inside != id {
				t.Errorf("request id for the handler = %q, for the client %q", inside, id)
			}
			if got := testutil.ToFloat64(metrics.requests.WithLabelValues(tt.endpoint, tt.outcome)) - before; got != 1 {
				t.Errorf("counted %v times", got)
			}
			got := records(t, &log)
			if len(got) != 1 {
				t.Fatalf("logged %d times: %v", len(got), got)
			}
			if stack, ok := got[0]["stack"]; ok != (tt.wantRecord["panic"] != nil) || ok && !strings.Contains(stack.(string), "requests_test.go") {
				t.Errorf("stack = %v", stack)
			}
			if ms, ok := got[0]["duration_ms"].(float64); !ok || ms < 0 {
				t.Errorf("duration_ms = %v", got[0]["duration_ms"])
			}
			delete(got[0], "stack")
			delete(got[0], "duration_ms")
			for key, value := range map[string]any{
				"msg": "request", "request_id": id, "method": "POST", "path": "/d/oauth/token", "client_ip": "192.0.2.1",
			} {
				tt.wantRecord[key] = value
			}
			if diff := cmp.Diff(tt.wantRecord, got[0]); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
	if got := metrics.inFlight.Load(); got != 0 {
		t.Errorf("requests in flight in the end = %d", got)
	}
}

func TestRequestsBreaksOffAHalfAnswer(t *testing.T) {
	var log bytes.Buffer
	metrics := NewMetrics("gateway", "v1")
	server := httptest.NewServer(Requests(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		panic("deep inside")
	}), RequestsOptions{Log: NewLogger(&log, slog.LevelDebug, JSON), Metrics: metrics}))
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err == nil {
		t.Errorf("the client takes %q for the whole answer", body)
	}
	server.Close() // waits for the handler
	if got := records(t, &log); len(got) != 1 || got[0]["level"] != "ERROR" || got[0]["panic"] != "deep inside" {
		t.Errorf("records = %v", got)
	}
	if got := testutil.ToFloat64(metrics.requests.WithLabelValues("other", "error")); got != 1 {
		t.Errorf("counted %v times as an error", got)
	}
}

func TestRequestsKeepsTheWritersAbilities(t *testing.T) {
	metrics := NewMetrics("gateway", "v1")
	log := slog.New(slog.DiscardHandler)
	server := httptest.NewServer(Requests(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		if err := control.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("deadline: %v", err)
		}
		if _, ok := w.(http.Flusher); !ok {
			t.Error("the writer cannot flush")
		}
		if n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("read")); n != 4 || err != nil {
			t.Errorf("ReadFrom = %d, %v", n, err)
		}
		if n, err := io.WriteString(w, " string"); n != 7 || err != nil {
			t.Errorf("WriteString = %d, %v", n, err)
		}
	}), RequestsOptions{Log: log, Metrics: metrics}))
	defer server.Close()
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); string(body) != "read string" || err != nil {
		t.Errorf("body = %q, %v", body, err)
	}
}

func TestNewRequestIDIsNew(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		id := NewRequestID()
		if seen[id] || !validRequestID(id) {
			t.Fatalf("id %q, seen before: %v", id, seen[id])
		}
		seen[id] = true
	}
}

// answer is as little of a server as can be.
type answer struct{ header http.Header }

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }
func (a *answer) WriteHeader(int)             {}

// bare serves a request with and without Requests around a handler that does nothing.
func bare(wrapped bool) (http.Handler, *answer, *http.Request) {
	metrics := NewMetrics("gateway", "v1")
	endpoint := metrics.Endpoint("discovery")
	body := []byte("{}")
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		endpoint.Mark(r.Context())
		_, _ = w.Write(body)
	})
	if wrapped {
		h = Requests(h, RequestsOptions{Log: NewLogger(io.Discard, slog.LevelInfo, JSON), Metrics: metrics})
	}
	return h, &answer{http.Header{}}, httptest.NewRequest("GET", "/d/oidc/.well-known/openid-configuration", nil)
}

func TestRequestsAllocatesLittle(t *testing.T) {
	allocations := func(wrapped bool) float64 {
		h, w, r := bare(wrapped)
		return testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
	}
	if got := allocations(true) - allocations(false); got > 3 {
		t.Errorf("%v allocations per request, want at most 3", got)
	}
}

func BenchmarkRequests(b *testing.B) {
	for _, wrapped := range []bool{false, true} {
		name := map[bool]string{false: "bare", true: "observed"}[wrapped]
		b.Run(name, func(b *testing.B) {
			h, w, r := bare(wrapped)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
