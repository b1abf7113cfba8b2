// Package redistest runs Redis for tests as installations run it: a Cluster, and a server with a replica that Sentinels watch.
// The servers are real processes on free ports of the loopback interface.
package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long servers may take to find each other, on a machine that is busy with other things.
const patience = 60 * time.Second

// Server is one process, a server or a Sentinel.
type Server struct {
	// Address is host:port.
	Address string

	port     int
	password string
	command  []string
	process  *exec.Cmd
	said     *bytes.Buffer
}

// set is what was started together.
type set struct {
	dir     string
	servers []*Server
}

// Close ends every process and removes what they wrote.
func (s *set) Close() {
	for _, server := range s.servers {
		server.Kill()
	}
	_ = os.RemoveAll(s.dir)
}

func newSet() (*set, error) {
	dir, err := os.MkdirTemp("", "redistest-*")
	return &set{dir: dir}, err
}

// start runs redis-server with arguments beside those that every server has.
func (s *set) start(password string, port int, arguments ...string) (*Server, error) {
	dir := filepath.Join(s.dir, strconv.Itoa(port))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	server := &Server{
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), port: port, password: password,
		command: append(arguments, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--daemonize", "no"),
	}
	s.servers = append(s.servers, server)
	if err := server.Start(); err != nil {
		return nil, err
	}
	return server, server.until("PING", "PONG")
}

// Start runs the process, again after Kill.
func (s *Server) Start() error {
	s.said = new(bytes.Buffer)
	s.process = exec.Command("redis-server", s.command...)
	s.process.Stdout, s.process.Stderr = s.said, s.said
	s.process.SysProcAttr = childAttributes()
	if err := s.process.Start(); err != nil {
		s.process = nil
		return fmt.Errorf("redis-server (scripts/ensure.sh redis-server installs it): %w", err)
	}
	return nil
}

// Kill ends the process at once.
func (s *Server) Kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

// Stall stops the process without ending it: connections stay open and nothing answers. Resume undoes it.
func (s *Server) Stall() error { return s.process.Process.Signal(syscall.SIGSTOP) }

// Resume lets a stalled process go on.
func (s *Server) Resume() error { return s.process.Process.Signal(syscall.SIGCONT) }

// Do asks the server by redis-cli and returns what it prints.
func (s *Server) Do(arguments ...string) (string, error) {
	cli := exec.Command("redis-cli", append([]string{"-p", strconv.Itoa(s.port)}, arguments...)...)
	if s.password != "" {
		cli.Env = append(os.Environ(), "REDISCLI_AUTH="+s.password)
	}
	out, err := cli.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("redis-cli %s: %w: %s", strings.Join(arguments, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// until waits for an answer that has a text in it.
func (s *Server) until(command, has string) error {
	said := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause() {
		answer, err := s.Do(strings.Fields(command)...)
		if err == nil && strings.Contains(answer, has) {
			return nil
		}
		said = fmt.Sprint(answer, err)
	}
	return fmt.Errorf("%s: %q does not come to say %q but %s", s.Address, command, has, said)
}

func pause() {
	timer := time.NewTimer(20 * time.Millisecond)
	<-timer.C
}

// ports returns free ones. They are held together, so that they differ.
func ports(n int) ([]int, error) {
	var list []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().(*net.TCPAddr).Port)
	}
	return list, nil
}

// Cluster is a Redis Cluster of three servers without replicas.
type Cluster struct {
	*set
	Servers []*Server
	// URL has the form that a gateway is given.
	URL string
}

// StartCluster starts a Cluster whose user "default" has a password. Close ends it.
func StartCluster() (*Cluster, error) {
	s, err := newSet()
	if err != nil {
		return nil, err
	}
	const password = "of-the-cluster"
	c := &Cluster{set: s}
	if err := c.begin(password); err != nil {
		s.Close()
		return nil, err
	}
	c.URL = "redis+cluster://:" + password + "@" + c.Servers[0].Address + "," + c.Servers[1].Address
	return c, nil
}

func (c *Cluster) begin(password string) error {
	free, err := ports(6)
	if err != nil {
		return err
	}
	create := []string{"--cluster", "create"}
	for i := range 3 {
		server, err := c.start(password, free[i],
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(free[3+i]), "--cluster-node-timeout", "2000", "--save", "", "--appendonly", "no",
			"--requirepass", password, "--masterauth", password)
		if err != nil {
			return err
		}
		c.Servers = append(c.Servers, server)
		create = append(create, server.Address)
	}
	if _, err := c.Servers[0].Do(append(create, "--cluster-replicas", "0", "--cluster-yes")...); err != nil {
		return err
	}
	for _, server := range c.Servers {
		if err := server.until("CLUSTER INFO", "cluster_state:ok"); err != nil {
			return err
		}
	}
	return nil
}

// Move gives slots of one server to another, while both serve.
func (c *Cluster) Move(from, to *Server, slots int) error {
	source, err := from.Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	target, err := to.Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	_, err = from.Do("--cluster", "reshard", from.Address, "--cluster-from", source, "--cluster-to", target, "--cluster-slots", strconv.Itoa(slots), "--cluster-yes")
	return err
}

// Sentinels are three Sentinels that watch a server and its replica.
type Sentinels struct {
	*set
	Primary, Replica *Server
	Sentinels        []*Server
	// URL has the form that a gateway is given.
	URL string
}

// StartSentinels starts them with passwords for the servers and for the Sentinels. A primary that is away for a second is replaced.
// Close ends them.
func StartSentinels() (*Sentinels, error) {
	s, err := newSet()
	if err != nil {
		return nil, err
	}
	const password, sentinelPassword = "of-the-servers", "of-the-sentinels"
	w := &Sentinels{set: s}
	if err := w.begin(password, sentinelPassword); err != nil {
		s.Close()
		return nil, err
	}
	var hosts []string
	for _, server := range w.Sentinels {
		hosts = append(hosts, server.Address)
	}
	w.URL = "redis+sentinel://:" + password + "@" + strings.Join(hosts, ",") + "/gatehouse?sentinel-password=" + sentinelPassword
	return w, nil
}

func (w *Sentinels) begin(password, sentinelPassword string) error {
	free, err := ports(5)
	if err != nil {
		return err
	}
	serving := []string{"--save", "", "--appendonly", "no", "--requirepass", password, "--masterauth", password, "--repl-diskless-sync-delay", "0"}
	if w.Primary, err = w.start(password, free[0], serving...); err != nil {
		return err
	}
	if w.Replica, err = w.start(password, free[1], append(serving, "--replicaof", "127.0.0.1 "+strconv.Itoa(free[0]))...); err != nil {
		return err
	}
	if err := w.Replica.until("INFO replication", "master_link_status:up"); err != nil {
		return err
	}
	for _, port := range free[2:] {
		file := filepath.Join(w.dir, fmt.Sprintf("sentinel-%d.conf", port))
		text := fmt.Sprintf("sentinel monitor gatehouse 127.0.0.1 %d 2\nsentinel auth-pass gatehouse %s\nsentinel down-after-milliseconds gatehouse 1000\n"+
			"sentinel failover-timeout gatehouse 5000\nrequirepass %s\n", free[0], password, sentinelPassword)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		sentinel, err := w.start(sentinelPassword, port, file, "--sentinel")
		if err != nil {
			return err
		}
		w.Sentinels = append(w.Sentinels, sentinel)
	}
	for _, sentinel := range w.Sentinels {
		if err := errors.Join(
			sentinel.until("SENTINEL MASTER gatehouse", "num-other-sentinels\n2"), sentinel.until("SENTINEL MASTER gatehouse", "num-slaves\n1"),
		); err != nil {
			return err
		}
	}
	return nil
}

// FailedOver waits until the replica is the primary.
func (w *Sentinels) FailedOver() error { return w.Replica.until("ROLE", "master") }
