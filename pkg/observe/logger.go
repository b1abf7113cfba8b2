package observe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Format is how log records are written.
type Format string

// The formats of logs.
const (
	JSON Format = "json"
	Text Format = "text"
)

// UnmarshalText accepts the formats above in any case.
func (f *Format) UnmarshalText(text []byte) error {
	switch got := Format(strings.ToLower(string(text))); got {
	case JSON, Text:
		*f = got
		return nil
	default:
		return fmt.Errorf("log format %q is neither json nor text", text)
	}
}

// NewLogger writes records from level upwards to w, as JSON unless format is [Text]. Records made with a request's
// context carry request_id, and trace_id and span_id if the request is traced. Attributes whose names speak of secrets
// are replaced, see [Redact].
func NewLogger(w io.Writer, level slog.Leveler, format Format) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: Redact}
	var h slog.Handler
	if format == Text {
		h = slog.NewTextHandler(w, options)
	} else {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(&handler{next: h})
}

// handler adds the identity of the request. It belongs at the top of a record, so when groups are open the chain of
// attributes and groups is built anew behind it.
type handler struct {
	next slog.Handler
	// root and steps are set once a group is open: next is root with all steps.
	root  slog.Handler
	steps []func(slog.Handler) slog.Handler
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	attrs := identity(ctx)
	if len(attrs) == 0 {
		return h.next.Handle(ctx, record)
	}
	if h.root == nil {
		record = record.Clone()
		record.AddAttrs(attrs...)
		return h.next.Handle(ctx, record)
	}
	next := h.root.WithAttrs(attrs)
	for _, step := range h.steps {
		next = step(next)
	}
	return next.Handle(ctx, record)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.with(func(n slog.Handler) slog.Handler { return n.WithAttrs(attrs) }, false)
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(func(n slog.Handler) slog.Handler { return n.WithGroup(name) }, true)
}

func (h *handler) with(step func(slog.Handler) slog.Handler, opens bool) slog.Handler {
	if h.root == nil && !opens {
		return &handler{next: step(h.next)}
	}
	root := h.root
	if root == nil {
		root = h.next
	}
	steps := append(slices.Clip(h.steps), step)
	return &handler{next: step(h.next), root: root, steps: steps}
}

func identity(ctx context.Context) []slog.Attr {
	var attrs []slog.Attr
	if id := RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return attrs
}
