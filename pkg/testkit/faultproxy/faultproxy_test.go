package faultproxy_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
)

// echo is a server that sends back what it gets, and closes when its client does.
type echo struct {
	net.Listener
	all sync.WaitGroup

	mu    sync.Mutex // guards all below
	conns []net.Conn
	heard strings.Builder
	ended int
}

func start(t *testing.T) (*echo, *faultproxy.Proxy) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{Listener: l}
	e.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			e.conns = append(e.conns, c)
			e.mu.Unlock()
			e.all.Go(func() { e.serve(c) })
		}
	})
	p, err := faultproxy.Listen("", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Close()
		_ = l.Close()
		e.hangUp()
		e.all.Wait()
	})
	return e, p
}

func (e *echo) serve(c net.Conn) {
	defer c.Close()
	text := make([]byte, 1024)
	for {
		n, err := c.Read(text)
		e.mu.Lock()
		e.heard.Write(text[:n])
		if err != nil {
			e.ended++
		}
		e.mu.Unlock()
		if err != nil {
			return
		}
		_, _ = c.Write(text[:n])
	}
}

func (e *echo) hangUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		_ = c.Close()
	}
}

func (e *echo) said() (heard string, ended int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard.String(), e.ended
}

func dial(t *testing.T, p *faultproxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask sends a word and reads as much.
func ask(c net.Conn, word string) (string, error) { return read(c, word, len(word), 5*time.Second) }

func read(c net.Conn, word string, n int, patience time.Duration) (string, error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	text := make([]byte, n)
	got, err := io.ReadFull(c, text)
	return string(text[:got]), err
}

func set(t *testing.T, p *faultproxy.Proxy, f faultproxy.Fault) {
	t.Helper()
	if err := p.Set(f); err != nil {
		t.Fatal(err)
	}
}

func answers(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if got, err := ask(c, "hello"); got != "hello" || err != nil {
		t.Errorf("%s: %q, %v", what, got, err)
	}
}

func silent(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if got, err := read(c, "lost", len("lost"), 100*time.Millisecond); got != "" || !timeout(err) {
		t.Errorf("%s is not silent: %q, %v", what, got, err)
	}
}

func timeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// within waits until something is so.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(5 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not so", what)
		}
	}
}

func TestHealthyConnectionsPassEverythingAndTheirEnd(t *testing.T) {
	e, p := start(t)
	c := dial(t, p)
	answers(t, "a connection", c)
	if p.Open() != 1 || p.Taken() != 1 {
		t.Errorf("%d open, %d taken", p.Open(), p.Taken())
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	within(t, "the server has heard of the end", func() bool { _, ended := e.said(); return ended == 1 })
	within(t, "nothing is open", func() bool { return p.Open() == 0 })

	other := dial(t, p)
	answers(t, "another", other)
	e.hangUp()
	if _, err := other.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the server's end: %v", err)
	}
}

func TestCutResetsWhatIsOpenAndWhatIsNew(t *testing.T) {
	_, p := start(t)
	c := dial(t, p)
	answers(t, "a connection", c)
	set(t, p, faultproxy.Cut)
	if _, err := ask(c, "x"); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the open one: %v", err)
	}
	fresh, err := net.Dial("tcp", p.Address())
	if err == nil {
		defer fresh.Close()
		_, err = ask(fresh, "x")
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a new one: %v", err)
	}
	set(t, p, faultproxy.Healthy)
	answers(t, "after it", dial(t, p))
}

func TestRefusedMeansThatNobodyListens(t *testing.T) {
	_, p := start(t)
	c := dial(t, p)
	answers(t, "a connection", c)
	set(t, p, faultproxy.Refused)
	if _, err := ask(c, "x"); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the open one: %v", err)
	}
	if _, err := net.Dial("tcp", p.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new one: %v", err)
	}
	set(t, p, faultproxy.Healthy)
	answers(t, "after it", dial(t, p))
}

func TestHalfOpenConnectionsStayDead(t *testing.T) {
	e, p := start(t)
	c := dial(t, p)
	answers(t, "a connection", c)
	set(t, p, faultproxy.HalfOpen)
	fresh := dial(t, p)
	silent(t, "the open one", c)
	silent(t, "a new one", fresh)
	e.hangUp()
	silent(t, "one whose server is gone", c)
	set(t, p, faultproxy.Healthy)
	silent(t, "the old one afterwards", c)
	silent(t, "the new one afterwards", fresh)
	answers(t, "one from afterwards", dial(t, p))
	if heard, _ := e.said(); strings.Contains(heard, "lost") {
		t.Errorf("the server has heard %q", heard)
	}
	_, _ = c.Close(), fresh.Close()
	within(t, "one is open", func() bool { return p.Open() == 1 })
}

func TestDeafnessIsOfOpenConnections(t *testing.T) {
	_, p := start(t)
	c := dial(t, p)
	answers(t, "a connection", c)
	set(t, p, faultproxy.Deaf)
	silent(t, "the open one", c)
	answers(t, "a new one", dial(t, p))
}

func TestWhatWasStalledArrives(t *testing.T) {
	_, p := start(t)
	c := dial(t, p)
	set(t, p, faultproxy.Stalled)
	silent(t, "while it stalls", c)
	set(t, p, faultproxy.Healthy)
	if got, err := read(c, "more", len("lostmore"), 5*time.Second); got != "lostmore" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLostAnswersWereGiven(t *testing.T) {
	e, p := start(t)
	c := dial(t, p)
	set(t, p, faultproxy.AnswersLost)
	silent(t, "the client", c)
	if heard, _ := e.said(); heard != "lost" {
		t.Errorf("the server heard %q", heard)
	}
	set(t, p, faultproxy.Healthy)
	answers(t, "afterwards", c)
}

func TestSlowCloseHidesTheEndFromEither(t *testing.T) {
	e, p := start(t)
	left, right := dial(t, p), dial(t, p)
	answers(t, "one", left)
	answers(t, "another", right)
	set(t, p, faultproxy.SlowClose)
	answers(t, "meanwhile", left)
	_ = right.Close()
	within(t, "one is open", func() bool { return p.Open() == 1 })
	if _, ended := e.said(); ended != 0 {
		t.Error("the server was told")
	}
	e.hangUp()
	silent(t, "one whose server has closed", left)
	set(t, p, faultproxy.Healthy)
	_ = left.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := left.Read(make([]byte, 1)); timeout(err) || err == nil {
		t.Errorf("not told afterwards: %v", err)
	}
}

func TestTruncatedAnswersEndEarly(t *testing.T) {
	_, p := start(t)
	c := dial(t, p)
	answers(t, "before", c)
	set(t, p, faultproxy.Truncated(3))
	for what, c := range map[string]net.Conn{"an open connection": c, "a new one": dial(t, p)} {
		if got, err := ask(c, "hello"); got != "hel" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

func TestSlowNetworks(t *testing.T) {
	for _, f := range []faultproxy.Fault{faultproxy.Latency(100*time.Millisecond, 20*time.Millisecond), faultproxy.Narrow(25)} {
		t.Run(f.String(), func(t *testing.T) {
			_, p := start(t)
			c := dial(t, p)
			set(t, p, f)
			began := time.Now()
			answers(t, "slowly", c)
			if took := time.Since(began); took < 190*time.Millisecond {
				t.Errorf("it took %s", took)
			}
			set(t, p, faultproxy.Healthy)
			fastest := time.Hour // of a few: the machine may be slow itself
			for range 10 {
				began = time.Now()
				answers(t, "afterwards", c)
				fastest = min(fastest, time.Since(began))
			}
			if fastest > 190*time.Millisecond {
				t.Errorf("afterwards it took %s", fastest)
			}
		})
	}
}

func TestFaultsHaveNames(t *testing.T) {
	for f, want := range map[faultproxy.Fault]string{
		faultproxy.Healthy: "healthy", faultproxy.HalfOpen: "half-open", faultproxy.Truncated(3): "truncated: 3 bytes",
		faultproxy.Latency(time.Second, time.Second): "latency of 1s to 2s",
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
