package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// maxTimeout bounds Settings.Timeout: three letters of one errand are to be tried within a lease.
const maxTimeout = 30 * time.Second

// refusedError is a refusal for good: trying again would not help.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

func refused(err error) bool {
	var e *refusedError
	return errors.As(err, &e)
}

// deliver hands one letter to the mail server over a connection of its own. A refusal of the letter for good is a
// *refusedError; what is wrong with connection, certificate or password is not, because an administrator can repair that.
// When ctx ends the connection is cut.
func deliver(ctx context.Context, s *Settings, l *Letter, now time.Time) (err error) {
	message, err := l.message(s, now)
	if err != nil {
		return &refusedError{err}
	}
	line := &line{settings: s}
	client, err := gomail.NewClient(s.Host, s.options(line.dial)...)
	if err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	// The library leaves connections open where a greeting or a password fails.
	defer line.cut()
	defer context.AfterFunc(ctx, line.cut)()
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("mail server %s: %w", client.ServerAddr(), err)
	}
	err = client.SendWithSMTPClient(connection, message)
	if message.IsDelivered() {
		// Whatever came after it, the server has taken the letter.
		_ = client.CloseWithSMTPClient(connection)
		return nil
	}
	if err == nil {
		err = errors.New("not delivered")
	}
	return judged(err)
}

// judged tells a refusal of the letter itself from other trouble. Errors of the library name recipient and Message-ID; those
// stay, the content is never part of them.
func judged(err error) error {
	var failed *gomail.SendError
	if errors.As(err, &failed) && failed.ErrorCode() >= 500 && failed.ErrorCode() < 600 {
		switch failed.Reason {
		case gomail.ErrSMTPMailFrom, gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
			return &refusedError{err}
		}
	}
	return err
}

// line is the connection of one delivery.
type line struct {
	settings *Settings
	mu       sync.Mutex
	open     net.Conn // guarded by mu
	over     bool     // guarded by mu
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var connection net.Conn
	var err error
	if l.settings.ImplicitTLS {
		connection, err = (&tls.Dialer{Config: l.settings.tls()}).DialContext(ctx, network, address)
	} else {
		connection, err = new(net.Dialer).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		_ = connection.Close()
		return nil, net.ErrClosed
	}
	l.open = connection
	return connection, nil
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.open != nil {
		_ = l.open.Close()
		l.open = nil
	}
}
