package management_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/services/management"
)

func TestRolesAreNames(t *testing.T) {
	for roles, says := range map[string]string{
		"":                    "--roles must name one of api, distribution, directory, sync",
		"api,admin":           `--roles has "admin", which is none of api, distribution, directory, sync`,
		"directory,directory": `--roles has "directory" twice`,
	} {
		c := management.Defaults()
		c.Roles = strings.FieldsFunc(roles, func(r rune) bool { return r == ',' })
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %s", roles, err, says)
		}
	}
	if d := management.Defaults(); len(d.Roles) != 4 {
		t.Errorf("by default a replica is %v", d.Roles)
	}
}

// A replica that only feeds gateways goes on doing so while it drains: they are not to be without configuration for that time.
func TestConfigurationIsSentWhileAReplicaWithoutRESTDrains(t *testing.T) {
	h := newHouse(t)
	writer := h.startReady()
	domain, _ := writer.must(http.StatusCreated, http.MethodPost, "/domains", `{"name":"drained"}`)["id"].(string)
	h.config.Roles, h.config.DrainDelay = []string{"distribution"}, 3*time.Second
	feeder := h.start()
	feeder.untilReady(true)
	g := feeder.join(nil)
	g.until("the domain", func() bool { return len(g.held) > 0 })
	held := g.revision

	stopped := make(chan error, 1)
	go func() { stopped <- feeder.stop() }()
	feeder.untilReady(false)
	writer.must(http.StatusOK, http.MethodPatch, "/domains/"+domain, `{"description":"changed while a replica drains"}`)
	g.until("a change that was made while it drained", func() bool { return g.revision > held })
	select {
	case err := <-stopped:
		t.Errorf("the change came when the replica had stopped: %v", err)
	default:
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestRESTIsServedWithACertificateOfItsOwn(t *testing.T) {
	h := newHouse(t)
	files, _, err := serve.DevelopmentAuthority(filepath.Join(t.TempDir(), "public"))
	if err != nil {
		t.Fatal(err)
	}
	h.config.Certificates = management.Certificates{CertFile: files.CertFile, KeyFile: files.KeyFile}
	m, err := management.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { done <- m.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // the certificate is compared below
	answer, err := client.Get("https://" + m.Addr() + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.TLS == nil || len(answer.TLS.PeerCertificates) == 0 || answer.StatusCode != http.StatusOK {
		t.Errorf("the console answers %d", answer.StatusCode)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	h.config.Certificates.KeyFile = ""
	if err := h.config.Validate(); err == nil || !strings.Contains(err.Error(), "--management-tls-key-file is needed") {
		t.Errorf("a certificate without its key: %v", err)
	}
}
