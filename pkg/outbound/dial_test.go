package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConnectionsOfOtherProtocolsAreChecked(t *testing.T) {
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
			_, _ = io.WriteString(conn, "hello")
			_ = conn.Close()
		}
	}()
	address := listener.Addr().String()
	for _, tt := range []struct {
		name      string
		allow     []string
		encrypted bool
		want      Reason
	}{
		{"an address that is not public is refused", nil, true, ReasonAddress},
		{"one that is allowed is reached", []string{"127.0.0.1"}, true, ""},
		{"a host that is allowed with its port is reached", []string{address}, true, ""},
		{"what will not be encrypted needs to be allowed so", []string{"127.0.0.1"}, false, ReasonScheme},
		{"and then is", []string{"http://127.0.0.1"}, false, ""},
	} {
		r := newRig(t, Options{Allow: tt.allow})
		conn, err := r.Dial(t.Context(), address, tt.encrypted)
		if ReasonOf(err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil {
			if !slices.Equal(r.reasons, []Reason{tt.want}) {
				t.Errorf("%s: operators learn %v", tt.name, r.reasons)
			}
			continue
		}
		if said, err := io.ReadAll(conn); string(said) != "hello" || err != nil {
			t.Errorf("%s: %q %v", tt.name, said, err)
		}
		_ = conn.Close()
	}
	c := newRig(t, Options{})
	if settings := c.TLS("ldap.example"); settings.ServerName != "ldap.example" || settings.MinVersion < tls.VersionTLS12 ||
		settings.RootCAs.Equal(x509.NewCertPool()) {
		t.Errorf("TLS settings %+v", settings)
	}
}

func TestSendMakesTheCallersRequest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
		case "/slow":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, r.Method+" "+r.Header.Get("X-Key")+" "+string(body))
		}
	}))
	defer server.Close()
	r := newRig(t, Options{Allow: []string{"http://127.0.0.1"}})
	send := func(path string, l Limits) (*Answer, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, server.URL+path, strings.NewReader("text"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Key", "k")
		return r.Send(request, l)
	}
	if got, err := send("/", Limits{}); err != nil || got.Status != http.StatusTeapot || string(got.Body) != "PATCH k text" {
		t.Errorf("answer %+v, %v", got, err)
	}
	if got, err := send("/away", Limits{Redirects: 3}); err != nil || got.Status != http.StatusFound {
		t.Errorf("a redirect is not the answer: %+v, %v", got, err)
	}
	if _, err := send("/long", Limits{Bytes: 50}); ReasonOf(err) != ReasonSize {
		t.Errorf("a long answer: %v", err)
	}
	if _, err := send("/slow", Limits{Timeout: 50 * time.Millisecond}); ReasonOf(err) != ReasonTime {
		t.Errorf("a slow answer: %v", err)
	}
}
