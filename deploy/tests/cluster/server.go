package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// patience is how long a server has to come up.
const patience = 2 * time.Minute

// start runs etcd and the API server below dir; stop ends both.
func start(ctx context.Context, o options, dir string) (*cluster, func(), error) {
	var started []*process
	stop := func() {
		for i := len(started) - 1; i >= 0; i-- {
			started[i].end()
		}
	}
	peers, clients, secure := address(), address(), address()
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	token := hex.EncodeToString(raw)
	key, err := accountKey()
	if err == nil {
		err = errors.Join(
			os.WriteFile(filepath.Join(dir, "accounts.key"), key, 0o600),
			os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(token+`,admin,admin,"system:masters"`+"\n"), 0o600),
			os.WriteFile(filepath.Join(dir, "config"), []byte(kubeconfig(secure, token)), 0o600),
		)
	}
	if err != nil {
		return nil, stop, err
	}
	for _, command := range [][]string{
		{
			o.etcd, "--data-dir", filepath.Join(dir, "etcd"), "--listen-peer-urls", "http://" + peers, "--initial-advertise-peer-urls", "http://" + peers,
			"--initial-cluster", "default=http://" + peers, "--listen-client-urls", "http://" + clients, "--advertise-client-urls", "http://" + clients,
		},
		{
			o.apiserver, "--etcd-servers", "http://" + clients, "--bind-address", "127.0.0.1", "--secure-port", port(secure), "--cert-dir", filepath.Join(dir, "tls"),
			"--token-auth-file", filepath.Join(dir, "tokens.csv"), "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24",
			"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", filepath.Join(dir, "accounts.key"),
			"--service-account-signing-key-file", filepath.Join(dir, "accounts.key"),
		},
	} {
		p, err := launch(ctx, dir, command)
		if err != nil {
			stop()
			return nil, stop, err
		}
		started = append(started, p)
	}
	c := newCluster("https://"+secure, token, filepath.Join(dir, "config"))
	if err := c.await(ctx, started); err != nil {
		stop()
		return nil, stop, err
	}
	return c, stop, nil
}

// process is a server that runs.
type process struct {
	command *exec.Cmd
	log     string
	ended   chan struct{}
}

func launch(ctx context.Context, dir string, command []string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, filepath.Base(command[0])+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p := &process{command: exec.CommandContext(ctx, command[0], command[1:]...), log: log.Name(), ended: make(chan struct{})} //nolint:gosec // told by the caller
	p.command.Stdout, p.command.Stderr = log, log
	p.command.Dir = dir
	// The servers end with this program, however it ends.
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) end() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}

// await asks until the API server is ready, or one of the servers has ended.
func (c *cluster) await(ctx context.Context, servers []*process) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := c.ask(ctx, http.MethodGet, "/readyz", "", nil); err == nil {
			return nil
		}
		for _, p := range servers {
			select {
			case <-p.ended:
				text, _ := os.ReadFile(p.log)
				return fmt.Errorf("%s ended:\n%s", p.command.Path, text[max(0, len(text)-4000):])
			default:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API server is not ready after %s", patience)
		case <-tick.C:
		}
	}
}

// address is a free one of this machine.
func address() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

func accountKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

// kubeconfig is what Helm reads. The server's certificate is one it made for itself a second ago, over loopback.
func kubeconfig(address, token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://%s", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: %s}}]
contexts: [{name: here, context: {cluster: here, user: admin}}]
current-context: here
`, address, token)
}
