package management_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management"
)

// TestLifeOfAnInstallation starts management on an empty database, works with it, stops it and starts it again.
func TestLifeOfAnInstallation(t *testing.T) {
	h := newHouse(t)
	m := h.startReady()
	g := m.join(nil)
	g.untilRevision(0)
	if !g.batches[0].Reset || len(g.held) != 0 {
		t.Errorf("an empty installation sends %v", g.held)
	}

	made := m.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"Shop"}`)
	id, _ := made["id"].(string)
	key := resource.Key{Kind: "domain", Domain: id, ID: id}
	g.until("the domain", func() bool { return g.held[key] != nil })
	g.mu.Lock()
	before, resources := g.revision, len(g.held)
	g.mu.Unlock()
	if before != 1 || resources != 17 { // the domain, its certificate, its provider and 14 scopes
		t.Errorf("%d resources at revision %d", resources, before)
	}
	m.must(http.StatusOK, http.MethodPatch, "/domains/"+id, `{"enabled":true}`)
	g.untilRevision(2)

	began := time.Now()
	if err := m.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v with a gateway connected", took)
	}
	g.stop()
	installation := g.installation

	m = h.startReady()
	m.must(http.StatusCreated, http.MethodPost, "/domains/"+id+"/scopes", `{"key":"read","name":"Read","description":"Read"}`)
	again := m.join(g)
	again.untilRevision(3)
	again.mu.Lock()
	defer again.mu.Unlock()
	if again.installation != installation || again.revision != 3 {
		t.Errorf("after the restart: installation %s at revision %d, before it %s at 2", again.installation, again.revision, installation)
	}
	sent := 0
	for _, b := range again.batches {
		if b.Reset {
			t.Error("after the restart the gateway began anew")
		}
		sent += len(b.Upserts) + len(b.Deletes)
	}
	if sent != 1 || len(again.held) != resources+1 {
		t.Errorf("after the restart %d resources were sent, the gateway holds %d", sent, len(again.held))
	}
	if d := again.held[key].(*configv1.Domain); !d.GetEnabled() {
		t.Error("what was acknowledged is lost")
	}
}

// TestGatewaysSeeChangesAtOnce looks for delays, such as a follower that nobody wakes and that has to poll. It is no
// measurement: the limit is far above what is expected.
func TestGatewaysSeeChangesAtOnce(t *testing.T) {
	h := newHouse(t)
	m := h.startReady()
	g := m.join(nil)
	made := m.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"Shop"}`)
	id, _ := made["id"].(string)
	key := resource.Key{Kind: "domain", Domain: id, ID: id}
	const patches = 200
	took := make([]time.Duration, patches)
	for i := range patches {
		text := fmt.Sprintf("text %d", i)
		m.must(http.StatusOK, http.MethodPatch, "/domains/"+id, `{"description":"`+text+`"}`)
		answered := time.Now()
		g.until("the change", func() bool {
			d, _ := g.held[key].(*configv1.Domain)
			return d.GetDescription() == text
		})
		took[i] = time.Since(answered)
	}
	slices.Sort(took)
	t.Logf("from the answer to the effect: p50 %v, p99 %v, at most %v", took[patches/2], took[patches*99/100-1], took[patches-1])
	if half := took[patches/2]; half > 200*time.Millisecond {
		t.Errorf("half of the changes take more than %v", half)
	}
}

// TestPlaneIsForGateways: everybody else is refused before a word is said.
func TestPlaneIsForGateways(t *testing.T) {
	h := newHouse(t)
	m := h.startReady()
	ask := func(conn *grpc.ClientConn) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := directoryv1.NewDirectoryServiceClient(conn).GetUser(ctx, &directoryv1.GetUserRequest{Domain: "d", Subject: "s"})
		if err != nil && !fault.Is(fault.FromGRPC(err), fault.NotFound) {
			return err
		}
		stream, err := configsyncv1.NewConfigSyncServiceClient(conn).Watch(ctx)
		if err != nil {
			return err
		}
		subscribe := &configsyncv1.WatchRequest{Message: &configsyncv1.WatchRequest_Subscribe{Subscribe: &configsyncv1.Subscribe{Node: "n"}}}
		if err := stream.Send(subscribe); err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	open := func(c *tls.Config, o serve.DialOptions) *grpc.ClientConn {
		t.Helper()
		conn, err := serve.DialGRPC(m.GRPCAddr(), c, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	_, stranger, err := serve.DevelopmentAuthority(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	stranger.CAFile = h.gateway.CAFile // it trusts management; management does not trust it
	ours := serve.TLSFiles{CertFile: h.config.Plane.CertFile, KeyFile: h.config.Plane.KeyFile, CAFile: h.config.Plane.CAFile}
	nobody := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}

	if err := ask(m.dial(h.gateway)); err != nil {
		t.Errorf("a gateway: %v", err)
	}
	for name, conn := range map[string]*grpc.ClientConn{
		"management itself":              m.dial(ours),
		"a gateway of another authority": m.dial(stranger),
		"somebody without a certificate": open(nobody, serve.DialOptions{}),
		"somebody without TLS":           open(nil, serve.DialOptions{Plaintext: true}),
	} {
		if err := ask(conn); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v, want Unavailable", name, err)
		}
	}
}

// TestDatabaseAwayAtStart: management waits, says so, and becomes ready by itself.
func TestDatabaseAwayAtStart(t *testing.T) {
	h := newHouse(t)
	door := h.newDoor()
	door.set(true)
	m := h.start()
	deadline := time.Now().Add(patience)
	for text := ""; !strings.Contains(text, "waiting for the database"); {
		if time.Now().After(deadline) {
			t.Fatalf("readiness: %s", text)
		}
		text = m.untilReady(false)
	}
	if status, body := m.call(http.MethodPost, "/auth/token", ""); status != http.StatusServiceUnavailable || body["message"] == "" {
		t.Errorf("sign-in meanwhile: %d %v", status, body)
	}
	if status, _ := m.technical("/livez"); status != http.StatusOK {
		t.Errorf("management is not alive: %d", status)
	}
	_, err := directoryv1.NewDirectoryServiceClient(m.dial(h.gateway)).GetUser(t.Context(), &directoryv1.GetUserRequest{Domain: "d", Subject: "s"})
	if !fault.Is(fault.FromGRPC(err), fault.Unavailable) || !strings.Contains(err.Error(), "The service is starting") {
		t.Errorf("a gateway's call meanwhile: %v", err)
	}
	g := m.join(nil)
	door.set(false)
	m.untilReady(true)
	m.signIn()
	g.untilRevision(0)
}

func TestDatabaseAwayMeanwhile(t *testing.T) {
	h := newHouse(t)
	door := h.newDoor()
	m := h.startReady()
	g := m.join(nil)
	g.untilRevision(0)
	door.set(true)
	if text := m.untilReady(false); !strings.Contains(text, "the database does not answer") {
		t.Errorf("readiness: %s", text)
	}
	if status, body := m.call(http.MethodGet, "/domains", ""); status != http.StatusServiceUnavailable {
		t.Errorf("a request meanwhile: %d %v", status, body)
	}
	door.set(false)
	m.untilReady(true)
	m.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"Shop"}`)
	g.untilRevision(1)
	if g.batches[len(g.batches)-1].Reset {
		t.Error("the gateway had to begin anew")
	}
}

// TestStopWhileTheDatabaseIsAway: nobody waits for what does not come.
func TestStopWhileTheDatabaseIsAway(t *testing.T) {
	h := newHouse(t)
	h.newDoor().set(true)
	m := h.start()
	m.untilReady(false)
	began := time.Now()
	if err := m.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// TestDrain: management goes on answering for a while after it stopped being ready, and no longer than that.
func TestDrain(t *testing.T) {
	h := newHouse(t)
	h.config.DrainDelay = 2 * time.Second
	m := h.startReady()
	g := m.join(nil)
	g.untilRevision(0)
	began := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- m.stop() }()
	if text := m.untilReady(false); !strings.Contains(text, `"stopping":true`) {
		t.Errorf("readiness: %s", text)
	}
	if status, body := m.call(http.MethodGet, "/domains", ""); status != http.StatusOK {
		t.Errorf("a request while draining: %d %v", status, body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < h.config.DrainDelay || took > h.config.DrainDelay+10*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

func TestStartThatIsRefused(t *testing.T) {
	used := newHouse(t)
	if err := used.startReady().stop(); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name string
		edit func(h *house, c *management.Config)
		is   error
		text string
	}{
		{name: "nobody could sign in", is: management.ErrNoOperator,
			edit: func(_ *house, c *management.Config) { c.OperatorPassword = "" }},
		{name: "the first operator has no name", is: management.ErrNoOperator,
			edit: func(_ *house, c *management.Config) { c.OperatorName = "" }},
		{name: "the first operator's name cannot be typed", text: "--operator-name",
			edit: func(_ *house, c *management.Config) { c.OperatorName = "a:b" }},
		{name: "the first operator's password is endless", text: "password of the first operator: the password is too long",
			edit: func(_ *house, c *management.Config) { c.OperatorPassword = config.Secret(strings.Repeat("x", 2000)) }},
		{name: "the sealing key is another one", text: "the sealing key is not the one of this database",
			edit: func(h *house, c *management.Config) {
				c.MongoDBDatabase, c.SealingKeyFile = used.config.MongoDBDatabase, h.sealingKey()
			}},
		{name: "there is no sealing key", text: "--sealing-key-file",
			edit: func(_ *house, c *management.Config) { c.SealingKeyFile = "" }},
		{name: "the sealing key file is missing", text: "--sealing-key-file",
			edit: func(_ *house, c *management.Config) { c.SealingKeyFile = "/nowhere" }},
		{name: "the database's address is none", text: "--mongodb-uri",
			edit: func(_ *house, c *management.Config) { c.MongoDBURI = "http://localhost" }},
		{name: "the database's address is malformed", text: "--mongodb-uri",
			edit: func(_ *house, c *management.Config) { c.MongoDBURI = "mongodb://user:hunter2%@localhost" }},
		{name: "the database's name is none", text: "--mongodb-database",
			edit: func(_ *house, c *management.Config) { c.MongoDBDatabase = "a.b" }},
		{name: "the database does not know us", text: "auth",
			edit: func(_ *house, c *management.Config) {
				c.MongoDBURI = config.URL(strings.Replace(c.MongoDBURI.Reveal(), "://", "://somebody:hunter2@", 1))
			}},
		{name: "the plane has no certificate", text: "--tls-cert-file",
			edit: func(_ *house, c *management.Config) { c.Plane.CertFile = "" }},
		{name: "the plane's certificate is missing", text: "--tls-cert-file, --tls-key-file, --tls-ca-file: ",
			edit: func(_ *house, c *management.Config) { c.Plane.CertFile = "/nowhere" }},
		{name: "the plane's certificate is a gateway's", text: "spiffe://gatehouse/gateway; expected spiffe://gatehouse/management",
			edit: func(h *house, c *management.Config) {
				c.Plane.CertFile, c.Plane.KeyFile = h.gateway.CertFile, h.gateway.KeyFile
			}},
		{name: "a port is taken", text: "address already in use",
			edit: func(_ *house, c *management.Config) { c.GRPCAddress = taken.Addr().String() }},
		{name: "an address is none", text: "management: listen",
			edit: func(_ *house, c *management.Config) { c.Address = "nowhere" }},
		{name: "a proxy is none", text: "--trusted-proxies",
			edit: func(_ *house, c *management.Config) { c.TrustedProxies = []string{"x"} }},
		{name: "the gateways' address is none", text: "--gateway-url",
			edit: func(_ *house, c *management.Config) { c.GatewayURL = "gateway" }},
		{name: "audit records would hardly be kept", text: "--keep-audits",
			edit: func(_ *house, c *management.Config) { c.KeepAudits = time.Minute }},
		{name: "operators' tokens would not be valid", text: "--operator-token-lifetime",
			edit: func(_ *house, c *management.Config) { c.TokenLifetime = 0 }},
		{name: "the drain delay is negative", text: "--drain-delay",
			edit: func(_ *house, c *management.Config) { c.DrainDelay = -1 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			tt.edit(h, &h.config)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := management.Run(ctx, h.config)
			switch {
			case err == nil:
				t.Fatal("management ran")
			case tt.is != nil && !errors.Is(err, tt.is), !strings.Contains(err.Error(), tt.text):
				t.Errorf("refused with %q", err)
			case strings.Contains(err.Error()+h.log.String(), "hunter2"):
				t.Errorf("the refusal or the log tells the password: %v\n%s", err, h.log)
			}
		})
	}
}

// TestOperatorsOutliveTheirConfiguration: what was configured for the first start is not needed later, nor obeyed.
func TestOperatorsOutliveTheirConfiguration(t *testing.T) {
	h := newHouse(t)
	if err := h.startReady().stop(); err != nil {
		t.Fatal(err)
	}
	h.config.OperatorPassword = ""
	if err := h.startReady().stop(); err != nil {
		t.Fatal(err)
	}
	h.config.OperatorName, h.config.OperatorPassword = "root", "another"
	h.startReady()
}

// TestTwoReplicas: what one of them writes, gateways of the other one see.
func TestTwoReplicas(t *testing.T) {
	h := newHouse(t)
	one := h.startReady()
	two := h.startReady()
	g := two.join(nil)
	g.untilRevision(0)
	one.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"Shop"}`)
	g.untilRevision(1)
	two.token = one.token
	two.must(http.StatusOK, http.MethodGet, "/domains", "")
}

func TestMetrics(t *testing.T) {
	h := newHouse(t)
	m := h.startReady()
	metric := func(name string) string {
		t.Helper()
		_, text := m.technical("/metrics")
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(line, name+" "); ok {
				return strings.TrimSpace(value)
			}
		}
		t.Fatalf("no metric %s", name)
		return ""
	}
	until := func(name, want string) {
		t.Helper()
		deadline := time.Now().Add(patience)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for got := ""; got != want; got = metric(name) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is %s, want %s", name, got, want)
			}
			<-ticker.C
		}
	}
	if got := metric("gatehouse_gateways_connected"); got != "0" {
		t.Errorf("%s gateways", got)
	}
	g := m.join(nil)
	g.mu.Lock()
	g.refuse = true
	g.mu.Unlock()
	until("gatehouse_gateways_connected", "1")
	m.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"Shop"}`)
	g.untilRevision(1)
	until("gatehouse_config_revision", "1")
	until("gatehouse_config_rejections", "17")
	until("gatehouse_config_lag_seconds", "0")
	until(`gatehouse_signing_keys{domain_state="disabled",status="active"}`, "1")
	if got := metric(`gatehouse_tls_certificate_expiry_seconds{certificate="plane"}`); got == "0" {
		t.Error("the certificate never ends")
	}
	g.stop()
	until("gatehouse_gateways_connected", "0")
	until("gatehouse_config_rejections", "0")
}

// TestUnknownWays: what is no part of the API is told apart from the console.
func TestUnknownWays(t *testing.T) {
	m := newHouse(t).startReady()
	if status, body := m.call(http.MethodGet, "/nonsense", ""); status != http.StatusNotFound || body["message"] == nil {
		t.Errorf("%d %v", status, body)
	}
	answer, err := http.Get("http://" + m.Addr() + "/")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the console answers %d", answer.StatusCode)
	}
}
