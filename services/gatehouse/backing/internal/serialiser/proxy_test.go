package serialiser

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/FerretDB/wire/wirebson"
)

const patience = 30 * time.Second

// server is a database that answers when it is told to.
type server struct {
	proxy    string        // the proxy's address
	received chan *request // every command, when it arrives
	stop     context.CancelFunc
	over     chan struct{} // closed when the proxy has stopped
	end      chan struct{} // closed when no more answers will come

}

// request is a command that waits for its answer.
type request struct {
	command
	answer chan message // closed without an answer, the connection ends
}

func (r *request) ok(t *testing.T) {
	t.Helper()
	m, err := encodeReply(r.id, wirebson.MustDocument("ok", float64(1)))
	if err != nil {
		t.Fatal(err)
	}
	r.answer <- m
}

func serve(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "t") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	back, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{proxy: front.Addr().String(), received: make(chan *request, 100), stop: cancel, over: make(chan struct{}), end: make(chan struct{})}
	go func() {
		defer close(s.over)
		if err := New(socket, slog.New(slog.DiscardHandler)).Serve(ctx, front); err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := back.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { s.answer(conn) })
		}
	})
	t.Cleanup(func() {
		cancel()
		close(s.end)
		<-s.over
		_ = back.Close()
		connections.Wait()
	})
	return s
}

func (s *server) answer(conn net.Conn) {
	defer conn.Close()
	for {
		m, err := readMessage(conn)
		if err != nil {
			return
		}
		c, err := parseCommand(m)
		if err != nil {
			return
		}
		r := &request{command: c, answer: make(chan message, 1)}
		s.received <- r
		select {
		case <-s.end:
			return
		case reply, ok := <-r.answer:
			if !ok {
				return
			}
			if _, err := conn.Write(reply); err != nil {
				return
			}
		}
	}
}

// next is the next command that arrives at the server.
func (s *server) next(t *testing.T, name string) *request {
	t.Helper()
	select {
	case r := <-s.received:
		if r.name() != name {
			t.Fatalf("%s arrived, want %s", r.name(), name)
		}
		return r
	case <-time.After(patience):
		t.Fatalf("%s did not arrive", name)
		return nil
	}
}

// client is a connection to the proxy.
type client struct{ net.Conn }

func (s *server) client(t *testing.T) client {
	t.Helper()
	conn, err := net.Dial("tcp", s.proxy)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = conn.Close() })
	return client{conn}
}

func (c client) send(t *testing.T, m message) {
	t.Helper()
	if _, err := c.Write(m); err != nil {
		t.Fatal(err)
	}
}

func (c client) do(t *testing.T, id int32, name string) {
	t.Helper()
	c.send(t, raw(id, opMsg, u32(0), body(document(t, name, "c", "$db", "d"))))
}

// expect reads the answer to a request.
func (c client) expect(t *testing.T, id int32) *wirebson.Document {
	t.Helper()
	m, err := readMessage(c)
	if err != nil {
		t.Fatal(err)
	}
	if m.responseTo() != id {
		t.Fatalf("answer to request %d, want %d", m.responseTo(), id)
	}
	doc, err := replyDocument(m)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// expectEnd reads until the proxy closes the connection, which it must do without an answer.
func (c client) expectEnd(t *testing.T) {
	t.Helper()
	if m, err := readMessage(c); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("message %x, %v; want the end of the connection", m, err)
	}
}

func TestWritesGoOneAtATimeAndReadsPass(t *testing.T) {
	writes := []string{
		"insert", "update", "delete", "findAndModify", "findandmodify", "create", "createIndexes", "drop", "dropDatabase",
		"dropIndexes", "renameCollection", "collMod", "compact", "someCommandOfTomorrow",
	}
	for _, name := range writes {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			first, second, reader := s.client(t), s.client(t), s.client(t)
			first.do(t, 1, "insert")
			held := s.next(t, "insert")

			second.do(t, 2, name)
			// The reader's commands go through while the second write waits. As they arrive in order, the second write
			// would have been seen before them if it had not waited; each round gives it another chance.
			for id := range int32(5) {
				reader.do(t, id, "find")
				s.next(t, "find").ok(t)
				reader.expect(t, id)
			}
			held.ok(t)
			first.expect(t, 1)
			s.next(t, name).ok(t)
			second.expect(t, 2)
		})
	}
}

func TestAWriterThatVanishesKeepsTheLockOnlyUntilTheServerHasAnswered(t *testing.T) {
	s := serve(t)
	first, second := s.client(t), s.client(t)
	first.do(t, 1, "update")
	held := s.next(t, "update")
	_ = first.Close()

	second.do(t, 2, "update")
	reader := s.client(t)
	reader.do(t, 3, "find")
	s.next(t, "find").ok(t) // and not the second update: the first is still being worked on
	held.ok(t)
	s.next(t, "update").ok(t)
	second.expect(t, 2)
}

func TestAWriterThatSendsHalfACommandHoldsNothing(t *testing.T) {
	s := serve(t)
	half, whole := s.client(t), s.client(t)
	m := raw(1, opMsg, u32(0), body(document(t, "update", "c")))
	half.send(t, m[:len(m)-3])
	whole.do(t, 2, "update")
	s.next(t, "update").ok(t)
	whole.expect(t, 2)
}

func TestAServerConnectionThatBreaksReleasesTheLock(t *testing.T) {
	s := serve(t)
	first, second := s.client(t), s.client(t)
	first.do(t, 1, "update")
	close(s.next(t, "update").answer)
	first.expectEnd(t)

	second.do(t, 2, "update")
	s.next(t, "update").ok(t)
	second.expect(t, 2)
}

func TestAnAnswerToAnotherRequestEndsTheConnection(t *testing.T) {
	s := serve(t)
	c := s.client(t)
	c.do(t, 1, "update")
	r := s.next(t, "update")
	r.id = 7
	r.ok(t)
	c.expectEnd(t)
}

func TestACommandWithMoreToComeIsNotAnswered(t *testing.T) {
	s := serve(t)
	c := s.client(t)
	c.send(t, raw(1, opMsg, u32(flagMoreToCome), body(document(t, "insert", "c"))))
	r := s.next(t, "insert")
	if r.moreToCome {
		t.Error("the server was told that more is to come: its answer would be left in the stream")
	}
	r.ok(t)
	c.do(t, 2, "ping")
	s.next(t, "ping").ok(t)
	c.expect(t, 2)
}

func TestAChecksumIsVerifiedAndTakenOff(t *testing.T) {
	s := serve(t)
	c := s.client(t)
	m := withChecksum(raw(1, opMsg, u32(0), body(document(t, "ping", int32(1)))))
	c.send(t, m)
	s.next(t, "ping").ok(t)
	c.expect(t, 1)

	m[len(m)-1] ^= 1
	c.send(t, m)
	c.expectEnd(t)
}

func TestOtherOperationCodesEndTheConnection(t *testing.T) {
	for _, code := range []int32{opReply, 2001, 2002, 2005, 2006, 2007, 2012, 9999} {
		s := serve(t)
		c := s.client(t)
		c.send(t, raw(1, code, make([]byte, 100)))
		c.expectEnd(t)
	}
}

func TestStoppingLetsTheCommandUnderWayFinish(t *testing.T) {
	s := serve(t)
	idle, busy := s.client(t), s.client(t)
	idle.do(t, 1, "ping")
	s.next(t, "ping").ok(t)
	idle.expect(t, 1)
	busy.do(t, 2, "update")
	held := s.next(t, "update")

	s.stop()
	idle.expectEnd(t)
	select {
	case <-s.over:
		t.Fatal("the proxy stopped during a write")
	default:
	}
	held.ok(t)
	busy.expect(t, 2)
	busy.expectEnd(t)
	select {
	case <-s.over:
	case <-time.After(patience):
		t.Fatal("the proxy did not stop")
	}
	if conn, err := net.Dial("tcp", s.proxy); err == nil {
		_ = conn.Close()
		t.Error("the proxy still accepts connections")
	}
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := New("/nowhere", slog.New(slog.DiscardHandler)).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serve: %v, want %v", err, net.ErrClosed)
	}
}

func TestAnUnreachableServerEndsTheConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var log strings.Builder
	over := make(chan error)
	go func() { over <- New("/nowhere/s", slog.New(slog.NewTextHandler(&log, nil))).Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if n, _ := io.Copy(io.Discard, conn); n != 0 {
		t.Errorf("%d bytes", n)
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "embedded database not reachable") {
		t.Errorf("log: %s", log.String())
	}
}
