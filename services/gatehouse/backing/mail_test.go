package backing

import (
	"context"
	"log/slog"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMailIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mails")
	m, err := ListenMail(MailOptions{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- m.Run(ctx) }()
	address := strings.TrimPrefix(m.URL(), "smtp://")
	// A path in an address leads nowhere else.
	for _, to := range []string{"ann@example.com", `"../../x"@example.com`} {
		if err := smtp.SendMail(address, nil, "a@example.com", []string{to}, []byte("Subject: x\r\n\r\nHello\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil || len(files) != 2 || !strings.HasSuffix(files[0], "-ann@example.com.eml") {
		t.Fatalf("files %v, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil || string(content) != "Subject: x\r\n\r\nHello\r\n" {
		t.Errorf("%q, %v", content, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the server still listens")
	}
}

func TestOldMailsAreForgotten(t *testing.T) {
	m := &Mail{dir: t.TempDir()}
	for range keptMails + 3 {
		if _, err := m.keep([]string{"a@example.com"}, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(m.dir, "*")); len(files) != keptMails {
		t.Errorf("%d files, want %d", len(files), keptMails)
	}
}

func TestMailListensOnLoopbackOnly(t *testing.T) {
	if _, err := ListenMail(MailOptions{Dir: t.TempDir(), Address: "0.0.0.0:0"}); err == nil {
		t.Error("the whole world may send")
	}
}
