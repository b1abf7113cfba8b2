package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// plane is the folder of an installation's authority and certificates.
func plane(i *proc.Installation) string { return filepath.Join(filepath.Dir(i.SealingKey), "plane") }

func TestAGatewayThatManagementDoesNotKnowNeverGetsTheConfiguration(t *testing.T) {
	w := newWorld(t, 1)
	tests := []struct {
		name    string
		prepare func(*testing.T, *proc.Installation)
	}{
		{
			name:    "its authority is another one, and it does not trust management either",
			prepare: func(*testing.T, *proc.Installation) {},
		},
		{
			name: "its certificate is of another authority",
			prepare: func(t *testing.T, foreign *proc.Installation) {
				copyFile(t, plane(w.inst), plane(foreign), "ca.pem", "ca.pem")
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := w.during(t)
			foreign := proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
			tt.prepare(t, foreign)
			door := newProxy(t, w.management.PlaneAddress, anything)
			g := foreign.LaunchGateway(&proc.Management{PlaneAddress: door.Address}, publicURL)
			logged(t, g.Process, "configuration stream lost")
			w.knowsNothing(t, g)
			w.settle() // a change, which the right gateway gets
			attempts := door.taken.Load()
			g.Await("the gateway tries to connect again and again", soon, func(context.Context) error {
				if more := door.taken.Load() - attempts; more < 2 {
					return fmt.Errorf("%d times", more)
				}
				return nil
			})
			w.knowsNothing(t, g)
			if strings.Contains(w.management.Stderr(), `"node":"gateway-`+strings.TrimPrefix(g.URL, "http://")) {
				t.Error("management has let it subscribe")
			}
		})
	}
}

// TestAGatewayWithTheCertificateOfManagementDoesNotStart, and says why.
func TestAGatewayWithTheCertificateOfManagementDoesNotStart(t *testing.T) {
	w := newWorld(t, 0)
	copyFile(t, plane(w.inst), plane(w.inst), "management.pem", "gateway.pem")
	g := w.inst.LaunchGateway(w.management, publicURL)
	select {
	case <-g.Done():
	case <-time.After(soon):
		t.Fatal("it runs")
	}
	if g.Err() == nil || !strings.Contains(g.Stderr(), "the certificate carries another identity: spiffe://gatehouse/management") {
		t.Errorf("it ended with %v and said %s", g.Err(), g.Stderr())
	}
}

func (w *world) knowsNothing(t *testing.T, g *proc.Gateway) {
	t.Helper()
	answer, err := fetch(t.Context(), w.at(g, "/oidc/.well-known/openid-configuration"), "")
	// It answers 404 or is not listening yet; both are nothing.
	if err == nil && answer.Status != http.StatusNotFound {
		t.Errorf("discovery: %d %s", answer.Status, answer.Text)
	}
	if answer, err := fetch(t.Context(), g.TechnicalURL+"/readyz", ""); err != nil || answer.Status != http.StatusServiceUnavailable {
		t.Errorf("readiness: %d %s %v", answer.Status, answer.Text, err)
	}
	if revision, err := proc.Revision(t.Context(), g.TechnicalURL); err != nil || revision != 0 {
		t.Errorf("revision %d, %v", revision, err)
	}
}

func copyFile(t *testing.T, from, to, name, as string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		t.Fatal(err)
	}
	replaceFile(t, filepath.Join(to, as), text)
}

// replaceFile puts a file in the place of another, which readers see whole.
func replaceFile(t *testing.T, path string, text []byte) {
	t.Helper()
	fresh := path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesReplacedOnDiskAreUsedForNewConnectionsWithoutARestart(t *testing.T) {
	t.Parallel()
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	w.management = w.inst.StartManagement()
	between := newProxy(t, w.management.PlaneAddress, anything)
	g := w.inst.StartGateway(&proc.Management{PlaneAddress: between.Address}, publicURL)
	w.gateways = append(w.gateways, g)
	w.furnish()
	w.settle()
	managementPID, gatewayPID := w.management.PID(), g.PID()

	// A new authority, whose certificates both ends get and which replaces the old one at once.
	fresh := proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	for _, name := range []string{"management.pem", "gateway.pem", "ca.pem"} {
		copyFile(t, plane(fresh), plane(w.inst), name, name)
	}
	logged(t, w.management.Process, "certificate files reloaded")
	logged(t, g.Process, "certificate files reloaded")

	// What is connected stays connected.
	w.settle()
	between.cut()
	w.settle()
	w.granted(g, w.service, ofService)
	w.granted(g, w.staff, passwordOf(bob, bobsPassword))
	newest := w.inst.StartGateway(w.management, publicURL)
	w.gateways = append(w.gateways, newest)
	w.settle()

	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: soon}, "tcp", w.management.PlaneAddress, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // looks at the certificate itself
	if err == nil {
		shown := conn.ConnectionState().PeerCertificates[0]
		_ = conn.Close()
		if want := certificate(t, filepath.Join(plane(fresh), "management.pem")); !shown.Equal(want) {
			t.Errorf("management shows certificate %s, want %s", shown.SerialNumber, want.SerialNumber)
		}
	} else {
		t.Error(err)
	}
	if w.management.PID() != managementPID || g.PID() != gatewayPID {
		t.Error("something was restarted")
	}
}

// TestAnAuthorityIsReplaced goes the way of the handbook: both authorities, then the certificates, then the new authority alone. Each service gets its
// files at a moment of its own, and whatever connects in between is let in.
func TestAnAuthorityIsReplaced(t *testing.T) {
	t.Parallel()
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	w.management = w.inst.StartManagement()
	between := newProxy(t, w.management.PlaneAddress, anything)
	its := proc.NewInstallation(t, w.mongo.URI, w.redis.URL) // the gateway's folder
	for _, name := range []string{"ca.pem", "gateway.pem"} {
		copyFile(t, plane(w.inst), plane(its), name, name)
	}
	g := its.StartGateway(&proc.Management{PlaneAddress: between.Address}, publicURL)
	w.gateways = append(w.gateways, g)
	w.furnish()

	fresh := plane(proc.NewInstallation(t, w.mongo.URI, w.redis.URL))
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	both := slices.Concat(read(filepath.Join(plane(w.inst), "ca.pem")), read(filepath.Join(fresh, "ca.pem")))
	for _, step := range []struct {
		name, folder, file string
		text               []byte
		at                 string
	}{
		{"management knows both authorities", plane(w.inst), "ca.pem", both, w.management.TechnicalURL},
		{"the gateway knows both authorities", plane(its), "ca.pem", both, g.TechnicalURL},
		{"management has a new certificate", plane(w.inst), "management.pem", read(filepath.Join(fresh, "management.pem")), w.management.TechnicalURL},
		{"the gateway has a new certificate", plane(its), "gateway.pem", read(filepath.Join(fresh, "gateway.pem")), g.TechnicalURL},
		{"the gateway knows the new authority alone", plane(its), "ca.pem", read(filepath.Join(fresh, "ca.pem")), g.TechnicalURL},
		{"management knows the new authority alone", plane(w.inst), "ca.pem", read(filepath.Join(fresh, "ca.pem")), w.management.TechnicalURL},
	} {
		before := reloads(t, step.at, "ok")
		replaceFile(t, filepath.Join(step.folder, step.file), step.text)
		proc.Await(t, step.name, soon, func(context.Context) error {
			if reloads(t, step.at, "ok") == before {
				return errors.New("the files were not read again")
			}
			return nil
		})
		between.cut()
		w.settle()
		w.granted(g, w.staff, passwordOf(bob, bobsPassword))
		if n := reloads(t, w.management.TechnicalURL, "refused") + reloads(t, g.TechnicalURL, "refused"); n != 0 {
			t.Errorf("%s: %d times files were refused", step.name, n)
		}
	}
}

// reloads says how often a service has read files of certificates anew, with an outcome.
func reloads(t *testing.T, technical, outcome string) int {
	t.Helper()
	answer, err := fetch(t.Context(), technical+"/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, found := range regexp.MustCompile(`(?m)^gatehouse_tls_reloads_total\{[^}]*outcome="`+outcome+`"[^}]*\} (\d+)$`).FindAllStringSubmatch(answer.Text, -1) {
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

func certificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
