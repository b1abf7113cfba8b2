package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
)

// records reads what a JSON logger has written, without the times.
func records(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(log.String()) {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		delete(record, "time")
		all = append(all, record)
	}
	return all
}

func TestLoggerIdentity(t *testing.T) {
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	traced := trace.ContextWithSpanContext(WithRequestID(context.Background(), "r1"), span)
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want map[string]any
	}{
		{
			name: "a record without request has no identity",
			log:  func(l *slog.Logger) { l.Info("started", "revision", 7) },
			want: map[string]any{"level": "INFO", "msg": "started", "revision": 7.0},
		},
		{
			name: "a record of a request carries its identity",
			log:  func(l *slog.Logger) { l.InfoContext(WithRequestID(context.Background(), "r1"), "done") },
			want: map[string]any{"level": "INFO", "msg": "done", "request_id": "r1"},
		},
		{
			name: "a record of a traced request also carries trace and span",
			log:  func(l *slog.Logger) { l.InfoContext(traced, "done") },
			want: map[string]any{
				"level": "INFO", "msg": "done", "request_id": "r1",
				"trace_id": "01000000000000000000000000000000", "span_id": "0200000000000000",
			},
		},
		{
			name: "the identity stays at the top when groups are open",
			log: func(l *slog.Logger) {
				l.With("domain", "d").WithGroup("g").With("a", 1).InfoContext(WithRequestID(context.Background(), "r1"), "done", "b", 2)
			},
			want: map[string]any{
				"level": "INFO", "msg": "done", "request_id": "r1", "domain": "d", "g": map[string]any{"a": 1.0, "b": 2.0},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tt.log(NewLogger(&out, slog.LevelInfo, JSON))
			if diff := cmp.Diff([]map[string]any{tt.want}, records(t, &out)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoggerLevelAndFormat(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := NewLogger(&out, level, Text)
	log.Debug("unseen")
	level.Set(slog.LevelDebug)
	log.Debug("seen", "domain", "d")
	if got := out.String(); strings.Contains(got, "unseen") || !strings.Contains(got, "level=DEBUG msg=seen domain=d") {
		t.Errorf("text log = %q", got)
	}
	var f Format
	if err := f.UnmarshalText([]byte("JSON")); err != nil || f != JSON {
		t.Errorf("format JSON = %q, %v", f, err)
	}
	if err := f.UnmarshalText([]byte("xml")); err == nil {
		t.Error("format xml is accepted")
	}
}

// vouched is a value of a configuration that is no secret by its type.
type vouched string

func (v vouched) ShownInLogs() string { return string(v) }

func TestRedact(t *testing.T) {
	failed := &url.Error{Op: "Get", URL: "https://idp.example/cb?code=hush#x", Err: errors.New("refused")}
	address, _ := url.Parse("https://ann:hush@idp.example/cb?code=hush")
	tests := []struct {
		name string
		attr slog.Attr
		want string
	}{
		{"a password", slog.String("password", "hush"), redacted},
		{"a client secret in camel case", slog.String("clientSecret", "hush"), redacted},
		{"a header's name", slog.String("Set-Cookie", "hush"), redacted},
		{"a refresh token", slog.String("refresh_token", "hush"), redacted},
		{"a token hint", slog.String("id_token_hint", "hush"), redacted},
		{"a code", slog.String("code", "hush"), redacted},
		{"a code as a number", slog.Int("code", 123456), redacted},
		{"a private key", slog.Any("privateKey", []byte("hush")), redacted},
		{"a group of a secret name", slog.Group("credentials", slog.String("value", "hush")), redacted},
		{"an empty secret is seen to be empty", slog.String("secret", ""), ""},
		{"a switch of a secret name", slog.Bool("secret", true), "true"},
		{"a time of a secret name", slog.Duration("refresh_token_validity", time.Second), "1s"},
		{"what its owner vouches for", slog.Any("max-client-secrets", vouched("10")), "10"},
		{"what its owner vouches for, in a group of a secret name", slog.Group("secrets", slog.Any("count", vouched("10"))), "10"},
		{"the status of a call", slog.String("grpc_code", "OK"), "OK"},
		{"a status code", slog.Int("status_code", 404), "404"},
		{"the name of a token's type", slog.String("token_type", "bearer"), "bearer"},
		{"a client", slog.String("client_id", "abc"), "abc"},
		{"header fields", slog.Any("header", http.Header{"Authorization": {"hush"}}), "[1 fields]"},
		{"form parameters", slog.Any("form", url.Values{"a": {"hush"}, "b": nil}), "[2 parameters]"},
		{"a URL loses user and query", slog.Any("url", address), "https://idp.example/cb"},
		{"a request loses its query", slog.Any("request", &http.Request{Method: "GET", URL: address}), "GET https://idp.example/cb"},
		{"an error loses the query of its URL", slog.Any("err", fmt.Errorf("ask: %w", failed)), `ask: Get \"https://idp.example/cb\": refused`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			NewLogger(&out, slog.LevelInfo, Text).LogAttrs(context.Background(), slog.LevelInfo, "m", tt.attr)
			if strings.Contains(out.String(), "hush") {
				t.Errorf("the secret is in %s", out.String())
			}
			_, value, _ := strings.Cut(strings.TrimSpace(out.String()), "msg=m ")
			_, value, _ = strings.Cut(value, "=")
			if got := strings.Trim(value, `"`); got != tt.want {
				t.Errorf("value = %q, want %q", got, tt.want)
			}
		})
	}
}
