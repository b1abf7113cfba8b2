package ldap_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/ldap"
)

const password = "correct horse"

var odd = []string{"a*b", "a(b)c", `a\b`, "a,b", "a+b c", `a"b`, "#hash", "ünï cödé", "a=b", "a;b<c>", "a/b", "o'neill", "two  blanks"}

// people adds those whom the tests know.
func people(s *idptest.Slapd) {
	person := func(uid string, attributes ...goldap.Attribute) *goldap.AddRequest {
		return &goldap.AddRequest{DN: "uid=" + goldap.EscapeDN(uid) + ",ou=people," + idptest.Suffix, Attributes: append([]goldap.Attribute{
			{Type: "objectClass", Vals: []string{"inetOrgPerson"}}, {Type: "uid", Vals: []string{uid}}, {Type: "cn", Vals: []string{uid}},
			{Type: "sn", Vals: []string{"Doe"}}, {Type: "userPassword", Vals: []string{password}},
		}, attributes...)}
	}
	group := func(name string, members ...string) *goldap.AddRequest {
		for i, uid := range members {
			members[i] = "uid=" + goldap.EscapeDN(uid) + ",ou=people," + idptest.Suffix
		}
		return &goldap.AddRequest{DN: "cn=" + name + ",ou=groups," + idptest.Suffix, Attributes: []goldap.Attribute{
			{Type: "objectClass", Vals: []string{"groupOfNames"}}, {Type: "cn", Vals: []string{name}}, {Type: "member", Vals: members},
		}}
	}
	s.Modify(func(c *goldap.Conn) error {
		all := []*goldap.AddRequest{
			person("ann", goldap.Attribute{Type: "mail", Vals: []string{"ann@acme.example"}}, goldap.Attribute{Type: "givenName", Vals: []string{"Ann"}},
				goldap.Attribute{Type: "displayName", Vals: []string{"Ann Doe"}}, goldap.Attribute{Type: "preferredLanguage", Vals: []string{"de-CH"}},
				goldap.Attribute{Type: "telephoneNumber", Vals: []string{"+41 44 000 00 00"}}, goldap.Attribute{Type: "departmentNumber", Vals: []string{"7", "8"}},
				goldap.Attribute{Type: "employeeType", Vals: []string{"staff"}}, goldap.Attribute{Type: "jpegPhoto", Vals: []string{"\xff\xd8\x00\x01"}}),
			person("twin one", goldap.Attribute{Type: "mail", Vals: []string{"twin@acme.example"}}),
			person("twin two", goldap.Attribute{Type: "mail", Vals: []string{"twin@acme.example"}}),
			person("locked", goldap.Attribute{Type: "mail", Vals: []string{"locked@acme.example"}}),
			group("staff", "ann", "locked"), group("admins", "ann", `a\b`, "a,b"),
			{DN: "uid=nopassword,ou=people," + idptest.Suffix, Attributes: []goldap.Attribute{
				{Type: "objectClass", Vals: []string{"inetOrgPerson"}}, {Type: "uid", Vals: []string{"nopassword"}}, {Type: "cn", Vals: []string{"x"}}, {Type: "sn", Vals: []string{"x"}},
			}},
		}
		for _, name := range odd {
			all = append(all, person(name))
		}
		for _, r := range all {
			if err := c.Add(r); err != nil {
				return fmt.Errorf("%s: %w", r.DN, err)
			}
		}
		lock := goldap.NewModifyRequest("uid=locked,ou=people,"+idptest.Suffix, nil)
		lock.Replace("pwdAccountLockedTime", []string{"000001010000Z"})
		return c.Modify(lock)
	})
}

// counting counts what is sent.
type counting struct {
	*outbound.Client
	sent atomic.Int64
}

type countedConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	c.sent.Add(1)
	return c.Conn.Write(p)
}

func (n *counting) Dial(ctx context.Context, address string, encrypted bool) (net.Conn, error) {
	conn, err := n.Client.Dial(ctx, address, encrypted)
	if err != nil {
		return nil, err
	}
	return countedConn{conn, &n.sent}, nil
}

func network(t testing.TB, allow ...string) *counting {
	t.Helper()
	client, err := outbound.New(outbound.Options{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return &counting{Client: client}
}

func config(s *idptest.Slapd) *configv1.LDAPProvider {
	return &configv1.LDAPProvider{
		ContextSourceUrl: s.URL, ContextSourceBase: idptest.Suffix, ContextSourceUsername: idptest.ReaderDN,
		ContextSourcePassword: idptest.ReaderSecret, UserSearchBase: "ou=people", FetchGroups: true, GroupSearchBase: "ou=groups",
		ConnectTimeout: 1000, ResponseTimeout: 1000, MaxPoolSize: 4,
	}
}

func open(t testing.TB, config *configv1.LDAPProvider, n ldap.Network) *ldap.Provider {
	t.Helper()
	p, err := ldap.New("corp", config, n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sign(t testing.TB, p *ldap.Provider, name, password string) (*idp.Assertion, error) {
	t.Helper()
	return p.Authenticate(t.Context(), idp.Credentials{Username: name, Password: password})
}

func uuid(t testing.TB, s *idptest.Slapd, uid string) string {
	t.Helper()
	var id string
	s.Modify(func(c *goldap.Conn) error {
		found, err := c.Search(&goldap.SearchRequest{BaseDN: idptest.Suffix, Scope: goldap.ScopeWholeSubtree, Filter: "(uid=" + uid + ")", Attributes: []string{"entryUUID"}})
		if err == nil && len(found.Entries) == 1 {
			id = found.Entries[0].GetAttributeValue("entryUUID")
		}
		return err
	})
	return id
}

func TestSuite(t *testing.T) {
	idptest.Password(t, func(t *testing.T) *idptest.Rig {
		s := idptest.StartSlapd(t, idptest.SlapdOptions{})
		people(s)
		n := network(t, "http://127.0.0.1")
		return &idptest.Rig{
			Provider: open(t, config(s), n), Username: "ann", Password: password, Odd: odd, Blocked: []string{"locked"},
			Identity: &idp.Identity{
				Source: "corp", ExternalId: uuid(t, s, "ann"), Username: "ann", Email: "ann@acme.example", FirstName: "Ann", LastName: "Doe",
				DisplayName: "Ann Doe", PreferredLanguage: "de-CH", PhoneNumber: "+41 44 000 00 00",
			},
			Profile: map[string]any{
				"mail": "ann@acme.example", "employeeType": "staff", "departmentNumber": []any{"7", "8"}, "groups": []any{"staff", "admins"},
				"objectClass": []any{"inetOrgPerson"}, "jpegPhoto": "/9gAAQ==", "userPassword": nil, "dn": "uid=ann,ou=people," + idptest.Suffix,
			},
			Requests: n.sent.Load, Limit: 3 * time.Second,
			Stall: func(*testing.T) func() { s.Stall(); return s.Resume },
			Away:  func(*testing.T) func() { s.Kill(); return s.Restart },
		}
	})
}

func TestWhoIsFound(t *testing.T) {
	s := idptest.StartSlapd(t, idptest.SlapdOptions{})
	people(s)
	n := network(t, "http://127.0.0.1")
	change := func(change func(*configv1.LDAPProvider)) *ldap.Provider {
		c := config(s)
		change(c)
		return open(t, c, n)
	}
	plain := change(func(*configv1.LDAPProvider) {})
	byMail := change(func(c *configv1.LDAPProvider) { c.UserSearchFilter = "(|(uid={0})(mail={0}))" })
	for _, tt := range []struct {
		name     string
		provider *ldap.Provider
		username string
		want     error
	}{
		{"a name that two people have is nobody's", byMail, "twin@acme.example", idp.ErrRefused},
		{"a filter may know people by their address", byMail, "ann@acme.example", nil},
		{"and by their name, with one filter", byMail, "ann", nil},
		{"a person without a password is refused", plain, "nopassword", idp.ErrRefused},
		{"a search base that stands alone is used as it is", change(func(c *configv1.LDAPProvider) { c.UserSearchBase = "ou=people," + idptest.Suffix }), "ann", nil},
		{"its case does not matter", change(func(c *configv1.LDAPProvider) { c.UserSearchBase = "OU=people, DC=Acme, DC=example" }), "ann", nil},
		{"nobody is found below another base", change(func(c *configv1.LDAPProvider) { c.UserSearchBase = "ou=groups" }), "ann", idp.ErrRefused},
		{"a base that does not exist is a fault of the configuration", change(func(c *configv1.LDAPProvider) { c.UserSearchBase = "ou=none" }), "ann", idp.ErrUnavailable},
		{"so is a password of the searching user that is wrong", change(func(c *configv1.LDAPProvider) { c.ContextSourcePassword = "wrong" }), "ann", idp.ErrUnavailable},
		{"a directory that shows nothing to strangers finds nobody for them", change(func(c *configv1.LDAPProvider) { c.ContextSourceUsername, c.ContextSourcePassword = "", "" }), "ann", idp.ErrUnavailable},
	} {
		got, err := sign(t, tt.provider, tt.username, password)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v", tt.name, err)
		} else if err == nil && got.Identity.GetUsername() != "ann" {
			t.Errorf("%s: %v", tt.name, got.Identity)
		}
	}
	t.Run("groups are those of the person, whatever the name means in a filter", func(t *testing.T) {
		for name, want := range map[string][]any{"a,b": {"admins"}, `a\b`: {"admins"}, "a*b": {}} {
			got, err := sign(t, plain, name, password)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Profile["groups"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
	t.Run("a login fails whose groups cannot be read", func(t *testing.T) {
		p := change(func(c *configv1.LDAPProvider) { c.GroupSearchBase = "ou=none" })
		if _, err := sign(t, p, "ann", password); !errors.Is(err, idp.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	})
	t.Run("somebody who is renamed and moved stays the same person", func(t *testing.T) {
		before, err := sign(t, byMail, "ann@acme.example", password)
		if err != nil {
			t.Fatal(err)
		}
		s.Modify(func(c *goldap.Conn) error {
			return c.ModifyDN(goldap.NewModifyDNRequest("uid=ann,ou=people,"+idptest.Suffix, "uid=anna", true, ""))
		})
		after, err := sign(t, byMail, "ann@acme.example", password)
		if err != nil || after.Identity.GetExternalId() != before.Identity.GetExternalId() || after.Identity.GetUsername() != "anna" {
			t.Errorf("%v, %v", after.Identity, err)
		}
	})
}

func TestConnectionsAreEncrypted(t *testing.T) {
	authority := gatewaytest.NewAuthority(t)
	certificate := authority.Client(func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses, c.ExtKeyUsage = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	s := idptest.StartSlapd(t, idptest.SlapdOptions{Certificate: &certificate})
	people(s)
	inClear := idptest.StartSlapd(t, idptest.SlapdOptions{})
	people(inClear)
	trusted := authority.PEM()
	other := gatewaytest.NewAuthority(t).PEM()
	for _, tt := range []struct {
		name   string
		allow  string
		change func(*configv1.LDAPProvider)
		fine   bool
	}{
		{"TLS from the beginning", "127.0.0.1", func(c *configv1.LDAPProvider) { c.ContextSourceUrl, c.TrustedCertificates = s.TLSURL, trusted }, true},
		{"StartTLS", "127.0.0.1", func(c *configv1.LDAPProvider) { c.StartTls, c.TrustedCertificates = true, trusted }, true},
		{"TLS with an authority that nobody trusts", "127.0.0.1", func(c *configv1.LDAPProvider) { c.ContextSourceUrl = s.TLSURL }, false},
		{"StartTLS with an authority that nobody trusts", "127.0.0.1", func(c *configv1.LDAPProvider) { c.StartTls = true }, false},
		{"TLS with another authority", "127.0.0.1", func(c *configv1.LDAPProvider) { c.ContextSourceUrl, c.TrustedCertificates = s.TLSURL, other }, false},
		{"StartTLS with a name that is not the certificate's", "http://127.0.0.0/8", func(c *configv1.LDAPProvider) {
			c.ContextSourceUrl = strings.Replace(c.ContextSourceUrl, "127.0.0.1", "127.0.0.2", 1)
			c.StartTls, c.TrustedCertificates = true, trusted
		}, false},
		{"StartTLS at a server that has none, where clear connections are allowed", "http://127.0.0.1", func(c *configv1.LDAPProvider) {
			c.ContextSourceUrl, c.StartTls, c.TrustedCertificates = inClear.URL, true, trusted
		}, false},
		{"in clear where that is allowed", "http://127.0.0.1", func(*configv1.LDAPProvider) {}, true},
		{"in clear where it is not", "127.0.0.1", func(*configv1.LDAPProvider) {}, false},
		{"an address that is not public", "", func(c *configv1.LDAPProvider) { c.ContextSourceUrl, c.TrustedCertificates = s.TLSURL, trusted }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var allow []string
			if tt.allow != "" {
				allow = []string{tt.allow}
			}
			n := network(t, allow...)
			c := config(s)
			tt.change(c)
			p := open(t, c, n)
			_, err := sign(t, p, "ann", password)
			if tt.fine && err != nil || !tt.fine && !errors.Is(err, idp.ErrUnavailable) {
				t.Errorf("%v", err)
			}
			if _, err := sign(t, p, "ann", "wrong"); tt.fine && !errors.Is(err, idp.ErrRefused) || !tt.fine && !errors.Is(err, idp.ErrUnavailable) {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
}

// TestNothingIsSaidInClear listens in place of a server that does not know StartTLS, and records what comes.
func TestNothingIsSaidInClear(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		buffer := make([]byte, 1024)
		n, _ := conn.Read(buffer)
		// ExtendedResponse: protocolError
		_, _ = conn.Write([]byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x78, 0x07, 0x0a, 0x01, 0x02, 0x04, 0x00, 0x04, 0x00})
		all := string(buffer[:n])
		for {
			n, err := conn.Read(buffer)
			all += string(buffer[:n])
			if err != nil {
				break
			}
		}
		heard <- all
	}()
	defer listener.Close()
	p := open(t, &configv1.LDAPProvider{
		ContextSourceUrl: "ldap://" + listener.Addr().String(), ContextSourceBase: idptest.Suffix, ContextSourceUsername: idptest.ReaderDN,
		ContextSourcePassword: idptest.ReaderSecret, StartTls: true, ConnectTimeout: 1000,
	}, network(t, "http://127.0.0.1"))
	if _, err := sign(t, p, "ann", password); !errors.Is(err, idp.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if all := <-heard; strings.Contains(all, "reader") || strings.Contains(all, idptest.ReaderSecret) || strings.Contains(all, "ann") || all == "" {
		t.Errorf("was said in clear: %q", all)
	}
}

// TestHostileServers asks listeners that are no LDAP servers.
func TestHostileServers(t *testing.T) {
	for name, says := range map[string]string{
		"nothing":                      "",
		"no LDAP":                      "HTTP/1.1 200 OK\r\n\r\n",
		"a message of 2 GiB":           "\x30\x84\x7f\xff\xff\xff\x02\x01\x01",
		"a message of indefinite size": "\x30\x80" + strings.Repeat("\x30\x80", 5000),
		"zero bytes":                   strings.Repeat("\x00", 10_000),
		"half an answer":               "\x30\x0c\x02\x01\x01\x61",
		"an answer to another request": "\x30\x0c\x02\x01\x63\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
		"endless entries":              strings.Repeat("\x30\x0c\x02\x01\x01\x64\x07\x04\x01a\x30\x02\x30\x00", 500_000),
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
						buffer := make([]byte, 1024)
						_, _ = conn.Read(buffer)
						_, _ = conn.Write([]byte(says))
						_, _ = conn.Read(buffer)
					}()
				}
			}()
			p := open(t, &configv1.LDAPProvider{
				ContextSourceUrl: "ldap://" + listener.Addr().String(), ContextSourceBase: idptest.Suffix, ConnectTimeout: 500, ResponseTimeout: 500,
			}, network(t, "http://127.0.0.1"))
			begin := time.Now()
			if got, err := sign(t, p, "ann", password); !errors.Is(err, idp.ErrUnavailable) || got != nil || time.Since(begin) > 4*time.Second {
				t.Errorf("after %s: %v, %v", time.Since(begin), got, err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	n := network(t)
	for name, c := range map[string]*configv1.LDAPProvider{
		"no URL":                  {ContextSourceBase: idptest.Suffix},
		"another protocol":        {ContextSourceUrl: "https://ldap.example", ContextSourceBase: idptest.Suffix},
		"a base that is no name":  {ContextSourceUrl: "ldap://ldap.example", ContextSourceBase: "people"},
		"a name without password": {ContextSourceUrl: "ldap://ldap.example", ContextSourceBase: idptest.Suffix, ContextSourceUsername: "cn=x"},
		"StartTLS over TLS":       {ContextSourceUrl: "ldaps://ldap.example", ContextSourceBase: idptest.Suffix, StartTls: true},
		"a filter that is none":   {ContextSourceUrl: "ldap://ldap.example", ContextSourceBase: idptest.Suffix, UserSearchFilter: "(uid={0}"},
		"a filter of everybody":   {ContextSourceUrl: "ldap://ldap.example", ContextSourceBase: idptest.Suffix, UserSearchFilter: "(objectClass=*)"},
		"certificates that are none": {ContextSourceUrl: "ldaps://ldap.example", ContextSourceBase: idptest.Suffix,
			TrustedCertificates: "x"},
	} {
		if _, err := ldap.New("corp", c, n); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
