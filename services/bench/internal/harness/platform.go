package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/resp"
)

// startPatience is how long a program may take until it is ready.
const startPatience = 60 * time.Second

// Options say what to run.
type Options struct {
	// Programs is the directory with the binaries management and gateway.
	Programs string
	// Dir is where certificates, keys and logs go.
	Dir string
	// MongoDBURI names the database server. Redis is a server of the harness's own if RedisServer, a program, is found, and
	// otherwise RedisURL.
	MongoDBURI, RedisURL, RedisServer string
}

// Platform is everything that runs: Redis, management, and gateways.
type Platform struct {
	// Management is the REST API, signed in.
	Management *Management
	// Redis counts round trips.
	Redis *resp.Client

	options  Options
	starter  *Starter
	redisAt  string // host:port
	redisPID int
	plane    struct{ management, gateway serve.TLSFiles }
	address  struct{ management, grpc, technical string }
	process  *Process // management
	database struct {
		pid  int
		name string
	}
	password  string // of the gateways' technical user
	publicURL string
	gateways  []*Gateway
}

// technicalUser may read /_node.
const technicalUser = "bench"

// Start runs Redis, management and one gateway, and signs in. The caller closes the Platform, also after an error that
// comes later.
func Start(ctx context.Context, o Options) (_ *Platform, err error) {
	if _, err := cpu.Used(os.Getpid()); err != nil {
		return nil, err
	}
	if o.MongoDBURI == "" {
		return nil, errors.New("no database is named: run this under scripts/with-backing.sh, or set GATEHOUSE_TEST_MONGODB_URI")
	}
	p := &Platform{options: o, starter: NewStarter(o.Dir), password: secret.NewToken()}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.plane.management, p.plane.gateway, err = serve.DevelopmentAuthority(filepath.Join(o.Dir, "plane")); err != nil {
		return nil, err
	}
	p.findDatabase()
	if err := p.startRedis(ctx); err != nil {
		return nil, err
	}
	gatewayPorts, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	p.publicURL = "http://" + gatewayPorts[0]
	if err := p.startManagement(ctx); err != nil {
		return nil, err
	}
	if _, err := p.startGateway(ctx, gatewayPorts); err != nil {
		return nil, err
	}
	return p, nil
}

// Close ends every process.
func (p *Platform) Close() {
	if p.Redis != nil {
		p.Redis.Close()
	}
	p.starter.Close()
}

// findDatabase looks for the database's process on this machine; elsewhere its CPU time is unknown.
func (p *Platform) findDatabase() {
	u, err := url.Parse(p.options.MongoDBURI)
	if err != nil {
		return
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return
	}
	if pid, err := cpu.Listener(port); err == nil {
		p.database.pid = pid
		p.database.name, _ = cpu.Name(pid)
	}
}

// Database returns the name of the database's process, "" if it does not run here, and whether its CPU time counts: only
// that of a real MongoDB does.
func (p *Platform) Database() (name string, counts bool) {
	return p.database.name, p.database.name == "mongod"
}

func (p *Platform) startRedis(ctx context.Context) error {
	program, err := exec.LookPath(p.options.RedisServer)
	if err != nil {
		return p.adoptRedis()
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(ports[0])
	process, err := p.starter.Start("redis", program, []string{
		"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", p.options.Dir,
	}, nil)
	if err != nil {
		return err
	}
	p.redisAt, p.redisPID = ports[0], process.PID()
	p.Redis = resp.NewClient(p.redisAt, 4)
	return Await(ctx, startPatience, "redis-server", func(context.Context) error {
		_, err := p.Redis.Do("PING")
		return err
	}, process)
}

// adoptRedis uses a server that runs already.
func (p *Platform) adoptRedis() error {
	if p.options.RedisURL == "" {
		return fmt.Errorf("there is neither a program %q nor GATEHOUSE_TEST_REDIS_URL", p.options.RedisServer)
	}
	at, err := resp.Address(p.options.RedisURL)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(at)
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("port of the Redis URL: %w", err)
	}
	if p.redisPID, err = cpu.Listener(number); err != nil {
		return fmt.Errorf("the CPU time of Redis belongs to the result: %w", err)
	}
	p.redisAt, p.Redis = at, resp.NewClient(at, 4)
	return nil
}

func (p *Platform) startManagement(ctx context.Context) error {
	l, err := p.newInstallation("bench_" + strings.ToLower(rand.Text()[:12]))
	if err != nil {
		return err
	}
	if err := l.Start(ctx, startPatience); err != nil {
		return err
	}
	p.address.management, p.address.grpc, p.address.technical = l.ports[0], l.ports[1], l.ports[2]
	p.process, p.Management = l.Process, l.Management
	return nil
}

// ready asks a technical port whether its service is ready.
func ready(technical string) func(context.Context) error {
	return func(ctx context.Context) error { return expectOK(ctx, "http://"+technical+"/readyz", "", "") }
}

func expectOK(ctx context.Context, at, user, password string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d %s", at, answer.StatusCode, body)
	}
	return nil
}

// StartFloor runs a floor and returns its process and address.
func (p *Platform) StartFloor(ctx context.Context, kind floor.Kind) (*Process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	process, err := p.starter.Start("floor", self, []string{"floor", "--kind", string(kind), "--redis", p.redisAt}, nil)
	if err != nil {
		return nil, "", err
	}
	address, err := firstLine(ctx, process, startPatience, floor.Announcement)
	if err != nil {
		process.Stop()
		return nil, "", err
	}
	return process, address, nil
}
