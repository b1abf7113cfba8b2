package observe

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Tracing is where spans go. This package knows the OpenTelemetry API only; a main program that exports spans links an
// exporter and hands its provider over. A nil *Tracing makes no spans and costs nothing.
type Tracing struct {
	provider   trace.TracerProvider
	propagator propagation.TextMapPropagator
	tracer     trace.Tracer
}

// NewTracing traces with a provider. Spans join those of trusted callers by the W3C Trace Context; baggage is not taken
// over from outside. A nil provider means no tracing, and a nil *Tracing.
func NewTracing(provider trace.TracerProvider) *Tracing {
	if provider == nil {
		return nil
	}
	return &Tracing{
		provider:   provider,
		propagator: propagation.TraceContext{},
		tracer:     provider.Tracer("github.com/gatehouse-am/gatehouse/pkg/observe"),
	}
}

// Provider is for instrumentation of other libraries, such as that of gRPC; nil without tracing.
func (t *Tracing) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// Propagator carries a trace to other processes; nil without tracing.
func (t *Tracing) Propagator() propagation.TextMapPropagator {
	if t == nil {
		return nil
	}
	return t.propagator
}

// Start begins a span inside the one of ctx, for a part of a request worth seeing. The caller ends it.
func (t *Tracing) Start(ctx context.Context, name string) (context.Context, trace.Span) {
	if t == nil {
		return ctx, trace.SpanFromContext(ctx)
	}
	return t.tracer.Start(ctx, name)
}

// Call begins the span of something that another system, such as "redis", is asked while a request is served: its operation,
// never its arguments. It returns what ends the span. Work of nobody's request makes no spans: it would drown the others.
func (t *Tracing) Call(ctx context.Context, system, operation string) (context.Context, func(error)) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, system+" "+operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("db.system.name", system),
		attribute.String("db.operation.name", operation),
	))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, errorText(err))
		}
		span.End()
	}
}

// Transport is base, nil meaning [http.DefaultTransport], with a span for every outgoing request, to the end of the
// answer's header. Method and host are in it, never the path and the query, which may hold names, codes and tokens. The trace is not
// told to the other side: it belongs to someone else.
func (t *Tracing) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if t == nil {
		return base
	}
	return &transport{tracer: t.tracer, base: base}
}

type transport struct {
	tracer trace.Tracer
	base   http.RoundTripper
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := t.tracer.Start(r.Context(), r.Method+" "+r.URL.Host, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("http.request.method", r.Method),
			attribute.String("server.address", r.URL.Host),
		))
	defer span.End()
	answer, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		span.SetStatus(codes.Error, errorText(err))
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", answer.StatusCode))
	if answer.StatusCode >= 400 {
		span.SetStatus(codes.Error, "")
	}
	return answer, nil
}

// requestSpan is the span of a request, or nothing.
type requestSpan struct{ span trace.Span }

// begin joins the trace of a trusted caller. Of a stranger's nothing is believed: whoever may say that a request is sampled could
// have everything sampled, and mix into the traces of others.
func (t *Tracing) begin(r *request, hr *http.Request, trusted bool) (context.Context, requestSpan) {
	if t == nil {
		return r, requestSpan{}
	}
	ctx := context.Context(r)
	if trusted {
		ctx = t.propagator.Extract(ctx, propagation.HeaderCarrier(hr.Header))
	}
	ctx, span := t.tracer.Start(ctx, hr.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", hr.Method),
		attribute.String("url.path", hr.URL.Path),
		attribute.String("gatehouse.request_id", r.id),
	))
	return ctx, requestSpan{span}
}

func (s requestSpan) end(r *request) {
	if s.span == nil {
		return
	}
	s.span.SetName(r.endpoint.name)
	s.span.SetAttributes(attribute.Int("http.response.status_code", r.writer.status))
	if r.writer.status >= 500 {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}
