package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// callers send one request after the other, each over a connection of its own that is kept alive, until one fails.
type callers struct {
	t    *testing.T
	done atomic.Int64
	all  sync.WaitGroup

	mu     sync.Mutex // guards all below
	first  string     // a request that was answered
	failed map[string]error
	faults []string
}

// call starts a caller. make returns its next request, want is the status of the answer.
func (c *callers) call(name string, want int, request func() (*http.Request, error)) {
	transport := &http.Transport{MaxConnsPerHost: 1}
	client := &http.Client{Transport: transport, Timeout: soon}
	c.all.Go(func() {
		defer transport.CloseIdleConnections()
		for n := 0; ; n++ {
			id := fmt.Sprintf("%s-%d", name, n)
			r, err := request()
			if err != nil {
				c.fault("%s: %v", id, err)
				return
			}
			r.Header.Set("X-Request-Id", id)
			status, text, err := send(client, r)
			if err != nil {
				c.mu.Lock()
				c.failed[id] = err
				c.mu.Unlock()
				return
			}
			if status != want {
				c.fault("%s: %d %s", id, status, text)
				return
			}
			c.answered(id)
		}
	})
}

func (c *callers) answered(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = cmp.Or(c.first, id)
	c.done.Add(1)
}

func send(client *http.Client, r *http.Request) (int, string, error) {
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func (c *callers) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// await waits until so many requests were answered.
func (c *callers) await(n int64) {
	c.t.Helper()
	proc.Await(c.t, "requests are answered", soon, func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.faults) > 0 {
			c.t.Fatal(c.faults)
		}
		if got := c.done.Load(); got < n {
			return fmt.Errorf("%d of %d, failed: %v", got, n, c.failed)
		}
		return nil
	})
}

// check demands that no request failed that the stopped process had begun to serve. A request that met a closed port, or
// a connection that was being closed because nothing was asked over it, was not.
func (c *callers) check(p *proc.Process) {
	c.t.Helper()
	c.all.Wait()
	for _, f := range c.faults {
		c.t.Error(f)
	}
	log := p.Stderr()
	if !strings.Contains(log, `"`+c.first+`"`) {
		c.t.Errorf("the log does not name request %s", c.first)
	}
	for id, err := range c.failed {
		if strings.Contains(log, `"`+id+`"`) {
			c.t.Errorf("request %s was served and failed: %v", id, err)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) &&
			!errors.Is(err, syscall.EPIPE) && !strings.Contains(err.Error(), "server closed idle connection") {
			c.t.Errorf("request %s failed with %v", id, err)
		}
	}
}

const loopback = "--trusted-proxies=127.0.0.0/8" // believed about X-Request-Id

func TestAGatewayThatIsAskedToStopAnswersWhatItAccepted(t *testing.T) {
	w := newWorld(t, 0)
	g := w.inst.StartGateway(w.management, publicURL, loopback)
	w.gateways = append(w.gateways, g)
	w.settle()
	c := &callers{t: t, failed: map[string]error{}}
	for i := range 4 {
		c.call(fmt.Sprintf("token%d", i), http.StatusOK, w.tokenRequest(g, w.service, "grant_type=client_credentials"))
	}
	c.call("discovery", http.StatusOK, func() (*http.Request, error) {
		return http.NewRequest(http.MethodGet, w.at(g, "/oidc/.well-known/openid-configuration"), http.NoBody)
	})
	for i := range 2 { // slow ones: the directory checks a hash
		c.call(fmt.Sprintf("password%d", i), http.StatusOK, w.tokenRequest(g, w.staff, passwordOf(bob, bobsPassword).Encode()))
	}
	c.await(200)
	began := time.Now()
	g.Stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
	c.check(g.Process)
}

func (w *world) tokenRequest(g *proc.Gateway, a app, form string) func() (*http.Request, error) {
	return func() (*http.Request, error) {
		r, err := http.NewRequest(http.MethodPost, w.at(g, "/oauth/token"), strings.NewReader(form))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(a.ClientID, a.Secret)
		return r, nil
	}
}

func TestManagementThatIsAskedToStopAnswersWhatItAcceptedAndKeepsIt(t *testing.T) {
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	w.management = w.inst.StartManagement(loopback)
	w.gateways = append(w.gateways, w.inst.LaunchGateway(w.management, publicURL))
	w.furnish()
	w.gateways[0].Ready()
	c := &callers{t: t, failed: map[string]error{}}
	for i := range 2 {
		c.call(fmt.Sprintf("read%d", i), http.StatusOK, func() (*http.Request, error) { return w.request("GET", "", "") })
	}
	m := newModel(w)
	writers := m.start(4)
	m.await(30)
	c.await(100)
	w.management.Stop()
	writers.stop()
	c.check(w.management.Process)

	w.management.Relaunch()
	w.management.Ready()
	m.check()
	m.checkLog()
	m.checkGateways()
	for _, e := range w.decided() {
		if e.State != "settled" {
			t.Errorf("an orderly stop left revision %d %s", e.Revision, e.State)
		}
	}
	w.resumed(w.gateways[0], 1)
}

func (w *world) request(method, path, body string) (*http.Request, error) {
	r, err := http.NewRequest(method, w.api.URL+w.in(path), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+w.api.Token)
	return r, nil
}
