package mailer

import (
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	good := Configured{URL: "smtp://mail.example.com", From: "Acme <no-reply@example.com>", Auth: "auto", Timeout: time.Second}
	with := func(change func(*Configured)) Configured {
		c := good
		change(&c)
		return c
	}
	for _, tt := range []struct {
		name string
		c    Configured
		want func(Settings) bool
	}{
		{"smtp is port 587 with STARTTLS", good, func(s Settings) bool { return s.Port == 587 && !s.ImplicitTLS && !s.Plain }},
		{"smtps is port 465 with TLS", with(func(c *Configured) { c.URL = "smtps://mail.example.com" }), func(s Settings) bool { return s.Port == 465 && s.ImplicitTLS }},
		{"a port and a user", with(func(c *Configured) { c.URL = "smtp://ann%40x@mail.example.com:25"; c.Password = "hush" }), func(s Settings) bool {
			return s.Port == 25 && s.User == "ann@x" && s.Password == "hush"
		}},
		{"a password in the URL", with(func(c *Configured) { c.URL = "smtp://ann:hush@mail.example.com" }), func(s Settings) bool { return s.Password == "hush" }},
		{"without TLS only where that is said", with(func(c *Configured) { c.Insecure = true }), func(s Settings) bool { return s.Plain }},
		{"a domain beyond ASCII", with(func(c *Configured) { c.From = "no-reply@bücher.example" }), func(s Settings) bool {
			return s.From.Address == "no-reply@xn--bcher-kva.example"
		}},
	} {
		if got, err := tt.c.Read(); err != nil || !tt.want(got) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
	for _, tt := range []struct {
		name string
		c    Configured
		want string
	}{
		{"another scheme", with(func(c *Configured) { c.URL = "http://mail.example.com" }), "--smtp-url must be"},
		{"no host", with(func(c *Configured) { c.URL = "smtp:///x" }), "--smtp-url must be"},
		{"a path", with(func(c *Configured) { c.URL = "smtp://h/x" }), "--smtp-url must be"},
		{"no URL at all", with(func(c *Configured) { c.URL = "smtp://u:hush@%zz" }), "--smtp-url is not a URL"},
		{"a port out of range", with(func(c *Configured) { c.URL = "smtp://h:70000" }), "the port is not a number"},
		{"no sender", with(func(c *Configured) { c.From = "" }), "--mail-from must be an address"},
		{"a sender with a line break", with(func(c *Configured) { c.From = "a@example.com\r\nBcc: b@example.com" }), "--mail-from must be an address"},
		{"an unknown way to sign in", with(func(c *Configured) { c.Auth = "md5" }), "--smtp-auth must be one of"},
		{"a user without a password", with(func(c *Configured) { c.URL = "smtp://ann@h" }), "--smtp-password-file says the password"},
		{"a password without a user", with(func(c *Configured) { c.Password = "hush" }), "has no user name to it"},
		{"two passwords", with(func(c *Configured) { c.URL = "smtp://a:hush@h"; c.Password = "hush" }), "only one of them"},
		{"TLS and not", with(func(c *Configured) { c.URL = "smtps://h"; c.Insecure = true }), "--smtp-insecure"},
		{"authorities that are not there", with(func(c *Configured) { c.CAFile = "/nowhere" }), "--smtp-ca-file"},
		{"no patience", with(func(c *Configured) { c.Timeout = 0 }), "--smtp-timeout"},
		{"too much patience", with(func(c *Configured) { c.Timeout = time.Hour }), "--smtp-timeout"},
	} {
		_, err := tt.c.Read()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error shows the password: %v", tt.name, err)
		}
	}
}

func TestDeliverable(t *testing.T) {
	for _, tt := range []struct{ name, address, want string }{
		{"a plain address", "ann@example.com", "ann@example.com"},
		{"a domain beyond ASCII is written in ASCII", "ann@bücher.example", "ann@xn--bcher-kva.example"},
		{"letters beyond ASCII before the @ are refused", "ännchen@example.com", ""},
		{"a line break is refused", "ann@example.com\r\nBcc: bob@example.com", ""},
		{"a second address is refused", "ann@example.com, bob@example.com", ""},
		{"a display name is refused", "Ann <ann@example.com>", ""},
		{"nothing is refused", "", ""},
		{"half an address is refused", "ann@", ""},
	} {
		got, err := Deliverable(tt.address)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

func TestPlainText(t *testing.T) {
	for _, tt := range []struct{ name, html, want string }{
		{"paragraphs are apart", "<html><head><title>no</title><style>p{}</style></head><body><p>Hello Ann,</p><p>Bye.</p></body></html>", "Hello Ann,\n\nBye.\n"},
		{"a link has its address on a line of its own", `<p><a href="https://a.example/x?y=1&amp;z=2">Follow this link</a>. It lasts.</p>`, "Follow this link\nhttps://a.example/x?y=1&z=2\nIt lasts.\n"},
		{"a link that shows its address stands once", `<p><a href="https://a.example/x">https://a.example/x</a></p>`, "https://a.example/x\n"},
		{"words within a word stay together", "<p>Your code is <strong>482913</strong>.</p>", "Your code is 482913.\n"},
		{"lists", "<ul><li>one</li><li>two</li></ul>", "- one\n- two\n"},
		{"line breaks", "a<br>b", "a\nb\n"},
		{"entities", "<p>&lt;Ann &amp; Bob&gt;</p>", "<Ann & Bob>\n"},
		{"scripts are left out", "<script>alert(1)</script>x", "x\n"},
		{"long lines are broken", "<p>" + strings.Repeat("word ", 20) + "</p>", strings.TrimSpace(strings.Repeat("word ", 15)) + "\n" + strings.TrimSpace(strings.Repeat("word ", 5)) + "\n"},
		{"what is not closed", "<p>a<b>b", "ab\n"},
		{"nothing", "", ""},
	} {
		if got := PlainText(tt.html); got != tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
}
