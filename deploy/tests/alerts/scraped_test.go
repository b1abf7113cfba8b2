package alerts

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/gatehouse-am/gatehouse/deploy/tests/internal/programs"
)

// ofTheScrape are the labels that Prometheus adds, wherever it runs.
var ofTheScrape = []string{"namespace", "job", "instance"}

// measured is a metric with the labels that it has of itself.
type measured map[string][]string

// declared are the metrics of the source code.
func declared(t *testing.T) measured {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "run", "./dashboards", "-declared", "-root", programs.Repository())
	list.Dir = filepath.Join(programs.Repository(), "scripts/tools")
	text, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var metrics []struct {
		Name, Kind string
		Labels     []string
	}
	if err := json.Unmarshal(text, &metrics); err != nil {
		t.Fatal(err)
	}
	found := measured{}
	for _, m := range metrics {
		if m.Kind != "Histogram" {
			found[m.Name] = m.Labels
			continue
		}
		found[m.Name+"_bucket"] = append(slices.Clone(m.Labels), "le")
		found[m.Name+"_sum"], found[m.Name+"_count"] = m.Labels, m.Labels
	}
	return found
}

// TestWhatIsAskedForIsMeasured: each series in panels and alerts is in the source, with each label by which it is chosen and grouped.
func TestWhatIsAskedForIsMeasured(t *testing.T) {
	known := declared(t)
	expressions := panels(t)
	for _, r := range ours(t) {
		expressions = append(expressions, query{r.Alert, r.Expr, ""})
	}
	for _, q := range expressions {
		names := map[string]bool{}
		parser.Inspect(parse(t, q.panel, q.expression), func(n parser.Node, _ []parser.Node) error {
			switch v := n.(type) {
			case *parser.VectorSelector:
				names[v.Name] = true
				for _, m := range v.LabelMatchers {
					if m.Name != model.MetricNameLabel && !slices.Contains(append(known[v.Name], ofTheScrape...), m.Name) {
						t.Errorf("%s: %s has no label %s", q.panel, v.Name, m.Name)
					}
				}
			case *parser.AggregateExpr:
				for _, name := range within(v.Expr) {
					for _, label := range v.Grouping {
						if !slices.Contains(append(known[name], ofTheScrape...), label) {
							t.Errorf("%s: %s has no label %s", q.panel, name, label)
						}
					}
				}
			}
			return nil
		})
		for name := range names {
			if _, there := known[name]; !there {
				t.Errorf("%s: nothing measures %s", q.panel, name)
			}
		}
	}
}

// within are the names of the series within an expression.
func within(e parser.Expr) []string {
	var names []string
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			names = append(names, v.Name)
		}
		return nil
	})
	return names
}

// seldom are series that there are only after something has happened. No alert looks at the growth of one, or the first
// time would be missed: what appears with 1 has not grown.
var seldom = []string{
	"gatehouse_identity_provider_request_duration_seconds_bucket", "gatehouse_identity_provider_requests_total", "gatehouse_mails_queued_total", "gatehouse_mails_retried_total",
	"gatehouse_mails_sent_total", "gatehouse_outbound_failures_total",
}

// TestWhatIsAskedForIsScraped starts management and a gateway as their images do, and reads what Prometheus would read. What is asked
// for is there, with the labels that the source says; what alerts count is there at once, at 0; and the end of the certificate is
// that of the one in use.
func TestWhatIsAskedForIsScraped(t *testing.T) {
	root := t.TempDir()
	secrets := filepath.Join(root, "secrets")
	programs.Secrets(t, secrets)
	technical := start(t, root, secrets)

	scraped := map[string][]*labels.Labels{}
	for _, address := range technical {
		for name, found := range scrape(t, address) {
			scraped[name] = append(scraped[name], found...)
		}
	}
	known := declared(t)
	for name, found := range scraped {
		want, there := known[name]
		if !strings.HasPrefix(name, "gatehouse_") {
			continue
		}
		for _, l := range found {
			if got := slices.Sorted(maps.Keys(l.Map())); !there || !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("%s is scraped with the labels %v; the source says %v", name, got, want)
			}
		}
	}
	expressions := panels(t)
	for _, r := range ours(t) {
		expressions = append(expressions, query{r.Alert, r.Expr, ""})
	}
	for _, q := range expressions {
		for _, name := range within(parse(t, q.panel, q.expression)) {
			if _, there := scraped[name]; there == slices.Contains(seldom, name) {
				t.Errorf("%s: %s is scraped: %t", q.panel, name, there)
			}
		}
	}
	for _, r := range ours(t) {
		parser.Inspect(parse(t, r.Alert, r.Expr), func(n parser.Node, _ []parser.Node) error {
			if call, ok := n.(*parser.Call); ok && call.Func.Name == "increase" {
				selector := call.Args[0].(*parser.MatrixSelector).VectorSelector.(*parser.VectorSelector)
				if !slices.ContainsFunc(scraped[selector.Name], func(l *labels.Labels) bool { return matches(selector, l) }) {
					t.Errorf("%s: no series %s at the start, so its first time is not noticed", r.Alert, selector)
				}
			}
			return nil
		})
	}

	for service, address := range technical {
		versions := map[string]string{}
		for _, l := range scrape(t, address)["gatehouse_build_info"] {
			versions[l.Get("service")] = l.Get("version")
		}
		if want := map[string]string{service: "v1.2.3"}; !maps.Equal(versions, want) {
			t.Errorf("%s says that it is %v, want %v", service, versions, want)
		}
		for _, l := range scrape(t, address)["gatehouse_ready"] {
			if line := "gatehouse_ready" + l.String() + " 1\n"; !strings.Contains(string(read(t, "http://"+address+"/metrics")), line) {
				t.Errorf("%s is ready and does not say %s", service, line)
			}
		}
	}

	// Renewed certificates, which end later: between the planes, and towards people.
	before := map[string]map[string]float64{}
	for service, address := range technical {
		before[service] = expiry(t, address)
		if got := slices.Sorted(maps.Keys(before[service])); !slices.Equal(got, []string{"plane", "public"}) {
			t.Errorf("%s shows the certificates %v", service, got)
		}
		for name, at := range before[service] {
			if at < float64(time.Now().Add(300*24*time.Hour).Unix()) {
				t.Errorf("%s: the certificate %s ends at %f", service, name, at)
			}
		}
	}
	renew(t, secrets)
	for service, address := range technical {
		for name, was := range before[service] {
			deadline, tick := time.After(time.Minute), time.NewTicker(200*time.Millisecond)
			for expiry(t, address)[name] <= was {
				select {
				case <-deadline:
					t.Fatalf("%s goes on with the end of the certificate %s that it had", service, name)
				case <-tick.C:
				}
			}
			tick.Stop()
		}
	}
}

func matches(v *parser.VectorSelector, l *labels.Labels) bool {
	for _, m := range v.LabelMatchers {
		if m.Name != model.MetricNameLabel && !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// start runs both services with e-mails switched on and certificates of their own towards people, asks each something, and returns their technical addresses.
func start(t *testing.T, root, secrets string) map[string]string {
	t.Helper()
	plane, technical := programs.FreeAddress(t), map[string]string{}
	for _, service := range []string{"management", "gateway"} {
		out, err := programs.Build(t.Context(), service, "v1.2.3", filepath.Join(root, service))
		if err != nil {
			t.Fatal(err)
		}
		technical[service] = programs.FreeAddress(t)
		public := programs.FreeAddress(t)
		file := func(name string) string { return filepath.Join(secrets, name) }
		environment := map[string]string{
			"GATEHOUSE_TECHNICAL_ADDRESS": technical[service], "GATEHOUSE_MANAGEMENT_GRPC_ADDRESS": plane,
			"GATEHOUSE_TLS_CERT_FILE": file("plane/" + service + ".crt"), "GATEHOUSE_TLS_KEY_FILE": file("plane/" + service + ".key"), "GATEHOUSE_TLS_CA_FILE": file("plane/ca.crt"),
		}
		more := map[string]string{
			"GATEHOUSE_GATEWAY_TLS_CERT_FILE": file("plane/gateway.crt"), "GATEHOUSE_GATEWAY_TLS_KEY_FILE": file("plane/gateway.key"), "GATEHOUSE_GATEWAY_ADDRESS": public, "GATEHOUSE_PUBLIC_URL": "http://login.example.com", "GATEHOUSE_REDIS_URL": programs.Backing(t, "GATEHOUSE_TEST_REDIS_URL"),
		}
		if service == "management" {
			more = map[string]string{
				"GATEHOUSE_MANAGEMENT_TLS_CERT_FILE": file("plane/management.crt"), "GATEHOUSE_MANAGEMENT_TLS_KEY_FILE": file("plane/management.key"), "GATEHOUSE_MANAGEMENT_ADDRESS": public, "GATEHOUSE_MONGODB_URI": programs.Backing(t, "GATEHOUSE_TEST_MONGODB_URI"), "GATEHOUSE_MONGODB_DATABASE": "alerts_" + filepath.Base(root),
				"GATEHOUSE_SEALING_KEY_FILE": file("sealing.key"), "GATEHOUSE_OPERATOR_NAME": "admin", "GATEHOUSE_OPERATOR_PASSWORD_FILE": file("operator-password"),
				"GATEHOUSE_GATEWAY_URL": "http://login.example.com", "GATEHOUSE_SMTP_URL": "smtp://127.0.0.1:1", "GATEHOUSE_MAIL_FROM": "a@example.com",
			}
		}
		maps.Copy(environment, more)
		programs.Start(t, filepath.Join(out, service), environment).Await("")
		read(t, "https://"+public+"/nowhere")
	}
	return technical
}

// renew replaces the certificates of the plane by ones of the same authority that end later.
func renew(t *testing.T, secrets string) {
	t.Helper()
	for _, service := range []string{"management", "gateway"} {
		for _, kind := range []string{".crt", ".key"} {
			if err := os.Remove(filepath.Join(secrets, "plane", service+kind)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("DAYS", "800")
	programs.Secrets(t, secrets)
}

// expiry says when the certificates of a program end, by their names.
func expiry(t *testing.T, address string) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for line := range strings.Lines(string(read(t, "http://"+address+"/metrics"))) {
		name, rest, ours := strings.Cut(strings.TrimPrefix(line, `gatehouse_tls_certificate_expiry_seconds{certificate="`), `"} `)
		if !ours || !strings.HasPrefix(line, "gatehouse_tls_certificate_expiry_seconds{") {
			continue
		}
		at, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = at
	}
	return found
}

// scrape reads series, by name.
func scrape(t *testing.T, address string) map[string][]*labels.Labels {
	t.Helper()
	format := expfmt.NewTextParser(model.UTF8Validation)
	families, err := format.TextToMetricFamilies(bytes.NewReader(read(t, "http://"+address+"/metrics")))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]*labels.Labels{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			own := map[string]string{}
			for _, pair := range m.GetLabel() {
				own[pair.GetName()] = pair.GetValue()
			}
			if m.GetHistogram() != nil {
				l := labels.FromMap(own)
				own["le"] = "+Inf"
				bucket := labels.FromMap(own)
				found[name+"_bucket"] = append(found[name+"_bucket"], &bucket)
				found[name+"_count"] = append(found[name+"_count"], &l)
				continue
			}
			l := labels.FromMap(own)
			found[name] = append(found[name], &l)
		}
	}
	return found
}

func read(t *testing.T, url string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	anybody := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // our own programs, over loopback
	response, err := anybody.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
