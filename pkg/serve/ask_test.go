package serve

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAskReady(t *testing.T) {
	ready := NewReadiness("database", "configuration")
	server := httptest.NewServer(Technical(ready, nil))
	defer server.Close()
	address := server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)

	says := func(address, want string) {
		t.Helper()
		err := AskReady(t.Context(), address)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: err = %v, want %q", address, err, want)
		}
	}
	says(address, "not ready: configuration: starting, database: starting")
	ready.Set("database", true, "")
	ready.Set("configuration", true, "")
	says(address, "")
	says(":"+port, "")
	ready.Stop()
	says(address, "not ready: it is stopping")
	says("nowhere", "technical address")
	server.Close()
	says(address, "refused")

	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	says(other.Listener.Addr().String(), "not ready: 404")
}
