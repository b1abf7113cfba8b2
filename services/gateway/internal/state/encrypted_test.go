package state_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/testkit/redistest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// trusting is what a gateway uses that was told these files; an empty certificate is none.
func trusting(t *testing.T, caFile, certFile, keyFile string) *tls.Config {
	t.Helper()
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		text, err := os.ReadFile(caFile)
		if err != nil {
			t.Fatal(err)
		}
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AppendCertsFromPEM(text)
	}
	if certFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func openEncrypted(t *testing.T, url, password string, encryption *tls.Config) *state.Store {
	t.Helper()
	s, err := state.Open(url, state.Options{Now: gatewaytest.NewClock().Now, Logger: slog.New(slog.DiscardHandler), TLS: encryption, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestAnEncryptedServerKnowsItsUsers asks a real server that speaks TLS alone, wants a certificate and a user of its list.
func TestAnEncryptedServerKnowsItsUsers(t *testing.T) {
	e, err := redistest.StartEncrypted()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ours := trusting(t, e.CAFile, e.CertFile, e.KeyFile)
	s := openEncrypted(t, e.URL, e.Password, ours)
	follow(t, s)
	<-s.Loaded()
	// Everything that a gateway does is possible for a user who may not administrate.
	want(t, use(t.Context(), s), nil)
	other := openEncrypted(t, strings.Replace(e.URL, "@", ":"+e.Password+"@", 1), "", ours)
	follow(t, other)
	<-other.Loaded()
	want(t, use(t.Context(), other), nil)
	jti := secret.NewID()
	want(t, s.RevokeToken(t.Context(), "d", jti, time.Now().Add(time.Hour)), nil)
	eventually(t, "the other gateway hears of it", func() bool { return other.Revoked(state.Token{Domain: "d", JTI: jti}) })

	for name, refused := range map[string]*state.Store{
		"authorities that did not sign the server's certificate": openEncrypted(t, e.URL, e.Password, trusting(t, e.OtherCAFile, e.CertFile, e.KeyFile)),
		"the system's authorities alone":                         openEncrypted(t, e.URL, e.Password, nil),
		"no certificate of one's own":                            openEncrypted(t, e.URL, e.Password, trusting(t, e.CAFile, "", "")),
		"a certificate of another authority":                     openEncrypted(t, e.URL, e.Password, trusting(t, e.CAFile, e.OtherCertFile, e.OtherKeyFile)),
		"another name than the certificate's":                    openEncrypted(t, strings.Replace(e.URL, "127.0.0.1", "127.0.0.2", 1), e.Password, ours),
		"a wrong password":                                       openEncrypted(t, e.URL, "guessed", ours),
		"the default user, who is switched off":                  openEncrypted(t, strings.Replace(e.URL, e.User+"@", "", 1), e.Password, ours),
		"no TLS":                                                 openEncrypted(t, strings.Replace(e.URL, "rediss", "redis", 1), e.Password, nil),
	} {
		err := refused.Ping(t.Context())
		if err == nil || strings.Contains(err.Error(), e.Password) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestClusterFailover kills a primary of an encrypted Cluster in which every server has a replica. Nothing is restarted: what the
// replica had goes on, within seconds, and servers that are there are used meanwhile.
func TestClusterFailover(t *testing.T) {
	c, err := redistest.StartReplicatedCluster()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ours := trusting(t, c.CAFile, c.CertFile, c.KeyFile)
	s, other := openEncrypted(t, c.URL, "", ours), openEncrypted(t, c.URL, "", ours)
	follow(t, s)
	follow(t, other)
	<-s.Loaded()
	<-other.Loaded()

	// Enough of each that every server has some.
	type person struct {
		a           state.Authorization
		code, token string
		cookie      string
		session     state.Session
	}
	var people []person
	for range 24 {
		p := person{a: withGrant(allowed()), cookie: secret.NewToken()}
		p.session = state.Session{ID: secret.NewID(), Domain: p.a.Domain, Person: p.a.Person, Ends: gatewaytest.NewClock().Now().Add(time.Hour).Unix()}
		p.code, err = s.NewCode(t.Context(), allowedIn(p.a), time.Minute)
		want(t, err, nil)
		p.token, err = s.NewGrant(t.Context(), p.a, time.Hour)
		want(t, err, nil)
		_, err = s.BeginSession(t.Context(), p.cookie, p.session, time.Hour, state.Device{})
		want(t, err, nil)
		people = append(people, p)
	}
	jti := secret.NewID()
	want(t, s.RevokeToken(t.Context(), "d", jti, time.Now().Add(time.Hour)), nil)
	want(t, c.Replicated(), nil)
	for _, primary := range c.Primaries() {
		if _, err := primary.Do("WAIT", "1", "5000"); err != nil {
			t.Fatal(err)
		}
	}

	victim := c.Primaries()[0]
	victim.Kill()
	killed := time.Now()
	eventually(t, "everything is served again", func() bool {
		for range 12 { // whichever server their keys are on
			if use(t.Context(), s) != nil || use(t.Context(), other) != nil {
				return false
			}
		}
		return true
	})
	t.Logf("served again after %s", time.Since(killed).Round(100*time.Millisecond))
	for i, p := range people {
		if _, err := other.Redeem(t.Context(), p.a.Domain, p.a.ApplicationID, p.code); err != nil {
			t.Errorf("code %d of before: %v", i, err)
		}
		if _, _, err := other.Refresh(t.Context(), p.a.Domain, p.a.ApplicationID, p.token, state.Rotation{TTL: time.Hour}); err != nil {
			t.Errorf("grant %d of before: %v", i, err)
		}
		if _, err := other.Session(t.Context(), p.cookie, p.a.Domain, time.Hour); err != nil {
			t.Errorf("session %d of before: %v", i, err)
		}
	}
	if !other.Revoked(state.Token{Domain: "d", JTI: jti}) {
		t.Error("a revocation of before is forgotten")
	}
	eventually(t, "gateways hear from each other again", func() bool {
		jti := secret.NewID()
		if err := s.RevokeToken(t.Context(), "d", jti, time.Now().Add(time.Hour)); err != nil {
			return false
		}
		for heard := time.Now().Add(500 * time.Millisecond); time.Now().Before(heard); {
			if other.Revoked(state.Token{Domain: "d", JTI: jti}) {
				return true
			}
		}
		return false
	})
	// The old primary comes back as a replica of the new one, and everything stays as it is.
	want(t, victim.Start(), nil)
	want(t, c.Replicated(), nil)
	want(t, use(t.Context(), s), nil)
}

// allowedIn is what an authorization becomes a code from: its grant is made when it is redeemed.
func allowedIn(a state.Authorization) state.Authorization {
	a.Grant = ""
	return a
}

func TestEncryptedSentinels(t *testing.T) {
	w, err := redistest.StartEncryptedSentinels()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := openEncrypted(t, w.URL, "", trusting(t, w.CAFile, w.CertFile, w.KeyFile))
	want(t, use(t.Context(), s), nil)
	if err := openEncrypted(t, w.URL, "", trusting(t, w.OtherCAFile, w.CertFile, w.KeyFile)).Ping(t.Context()); err == nil {
		t.Error("authorities that signed nothing are enough")
	}
	w.Primary.Kill()
	if err := w.FailedOver(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new primary is used", func() bool { return use(t.Context(), s) == nil })
}
