package outbound

import (
	"context"
	"crypto/tls"
	"net"
)

// Dial connects to host:port for a protocol other than HTTP, with the checks that hold for requests: every address that the
// name has must be public or allowed, on the socket that is connected. A connection that will not be encrypted needs an entry
// with http:// in the list of what is allowed, as plain http does. The context limits the time, of which connecting takes
// two seconds at most. Errors are *Error.
func (c *Client) Dial(ctx context.Context, address string, encrypted bool) (net.Conn, error) {
	conn, err := c.dial(!encrypted)(ctx, "tcp", address)
	if err != nil {
		e := wrap(address, err)
		c.report(ctx, e)
		return nil, e
	}
	return conn, nil
}

// TLS returns settings for a connection to host: TLS 1.2 or later, and the authorities that are trusted for requests.
func (c *Client) TLS(host string) *tls.Config {
	t := c.secure.TLSClientConfig.Clone()
	t.ServerName = host
	t.NextProtos = nil
	return t
}
