// Package mailtest provides a mail server for tests: a real one on a port of its own, with TLS and passwords, which can refuse,
// stall, end and come back.
package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Options say what the server is like. The zero value takes everything without TLS and passwords.
type Options struct {
	// StartTLS offers TLS, ImplicitTLS begins with it.
	StartTLS, ImplicitTLS bool
	// User and Password are asked for where User is not empty, by Mechanism, PLAIN or LOGIN; default PLAIN.
	User, Password, Mechanism string
	// Refuse is asked at "mail", "rcpt" and "data"; what it returns is the answer. Nil refuses nothing.
	Refuse func(step, to string) error
}

// Server is a mail server that keeps what it takes.
type Server struct {
	t       testing.TB
	o       Options
	address string
	tls     *tls.Config
	// CAFile holds the authority of the server's certificate.
	CAFile string

	mu       sync.Mutex
	server   *smtp.Server
	listener net.Listener
	letters  []*Letter
	attempts int
	news     chan struct{}
	stalled  chan struct{} // closed ends the stall
}

// Letter is what was taken.
type Letter struct {
	From string // of the envelope
	To   []string
	User string // who signed in
	TLS  bool
	Raw  string
	// The parts of the message.
	Header     mail.Header
	Text, HTML string
}

// New starts a server that ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{t: t, o: o, news: make(chan struct{}, 1)}
	s.certificate()
	s.address = "127.0.0.1:0"
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start serves at the address of before.
func (s *Server) Start() {
	s.t.Helper()
	var listener net.Listener
	var err error
	for range 50 {
		if listener, err = net.Listen("tcp", s.address); err == nil {
			break
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain, server.AllowInsecureAuth, server.ErrorLog = "mail.test", true, silent{}
	if s.o.StartTLS {
		server.TLSConfig = s.tls
	}
	if s.o.ImplicitTLS {
		listener = tls.NewListener(listener, s.tls)
	}
	s.mu.Lock()
	s.server, s.listener = server, listener
	s.mu.Unlock()
	go func() { _ = server.Serve(listener) }()
}

// Stop ends the server and its connections.
func (s *Server) Stop() {
	s.mu.Lock()
	server, listener := s.server, s.listener
	s.server = nil
	s.mu.Unlock()
	if server != nil {
		_ = listener.Close() // the server may not have begun to serve
		_ = server.Close()
	}
}

// Address is host:port.
func (s *Server) Address() string { return s.address }

// Stall lets every session hang from now on until the returned function is called.
func (s *Server) Stall() (end func()) {
	stalled := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = stalled
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stalled = nil
		close(stalled)
	}
}

// Attempts is how many sessions there were.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// Letters are those that were taken so far.
func (s *Server) Letters() []*Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Letter(nil), s.letters...)
}

// Await returns the letters once there are n of them.
func (s *Server) Await(n int) []*Letter {
	s.t.Helper()
	s.await(n, "letters", func() int { return len(s.Letters()) })
	return s.Letters()
}

// AwaitAttempts waits until there were n sessions.
func (s *Server) AwaitAttempts(n int) {
	s.t.Helper()
	s.await(n, "sessions", s.Attempts)
}

func (s *Server) await(n int, what string, count func() int) {
	s.t.Helper()
	deadline := time.After(30 * time.Second)
	for count() < n {
		select {
		case <-s.news:
		case <-deadline:
			s.t.Fatalf("there are %d %s, want %d", count(), what, n)
		}
	}
}

func (s *Server) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

var linkPattern = regexp.MustCompile(`https?://\S+`)

// Link is the first link in the text of a letter.
func (l *Letter) Link() string { return linkPattern.FindString(l.Text) }

// Subject is the decoded subject.
func (l *Letter) Subject() string {
	text, err := new(mime.WordDecoder).DecodeHeader(l.Header.Get("Subject"))
	if err != nil {
		return err.Error()
	}
	return text
}

type session struct {
	s      *Server
	conn   *smtp.Conn
	letter Letter
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	s.attempts++
	s.mu.Unlock()
	s.tell()
	return &session{s: s, conn: c}, nil
}

func (x *session) wait() {
	x.s.mu.Lock()
	stalled := x.s.stalled
	x.s.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}

func (x *session) refuse(step, to string) error {
	if x.s.o.Refuse == nil {
		return nil
	}
	return x.s.o.Refuse(step, to)
}

func (x *session) Reset()        { x.letter = Letter{User: x.letter.User} }
func (x *session) Logout() error { return nil }

func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	x.wait()
	if x.s.o.User != "" && x.letter.User == "" {
		return smtp.ErrAuthRequired
	}
	x.letter.From = from
	return x.refuse("mail", from)
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.letter.To = append(x.letter.To, to)
	return x.refuse("rcpt", to)
}

func (x *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := x.refuse("data", strings.Join(x.letter.To, ",")); err != nil {
		return err
	}
	taken := x.letter
	taken.Raw = string(raw)
	_, taken.TLS = x.conn.TLSConnectionState()
	if err := taken.read(raw); err != nil {
		x.s.t.Errorf("a letter cannot be read: %v\n%s", err, raw)
	}
	x.s.mu.Lock()
	x.s.letters = append(x.s.letters, &taken)
	x.s.mu.Unlock()
	x.s.tell()
	return nil
}

func (x *session) AuthMechanisms() []string {
	if x.s.o.User == "" {
		return nil
	}
	if x.s.o.Mechanism != "" {
		return []string{x.s.o.Mechanism}
	}
	return []string{sasl.Plain}
}

func (x *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != x.s.o.User || password != x.s.o.Password {
			return smtp.ErrAuthFailed
		}
		x.letter.User = user
		return nil
	}
	if mechanism == sasl.Login {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// loginServer is the server's end of LOGIN: it asks for the name and then for the password.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// read takes a message apart.
func (l *Letter) read(raw []byte) error {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	l.Header = m.Header
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if kind != "multipart/alternative" {
		return errors.New(kind)
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(content), "\r\n", "\n")
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			l.HTML = text
		} else {
			l.Text = text
		}
	}
}

// certificate makes an authority and a certificate for 127.0.0.1.
func (s *Server) certificate() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.CAFile = filepath.Join(s.t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// silent is the log of the server, which has nothing to say that matters: clients that go away.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
