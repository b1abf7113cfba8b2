package mailer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// Settings say which mail server takes the letters, and who they come from.
type Settings struct {
	Host string
	Port int
	// ImplicitTLS begins with TLS (RFC 8314 §3.3). Otherwise STARTTLS must succeed, unless Plain allows to do without TLS.
	ImplicitTLS, Plain bool
	// User is empty where the server asks for no name. Auth is one of Auths.
	User, Password, Auth string
	// CAs are the authorities that may have signed the server's certificate; nil means those of the system.
	CAs *x509.CertPool
	// From is who letters come from where their text does not say.
	From mail.Address
	// Timeout bounds connecting and, again, the delivery of one letter.
	Timeout time.Duration
}

// Auths are the ways to sign in at a mail server. Auto is the strongest that both ends know.
var Auths = []string{"auto", "plain", "login", "scram-sha-1", "scram-sha-256"}

// Configured are the settings as they are told at the start.
type Configured struct {
	// URL is smtp://user@host:587, with STARTTLS, or smtps://user@host:465, with TLS from the beginning.
	URL string
	// Password may stand in the URL instead.
	Password string
	// From is an address, or a name and an address: Acme <no-reply@example.com>.
	From   string
	Auth   string
	CAFile string
	// Insecure does without TLS, and sends the password to whoever is there.
	Insecure bool
	Timeout  time.Duration
}

// Read understands settings, or says everything that is wrong with them. Its errors never contain the password.
func (c Configured) Read() (Settings, error) {
	s := Settings{Plain: c.Insecure, Password: c.Password, Auth: c.Auth, Timeout: c.Timeout}
	faults := []error{s.server(c), s.sender(c)}
	if s.Plain && c.CAFile != "" {
		faults = append(faults, errors.New("--smtp-insecure does without TLS, and --smtp-ca-file is about TLS"))
	}
	if c.Timeout <= 0 || c.Timeout > maxTimeout {
		faults = append(faults, fmt.Errorf("--smtp-timeout must be positive and at most %s", maxTimeout))
	}
	if !slices.Contains(Auths, s.Auth) {
		faults = append(faults, fmt.Errorf("--smtp-auth must be one of %s", strings.Join(Auths, ", ")))
	}
	var err error
	if s.CAs, err = authorities(c.CAFile); err != nil {
		faults = append(faults, fmt.Errorf("--smtp-ca-file: %w", err))
	}
	if err := errors.Join(faults...); err != nil {
		return Settings{}, err
	}
	return s, nil
}

func (s *Settings) server(c Configured) error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return errors.New("--smtp-url is not a URL")
	}
	s.Host, s.Port, s.ImplicitTLS = u.Hostname(), 587, u.Scheme == "smtps"
	if s.ImplicitTLS {
		s.Port = 465
	}
	switch {
	case u.Scheme != "smtp" && u.Scheme != "smtps" || s.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("--smtp-url must be smtp://user@host:587 or smtps://user@host:465")
	case s.ImplicitTLS && s.Plain:
		return errors.New("--smtp-insecure does without TLS, which smtps:// asks for")
	}
	if text := u.Port(); text != "" {
		if s.Port, err = strconv.Atoi(text); err != nil || s.Port < 1 || s.Port > 65535 {
			return errors.New("--smtp-url: the port is not a number from 1 to 65535")
		}
	}
	return s.account(u)
}

func (s *Settings) account(u *url.URL) error {
	s.User = u.User.Username()
	if inURL, there := u.User.Password(); there {
		if s.Password != "" {
			return errors.New("--smtp-url and --smtp-password-file: only one of them says the password")
		}
		s.Password = inURL
	}
	switch {
	case s.User == "" && s.Password != "":
		return errors.New("--smtp-password-file: --smtp-url has no user name to it")
	case s.User != "" && s.Password == "":
		return errors.New("--smtp-url has a user name; --smtp-password-file says the password")
	}
	return nil
}

func (s *Settings) sender(c Configured) error {
	from, err := mail.ParseAddress(c.From)
	if err != nil || strings.ContainsFunc(c.From, unicode.IsControl) {
		return errors.New("--mail-from must be an address, such as no-reply@example.com or Acme <no-reply@example.com>")
	}
	if from.Address, err = Deliverable(from.Address); err != nil {
		return fmt.Errorf("--mail-from: %w", err)
	}
	s.From = *from
	return nil
}

func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// authTypes are the words of Auths for the library, where the connection is encrypted and where it is not.
var authTypes = map[string]struct{ encrypted, plain gomail.SMTPAuthType }{
	"auto":          {gomail.SMTPAuthAutoDiscover, gomail.SMTPAuthAutoDiscover},
	"plain":         {gomail.SMTPAuthPlain, gomail.SMTPAuthPlainNoEnc},
	"login":         {gomail.SMTPAuthLogin, gomail.SMTPAuthLoginNoEnc},
	"scram-sha-1":   {gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthSCRAMSHA1},
	"scram-sha-256": {gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA256},
}

// options are the settings in the words of the library. Dial makes every connection.
func (s *Settings) options(dial gomail.DialContextFunc) []gomail.Option {
	o := []gomail.Option{
		gomail.WithPort(s.Port), gomail.WithTimeout(s.Timeout), gomail.WithDialContextFunc(dial), gomail.WithHELO(s.hello()),
		gomail.WithoutNoop(), gomail.WithoutSMTPUTF8(), gomail.WithTLSConfig(s.tls()),
	}
	switch {
	case s.ImplicitTLS:
		// The connection is encrypted when the library sees it; it finds that out by itself.
		o = append(o, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case s.Plain:
		o = append(o, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		o = append(o, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.User == "" {
		return o
	}
	auth := authTypes[s.Auth].encrypted
	if s.Plain {
		auth = authTypes[s.Auth].plain
	}
	return append(o, gomail.WithSMTPAuth(auth), gomail.WithUsername(s.User), gomail.WithPassword(s.Password))
}

func (s *Settings) tls() *tls.Config {
	return &tls.Config{ServerName: s.Host, RootCAs: s.CAs, MinVersion: tls.VersionTLS12}
}

// hello is what the server is told about this host: an address literal where the host's name is none (RFC 5321 §4.1.3).
func (s *Settings) hello() string {
	_, domain, _ := strings.Cut(s.From.Address, "@")
	if strings.HasPrefix(domain, "[") || domain == "" || net.ParseIP(domain) != nil {
		return "[127.0.0.1]"
	}
	return domain
}
