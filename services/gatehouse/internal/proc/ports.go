package proc

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports below those that the system gives to outgoing connections, so that a port stays free while a process is
// started again.
const (
	firstPort = 12000
	ports     = 8000
)

var given struct {
	mu    sync.Mutex // guards ports
	ports map[int]bool
}

// FreeAddress returns a free address of the loopback interface that this process has not given away before.
func FreeAddress(t testing.TB) string {
	t.Helper()
	given.mu.Lock()
	defer given.mu.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	for range 1000 {
		port := firstPort + rand.IntN(ports)
		if given.ports[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		_ = l.Close()
		given.ports[port] = true
		return address
	}
	t.Fatal("no free port")
	return ""
}
