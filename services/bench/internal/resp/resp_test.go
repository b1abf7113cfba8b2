package resp

import (
	"bufio"
	"errors"
	"os"
	"strings"
	"testing"
)

// client talks to the server that scripts/with-backing.sh starts.
func client(t *testing.T) *Client {
	t.Helper()
	at := os.Getenv("GATEHOUSE_TEST_REDIS_URL")
	if at == "" {
		t.Fatal("GATEHOUSE_TEST_REDIS_URL is not set; run the tests with scripts/with-backing.sh")
	}
	address, err := Address(at)
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(address, 4)
	t.Cleanup(c.Close)
	return c
}

func TestCommandsOverOneConnection(t *testing.T) {
	c := client(t)
	key := "bench:test:" + t.Name()
	steps := []struct{ command, want string }{
		{"SET " + key + " v EX 60", "OK"},
		{"GET " + key, "v"},
		{"DEL " + key, "1"},
		{"GET " + key, ""},
	}
	for _, step := range steps {
		if got, err := c.Do(strings.Fields(step.command)...); err != nil || got != step.want {
			t.Errorf("%s = %q, %v; want %q", step.command, got, err, step.want)
		}
	}
	if _, err := c.Do("NOSUCHCOMMAND"); !errors.Is(err, ErrReply) {
		t.Errorf("an unknown command: %v", err)
	}
	if len(c.idle) != 1 {
		t.Errorf("%d connections were made", len(c.idle))
	}
}

func TestTripsAreCounted(t *testing.T) {
	c := client(t)
	before, err := c.Trips()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := c.Do("PING"); err != nil {
			t.Fatal(err)
		}
	}
	after, err := c.Trips()
	if err != nil {
		t.Fatal(err)
	}
	if after-before < 11 {
		t.Errorf("%d trips were counted of 11", after-before)
	}
}

func TestRepliesThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"an empty line":               "\r\n",
		"an array":                    "*1\r\n$1\r\na\r\n",
		"a text that ends too early":  "$5\r\nab",
		"a length that is no number":  "$x\r\n",
		"a length beyond measure":     "$99999999\r\n",
		"an answer that never begins": "",
	} {
		if _, err := readReply(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestAddress(t *testing.T) {
	for url, want := range map[string]string{
		"redis://127.0.0.1:7000/0": "127.0.0.1:7000",
		"redis://127.0.0.1:7000":   "127.0.0.1:7000",
		"redis://localhost":        "localhost:6379",
		"redis://:p@127.0.0.1:1":   "",
		"rediss://127.0.0.1:1":     "",
		"redis://127.0.0.1:1/3":    "",
		"":                         "",
	} {
		if got, err := Address(url); got != want || (err != nil) != (want == "") {
			t.Errorf("Address(%q) = %q, %v", url, got, err)
		}
	}
}
