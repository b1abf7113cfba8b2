package idptest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// The directory of Slapd, and who may read it.
const (
	Suffix       = "dc=acme,dc=example"
	ReaderDN     = "cn=reader," + Suffix
	ReaderSecret = "read only"
)

// Slapd is a real OpenLDAP server of one test.
type Slapd struct {
	// URL is that of connections in clear, on which StartTLS works if there is a certificate; TLSURL begins encrypted.
	URL, TLSURL string

	t       testing.TB
	folder  string
	program string
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process is over
	log     bytes.Buffer
}

// SlapdOptions adjust it.
type SlapdOptions struct {
	// LDIF are further entries.
	LDIF string
	// Certificate is the server's; without one there is no encryption.
	Certificate *tls.Certificate
}

// StartSlapd starts a server on free ports, and ends it with the test.
func StartSlapd(t testing.TB, o SlapdOptions) *Slapd {
	t.Helper()
	s := &Slapd{t: t, folder: t.TempDir()}
	for _, name := range []string{os.Getenv("GATEHOUSE_SLAPD"), "slapd", "/usr/sbin/slapd", "/usr/local/opt/openldap/libexec/slapd", "/opt/homebrew/opt/openldap/libexec/slapd"} {
		if path, err := exec.LookPath(name); err == nil && name != "" {
			s.program = path
			break
		}
	}
	if s.program == "" {
		t.Fatal("no slapd in the PATH (GATEHOUSE_SLAPD may name one); scripts/ensure.sh slapd installs it")
	}
	s.configure(o)
	t.Cleanup(s.Kill)
	for range 20 {
		s.URL, s.TLSURL = "ldap://"+freeAddress(t), "ldaps://"+freeAddress(t)
		if s.start() {
			return s
		}
	}
	t.Fatalf("slapd does not start: %s", s.log.String())
	return nil
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

const baseLDIF = `dn: ` + Suffix + `
objectClass: dcObject
objectClass: organization
o: Acme
dc: acme

dn: ou=people,` + Suffix + `
objectClass: organizationalUnit
ou: people

dn: ou=groups,` + Suffix + `
objectClass: organizationalUnit
ou: groups

dn: cn=policy,` + Suffix + `
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 10000

dn: ` + ReaderDN + `
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: ` + ReaderSecret + `

`

func (s *Slapd) configure(o SlapdOptions) {
	s.t.Helper()
	schema, modules := "/etc/ldap/schema", "/usr/lib/ldap"
	var c strings.Builder
	for _, name := range []string{"core", "cosine", "inetorgperson"} {
		fmt.Fprintf(&c, "include %s/%s.schema\n", schema, name)
	}
	fmt.Fprintf(&c, "modulepath %s\nmoduleload back_mdb\nmoduleload ppolicy\nsizelimit 500\n", modules)
	if o.Certificate != nil {
		chain, key := s.file("server.pem", certificates(*o.Certificate)), s.file("server.key", privateKey(s.t, *o.Certificate))
		fmt.Fprintf(&c, "TLSCACertificateFile %s\nTLSCertificateFile %s\nTLSCertificateKeyFile %s\n", chain, chain, key)
	}
	data := filepath.Join(s.folder, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintf(&c, "database mdb\nmaxsize 33554432\nsuffix %q\nrootdn \"cn=admin,%s\"\nrootpw admin\ndirectory %s\n", Suffix, Suffix, data)
	fmt.Fprintf(&c, "access to attrs=userPassword by anonymous auth by * none\n")
	fmt.Fprintf(&c, "access to * by dn.exact=%q read by * none\n", ReaderDN)
	fmt.Fprintf(&c, "overlay ppolicy\nppolicy_default \"cn=policy,%s\"\nppolicy_use_lockout\n", Suffix)
	s.file("slapd.conf", []byte(c.String()))
	s.file("people.ldif", []byte(baseLDIF+o.LDIF))
	add := exec.Command(s.program, "-T", "add", "-f", filepath.Join(s.folder, "slapd.conf"), "-l", filepath.Join(s.folder, "people.ldif"))
	if out, err := add.CombinedOutput(); err != nil {
		s.t.Fatalf("slapadd: %v\n%s", err, out)
	}
}

func (s *Slapd) file(name string, content []byte) string {
	s.t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func certificates(c tls.Certificate) []byte {
	var text []byte
	for _, der := range c.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

func privateKey(t testing.TB, c tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// start runs the server and waits until it answers. It reports false if it ends before: a port was taken meanwhile.
func (s *Slapd) start() bool {
	s.t.Helper()
	s.log.Reset()
	cmd := exec.Command(s.program, "-f", filepath.Join(s.folder, "slapd.conf"), "-h", s.URL+" "+s.TLSURL, "-d", "0")
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return false
		case <-tick.C:
			if s.answers() == nil {
				s.cmd, s.ended = cmd, ended
				return true
			}
		}
	}
}

func (s *Slapd) answers() error {
	c, err := ldap.DialURL(s.URL)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return c.Bind(ReaderDN, ReaderSecret)
}

// Kill ends the server. Its people survive.
func (s *Slapd) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// Restart starts it again on its ports after Kill.
func (s *Slapd) Restart() {
	s.t.Helper()
	if !s.start() {
		s.t.Fatalf("slapd does not start again: %s", s.log.String())
	}
}

// Stall stops the process without ending it: connections stay open, new ones are accepted, and nothing answers. Resume undoes
// it.
func (s *Slapd) Stall() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !s.stopped() { // the signal reaches its threads one after the other
		<-tick.C
	}
}

// stopped reports whether no thread of the server runs any more.
func (s *Slapd) stopped() bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range threads {
		// The state stands behind the name, which is in brackets (proc_pid_stat(5)).
		stat, err := os.ReadFile(path)
		if _, state, _ := strings.Cut(string(stat), ") "); err == nil && !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// Resume lets a stalled server go on.
func (s *Slapd) Resume() { s.signal(syscall.SIGCONT) }

func (s *Slapd) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Modify changes the directory as its administrator.
func (s *Slapd) Modify(change func(c *ldap.Conn) error) {
	s.t.Helper()
	c, err := ldap.DialURL(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := errors.Join(c.Bind("cn=admin,"+Suffix, "admin"), change(c)); err != nil {
		s.t.Fatal(err)
	}
}
