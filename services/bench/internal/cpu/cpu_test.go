package cpu

import (
	"crypto/sha256"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 2 0 -1 4194304 100 0 0 0 150 25 7 9 20 0 8 0 12345 1000000 500 0\n"
	tests := []struct {
		name, text string
		want       time.Duration
		bad        bool
	}{
		{name: "user and system time are added, children's are not", text: "42 (gateway)" + rest, want: 1750 * time.Millisecond},
		{name: "a name may look like fields", text: "42 (a) S 1 (b) 9)" + rest, want: 1750 * time.Millisecond},
		{name: "a text without a name is refused", text: "42 gateway", bad: true},
		{name: "a text that ends early is refused", text: "42 (gateway) S 1 2", bad: true},
		{name: "a time that is no number is refused", text: "42 (g) S 1 2 2 0 -1 0 0 0 0 0 x 25 0 0\n", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat([]byte(tt.text))
			if got != tt.want || (err != nil) != tt.bad {
				t.Errorf("parseStat = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestParseBusy(t *testing.T) {
	tests := []struct {
		name, text string
		want       time.Duration
		bad        bool
	}{
		{
			name: "idling and waiting for disks is not busy, stolen time is, guests are not counted twice",
			text: "cpu  100 1 50 9000 800 2 3 4 90 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n", want: 1600 * time.Millisecond,
		},
		{name: "another first line is refused", text: "cpu0 1 1 1 1 1 1 1 1 1 1\n", bad: true},
		{name: "too few fields are refused", text: "cpu 1 2 3\n", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseBusy([]byte(tt.text))
			if got != tt.want || (err != nil) != tt.bad {
				t.Errorf("parseBusy = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestParseStatm(t *testing.T) {
	if got, err := parseStatm([]byte("5000 1200 300 1 0 700 0\n")); got != 1200 || err != nil {
		t.Errorf("parseStatm = %d, %v", got, err)
	}
	if _, err := parseStatm(nil); err == nil {
		t.Error("an empty text is accepted")
	}
}

func TestParseListeners(t *testing.T) {
	text := []byte(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F9C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F9C 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:9C40 0100007F:1F9C 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
`)
	if got := parseListeners(text, 8092); !slices.Equal(got, []string{"111"}) {
		t.Errorf("listeners on 8092: %v; want the listening socket alone", got)
	}
	if got := parseListeners(text, 40000); len(got) != 0 {
		t.Errorf("listeners on 40000: %v", got)
	}
}

func TestOwnProcess(t *testing.T) {
	pid := os.Getpid()
	before, err := Used(pid)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := Busy()
	if err != nil {
		t.Fatal(err)
	}
	sum := [32]byte{}
	for start := time.Now(); time.Since(start) < 60*time.Millisecond; {
		sum = sha256.Sum256(sum[:])
	}
	after, err := Used(pid)
	if err != nil {
		t.Fatal(err)
	}
	// The process got at least a tenth of a core, whatever else the machine does.
	if used := after - before; used < 6*time.Millisecond || used > 10*time.Second {
		t.Errorf("60 ms of work used %v", used)
	}
	if now, err := Busy(); err != nil || now < busy {
		t.Errorf("the machine was busy for %v, then for %v, %v", busy, now, err)
	}
	if size, err := Resident(pid); err != nil || size < 1<<20 {
		t.Errorf("Resident = %d, %v", size, err)
	}
	if name, err := Name(pid); err != nil || name == "" {
		t.Errorf("Name = %q, %v", name, err)
	}
	if _, err := Used(1 << 30); err == nil {
		t.Error("a process that does not exist has used time")
	}
}

func TestClockAgreesWithTheTicks(t *testing.T) {
	pid := os.Getpid()
	exact, err := clock(pid)
	if err != nil {
		t.Fatal(err)
	}
	text, err := read(pid, "stat")
	if err != nil {
		t.Fatal(err)
	}
	coarse, err := parseStat(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := coarse - exact; d < -2*tick || d > 20*tick {
		t.Errorf("clock %v, ticks %v", exact, coarse)
	}
}

func TestListenerFindsOneself(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if pid, err := Listener(port); pid != os.Getpid() || err != nil {
		t.Errorf("Listener = %d, %v; want %d", pid, err, os.Getpid())
	}
	l.Close()
	if pid, err := Listener(port); err == nil {
		t.Errorf("process %d listens on a closed port", pid)
	}
}
