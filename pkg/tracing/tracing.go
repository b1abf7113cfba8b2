// Package tracing sends spans to a collector, over OTLP/HTTP (OpenTelemetry Protocol 1.x, binary). What is traced is the choice of
// package observe; this is where it goes. Spans wait in memory for at most a few seconds; when the collector is slow or away they are
// dropped, and no request waits.
package tracing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
)

// Settings say where spans go. Services have them in their configuration.
type Settings struct {
	URL           config.URL    `flag:"trace-url" help:"collector of traces over OTLP/HTTP, such as http://collector:4318; without it nothing is traced"`
	Sample        float64       `flag:"trace-sample" help:"the part of requests that is traced, from 0 to 1; those that a trusted proxy traces are, whatever it says"`
	CAFile        string        `flag:"trace-ca-file" help:"the authorities that may have signed the collector's certificate, PEM; default: those of the system"`
	Authorization config.Secret `flag:"trace-authorization" help:"what the collector is told in the header Authorization, such as Bearer …; with an http URL it travels in the clear"`
}

// Defaults trace one request in a hundred, once there is a collector.
func Defaults() Settings { return Settings{Sample: 0.01} }

// Validate says everything that is wrong with the settings.
func (s *Settings) Validate() error {
	var faults []error
	if !(s.Sample >= 0 && s.Sample <= 1) {
		faults = append(faults, config.Invalid("trace-sample", "%v is not between 0 and 1", s.Sample))
	}
	if s.URL != "" {
		u, err := url.Parse(s.URL.Reveal())
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			faults = append(faults, config.Invalid("trace-url", "%q is not an http(s) URL with a host, without user and query; a sign-in is --trace-authorization", s.URL))
		}
	}
	return errors.Join(faults...)
}

// The limits of what waits.
const (
	sendEvery = 2 * time.Second
	sendTime  = 5 * time.Second
	lastTime  = 2 * time.Second // for what is left when the service stops
)

// Exporter is where spans go; a nil one is nowhere.
type Exporter struct {
	provider *sdktrace.TracerProvider
}

// Open prepares sending. It returns nil without a URL, and contacts nobody. service is "management" or "gateway".
func Open(s Settings, service, version, node string, log *slog.Logger) (*Exporter, error) {
	if err := s.Validate(); err != nil || s.URL == "" {
		return nil, err
	}
	address := strings.TrimSuffix(s.URL.Reveal(), "/")
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(address + "/v1/traces"), otlptracehttp.WithTimeout(sendTime),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}),
	}
	if s.Authorization != "" {
		options = append(options, otlptracehttp.WithHeaders(map[string]string{"Authorization": s.Authorization.Reveal()}))
	}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, config.Invalid("trace-ca-file", "%v", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, config.Invalid("trace-ca-file", "%s holds no certificate", s.CAFile)
		}
		options = append(options, otlptracehttp.WithTLSClientConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}))
	}
	sender := &sender{SpanExporter: otlptrace.NewUnstarted(otlptracehttp.NewClient(options...)), log: log, address: s.URL.String()}
	return &Exporter{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(sender, sdktrace.WithBatchTimeout(sendEvery), sdktrace.WithExportTimeout(sendTime)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(s.Sample))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.namespace", "gatehouse"), attribute.String("service.name", "gatehouse-"+service),
			attribute.String("service.version", version), attribute.String("service.instance.id", node),
		)),
	)}, nil
}

// Provider makes the spans that are sent; nil of a nil exporter.
func (e *Exporter) Provider() trace.TracerProvider {
	if e == nil {
		return nil
	}
	return e.provider
}

// Run waits for the end of ctx and then sends what is left. It fails never: a service that ends has ended without its last spans, too.
func (e *Exporter) Run(ctx context.Context) error {
	<-ctx.Done()
	if e == nil {
		return nil
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
	defer cancel()
	_ = e.provider.Shutdown(limited)
	return nil
}

// sayEvery is how often a collector that is away is logged.
const sayEvery = time.Minute

// sender tells the log about a collector that does not take spans. The library would write to the standard error of the process.
type sender struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	address string
	said    atomic.Int64 // Unix seconds
}

// ExportSpans implements sdktrace.SpanExporter. It is not an error that spans are lost.
func (s *sender) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	now, said := time.Now().Unix(), s.said.Load()
	if now-said >= int64(sayEvery/time.Second) && s.said.CompareAndSwap(said, now) {
		s.log.WarnContext(ctx, "traces are not taken; spans are lost", "collector", s.address, "lost", len(spans), "err", err)
	}
	return nil
}
