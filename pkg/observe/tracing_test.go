package observe

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// spans is a provider that keeps what was ended.
type spans struct {
	noop.TracerProvider
	ended []*span
}

type tracer struct {
	noop.Tracer
	to *spans
}

type span struct {
	noop.Span
	to         *spans
	context    trace.SpanContext
	Name       string
	Parent     string
	Attributes map[string]string
}

func (s *spans) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{to: s} }

func (t tracer) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanContextFromContext(ctx)
	id := parent.TraceID()
	if !id.IsValid() {
		id = trace.TraceID{9}
	}
	s := &span{to: t.to, Name: name, Attributes: map[string]string{}}
	if parent.IsValid() {
		s.Parent = parent.SpanID().String()
	}
	s.context = trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{byte(len(t.to.ended) + 1)}})
	config := trace.NewSpanStartConfig(o...)
	s.SetAttributes(config.Attributes()...)
	return trace.ContextWithSpan(ctx, s), s
}

func (s *span) SpanContext() trace.SpanContext { return s.context }
func (s *span) SetName(name string)            { s.Name = name }
func (s *span) End(...trace.SpanEndOption)     { s.to.ended = append(s.to.ended, s) }
func (s *span) SetAttributes(all ...attribute.KeyValue) {
	for _, a := range all {
		s.Attributes[string(a.Key)] = a.Value.String()
	}
}

func TestTracing(t *testing.T) {
	var provider spans
	tracing := NewTracing(&provider)
	metrics := NewMetrics("gateway", "v1")
	token := metrics.Endpoint("token")
	var asked http.Header
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header
		w.WriteHeader(http.StatusTeapot)
	}))
	defer other.Close()
	client := &http.Client{Transport: tracing.Transport(nil)}

	proxies, err := ParseProxies([]string{"192.0.2.0/24"}) // where requests of httptest come from
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := Requests(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		token.Mark(r.Context())
		out, err := http.NewRequestWithContext(r.Context(), "GET", other.URL+"/p?code=hush", nil)
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := client.Do(out)
		if err != nil {
			t.Error(err)
			return
		}
		answer.Body.Close()
	}), RequestsOptions{Log: NewLogger(&log, slog.LevelDebug, JSON), Metrics: metrics, Tracing: tracing, Proxies: proxies})

	r := httptest.NewRequest("POST", "/d/oauth/token?code=hush", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") // W3C Trace Context §3.2
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	if len(provider.ended) != 2 {
		t.Fatalf("%d spans ended", len(provider.ended))
	}
	outgoing, incoming := provider.ended[0], provider.ended[1]
	if got := incoming.context.TraceID().String(); got != "0af7651916cd43dd8448eb211c80319c" || incoming.Parent != "b7ad6b7169203331" {
		t.Errorf("trace %s, parent %s", got, incoming.Parent)
	}
	if outgoing.Parent != incoming.context.SpanID().String() {
		t.Errorf("outgoing call's parent = %s", outgoing.Parent)
	}
	if incoming.Name != "token" {
		t.Errorf("name = %q", incoming.Name)
	}
	host, _ := url.Parse(other.URL)
	if diff := cmp.Diff(map[string]string{
		"http.request.method": "GET", "server.address": host.Host, "http.response.status_code": "418",
	}, outgoing.Attributes); diff != "" {
		t.Errorf("outgoing attributes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{
		"http.request.method": "POST", "url.path": "/d/oauth/token", "http.response.status_code": "200",
		"gatehouse.request_id": w.Header().Get(RequestIDHeader),
	}, incoming.Attributes); diff != "" {
		t.Errorf("incoming attributes (-want +got):\n%s", diff)
	}
	if asked.Get("Traceparent") != "" {
		t.Error("the trace is told to a stranger")
	}
	if got := records(t, &log); len(got) != 1 || got[0]["trace_id"] != "0af7651916cd43dd8448eb211c80319c" || got[0]["request_id"] == "" {
		t.Errorf("records = %v", got)
	}
}

func TestNoTracing(t *testing.T) {
	tracing := NewTracing(nil)
	if tracing.Provider() != nil || tracing.Propagator() != nil || tracing.Transport(nil) != http.DefaultTransport {
		t.Error("without a provider something is traced")
	}
	ctx, span := tracing.Start(context.Background(), "part")
	span.End()
	if ctx != context.Background() {
		t.Error("without a provider the context changes")
	}
	h := Requests(http.NotFoundHandler(), RequestsOptions{
		Log: NewLogger(io.Discard, slog.LevelDebug, JSON), Metrics: NewMetrics("gateway", "v1"), Tracing: tracing,
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("status = %d", w.Code)
	}
}
