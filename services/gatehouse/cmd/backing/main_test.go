package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const patience = 60 * time.Second

// asCommand tells the test binary to be the command itself, so that tests can run, kill and outlive a real process.
const asCommand = "GATEHOUSE_BACKING_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is the command, running.
type process struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
	env    map[string]string // what it announced
	over   chan struct{}
}

// start runs the command until it has announced its addresses on standard output.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...), env: map[string]string{}, over: make(chan struct{})}
	p.Env = append(os.Environ(), asCommand+"=1")
	p.Stderr = &p.stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for p.env["GATEHOUSE_REDIS_URL"] == "" && lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		p.env[name] = value
	}
	go func() {
		defer close(p.over)
		_ = p.Wait()
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.over
	})
	if p.env["GATEHOUSE_REDIS_URL"] == "" {
		<-p.over
		t.Fatalf("the command did not become ready: %v\n%s", p.ProcessState, &p.stderr)
	}
	return p
}

// exited waits for the end of the process and returns its exit code.
func (p *process) exited(t *testing.T) int {
	t.Helper()
	select {
	case <-p.over:
		return p.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatal("the process did not end")
		return 0
	}
}

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(patience).SetMaxPoolSize(8))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the server may be gone
		defer cancel()
		_ = client.Disconnect(ctx)
	})
	return client
}

func pingRedis(url string) error {
	o, err := goredis.ParseURL(url)
	if err != nil {
		return err
	}
	o.MaxRetries = -1
	c := goredis.NewClient(o)
	defer c.Close()
	return c.Ping(context.Background()).Err()
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--data-dir", dir)
	c := connect(t, p.env["GATEHOUSE_MONGODB_URI"]).Database("d").Collection("c")
	unique := mongo.IndexModel{Keys: bson.M{"name": 1}, Options: options.Index().SetUnique(true)}
	if _, err := c.Indexes().CreateOne(t.Context(), unique); err != nil {
		t.Fatal(err)
	}

	// Four writers write until the process is killed, which happens while all of them are at it.
	var (
		mu           sync.Mutex
		acknowledged = map[string]int{}
		enough       = make(chan struct{})
		tell         sync.Once
		writers      sync.WaitGroup
	)
	for w := range 4 {
		writers.Go(func() {
			id := fmt.Sprint("writer", w)
			for n := 1; ; n++ {
				var err error
				if n == 1 {
					_, err = c.InsertOne(t.Context(), bson.M{"_id": id, "name": id, "n": n})
				} else {
					_, err = c.UpdateOne(t.Context(), bson.M{"_id": id, "n": n - 1}, bson.M{"$set": bson.M{"n": n}})
				}
				if err != nil {
					return
				}
				mu.Lock()
				acknowledged[id] = n
				if len(acknowledged) == 4 && n >= 50 {
					tell.Do(func() { close(enough) })
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(patience):
		t.Error("the writers are too slow")
	}
	if err := p.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.exited(t)
	writers.Wait()

	p = start(t, "--data-dir", dir)
	c = connect(t, p.env["GATEHOUSE_MONGODB_URI"]).Database("d").Collection("c")
	for id, n := range acknowledged {
		var got struct{ N int }
		if err := c.FindOne(t.Context(), bson.M{"_id": id}).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.N != n && got.N != n+1 { // the last write may have been made without being acknowledged
			t.Errorf("%s is at %d after the restart, acknowledged was %d", id, got.N, n)
		}
	}
	if _, err := c.InsertOne(t.Context(), bson.M{"_id": "other", "name": "writer0"}); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("the unique index after the restart: %v", err)
	}
}

func TestTheCommandEndsWithItsStandardInput(t *testing.T) {
	p := start(t, "--exit-with-stdin")
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if code := p.exited(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, &p.stderr)
	}
}

func TestTheCommandEndsWhenTerminated(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := start(t)
		if err := p.stdin.Close(); err != nil { // of no importance without --exit-with-stdin
			t.Fatal(err)
		}
		if err := pingRedis(p.env["GATEHOUSE_REDIS_URL"]); err != nil {
			t.Error(err)
		}
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if code := p.exited(t); code != 0 {
			t.Errorf("exit code %d after %v\n%s", code, s, &p.stderr)
		}
	}
}

func TestWithoutADatabaseOnlyRedisIsAnnounced(t *testing.T) {
	p := start(t, "--redis-only")
	if uri, ok := p.env["GATEHOUSE_MONGODB_URI"]; ok {
		t.Errorf("database announced at %q", uri)
	}
	if err := pingRedis(p.env["GATEHOUSE_REDIS_URL"]); err != nil {
		t.Error(err)
	}
}

func TestTheEnvironmentFileIsCompleteWhenItAppears(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "env")
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- run(ctx, config{EnvFile: file}, nil, io.Discard) }()
	var content []byte
	for deadline := time.Now().Add(patience); content == nil; {
		content, _ = os.ReadFile(file)
		if time.Now().After(deadline) {
			t.Fatal("no environment file")
		}
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "GATEHOUSE_MONGODB_URI=mongodb://127.0.0.1:") ||
		!strings.HasPrefix(lines[1], "GATEHOUSE_REDIS_URL=redis://127.0.0.1:") || lines[2] != "" {
		t.Errorf("environment file:\n%s", content)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("beside the environment file: %v", entries)
	}
}

func TestFailuresAreReported(t *testing.T) {
	tests := []struct {
		name string
		c    config
		want string
	}{
		{"an address that others could reach", config{RedisAddress: "0.0.0.0:0"}, "loopback"},
		{"an environment file in a directory that does not exist", config{EnvFile: "/nonexistent/dir/env"}, "announce"},
		{"a data directory that is a file", config{DataDir: "/dev/null"}, "/dev/null"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t.Context(), tt.c, nil, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about %q", err, tt.want)
			}
		})
	}
}
