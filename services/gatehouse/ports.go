package gatehouse

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// checkPorts tells which flags name a port that is taken, before anything is started. The services would find out too,
// but they do not know what the flags are called here.
func checkPorts(all []listen) error {
	var faults []error
	for _, l := range all {
		bound, err := net.Listen("tcp", l.address)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			faults = append(faults, fmt.Errorf("%s is taken by another program, perhaps by another gatehouse; choose another address with --%s", l.address, l.flag))
		case err != nil:
			faults = append(faults, fmt.Errorf("--%s: %w", l.flag, err))
		default:
			faults = append(faults, bound.Close())
		}
	}
	return errors.Join(faults...)
}

// settlePort replaces port 0 by a free one, for addresses that must be known before anything listens there.
func settlePort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "0" {
		return address, err
	}
	bound, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	_, port, err = net.SplitHostPort(bound.Addr().String())
	return net.JoinHostPort(host, port), errors.Join(err, bound.Close())
}

// urlOf is the URL of what listens at an address, as this machine reaches it.
func urlOf(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "http://" + address
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
