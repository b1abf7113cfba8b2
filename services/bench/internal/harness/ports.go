package harness

import (
	"errors"
	"net"
)

// freePorts returns n addresses of the loopback interface that nobody listens on now. Another program may take one before
// it is used; what is started there then ends, and says so.
func freePorts(n int) ([]string, error) {
	var (
		addresses []string
		held      []net.Listener
		errs      error
	)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			errs = errors.Join(errs, err)
			break
		}
		held = append(held, l)
		addresses = append(addresses, l.Addr().String())
	}
	for _, l := range held {
		errs = errors.Join(errs, l.Close())
	}
	return addresses, errs
}
