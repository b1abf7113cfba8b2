package observe

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// RequestsOptions are the choices of [Requests].
type RequestsOptions struct {
	// Log receives one record per request: Debug below 400, Info for 4xx, Error for 5xx. Needed.
	Log *slog.Logger
	// Metrics counts and times requests. Needed.
	Metrics *Metrics
	// Proxies are believed about X-Request-Id, the trace that a request belongs to, and the client's address.
	Proxies *Proxies
	// Tracing makes a span of every request; nil means none.
	Tracing *Tracing
	// Panicked answers a request whose handler panicked before it began its answer; nil means a bare 500.
	Panicked http.Handler
}

// Requests gives every request of next an identity, which it answers in X-Request-Id; measures it under its [Endpoint],
// "other" if no one has named it; answers panics; and logs it once, at its end. It belongs outside of everything else.
//
// The handlers get a context of which [RequestID], [Annotate] and [RecordError] know. It costs three allocations.
func Requests(next http.Handler, options RequestsOptions) http.Handler {
	if options.Panicked == nil {
		options.Panicked = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		})
	}
	return &requests{RequestsOptions: options, next: next, other: options.Metrics.Endpoint("other")}
}

type requests struct {
	RequestsOptions
	next  http.Handler
	other *Endpoint
}

func (q *requests) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	began := time.Now()
	q.Metrics.inFlight.Add(1)
	r := &request{Context: hr.Context(), id: inbound(hr, q.Proxies), endpoint: q.other}
	r.writer.ResponseWriter = w
	r.header[0] = r.id
	w.Header()[RequestIDHeader] = r.header[:]
	ctx, span := q.Tracing.begin(r, hr, q.Proxies.trustsPeer(hr))
	hr = hr.WithContext(ctx)

	defer func() {
		v := recover()
		var stack []byte
		aborted := false
		if v != nil {
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				aborted = true
			} else {
				stack = debug.Stack()
				aborted = q.answerPanic(r, hr)
			}
		}
		r.writer.begin() // an answer of nothing is 200
		span.end(r)
		q.Metrics.inFlight.Add(-1)
		took := time.Since(began)
		o := outcomeOf(r.writer.status)
		if v != nil && stack != nil {
			o = broken
		}
		r.endpoint.observe(ctx, o, took)
		q.log(r, hr, o, took, v, stack)
		if aborted {
			panic(http.ErrAbortHandler)
		}
	}()
	q.next.ServeHTTP(&r.writer, hr)
}

// answerPanic reports true if the answer had begun: it cannot be mended, and the client must not take it for whole.
func (q *requests) answerPanic(r *request, hr *http.Request) (begun bool) {
	if r.writer.status != 0 {
		return true
	}
	h := r.writer.Header()
	clear(h)
	h[RequestIDHeader] = r.header[:]
	q.Panicked.ServeHTTP(&r.writer, hr)
	if r.writer.status == 0 {
		r.writer.WriteHeader(http.StatusInternalServerError)
	}
	return false
}

var levels = [outcomes]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelError}

func (q *requests) log(r *request, hr *http.Request, o outcome, took time.Duration, panicked any, stack []byte) {
	ctx := hr.Context()
	if !q.Log.Enabled(ctx, levels[o]) {
		return
	}
	attrs := make([]slog.Attr, 0, 10+len(r.facts)) // seven here, three below
	attrs = append(attrs,
		slog.String("endpoint", r.endpoint.name),
		slog.String("method", hr.Method),
		slog.String("path", hr.URL.Path), // never the query: it holds codes and tokens
		slog.Int("status", r.writer.status),
		slog.Int64("bytes", r.writer.bytes),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("client_ip", q.Proxies.ClientIP(hr).String()),
	)
	attrs = append(attrs, r.facts...)
	if r.err != nil {
		attrs = append(attrs, slog.Any("err", r.err))
	}
	if stack != nil {
		attrs = append(attrs, slog.String("panic", fmt.Sprint(panicked)), slog.String("stack", string(stack)))
	}
	q.Log.LogAttrs(ctx, levels[o], "request", attrs...)
}
