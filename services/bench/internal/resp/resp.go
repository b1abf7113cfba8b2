// Package resp speaks just enough of the Redis protocol for a floor that makes one round trip and for counting those that
// others make.
package resp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrReply is an error that Redis itself answered.
var ErrReply = errors.New("redis answered an error")

// patience bounds one command.
const patience = 10 * time.Second

// Address returns host:port of a URL such as redis://127.0.0.1:6379/0. Users, passwords and other databases are refused:
// the floor is measured against a server of its own.
func Address(redisURL string) (string, error) {
	u, err := url.Parse(redisURL)
	switch {
	case err != nil:
		return "", errors.New("the Redis URL is malformed")
	case u.Scheme != "redis" || u.Host == "" || u.User != nil || (strings.Trim(u.Path, "/") != "" && u.Path != "/0"):
		return "", errors.New("the Redis URL is not redis://host:port/0 without a password")
	case u.Port() == "":
		return net.JoinHostPort(u.Hostname(), "6379"), nil
	}
	return u.Host, nil
}

// Client is a pool of connections. It is safe for concurrent use.
type Client struct {
	address string
	idle    chan *conn
}

type conn struct {
	net.Conn
	reader *bufio.Reader
	out    []byte
}

// NewClient returns a client that keeps up to size idle connections to host:port. It connects when it is used.
func NewClient(address string, size int) *Client {
	return &Client{address: address, idle: make(chan *conn, size)}
}

// Close closes the idle connections.
func (c *Client) Close() {
	for {
		select {
		case held := <-c.idle:
			held.Close()
		default:
			return
		}
	}
}

// Do sends one command and returns its answer where that is a text or a number; an absent value is "".
func (c *Client) Do(args ...string) (string, error) {
	var held *conn
	select {
	case held = <-c.idle:
	default:
		made, err := net.DialTimeout("tcp", c.address, patience)
		if err != nil {
			return "", err
		}
		held = &conn{Conn: made, reader: bufio.NewReader(made)}
	}
	reply, err := held.do(args)
	if err != nil && !errors.Is(err, ErrReply) {
		held.Close()
		return "", err
	}
	select {
	case c.idle <- held:
	default:
		held.Close()
	}
	return reply, err
}

func (c *conn) do(args []string) (string, error) {
	c.out = append(strconv.AppendInt(append(c.out[:0], '*'), int64(len(args)), 10), "\r\n"...)
	for _, a := range args {
		c.out = append(strconv.AppendInt(append(c.out, '$'), int64(len(a)), 10), "\r\n"...)
		c.out = append(append(c.out, a...), "\r\n"...)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(c.out); err != nil {
		return "", err
	}
	return readReply(c.reader)
}

// maxReply bounds one answer in bytes.
const maxReply = 1 << 20

func readReply(from *bufio.Reader) (string, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return "", errors.New("redis answered an empty line")
	}
	switch kind, rest := line[0], line[1:]; kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", fmt.Errorf("%w: %s", ErrReply, rest)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n > maxReply {
			return "", fmt.Errorf("redis announced %.20q bytes", rest)
		}
		if n < 0 {
			return "", nil
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(from, text); err != nil {
			return "", err
		}
		return string(text[:n]), nil
	}
	return "", fmt.Errorf("redis answered a kind of value that is not read here: %.20q", line)
}

// Trips returns how often the server has read from a client since its start (Redis 6 or later): a command is one, and so is
// a script or a pipeline of several. This question is one too, counted in its own answer.
func (c *Client) Trips() (int64, error) {
	text, err := c.Do("INFO", "stats")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "total_reads_processed:"); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, errors.New("redis does not tell how often it has read: it must be of version 6 or later")
}
