package observe

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
)

// RequestIDHeader carries the identity of a request between proxies, services and clients.
const RequestIDHeader = "X-Request-Id"

type requestKey struct{}

// WithRequestID gives work outside an HTTP request, a job or a gRPC call, the identity under which it is logged.
func WithRequestID(ctx context.Context, id string) context.Context {
	return &request{Context: ctx, id: id}
}

// RequestID is the identity of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	if r := requestFrom(ctx); r != nil {
		return r.id
	}
	return ""
}

// NewRequestID makes an identity: 16 letters and digits of 80 random bits. It is unique, not a secret.
func NewRequestID() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's, nothing to mistake
	var id [16]byte
	high, low := rand.Uint64(), rand.Uint64() //nolint:gosec // an identity, not a secret
	for i := range 8 {
		id[i], id[i+8] = alphabet[high&31], alphabet[low&31]
		high >>= 5
		low >>= 5
	}
	return string(id[:])
}

// validRequestID accepts what other systems make and nothing that could disturb a log: up to 64 of A-Z a-z 0-9 . _ ~ -.
func validRequestID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '~' && c != '-' {
			return false
		}
	}
	return true
}

// Annotate adds facts, such as domain and client_id, to the one record that is logged at the end of the request. It is
// called by the goroutine that serves the request. Without a request it does nothing.
func Annotate(ctx context.Context, facts ...slog.Attr) {
	if r := requestFrom(ctx); r != nil {
		r.facts = append(r.facts, facts...)
	}
}

// RecordError adds the reason of a failed answer to the record at the end of the request. The first one stays: it is
// the cause. Like Annotate it is called by the goroutine that serves the request.
func RecordError(ctx context.Context, err error) {
	if r := requestFrom(ctx); r != nil && r.err == nil {
		r.err = err
	}
}

// request is everything about one request, in one allocation: it is the request's context and holds the writer.
type request struct {
	context.Context
	id       string
	endpoint *Endpoint
	facts    []slog.Attr
	err      error
	writer   writer
	header   [1]string // the value of the answer's X-Request-Id
}

// Value makes request a context that finds itself.
func (r *request) Value(key any) any {
	if _, ok := key.(requestKey); ok {
		return r
	}
	return r.Context.Value(key)
}

func requestFrom(ctx context.Context) *request {
	if r, ok := ctx.(*request); ok {
		return r
	}
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// inbound is the identity that a trusted proxy has given a request, or a new one.
func inbound(r *http.Request, proxies *Proxies) string {
	if values := r.Header[RequestIDHeader]; len(values) == 1 && validRequestID(values[0]) && proxies.trustsPeer(r) {
		return values[0]
	}
	return NewRequestID()
}
