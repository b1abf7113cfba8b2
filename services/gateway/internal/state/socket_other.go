//go:build !unix

package state

import (
	"net"
	"syscall"
)

// underTLS shows nothing where sockets cannot be looked at: a connection that the server has ended costs a request its answer.
func underTLS(*net.TCPConn) (syscall.RawConn, error) { return opaque{}, nil }

// opaque is a socket that shows nothing.
type opaque struct{}

func (opaque) Control(func(uintptr)) error    { return nil }
func (opaque) Read(func(uintptr) bool) error  { return nil }
func (opaque) Write(func(uintptr) bool) error { return nil }
