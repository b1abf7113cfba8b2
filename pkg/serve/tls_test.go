package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// authority makes certificates for tests.
type authority struct {
	t    *testing.T
	pair devPair
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	return authority{t, parsePair(t, template, template, key, key)}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func parsePair(t *testing.T, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) devPair {
	t.Helper()
	text, err := signPair(template, parent, key, signer)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pair.pem")
	put(t, path, text)
	pair, err := readPair(path)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func (a authority) pem() []byte { return pemCertificate(a.pair.certificate.Raw) }

// leaf is the PEM text of a certificate with its key. change may alter the template of a good one.
func (a authority) leaf(role Role, change func(*x509.Certificate)) []byte {
	a.t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: string(role)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		URIs: []*url.URL{mustURL(a.t, Identity("", role))},
	}
	if change != nil {
		change(template)
	}
	text, err := signPair(template, a.pair.certificate, newKey(a.t), a.pair.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// end writes the files of one end of the plane.
func end(t *testing.T, leaf, authorities []byte) TLSFiles {
	t.Helper()
	dir := t.TempDir()
	files := TLSFiles{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.crt")}
	put(t, files.CertFile, leaf)
	put(t, files.KeyFile, leaf)
	put(t, files.CAFile, authorities)
	return files
}

func reloader(t *testing.T, files TLSFiles, options ReloaderOptions) *Reloader {
	t.Helper()
	r, err := NewReloader(files, options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// echo accepts TLS connections and sends back what it gets, until the test ends. The channel has the result of each
// handshake on the server's side.
func echo(t *testing.T, config *tls.Config) (address string, handshakes <-chan error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			err = c.(*tls.Conn).HandshakeContext(t.Context())
			results <- err
			if err == nil {
				_, _ = io.Copy(c, io.LimitReader(c, 4))
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), results
}

// say makes a connection, sends four bytes and expects them back. It returns the server's certificate.
func say(t *testing.T, address string, config *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	d := tls.Dialer{Config: config}
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "ping"); err != nil {
		return nil, err
	}
	// In TLS 1.3 a client learns only by reading that its certificate was refused.
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		return nil, err
	}
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

func TestMutualTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	management := reloader(t, end(t, ours.leaf(RoleManagement, nil), ours.pem()), ReloaderOptions{})
	address, handshakes := echo(t, management.ServerTLS(RoleGateway))

	gateway := func(leaf []byte) *tls.Config {
		return reloader(t, end(t, leaf, ours.pem()), ReloaderOptions{}).ClientTLS("127.0.0.1", RoleManagement)
	}
	tests := []struct {
		name   string
		client *tls.Config
		// want is a part of the server's reason, "" for acceptance.
		want   string
		wantIs error
	}{
		{name: "a gateway is accepted", client: gateway(ours.leaf(RoleGateway, nil))},
		{
			name:   "a client without certificate is refused",
			client: &tls.Config{InsecureSkipVerify: true},
			want:   "client didn't provide a certificate",
		},
		{
			name:   "a certificate of another authority is refused",
			client: gateway(theirs.leaf(RoleGateway, nil)),
			want:   "signed by unknown authority",
		},
		{
			name:   "management's certificate does not serve as a gateway's",
			client: gateway(ours.leaf(RoleManagement, nil)),
			wantIs: ErrWrongRole,
		},
		{
			name: "a gateway of another trust domain is refused",
			client: gateway(ours.leaf(RoleGateway, func(c *x509.Certificate) {
				c.URIs = []*url.URL{mustURL(t, Identity("elsewhere", RoleGateway))}
			})),
			wantIs: ErrWrongRole,
		},
		{
			name:   "a certificate without identity is refused",
			client: gateway(ours.leaf(RoleGateway, func(c *x509.Certificate) { c.URIs = nil })),
			wantIs: ErrWrongRole,
		},
		{
			name: "a certificate with two identities is refused",
			client: gateway(ours.leaf(RoleGateway, func(c *x509.Certificate) {
				c.URIs = append(c.URIs, mustURL(t, Identity("", RoleManagement)))
			})),
			wantIs: ErrWrongRole,
		},
		{
			name: "a certificate for servers only is refused",
			client: gateway(ours.leaf(RoleGateway, func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			})),
			want: "incompatible key usage",
		},
		{
			name: "TLS 1.2 is refused",
			client: func() *tls.Config {
				c := gateway(ours.leaf(RoleGateway, nil))
				c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
				return c
			}(),
			want: "unsupported versions",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := say(t, address, tt.client)
			reason := <-handshakes
			if tt.want == "" && tt.wantIs == nil {
				if err != nil || reason != nil {
					t.Errorf("client: %v, server: %v", err, reason)
				}
				return
			}
			if err == nil || reason == nil {
				t.Fatalf("accepted; client: %v, server: %v", err, reason)
			}
			if tt.wantIs != nil && !errors.Is(reason, tt.wantIs) || !strings.Contains(reason.Error(), tt.want) {
				t.Errorf("server: %v, want %q %v", reason, tt.want, tt.wantIs)
			}
		})
	}
}

func TestClientRefusesServers(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	gateway := reloader(t, end(t, ours.leaf(RoleGateway, nil), ours.pem()), ReloaderOptions{})
	elsewhere := ours.leaf(RoleManagement, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"other.example"}, nil })
	tests := []struct {
		name       string
		leaf       []byte
		serverName string
		want       string // "" for acceptance
	}{
		{"management under its name is accepted", ours.leaf(RoleManagement, nil), "localhost", ""},
		{"management under its address is accepted", ours.leaf(RoleManagement, nil), "127.0.0.1", ""},
		{"a gateway does not pass for management", ours.leaf(RoleGateway, nil), "localhost", "another identity"},
		{"management of another authority is refused", theirs.leaf(RoleManagement, nil), "localhost", "unknown authority"},
		{"a name that is not in the certificate is refused", elsewhere, "localhost", "verify the peer's name"},
		{"without an expected name the identity decides", elsewhere, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both := append(ours.pem(), theirs.pem()...)
			server := reloader(t, end(t, tt.leaf, both), ReloaderOptions{})
			address, _ := echo(t, server.ServerTLS(RoleGateway))
			_, err := say(t, address, gateway.ClientTLS(tt.serverName, RoleManagement))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
}

// certificates are metrics: what they are told of, and what became of changes.
type certificates struct {
	expires map[string]func() time.Time
	loads   []error
}

func (c *certificates) Certificate(name string, expires func() time.Time) func(error) {
	c.expires[name] = expires
	return func(err error) { c.loads = append(c.loads, err) }
}

// TestAuthoritiesAloneDoNotEnd, for metrics, but their changes count.
func TestAuthoritiesAloneDoNotEnd(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := end(t, ca.leaf(RoleGateway, nil), ca.pem())
	counted := &certificates{expires: map[string]func() time.Time{}}
	r := reloader(t, TLSFiles{CAFile: files.CAFile}, ReloaderOptions{Name: "clients", Metrics: counted})
	if at, told := counted.expires["clients"]; !told || at != nil {
		t.Error("authorities have an end")
	}
	put(t, files.CAFile, nil)
	if err := r.Check(); err == nil || len(counted.loads) != 1 || counted.loads[0] == nil {
		t.Errorf("%v is reported as %v", err, counted.loads)
	}
}

func TestReload(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	files := end(t, before.leaf(RoleManagement, nil), before.pem())
	var log bytes.Buffer
	counted := &certificates{expires: map[string]func() time.Time{}}
	management := reloader(t, files, ReloaderOptions{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Name: "plane", Metrics: counted,
	})
	if at := counted.expires["plane"]; len(counted.expires) != 1 || at == nil || !at().Equal(management.Expires()) {
		t.Errorf("metrics are told of %v", counted.expires)
	}
	address, _ := echo(t, management.ServerTLS(RoleGateway)) // the same listener to the end
	both := append(before.pem(), after.pem()...)
	oldGateway := reloader(t, end(t, before.leaf(RoleGateway, nil), both), ReloaderOptions{}).ClientTLS("", RoleManagement)
	newGateway := reloader(t, end(t, after.leaf(RoleGateway, nil), both), ReloaderOptions{}).ClientTLS("", RoleManagement)

	shown := func(client *tls.Config) string {
		leaf, err := say(t, address, client)
		if err != nil {
			return "refused"
		}
		return leaf.Issuer.CommonName
	}
	expect := func(when, oldWant, newWant string) {
		t.Helper()
		if got := shown(oldGateway); got != oldWant {
			t.Errorf("%s: the old gateway sees %s, want %s", when, got, oldWant)
		}
		if got := shown(newGateway); got != newWant {
			t.Errorf("%s: the new gateway sees %s, want %s", when, got, newWant)
		}
	}
	expect("at first", "before", "refused")

	if err := management.Check(); err != nil || len(counted.loads) != 0 {
		t.Errorf("unchanged files: %v, reported %v", err, counted.loads)
	}
	put(t, files.CAFile, both)
	if err := management.Check(); err != nil {
		t.Fatal(err)
	}
	expect("with both authorities", "before", "before")

	put(t, files.CertFile, []byte("rubbish"))
	for range 3 {
		if err := management.Check(); err == nil {
			t.Error("rubbish is accepted")
		}
	}
	expect("with a broken file", "before", "before")
	if loads := counted.loads; len(loads) != 2 || loads[0] != nil || loads[1] == nil {
		t.Errorf("a broken file is reported as %v, want once", loads)
	}

	leaf := after.leaf(RoleManagement, nil)
	put(t, files.CertFile, leaf)
	if err := management.Check(); err == nil {
		t.Error("a certificate with the key of another is accepted")
	}
	put(t, files.KeyFile, leaf)
	put(t, files.CAFile, nil)
	if err := management.Check(); err == nil {
		t.Error("an empty authority file is accepted")
	}
	expect("half replaced", "before", "before")

	put(t, files.CAFile, after.pem())
	if err := management.Check(); err != nil {
		t.Fatal(err)
	}
	expect("with the new authority only", "refused", "after")

	if text := log.String(); strings.Contains(text, "PRIVATE") || strings.Count(text, "level=ERROR") != 3 {
		t.Errorf("log = %s", text)
	}
}

func TestReloaderRunFollowsASwappedLink(t *testing.T) {
	ca := newAuthority(t, "ca")
	dir := t.TempDir()
	version := func(name string, hours time.Duration) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		leaf := ca.leaf(RoleManagement, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(hours * time.Hour) })
		put(t, filepath.Join(dir, name, "tls.pem"), leaf)
		// As the kubelet does: ..data is a link to the version, replaced by renaming another link over it.
		if err := os.Symlink(name, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("one", 2)
	if err := os.Symlink("..data/tls.pem", filepath.Join(dir, "tls.pem")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tls.pem")
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		r := reloader(t, TLSFiles{CertFile: path, KeyFile: path}, ReloaderOptions{Now: func() time.Time { return now }})
		first := r.Expires()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		// The clock of the bubble is that of Run only; certificates are judged by the real one.
		time.Sleep(DefaultPoll + time.Second) //nolint:forbidigo // inside a synctest bubble
		if r.Expires() != first {
			t.Error("reloaded without a change")
		}
		writeVersion(t, dir, ca, now)
		time.Sleep(DefaultPoll) //nolint:forbidigo // inside a synctest bubble
		if !r.Expires().After(first) {
			t.Error("the new version is not in use after one poll")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// writeVersion swaps the link of dir to a version that is valid for longer.
func writeVersion(t *testing.T, dir string, ca authority, now time.Time) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "two"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "two", "tls.pem"), ca.leaf(RoleManagement, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = now.Add(-time.Hour), now.Add(5*time.Hour)
	}))
	if err := os.Symlink("two", filepath.Join(dir, "..tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestNewReloaderRefuses(t *testing.T) {
	ca := newAuthority(t, "ca")
	good := ca.leaf(RoleGateway, nil)
	tests := []struct {
		name              string
		certificate, keys []byte
		ca                []byte
		want              string
	}{
		{"a certificate that has expired", ca.leaf(RoleGateway, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), nil, ca.pem(), "expired on"},
		{"a certificate of the future", ca.leaf(RoleGateway, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), nil, ca.pem(), "not valid before"},
		{"the key of another certificate", good, ca.leaf(RoleGateway, nil), ca.pem(), "does not match"},
		{"no certificate of an authority", good, nil, []byte("nothing"), "no certificate in the file"},
		{"a file beyond any measure", good, nil, make([]byte, maxTLSFile+1), "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := end(t, tt.certificate, tt.ca)
			if tt.keys != nil {
				put(t, files.KeyFile, tt.keys)
			}
			if _, err := NewReloader(files, ReloaderOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := NewReloader(TLSFiles{CertFile: "/nowhere/a", KeyFile: "/nowhere/b"}, ReloaderOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing files: %v", err)
	}
}

func TestPublicTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	leaf := ca.leaf(RoleGateway, nil)
	path := filepath.Join(t.TempDir(), "public.pem")
	put(t, path, leaf)
	r := reloader(t, TLSFiles{CertFile: path, KeyFile: path}, ReloaderOptions{})
	address, _ := echo(t, r.PublicTLS())
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.pem())
	if _, err := say(t, address, &tls.Config{RootCAs: pool, ServerName: "localhost"}); err != nil {
		t.Errorf("a client without certificate: %v", err)
	}
}
