package faults

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// collector takes spans over OTLP/HTTP, or stalls.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans map[string][]span // by trace
	all   strings.Builder   // of everything that came, in the form of texts
	heads http.Header
}

type span struct {
	Service, Name string
	ID, Parent    string
}

func newCollector(t *testing.T) *collector {
	c := &collector{spans: map[string][]span{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(r *http.Request) error {
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", r.URL, err)
	}
	body, err := io.ReadAll(unzipped)
	var got collectorv1.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &got)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		return fmt.Errorf("%s: %w", r.URL, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heads = r.Header
	c.all.WriteString(got.String())
	for _, from := range got.GetResourceSpans() {
		service := ""
		for _, a := range from.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range from.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				id := hex.EncodeToString(s.GetTraceId())
				c.spans[id] = append(c.spans[id], span{service, s.GetName(), hex.EncodeToString(s.GetSpanId()), hex.EncodeToString(s.GetParentSpanId())})
			}
		}
	}
	return nil
}

// trace returns the spans of one.
func (c *collector) trace(id string) []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans[id])
}

// said is everything that came, as text.
func (c *collector) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all.String()
}

const (
	traceOfProxy = "0af7651916cd43dd8448eb211c80319c"
	spanOfProxy  = "b7ad6b7169203331"
)

// traced makes a token request by password with the header of the W3C Trace Context.
func (w *world) traced(g *proc.Gateway, trace string) proc.Answer {
	w.t.Helper()
	form := passwordOf(bob, bobsPassword)
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.at(g, "/oauth/token"), strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Traceparent", "00-"+trace+"-"+spanOfProxy+"-01")
	r.SetBasicAuth(w.staff.ClientID, w.staff.Secret)
	answer, err := proc.Send(r)
	if err != nil || answer.Status != http.StatusOK {
		w.t.Fatalf("%d %s, %v", answer.Status, answer.Text, err)
	}
	return answer
}

// recordsOf are the records of one trace, which are JSON.
func recordsOf(t *testing.T, log, trace string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(log) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("a line that is no record: %s", line)
		}
		if record["trace_id"] == trace {
			found = append(found, record)
		}
	}
	return found
}

// hasRecord reports whether there is one whose attribute begins with a text.
func hasRecord(records []map[string]any, message, name, begins string) bool {
	return slices.ContainsFunc(records, func(r map[string]any) bool {
		value, _ := r[name].(string)
		return r["msg"] == message && strings.HasPrefix(value, begins)
	})
}

// below returns what is inside of a span, by service and name.
func below(spans []span, parent string) []span {
	var inside []span
	for _, s := range spans {
		if s.Parent == parent {
			inside = append(inside, s)
		}
	}
	return inside
}

func TestARequestIsOneTraceFromTheProxyToTheDatabase(t *testing.T) {
	c := newCollector(t)
	authorization := filepath.Join(t.TempDir(), "authorization")
	if err := os.WriteFile(authorization, []byte("Bearer of-the-collector"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 1, "--trace-url", c.URL, "--trace-sample", "0", "--trusted-proxies", "127.0.0.0/8", "--trace-authorization-file", authorization)
	g := w.gateways[0]
	made := tokensOf(w.traced(g, traceOfProxy))

	find := func(in []span, service, name string) span {
		for _, s := range in {
			if s.Service == service && strings.HasPrefix(s.Name, name) {
				return s
			}
		}
		return span{}
	}
	proc.Await(t, "the trace has arrived", soon, func(context.Context) error {
		all := c.trace(traceOfProxy)
		token := find(below(all, spanOfProxy), "gatehouse-gateway", "token")
		inside := below(all, token.ID)
		call := find(inside, "gatehouse-gateway", "gatehouse.directory.v1.")
		served := find(below(all, call.ID), "gatehouse-management", "gatehouse.directory.v1.")
		if token.ID == "" || find(inside, "gatehouse-gateway", "redis ").ID == "" || call.ID == "" || served.ID == "" ||
			find(below(all, served.ID), "gatehouse-management", "mongodb find").ID == "" {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
	if got := c.heads.Get("Authorization"); got != "Bearer of-the-collector" {
		t.Errorf("the collector was told %q", got)
	}
	for what, secret := range map[string]string{
		"password": bobsPassword, "name": bob, "access token": made.Access, "refresh token": made.Refresh, "client secret": w.staff.Secret,
	} {
		if strings.Contains(c.said(), secret) {
			t.Errorf("a trace tells the %s", what)
		}
	}
	// One search finds the request in the logs of both services.
	gateway, management := recordsOf(t, g.Stderr(), traceOfProxy), recordsOf(t, w.management.Stderr(), traceOfProxy)
	for what, found := range map[string]bool{
		"the gateway's request":      hasRecord(gateway, "request", "endpoint", "token") && gateway[0]["request_id"] != nil,
		"management's call":          hasRecord(management, "call", "method", "/gatehouse.directory.v1."),
		"how the call went":          hasRecord(management, "call", "grpc_code", "OK"),
		"the spans that did it":      len(management) > 0 && management[0]["span_id"] != nil && len(gateway) > 0 && gateway[0]["span_id"] != nil,
		"nothing of a password":      !strings.Contains(g.Stderr()+w.management.Stderr(), bobsPassword),
		"nothing of an access token": !strings.Contains(g.Stderr()+w.management.Stderr(), made.Access),
	} {
		if !found {
			t.Errorf("the logs lack %s:\n%v\n%v", what, gateway, management)
		}
	}
	// Who looks at durations finds the trace (OpenMetrics 1.0, exemplars).
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.TechnicalURL+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	answer, err := proc.Send(r)
	if err != nil || !strings.Contains(answer.Text, `# {trace_id="`+traceOfProxy+`"}`) {
		t.Errorf("no exemplar: %v, %.2000s", err, answer.Text)
	}
}

func TestStrangersJoinNoTraceAndChooseNoSample(t *testing.T) {
	c := newCollector(t)
	w := newWorld(t, 1, "--trace-url", c.URL, "--trace-sample", "1")
	w.traced(w.gateways[0], traceOfProxy)
	proc.Await(t, "the trace has arrived", soon, func(context.Context) error {
		if !strings.Contains(c.said(), `"token"`) {
			return fmt.Errorf("nothing of the request")
		}
		return nil
	})
	if got := c.trace(traceOfProxy); got != nil {
		t.Errorf("a stranger's trace got %+v", got)
	}
}

func TestACollectorThatStallsOrIsAwayDelaysNobody(t *testing.T) {
	stall := make(chan struct{})
	stalled := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stall:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(stalled.Close)
	t.Cleanup(func() { close(stall) })
	w := newWorld(t, 1, "--trace-url", stalled.URL, "--trace-sample", "1")
	for range 200 { // more than wait in one batch
		w.withinASecond("a token", func() { w.granted(w.gateways[0], w.service, ofService) })
	}
	stalled.CloseClientConnections()
	w.gateways[0].Await("the log tells that spans are lost", soon, func(context.Context) error {
		if lines := strings.Count(w.gateways[0].Stderr(), "traces are not taken"); lines != 1 {
			return fmt.Errorf("%d lines", lines)
		}
		return nil
	})
}
