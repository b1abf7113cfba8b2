//go:build unix

package state

import (
	"errors"
	"net"
	"syscall"
)

var errHungUp = errors.New("the server has hung up")

// beneath is the socket of an encrypted connection, between an answer and the next question. A server says nothing then but that it
// hangs up, and that is the only thing to be seen: the library, which would read what is there, must not look at the socket itself.
type beneath struct{ syscall.RawConn }

func (b beneath) Read(func(uintptr) bool) error {
	var seen error
	err := b.RawConn.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			seen = errHungUp
		}
		return true
	})
	return errors.Join(err, seen)
}

func underTLS(c *net.TCPConn) (syscall.RawConn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	return beneath{raw}, nil
}
