package backing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	// keptMails is how many messages are kept, the newest ones.
	keptMails    = 500
	maxMailBytes = 4 << 20
	mailPatience = 10 * time.Second
	mailSuffix   = ".eml"
)

// MailOptions say where a mail server listens and where it keeps messages.
type MailOptions struct {
	// Dir holds a file for each message. It is created when missing; only the owner can read it.
	Dir string
	// Address is host:port on a loopback interface, as those of Options.
	Address string
	// Logger is told of each message and its file; nil means slog.Default().
	Logger *slog.Logger
}

// Mail is a mail server that takes every message, delivers none and keeps them as files: a person who is sent a link finds it
// there. It asks for no password and knows no TLS.
type Mail struct {
	dir      string
	log      *slog.Logger
	listener net.Listener
	server   *smtp.Server
}

// ListenMail returns a mail server that listens and is to be run.
func ListenMail(o MailOptions) (*Mail, error) {
	address, err := loopback(o.Address)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	m := &Mail{dir: o.Dir, log: o.Logger}
	if m.log == nil {
		m.log = slog.Default()
	}
	if m.listener, err = net.Listen("tcp", address); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{mail: m}, nil }))
	m.server.Domain, m.server.MaxMessageBytes = "localhost", maxMailBytes
	m.server.ReadTimeout, m.server.WriteTimeout = mailPatience, mailPatience
	m.server.ErrorLog = silent{}
	return m, nil
}

// URL is the server's address for management.
func (m *Mail) URL() string { return "smtp://" + m.listener.Addr().String() }

// Run serves until ctx ends.
func (m *Mail) Run(ctx context.Context) error {
	over := make(chan error, 1)
	go func() { over <- m.server.Serve(m.listener) }()
	select {
	case err := <-over:
		return fmt.Errorf("mail: %w", err)
	case <-ctx.Done():
		err := errors.Join(m.listener.Close(), m.server.Close())
		err = errors.Join(err, <-over)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, smtp.ErrServerClosed) {
			return nil
		}
		return err
	}
}

// mailSession is one connection.
type mailSession struct {
	mail *Mail
	to   []string
}

func (s *mailSession) Reset()                                   { s.to = nil }
func (s *mailSession) Logout() error                            { return nil }
func (s *mailSession) Mail(_ string, _ *smtp.MailOptions) error { return nil }
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data keeps a message.
func (s *mailSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	path, err := s.mail.keep(s.to, content)
	if err != nil {
		s.mail.log.Error("an e-mail was not kept", "err", err)
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "not kept"}
	}
	s.mail.log.Info("an e-mail was kept instead of being delivered", "to", strings.Join(s.to, ", "), "file", path)
	return nil
}

// keep writes a message into a file that sorts by time, and forgets the oldest ones. The file is complete as soon as it has its name.
func (m *Mail) keep(to []string, content []byte) (string, error) {
	part, err := os.CreateTemp(m.dir, ".part-")
	if err != nil {
		return "", err
	}
	defer os.Remove(part.Name())
	_, err = part.Write(content)
	if err = errors.Join(err, part.Close()); err != nil {
		return "", err
	}
	name := time.Now().UTC().Format("20060102T150405.000000000")
	if len(to) > 0 {
		name += "-" + fileName(to[0])
	}
	path := filepath.Join(m.dir, name+mailSuffix)
	if err := os.Rename(part.Name(), path); err != nil {
		return "", err
	}
	return path, m.forget()
}

// fileName is an address as a part of a file's name.
func fileName(address string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("@._-+", r):
			return r
		}
		return '_'
	}, address)
	return name[:min(len(name), 100)]
}

func (m *Mail) forget() error {
	files, err := filepath.Glob(filepath.Join(m.dir, "*"+mailSuffix))
	if err != nil || len(files) <= keptMails {
		return err
	}
	slices.Sort(files)
	for _, file := range files[:len(files)-keptMails] {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// silent is the log of the server, which has nothing to say that matters: clients that go away.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
