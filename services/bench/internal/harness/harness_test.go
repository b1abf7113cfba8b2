package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
)

// TestMain lets the test's own program be what is started.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case "polite":
			ended := make(chan os.Signal, 1)
			signal.Notify(ended, syscall.SIGTERM)
			fmt.Println("ready at here")
			<-ended
			os.Exit(0)
		case "parent":
			os.Exit(parent())
		case "broken":
			fmt.Fprintln(os.Stderr, "cannot work:", os.Getenv("GIVEN"), os.Getenv("BENCH_NOT_GIVEN"))
			os.Exit(3)
		}
	}
	os.Exit(m.Run())
}

// parent starts a process, says its number, and waits to be killed.
func parent() int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	p, err := NewStarter(os.TempDir()).Start("polite", self, []string{"polite"}, nil)
	if err != nil {
		return 1
	}
	fmt.Println("child", p.PID())
	<-p.over
	return 1
}

func starter(t *testing.T) *Starter {
	t.Helper()
	s := NewStarter(t.TempDir())
	t.Cleanup(s.Close)
	return s
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProcessRunsUntilItIsStopped(t *testing.T) {
	p, err := starter(t).Start("polite", self(t), []string{"polite"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	said, err := firstLine(t.Context(), p, startPatience, "ready at ")
	if err != nil || said != "here" {
		t.Errorf("first line %q, %v", said, err)
	}
	if err := p.Alive(); err != nil {
		t.Error(err)
	}
	if _, err := cpu.Used(p.PID()); err != nil {
		t.Error(err)
	}
	p.Stop()
	if err := p.Alive(); err == nil || p.err != nil {
		t.Errorf("after it was stopped: %v, ended with %v", err, p.err)
	}
}

func TestProcessThatEndsTellsWhy(t *testing.T) {
	t.Setenv("BENCH_NOT_GIVEN", "leaked")
	p, err := starter(t).Start("broken", self(t), []string{"broken"}, []string{"GIVEN=so it is"})
	if err != nil {
		t.Fatal(err)
	}
	never := errors.New("not yet")
	err = Await(t.Context(), time.Minute, "the impossible", func(context.Context) error { return never }, p)
	if err == nil || !strings.Contains(err.Error(), "cannot work: so it is") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("err = %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "leaked") {
		t.Error("the process sees an environment that was not given to it")
	}
}

func TestProcessesEndWithTheOneThatStartedThem(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	p, err := starter(t).Start("parent", self(t), []string{"parent"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	child, err := firstLine(t.Context(), p, startPatience, "child ")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := Await(t.Context(), time.Minute, "the end of the child", func(context.Context) error {
		status, err := os.ReadFile("/proc/" + child + "/stat")
		if err == nil && !strings.Contains(string(status), ") Z ") { // a zombie has ended
			return fmt.Errorf("process %s: %s", child, status)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestStartFails(t *testing.T) {
	if _, err := starter(t).Start("nothing", "/no/such/program", nil, nil); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestCloseEndsEverything(t *testing.T) {
	s := NewStarter(t.TempDir())
	var started []*Process
	for range 3 {
		p, err := s.Start("polite", self(t), []string{"polite"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := firstLine(t.Context(), p, startPatience, "ready at "); err != nil {
			t.Fatal(err)
		}
		started = append(started, p)
	}
	s.Close()
	for _, p := range started {
		if p.Alive() == nil {
			t.Error("a process outlives Close")
		}
	}
}

func TestAwaitGivesUpWithTheLastAnswer(t *testing.T) {
	asked := 0
	err := Await(t.Context(), 50*time.Millisecond, "it", func(context.Context) error { asked++; return fmt.Errorf("answer %d", asked) })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), fmt.Sprintf("answer %d", asked)) || asked < 2 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	n := 0
	if err := Await(t.Context(), time.Minute, "it", func(context.Context) error {
		if n++; n < 3 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil || n != 3 {
		t.Errorf("asked %d times: %v", n, err)
	}
}

func TestFreePortsDiffer(t *testing.T) {
	addresses, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range addresses {
		if seen[a] || !strings.HasPrefix(a, "127.0.0.1:") {
			t.Errorf("address %s", a)
		}
		seen[a] = true
	}
}

func TestManagementSpeaksAsScriptsDo(t *testing.T) {
	var calls []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		calls = append(calls, r.Method+" "+r.URL.Path)
		switch {
		case r.URL.Path == "/management/auth/token":
			if user != "o" || password != "p" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, `{"access_token":"t","token_type":"bearer"}`)
		case r.Header.Get("Authorization") != "Bearer t":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/management/domains" && body["name"] == "n":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"id":"d1","path":"/n"}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"message":"no"}`)
		}
	}))
	defer s.Close()
	m := newManagement(s.URL)
	if err := m.signIn(t.Context(), "o", "wrong"); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
	if err := m.signIn(t.Context(), "o", "p"); err != nil {
		t.Fatal(err)
	}
	var made struct{ ID, Path string }
	if err := m.Post(t.Context(), "/domains", Object{"name": "n"}, &made); err != nil || made.ID != "d1" || made.Path != "/n" {
		t.Errorf("made %+v, %v", made, err)
	}
	err := m.Patch(t.Context(), "/domains/d1", Object{"x": 1}, nil)
	if err == nil || !strings.Contains(err.Error(), `PATCH /management/domains/d1: status 400: {"message":"no"}`) {
		t.Errorf("a refused change: %v", err)
	}
	if want := "POST /management/domains"; calls[2] != want {
		t.Errorf("calls %q", calls)
	}
}
