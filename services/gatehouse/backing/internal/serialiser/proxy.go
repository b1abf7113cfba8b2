package serialiser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// commandTime is how long FerretDB may work on one write before its connection is given up, so that a command that
	// never ends cannot stop all others.
	commandTime = 2 * time.Minute
	// drainTime is how long a command under way may still take when the proxy stops.
	drainTime = 3 * time.Second
	// acceptPause is the rest after an accept that failed, usually for want of file descriptors.
	acceptPause = 50 * time.Millisecond
)

// reads are the commands that change nothing and pass without waiting. Every command that is not named here counts as a
// write, so a forgotten name costs speed and not correctness.
var reads = map[string]bool{
	"aggregate": true, // FerretDB refuses $out and $merge
	"buildInfo": true, "buildinfo": true, "collStats": true, "connectionStatus": true, "count": true, "currentOp": true,
	"dataSize": true, "dbStats": true, "dbstats": true, "distinct": true, "explain": true, "find": true,
	"getCmdLineOpts": true, "getFreeMonitoringStatus": true, "getLog": true, "getMore": true, "getParameter": true,
	"hello": true, "hostInfo": true, "isMaster": true, "ismaster": true, "killCursors": true, "listCollections": true,
	"listCommands": true, "listDatabases": true, "listIndexes": true, "logout": true, "ping": true, "saslContinue": true,
	"saslStart": true, "serverStatus": true, "usersInfo": true, "validate": true, "whatsmyuri": true,
}

// Proxy passes MongoDB connections on to one server. It is to be the server's only client.
type Proxy struct {
	server string
	log    *slog.Logger

	// writing is held while the server works on a command that may write.
	writing sync.Mutex
}

// New returns a proxy for the server that listens on the Unix socket at the given path.
func New(socket string, log *slog.Logger) *Proxy {
	return &Proxy{server: socket, log: log}
}

// Serve accepts connections from l until ctx ends, then lets commands under way finish, closes everything including l,
// and returns nil. It returns an error if l stops working before.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()

	for {
		client, err := l.Accept()
		switch {
		case err == nil:
			connections.Go(func() { p.handle(ctx, client) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			p.log.WarnContext(ctx, "database connection not accepted", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
		}
	}
}

// handle serves one client until it leaves, breaks the protocol, or ctx ends.
func (p *Proxy) handle(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.server)
	if err != nil {
		p.log.ErrorContext(ctx, "embedded database not reachable", "err", err)
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() {
		soon := time.Now().Add(drainTime)
		_ = client.SetReadDeadline(time.Now())
		_ = client.SetWriteDeadline(soon)
		_ = server.SetDeadline(soon)
	})()

	c := &connection{proxy: p, client: client, server: server}
	for {
		err := c.next(ctx)
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		default:
			p.log.InfoContext(ctx, "database connection closed", "err", err)
		}
		return
	}
}

// connection is one client and its own connection to the server, which keeps the client's cursors.
type connection struct {
	proxy          *Proxy
	client, server net.Conn
}

// next serves the client's next message.
func (c *connection) next(ctx context.Context) error {
	m, err := readMessage(c.client)
	if err != nil {
		return err
	}
	switch m.opCode() {
	case opQuery:
		reply, err := c.exchange(m, opReply)
		if err != nil {
			return err
		}
		_, err = c.client.Write(reply)
		return err
	case opMsg:
		return c.perform(ctx, m)
	default:
		// OP_COMPRESSED is among them: it is never offered.
		return fmt.Errorf("operation code %d is not served", m.opCode())
	}
}

func (c *connection) perform(ctx context.Context, m message) error {
	cmd, err := parseCommand(m)
	if err != nil {
		return err
	}
	var reply message
	if reads[cmd.name()] {
		reply, err = c.exchange(cmd.encode(), opMsg)
	} else {
		reply, err = c.write(ctx, cmd)
	}
	if err != nil || cmd.moreToCome {
		return err
	}
	_, err = c.client.Write(reply)
	return err
}

// write performs a command while no other write is under way, whatever becomes of the client in the meantime.
func (c *connection) write(ctx context.Context, cmd command) (message, error) {
	parts, err := newBatch(cmd)
	if err != nil {
		return nil, err
	}
	c.proxy.writing.Lock()
	defer c.proxy.writing.Unlock()

	_ = c.server.SetDeadline(time.Now().Add(commandTime))
	if ctx.Err() != nil {
		_ = c.server.SetDeadline(time.Now().Add(drainTime))
	} else {
		defer func() {
			if ctx.Err() == nil {
				_ = c.server.SetDeadline(time.Time{})
			}
		}()
	}
	if parts != nil {
		return parts.perform(c.one)
	}
	return c.one(cmd)
}

// one sends a command and returns the answer as MongoDB would give it.
func (c *connection) one(cmd command) (message, error) {
	reply, err := c.exchange(cmd.encode(), opMsg)
	if err != nil {
		return nil, err
	}
	return amend(cmd, reply), nil
}

// exchange sends a message to the server and waits for its answer.
func (c *connection) exchange(m message, want int32) (message, error) {
	if _, err := c.server.Write(m); err != nil {
		return nil, fmt.Errorf("send to the embedded database: %w", unexpected(err))
	}
	reply, err := readMessage(c.server)
	if err != nil {
		return nil, fmt.Errorf("answer of the embedded database: %w", unexpected(err))
	}
	if reply.opCode() != want || reply.responseTo() != m.id() {
		return nil, fmt.Errorf("answer of the embedded database has operation code %d to request %d", reply.opCode(), reply.responseTo())
	}
	return reply, nil
}

// unexpected keeps the end of the server's stream from passing for the end of the client's.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
