package proc

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Redis is a redis-server without persistence.
type Redis struct {
	*Process
	Address, URL string
}

// StartRedis starts a real redis-server.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("%v; scripts/ensure.sh redis-server installs it", err)
	}
	address := FreeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	r := &Redis{Address: address, URL: "redis://" + address + "/0"}
	r.Process = Start(t, "redis-server", path, []string{
		"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", t.TempDir(),
	}, nil)
	r.Ready()
	return r
}

// Ready waits until the server answers.
func (r *Redis) Ready() {
	r.t.Helper()
	r.Await("redis-server", 20*time.Second, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.Address)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
			return err
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "+PONG") {
			err = fmt.Errorf("it answers %q", line)
		}
		return err
	})
}

// MongoDB is the embedded database in a process of its own.
type MongoDB struct {
	*Process
	Address, URI string
	DataDir      string
}

// StartMongoDB starts the embedded database (cmd/backing) in a directory that survives Relaunch.
func StartMongoDB(t testing.TB) *MongoDB {
	t.Helper()
	m := &MongoDB{Address: FreeAddress(t), DataDir: filepath.Join(t.TempDir(), "data")}
	m.URI = "mongodb://" + m.Address
	m.Process = Start(t, "mongodb", Program(t, "backing"), []string{
		"--data-dir", m.DataDir, "--mongodb-address", m.Address, "--redis-address", FreeAddress(t),
	}, nil)
	m.Ready()
	return m
}

// Ready waits until the server accepts connections.
func (m *MongoDB) Ready() {
	m.t.Helper()
	m.Await("mongodb", 30*time.Second, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.Address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}
