package mailer

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer/mailtest"
)

func letter() *Letter {
	return &Letter{
		ID: "id.0", To: "ann@example.com", Subject: "Grüße, choose a new password", Language: "de",
		HTML: `<p>Hello <b>Änn</b>,</p><p><a href="https://auth.example.com/x?token=hush">Follow this link</a></p>`,
	}
}

func settings(t *testing.T, s *mailtest.Server, change func(*Configured)) *Settings {
	t.Helper()
	c := Configured{URL: "smtp://" + s.Address(), From: "Acme <no-reply@example.com>", Auth: "auto", Timeout: 20 * time.Second, CAFile: s.CAFile}
	if change != nil {
		change(&c)
	}
	read, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	return &read
}

func insecure(c *Configured) { c.Insecure, c.CAFile = true, "" }

func account(c *Configured) {
	c.URL = strings.Replace(c.URL, "://", "://ann@", 1)
	c.Password = "secret-of-ann"
}

func TestDeliver(t *testing.T) {
	implicit := func(c *Configured) { c.URL = strings.Replace(c.URL, "smtp://", "smtps://", 1) }
	both := func(changes ...func(*Configured)) func(*Configured) {
		return func(c *Configured) {
			for _, change := range changes {
				change(c)
			}
		}
	}
	auth := func(word string) func(*Configured) {
		return func(c *Configured) { c.Auth = word }
	}
	for _, tt := range []struct {
		name   string
		server mailtest.Options
		change func(*Configured)
		fails  string // a part of the error; empty: delivered
		user   string
		tls    bool
	}{
		{name: "STARTTLS", server: mailtest.Options{StartTLS: true}, tls: true},
		{name: "STARTTLS that is not offered", fails: "STARTTLS"},
		{name: "STARTTLS with a certificate of somebody else", server: mailtest.Options{StartTLS: true}, change: func(c *Configured) { c.CAFile = "" }, fails: "certificate"},
		{name: "TLS from the beginning", server: mailtest.Options{ImplicitTLS: true}, change: implicit, tls: true},
		{name: "TLS from the beginning with a certificate of somebody else", server: mailtest.Options{ImplicitTLS: true}, change: both(implicit, func(c *Configured) { c.CAFile = "" }), fails: "certificate"},
		{name: "without TLS where that is allowed", change: insecure},
		{name: "PLAIN", server: mailtest.Options{StartTLS: true, User: "ann", Password: "secret-of-ann"}, change: both(account, auth("plain")), user: "ann", tls: true},
		{name: "PLAIN found out", server: mailtest.Options{StartTLS: true, User: "ann", Password: "secret-of-ann"}, change: account, user: "ann", tls: true},
		{name: "PLAIN found out within TLS", server: mailtest.Options{ImplicitTLS: true, User: "ann", Password: "secret-of-ann"}, change: both(account, implicit), user: "ann", tls: true},
		{name: "LOGIN", server: mailtest.Options{StartTLS: true, User: "ann", Password: "secret-of-ann", Mechanism: "LOGIN"}, change: both(account, auth("login")), user: "ann", tls: true},
		{name: "PLAIN without TLS where that is said", server: mailtest.Options{User: "ann", Password: "secret-of-ann"}, change: both(account, insecure, auth("plain")), user: "ann"},
		{name: "a password in the clear is not found out", server: mailtest.Options{User: "ann", Password: "secret-of-ann"}, change: both(account, insecure), fails: "auth"},
		{name: "a wrong password", server: mailtest.Options{StartTLS: true, User: "ann", Password: "other"}, change: account, fails: "535"},
		{name: "a server that asks for a password", server: mailtest.Options{StartTLS: true, User: "ann", Password: "x"}, fails: "502"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mailtest.New(t, tt.server)
			err := deliver(t.Context(), settings(t, s, tt.change), letter(), time.Now())
			if tt.fails != "" {
				if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tt.fails)) {
					t.Fatalf("err = %v, want %s", err, tt.fails)
				}
				if strings.Contains(err.Error(), "secret-of-ann") || strings.Contains(err.Error(), "hush") {
					t.Errorf("the error shows a secret: %v", err)
				}
				if len(s.Letters()) > 0 {
					t.Error("a letter was delivered")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := s.Letters()[0]
			if got.User != tt.user || got.TLS != tt.tls {
				t.Errorf("user %q, TLS %v", got.User, got.TLS)
			}
		})
	}
}

func TestWhatALetterLooksLike(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{StartTLS: true})
	if err := deliver(t.Context(), settings(t, s, nil), letter(), time.Now()); err != nil {
		t.Fatal(err)
	}
	got := s.Letters()[0]
	for name, want := range map[string]string{
		"From": `"Acme" <no-reply@example.com>`, "To": "<ann@example.com>", "Message-Id": "<id.0@example.com>", "Auto-Submitted": "auto-generated",
		"Content-Language": "de", "Mime-Version": "1.0",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if got.Subject() != "Grüße, choose a new password" || got.From != "no-reply@example.com" || got.To[0] != "ann@example.com" {
		t.Errorf("%q from %s to %s", got.Subject(), got.From, got.To)
	}
	if got.Text != "Hello Änn,\n\nFollow this link\nhttps://auth.example.com/x?token=hush\n" || got.HTML != letter().HTML {
		t.Errorf("text %q\nHTML %q", got.Text, got.HTML)
	}
}

func TestNoHeaderCanBeAdded(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{StartTLS: true})
	evil := "x\r\nBcc: bob@example.com\r\n\r\nbody"
	for name, change := range map[string]func(*Letter){
		"recipient":   func(l *Letter) { l.To = "ann@example.com\r\nBcc: bob@example.com" },
		"two":         func(l *Letter) { l.To = "ann@example.com, bob@example.com" },
		"sender":      func(l *Letter) { l.From = "a@example.com\r\nBcc: bob@example.com" },
		"sender name": func(l *Letter) { l.FromName = evil },
		"subject":     func(l *Letter) { l.Subject = evil },
		"line feed":   func(l *Letter) { l.Subject = "x\nBcc: bob@example.com" },
		"language":    func(l *Letter) { l.Language = evil },
		"identifier":  func(l *Letter) { l.ID = evil },
	} {
		l := letter()
		change(l)
		if err := deliver(t.Context(), settings(t, s, nil), l, time.Now()); !refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := letter()
	l.FromName = `Acme" <evil@example.com>, "`
	if err := deliver(t.Context(), settings(t, s, nil), l, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := s.Letters(); len(got) != 1 || got[0].From != "no-reply@example.com" || got[0].Header.Get("Bcc") != "" {
		t.Errorf("delivered: %+v", got)
	} else if from, err := got[0].Header.AddressList("From"); err != nil || len(from) != 1 || from[0].Address != "no-reply@example.com" {
		t.Errorf("from %v, %v", from, err)
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	refuse := func(at string, code int) func(step, to string) error {
		return func(step, _ string) error {
			if step == at {
				return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: "no"}
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name    string
		refuse  func(step, to string) error
		forGood bool
	}{
		{"a sender that is refused for good ends it", refuse("mail", 550), true},
		{"a recipient that is refused for good ends it", refuse("rcpt", 550), true},
		{"content that is refused for good ends it", refuse("data", 554), true},
		{"a sender that is refused for now", refuse("mail", 451), false},
		{"a recipient that is refused for now", refuse("rcpt", 450), false},
		{"content that is refused for now", refuse("data", 452), false},
	} {
		s := mailtest.New(t, mailtest.Options{StartTLS: true, Refuse: tt.refuse})
		if err := deliver(t.Context(), settings(t, s, nil), letter(), time.Now()); err == nil || refused(err) != tt.forGood {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	s := mailtest.New(t, mailtest.Options{StartTLS: true})
	known := settings(t, s, nil)
	s.Stop()
	if err := deliver(t.Context(), known, letter(), time.Now()); err == nil || refused(err) {
		t.Errorf("a server that is away: %v", err)
	}
	s.Start()
	if err := deliver(t.Context(), known, letter(), time.Now()); err != nil {
		t.Errorf("a server that is back: %v", err)
	}
}

func TestAStalledServer(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{StartTLS: true})
	defer s.Stall()()
	known := settings(t, s, func(c *Configured) { c.Timeout = 300 * time.Millisecond })
	began := time.Now()
	if err := deliver(t.Context(), known, letter(), time.Now()); err == nil || refused(err) {
		t.Errorf("err = %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("given up after %v", took)
	}
	known.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began = time.Now()
	if err := deliver(ctx, known, letter(), time.Now()); err == nil || refused(err) {
		t.Errorf("err = %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("cut after %v", took)
	}
}
