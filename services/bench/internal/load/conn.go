package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// Limits of an answer: more is a fault of the server.
const (
	maxHeader = 64 << 10
	maxBody   = 8 << 20
)

// ErrResponse says that an answer is not HTTP/1.1 as a server sends it.
var ErrResponse = errors.New("malformed answer")

// ErrUnanswered says that a connection was closed or reset before any byte of an answer.
var ErrUnanswered = errors.New("no byte of an answer")

// Conn is one keep-alive connection to a server. It is made at the first request, and again after the server or an error
// has closed it. It is for one goroutine.
type Conn struct {
	address  string
	deadline time.Time
	conn     net.Conn
	reader   *bufio.Reader
	response Response

	// Unanswered, if set, is told of requests that met ErrUnanswered, which are then sent once more over another connection.
	Unanswered func(error)
	// Answered, if set, is told how long each answer took, with the repetition.
	Answered func(time.Duration)
}

// NewConn returns a connection to host:port that is not made yet.
func NewConn(address string) *Conn {
	return &Conn{address: address, reader: bufio.NewReaderSize(nil, 16<<10)}
}

// SetDeadline bounds everything that is asked from now on; the zero time means no bound.
func (c *Conn) SetDeadline(t time.Time) {
	c.deadline = t
	if c.conn != nil {
		_ = c.conn.SetDeadline(t)
	}
}

// Close closes the connection; a later request makes it anew.
func (c *Conn) Close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// Do sends one request, complete as it goes over the wire, and returns the answer, which is valid until the next call. An
// error leaves the connection closed. Nothing is repeated, unless Unanswered is set.
func (c *Conn) Do(ctx context.Context, request []byte) (*Response, error) {
	if c.Answered == nil && c.Unanswered == nil {
		return c.once(ctx, request)
	}
	start := time.Now()
	got, err := c.once(ctx, request)
	if c.Unanswered != nil && errors.Is(err, ErrUnanswered) && ctx.Err() == nil {
		c.Unanswered(err)
		got, err = c.once(ctx, request)
	}
	if c.Answered != nil {
		c.Answered(time.Since(start))
	}
	return got, err
}

func (c *Conn) once(ctx context.Context, request []byte) (*Response, error) {
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			return nil, err
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		c.Close()
		return nil, fmt.Errorf("send: %w", unanswered(err))
	}
	if _, err := c.reader.Peek(1); err != nil {
		c.Close()
		return nil, fmt.Errorf("receive: %w", unanswered(err))
	}
	stays, err := c.response.read(c.reader)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("receive: %w", err)
	}
	if !stays {
		c.Close()
	}
	return &c.response, nil
}

// unanswered marks the error of a connection that was closed or reset, which is not one of time.
func unanswered(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnanswered, err)
}

func (c *Conn) dial(ctx context.Context) error {
	d := net.Dialer{Deadline: c.deadline}
	conn, err := d.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(c.deadline)
	c.conn = conn
	c.reader.Reset(conn)
	return nil
}

// Response is the answer to one request.
type Response struct {
	Status int
	Body   []byte
	header []byte // the lines after the status line, each with its end
}

// Header returns the value of the first header of that name, or "".
func (r *Response) Header(name string) string {
	for value := range r.Headers(name) {
		return value
	}
	return ""
}

// Headers yields the values of every header of that name, in order.
func (r *Response) Headers(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range bytes.Lines(r.header) {
			if key, value, ok := bytes.Cut(line, []byte{':'}); ok && equalFold(key, name) {
				if !yield(string(bytes.TrimSpace(value))) {
					return
				}
			}
		}
	}
}

// read reads one answer. stays reports whether the connection may be used again.
func (r *Response) read(from *bufio.Reader) (stays bool, err error) {
	line, err := from.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return false, fmt.Errorf("%w: status line %.40q", ErrResponse, line)
	}
	stays = line[7] == '1'
	if r.Status, err = strconv.Atoi(string(line[9:12])); err != nil || r.Status < 200 || r.Status > 599 {
		return false, fmt.Errorf("%w: status line %.40q", ErrResponse, line)
	}
	length, chunked, err := r.readHeader(from, &stays)
	if err != nil {
		return false, err
	}
	r.Body = r.Body[:0]
	switch {
	case r.Status == 204 || r.Status == 304: // never a body (RFC 9110 §6.4.1)
	case chunked:
		err = r.readChunks(from)
	case length >= 0:
		err = r.readBody(from, length)
	default:
		return false, fmt.Errorf("%w: a body without a length", ErrResponse)
	}
	return stays, err
}

func (r *Response) readHeader(from *bufio.Reader, stays *bool) (length int, chunked bool, err error) {
	r.header, length = r.header[:0], -1
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return length, chunked, nil
		}
		if len(r.header)+len(line) > maxHeader {
			return 0, false, fmt.Errorf("%w: headers of more than %d bytes", ErrResponse, maxHeader)
		}
		r.header = append(r.header, line...)
		key, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			return 0, false, fmt.Errorf("%w: header %.40q", ErrResponse, line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case equalFold(key, "content-length"):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > maxBody {
				return 0, false, fmt.Errorf("%w: content length %.40q", ErrResponse, value)
			}
		case equalFold(key, "transfer-encoding"):
			chunked = equalFold(value, "chunked")
		case equalFold(key, "connection") && equalFold(value, "close"):
			*stays = false
		}
	}
}

func (r *Response) readBody(from *bufio.Reader, length int) error {
	at := len(r.Body)
	if at+length > maxBody {
		return fmt.Errorf("%w: a body of more than %d bytes", ErrResponse, maxBody)
	}
	if cap(r.Body) < at+length {
		r.Body = append(make([]byte, 0, 2*(at+length)), r.Body...)
	}
	r.Body = r.Body[:at+length]
	_, err := io.ReadFull(from, r.Body[at:])
	return err
}

// readChunks reads a body in chunks (RFC 9112 §7.1); trailers are skipped.
func (r *Response) readChunks(from *bufio.Reader) error {
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return err
		}
		text, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte{';'})
		size, err := strconv.ParseUint(string(text), 16, 31)
		if err != nil {
			return fmt.Errorf("%w: chunk size %.40q", ErrResponse, line)
		}
		if size > 0 {
			if err := r.readBody(from, int(size)); err != nil {
				return err
			}
		}
		for { // the end of the chunk, or the trailers
			end, err := from.ReadSlice('\n')
			if err != nil {
				return err
			}
			if size > 0 || len(bytes.TrimRight(end, "\r\n")) == 0 {
				break
			}
		}
		if size == 0 {
			return nil
		}
	}
}

// equalFold compares a header's name or token with one in ASCII.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
