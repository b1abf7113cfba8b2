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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long servers may take to find each other, on a machine that is busy with other things.
const patience = 60 * time.Second

// Server is one process, a server or a Sentinel.
type Server struct {
	// Address is host:port, and Announced the one by which the others and their clients know it; the same, unless they are behind networks.
	Address, Announced string

	port     int
	user     string
	password string
	files    *Files // nil without TLS
	command  []string
	process  *exec.Cmd
	said     *bytes.Buffer
}

// set is what was started together.
type set struct {
	// Files are those of TLS; nil without.
	*Files
	dir     string
	user    string // who redis-cli is; default: "default"
	servers []*Server
	// behind says where a server appears to be; nil: where it is.
	behind func(address string) (announced string, err error)
}

// announce returns the port by which a server on a port is known, and the settings of a server (prefix "--replica" or "--cluster") that say so.
func (s *set) announce(port int, prefix string) (known int, address string, settings []string, err error) {
	address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if s.behind == nil {
		return port, address, nil, nil
	}
	if address, err = s.behind(address); err != nil {
		return 0, "", nil, err
	}
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, "", nil, err
	}
	known, err = strconv.Atoi(text)
	return known, address, []string{prefix + "-announce-ip", "127.0.0.1", prefix + "-announce-port", text}, err
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
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Announced: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), port: port, user: s.user, password: password, files: s.Files,
		command: append(slices.Clone(arguments), "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no"),
	}
	if s.Files == nil {
		server.command = append(server.command, "--port", strconv.Itoa(port))
	} else {
		server.command = append(append(server.command, "--port", "0", "--tls-port", strconv.Itoa(port)), s.server()...)
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
	as := []string{"-p", strconv.Itoa(s.port)}
	if s.files != nil {
		as = append(as, s.files.client()...)
	}
	if s.user != "" {
		as = append(as, "--user", s.user)
	}
	cli := exec.Command("redis-cli", append(as, arguments...)...)
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

// Cluster is a Redis Cluster of three servers, each with a replica or none of them.
type Cluster struct {
	*set
	// Servers are the primaries, then their replicas.
	Servers []*Server
	// URL has the form that a gateway is given.
	URL string
}

// StartCluster starts a Cluster without replicas whose user "default" has a password. Close ends it.
func StartCluster() (*Cluster, error) {
	s, err := newSet()
	if err != nil {
		return nil, err
	}
	return s.cluster("redis+cluster", 0)
}

// StartReplicatedCluster starts a Cluster in which every server has a replica, and that speaks TLS alone, among its servers as well.
func StartReplicatedCluster() (*Cluster, error) {
	s, err := newEncryptedSet()
	if err != nil {
		return nil, err
	}
	return s.cluster("rediss+cluster", 1)
}

func (s *set) cluster(scheme string, replicas int) (*Cluster, error) {
	const password = "of-the-cluster"
	c := &Cluster{set: s}
	if err := c.begin(password, replicas); err != nil {
		s.Close()
		return nil, err
	}
	c.URL = scheme + "://:" + password + "@" + c.Servers[0].Announced + "," + c.Servers[1].Announced
	return c, nil
}

func (c *Cluster) begin(password string, replicas int) error {
	n := 3 * (1 + replicas)
	free, failed := ports(2 * n)
	if failed != nil {
		return failed
	}
	create := []string{"--cluster", "create"}
	for i := range n {
		settings := []string{
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(free[n+i]), "--cluster-node-timeout", "2000", "--save", "", "--appendonly", "no",
			"--requirepass", password, "--masterauth", password, "--repl-diskless-sync-delay", "0",
		}
		if c.Files != nil {
			settings = append(settings, "--tls-cluster", "yes")
		}
		_, announced, more, err := c.announce(free[i], "--cluster")
		if err != nil {
			return err
		}
		server, err := c.start(password, free[i], append(settings, more...)...)
		if err != nil {
			return err
		}
		server.Announced = announced
		c.Servers = append(c.Servers, server)
		create = append(create, server.Address)
	}
	var err error
	if c.behind == nil {
		_, err = c.Servers[0].Do(append(create, "--cluster-replicas", strconv.Itoa(replicas), "--cluster-yes")...)
	} else {
		err = c.meet(free[n:]) // redis-cli looks for servers where they say that they are
	}
	if err != nil {
		return err
	}
	for _, server := range c.Servers {
		if err := server.until("CLUSTER INFO", "cluster_state:ok"); err != nil {
			return err
		}
	}
	return nil
}

// meet makes a Cluster of servers without replicas, given the ports at which they speak to each other.
func (c *Cluster) meet(buses []int) error {
	const slots = 16384
	for i, server := range c.Servers {
		first, next := i*slots/len(c.Servers), (i+1)*slots/len(c.Servers)
		if _, err := server.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(next-1)); err != nil {
			return err
		}
		if _, err := server.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		if i > 0 {
			if _, err := c.Servers[0].Do("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(server.port), strconv.Itoa(buses[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

// Replicated waits until every replica follows its server.
func (c *Cluster) Replicated() error {
	for _, server := range c.Servers {
		if role, err := server.Do("ROLE"); err != nil || !strings.HasPrefix(role, "slave") {
			continue
		}
		if err := server.until("INFO replication", "master_link_status:up"); err != nil {
			return err
		}
	}
	return nil
}

// Primaries are the servers that have slots now, among those that run.
func (c *Cluster) Primaries() []*Server {
	var found []*Server
	for _, server := range c.Servers {
		if role, err := server.Do("ROLE"); err == nil && strings.HasPrefix(role, "master") {
			found = append(found, server)
		}
	}
	return found
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

// StartClusterBehind is StartCluster with servers whose clients find them where behind says, which is given the address of each. The servers
// find each other where they are.
func StartClusterBehind(behind func(address string) (announced string, err error)) (*Cluster, error) {
	s, err := newSet()
	if err != nil {
		return nil, err
	}
	s.behind = behind
	return s.cluster("redis+cluster", 0)
}

// StartSentinels starts them with passwords for the servers and for the Sentinels. A primary that is away for a second is replaced.
// Close ends them.
func StartSentinels() (*Sentinels, error) {
	s, err := newSet()
	if err != nil {
		return nil, err
	}
	return s.sentinels("redis+sentinel")
}

// StartSentinelsBehind is StartSentinels with servers and Sentinels that everybody, they as well, finds where behind says, which is given the
// address of each.
func StartSentinelsBehind(behind func(address string) (announced string, err error)) (*Sentinels, error) {
	s, err := newSet()
	if err != nil {
		return nil, err
	}
	s.behind = behind
	return s.sentinels("redis+sentinel")
}

// StartEncryptedSentinels starts the same, which speak TLS alone.
func StartEncryptedSentinels() (*Sentinels, error) {
	s, err := newEncryptedSet()
	if err != nil {
		return nil, err
	}
	return s.sentinels("rediss+sentinel")
}

func (s *set) sentinels(scheme string) (*Sentinels, error) {
	const password, sentinelPassword = "of-the-servers", "of-the-sentinels"
	w := &Sentinels{set: s}
	if err := w.begin(password, sentinelPassword); err != nil {
		s.Close()
		return nil, err
	}
	var hosts []string
	for _, server := range w.Sentinels {
		hosts = append(hosts, server.Announced)
	}
	w.URL = scheme + "://:" + password + "@" + strings.Join(hosts, ",") + "/gatehouse?sentinel-password=" + sentinelPassword
	return w, nil
}

func (w *Sentinels) begin(password, sentinelPassword string) error {
	free, err := ports(5)
	if err != nil {
		return err
	}
	serving := []string{"--save", "", "--appendonly", "no", "--requirepass", password, "--masterauth", password, "--repl-diskless-sync-delay", "0"}
	known, announced, more, err := w.announce(free[0], "--replica")
	if err != nil {
		return err
	}
	if w.Primary, err = w.start(password, free[0], append(serving[:len(serving):len(serving)], more...)...); err != nil {
		return err
	}
	w.Primary.Announced = announced
	if _, announced, more, err = w.announce(free[1], "--replica"); err != nil {
		return err
	}
	more = append(more, "--replicaof", "127.0.0.1 "+strconv.Itoa(known))
	if w.Replica, err = w.start(password, free[1], append(serving[:len(serving):len(serving)], more...)...); err != nil {
		return err
	}
	w.Replica.Announced = announced
	if err := w.Replica.until("INFO replication", "master_link_status:up"); err != nil {
		return err
	}
	for _, port := range free[2:] {
		file := filepath.Join(w.dir, fmt.Sprintf("sentinel-%d.conf", port))
		text := fmt.Sprintf("sentinel monitor gatehouse 127.0.0.1 %d 2\nsentinel auth-pass gatehouse %s\nsentinel down-after-milliseconds gatehouse 1000\n"+
			"sentinel failover-timeout gatehouse 5000\nrequirepass %s\n", known, password, sentinelPassword)
		own, announced, _, err := w.announce(port, "")
		if err != nil {
			return err
		}
		if w.behind != nil {
			text += fmt.Sprintf("sentinel announce-ip 127.0.0.1\nsentinel announce-port %d\n", own)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		sentinel, err := w.start(sentinelPassword, port, file, "--sentinel")
		if err != nil {
			return err
		}
		sentinel.Announced = announced
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

// Serving is the server that is the primary now, among those that run; nil if it is neither of them.
func (w *Sentinels) Serving() *Server {
	for _, server := range []*Server{w.Primary, w.Replica} {
		if role, err := server.Do("ROLE"); err == nil && strings.HasPrefix(role, "master") {
			return server
		}
	}
	return nil
}

// FailedOver waits until the replica is the primary.
func (w *Sentinels) FailedOver() error { return w.Replica.until("ROLE", "master") }
