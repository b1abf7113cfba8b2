package gatewaytest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Redis returns the URL of the Redis that tests share. Keys are random, and domains should be.
func Redis(t testing.TB) string {
	t.Helper()
	url := os.Getenv("GATEHOUSE_TEST_REDIS_URL")
	if url == "" {
		t.Fatal("GATEHOUSE_TEST_REDIS_URL is not set: run the tests by scripts/with-backing.sh")
	}
	return url
}

// Server is a redis-server of one test, which may stop it.
type Server struct {
	URL  string
	port int
	cmd  *exec.Cmd
}

// StartRedis starts a redis-server on a free port and ends it with the test.
func StartRedis(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	t.Cleanup(func() { s.Kill(t) })
	for range 20 {
		s.port = freePort(t)
		if s.start(t) {
			s.URL = fmt.Sprintf("redis://127.0.0.1:%d/0", s.port)
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start runs the server and waits until it accepts connections. It reports false if the port was taken meanwhile.
func (s *Server) start(t testing.TB) bool {
	t.Helper()
	name := os.Getenv("GATEHOUSE_REDIS_SERVER")
	if name == "" {
		name = "redis-server"
	}
	program, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("no redis-server (GATEHOUSE_REDIS_SERVER may name one): %v", err)
	}
	cmd := exec.Command(program, "--bind", "127.0.0.1", "--port", fmt.Sprint(s.port), "--save", "", "--appendonly", "no",
		"--dir", t.TempDir(), "--daemonize", "no")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() { // ends with the process, whose output it reads
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "Ready to accept connections") {
				ready <- true
			}
		}
		ready <- false
	}()
	if !<-ready {
		_ = cmd.Wait()
		return false
	}
	s.cmd = cmd
	return true
}

// Stall stops the process without ending it: connections stay open and nothing answers. Resume undoes it.
func (s *Server) Stall(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume lets a stalled server go on.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the process. Nothing it held survives.
func (s *Server) Kill(testing.TB) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_, _ = s.cmd.Process.Wait()
	s.cmd = nil
}

// Restart starts the server again on its port after Kill.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if !s.start(t) {
		t.Fatal("redis-server does not start again")
	}
}
