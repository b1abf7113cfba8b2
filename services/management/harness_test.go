package management_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	"github.com/gatehouse-am/gatehouse/services/management"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

const (
	patience = 30 * time.Second // how long a test waits for a fact
	password = "a password nobody else has"
)

// house is a machine with a database of its own, on which management is started.
type house struct {
	testing.TB
	options store.Options // for the database alone: management has a sealing key of its own
	config  management.Config
	gateway serve.TLSFiles
	log     *buffer
}

func newHouse(t testing.TB) *house {
	t.Helper()
	o := storetest.Options(t)
	dir := t.TempDir()
	ours, gateway, err := serve.DevelopmentAuthority(filepath.Join(dir, "tls"))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{TB: t, options: o, gateway: gateway, log: &buffer{}}
	c := management.Defaults()
	c.MongoDBURI = config.URL(o.URI)
	c.MongoDBDatabase = o.Database
	c.Address, c.GRPCAddress, c.TechnicalAddress = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.SealingKeyFile = h.sealingKey()
	c.OperatorName, c.OperatorPassword = "admin", password
	c.Plane = management.Plane{CertFile: ours.CertFile, KeyFile: ours.KeyFile, CAFile: ours.CAFile}
	c.Logger = observe.NewLogger(h.log, c.Logs.Level, c.Logs.Format)
	h.config = c
	return h
}

// sealingKey writes a file with a new sealing key.
func (h *house) sealingKey() string {
	h.Helper()
	path := filepath.Join(h.TempDir(), "sealing.key")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(secret.NewKey())+"\n"), 0o600); err != nil {
		h.Fatal(err)
	}
	return path
}

// running is management that was started.
type running struct {
	*house
	*management.Management
	stop  func() error // waits for the end
	token string
}

// start runs management without waiting until it is ready.
func (h *house) start() *running {
	h.Helper()
	m, err := management.New(h.config)
	if err != nil {
		h.Fatal(err)
	}
	if err := m.Listen(); err != nil {
		h.Fatal(err)
	}
	r := &running{house: h, Management: m}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	h.Cleanup(func() {
		if err := r.stop(); err != nil {
			h.Errorf("management ended with: %v", err)
		}
		if h.Failed() {
			h.Logf("log:\n%s", h.log)
		}
	})
	return r
}

// startReady runs management, waits until it is ready and signs in.
func (h *house) startReady() *running {
	h.Helper()
	r := h.start()
	r.untilReady(true)
	r.signIn()
	return r
}

func (r *running) signIn() {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+r.Addr()+"/management/auth/token", nil)
	if err != nil {
		r.Fatal(err)
	}
	request.SetBasicAuth("admin", password)
	status, body := r.send(request)
	r.token, _ = body["access_token"].(string)
	if status != http.StatusOK || r.token == "" {
		r.Fatalf("sign in: %d %v", status, body)
	}
}

// call asks the management API.
func (r *running) call(method, path, body string) (int, map[string]any) {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), method, "http://"+r.Addr()+"/management"+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	return r.send(request)
}

func (r *running) send(request *http.Request) (int, map[string]any) {
	r.Helper()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.Fatal(err)
	}
	var body map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &body); err != nil {
			r.Fatalf("%s %s answers %d %q", request.Method, request.URL, answer.StatusCode, text)
		}
	}
	return answer.StatusCode, body
}

// must is call where only one status will do.
func (r *running) must(status int, method, path, body string) map[string]any {
	r.Helper()
	got, answer := r.call(method, path, body)
	if got != status {
		r.Fatalf("%s %s: %d %v", method, path, got, answer)
	}
	return answer
}

// technical returns what the technical port answers.
func (r *running) technical(path string) (int, string) {
	r.Helper()
	answer, err := http.Get("http://" + r.TechnicalAddr() + path)
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// untilReady waits until management says that it is ready, or that it is not.
func (r *running) untilReady(ready bool) string {
	r.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		status, text := r.technical("/readyz")
		if (status == http.StatusOK) == ready {
			return text
		}
		if time.Now().After(deadline) {
			r.Fatalf("readiness is still not %v: %s", ready, text)
		}
		<-ticker.C
	}
}

// dial connects to the plane with the certificate of the given files.
func (r *running) dial(files serve.TLSFiles) *grpc.ClientConn {
	r.Helper()
	reloader, err := serve.NewReloader(files, serve.ReloaderOptions{})
	if err != nil {
		r.Fatal(err)
	}
	conn, err := serve.DialGRPC(r.GRPCAddr(), reloader.ClientTLS("", serve.RoleManagement), serve.DialOptions{})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close() })
	return conn
}

// gateway holds what management sends it.
type gateway struct {
	testing.TB
	refuse bool // everything it is sent

	mu           sync.Mutex
	changed      chan struct{} // closed at the next batch
	installation string
	revision     int64
	held         map[resource.Key]resource.Resource
	batches      []configsync.Batch
	stop         func()
}

// Apply implements configsync.Sink.
func (g *gateway) Apply(_ context.Context, b configsync.Batch) []*configsyncv1.Rejection {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.Reset {
		g.held = map[resource.Key]resource.Resource{}
	}
	for _, w := range b.Upserts {
		r := resource.Unwrap(w)
		g.held[resource.KeyOf(r)] = r
	}
	for _, k := range b.Deletes {
		delete(g.held, resource.KeyFromProto(k))
	}
	g.installation, g.revision = b.Installation, b.Revision
	g.batches = append(g.batches, b)
	close(g.changed)
	g.changed = make(chan struct{})
	var rejections []*configsyncv1.Rejection
	if g.refuse {
		for k := range g.held {
			rejections = append(rejections, &configsyncv1.Rejection{Key: k.Proto(), Reason: "for the test"})
		}
	}
	return rejections
}

// join connects a gateway: a new one, or one that holds what another one does.
func (r *running) join(as *gateway) *gateway {
	r.Helper()
	g := &gateway{TB: r, changed: make(chan struct{}), held: map[resource.Key]resource.Resource{}}
	if as != nil {
		g.installation, g.revision, g.held = as.installation, as.revision, as.held
	}
	s := configsync.NewSubscriber(r.dial(r.house.gateway), "gateway", g, configsync.SubscriberOptions{
		InitialInstallation: g.installation, InitialRevision: g.revision,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	g.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Error(err)
		}
	})
	r.Cleanup(g.stop)
	return g
}

// until waits for a fact about what the gateway holds.
func (g *gateway) until(what string, fact func() bool) {
	g.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		g.mu.Lock()
		ok, changed := fact(), g.changed
		g.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			g.Fatalf("still waiting for %s", what)
		}
	}
}

func (g *gateway) untilRevision(revision int64) {
	g.Helper()
	g.until("a revision", func() bool { return len(g.batches) > 0 && g.revision >= revision })
}

// door is a way to the database that can be shut.
type door struct {
	target string
	mu     sync.Mutex
	shut   bool
	open   map[net.Conn]bool
}

// newDoor returns a way to the database, which the configuration takes from now on.
func (h *house) newDoor() *door {
	h.Helper()
	u, err := url.Parse(h.config.MongoDBURI.Reveal())
	if err != nil {
		h.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	d := &door{target: u.Host, open: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			d.through(in, &serving)
		}
	})
	h.Cleanup(func() {
		l.Close()
		d.set(true)
		serving.Wait()
	})
	u.Host = l.Addr().String()
	if u.Path == "" {
		u.Path = "/"
	}
	q := u.Query()
	q.Set("directConnection", "true")
	u.RawQuery = q.Encode()
	h.config.MongoDBURI = config.URL(u.String())
	return d
}

func (d *door) through(in net.Conn, serving *sync.WaitGroup) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out, err := net.Dial("tcp", d.target)
	if err != nil || d.shut {
		in.Close()
		if err == nil {
			out.Close()
		}
		return
	}
	d.open[in], d.open[out] = true, true
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // ends with either side
		to.Close()
		from.Close()
	}
	serving.Go(func() { pass(in, out) })
	serving.Go(func() { pass(out, in) })
}

// set shuts the door, with everything that goes through it, or opens it again.
func (d *door) set(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
	if shut {
		for c := range d.open {
			c.Close()
		}
		clear(d.open)
	}
}

// buffer is a log that is written by several goroutines.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
