package observe

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProxies(t *testing.T) {
	trusted, err := ParseProxies([]string{"10.0.0.0/8", "192.0.2.1", "fd00::/8", "::ffff:198.51.100.0/120"})
	if err != nil {
		t.Fatal(err)
	}
	type seen struct{ IP, Scheme, Host, Prefix string }
	tests := []struct {
		name    string
		proxies *Proxies
		peer    string
		tls     bool
		header  http.Header
		want    seen
	}{
		{
			name: "without proxies the peer is the client, whatever it says", peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Prefix": {"/x"}},
			want:   seen{"10.0.0.1", "http", "inner.example", ""},
		},
		{
			name: "a stranger's fields mean nothing", proxies: trusted, peer: "203.0.113.1:5", tls: true,
			header: http.Header{"X-Forwarded-For": {"10.0.0.9"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Prefix": {"/x"}},
			want:   seen{"203.0.113.1", "https", "inner.example", ""},
		},
		{
			name: "a trusted proxy is believed", proxies: trusted, peer: "10.1.2.3:5",
			header: http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"HTTPS"}, "X-Forwarded-Host": {"auth.example"}, "X-Forwarded-Prefix": {"/am/"}},
			want:   seen{"203.0.113.9", "https", "auth.example", "/am"},
		},
		{
			name: "the client is the last address that is no proxy", proxies: trusted, peer: "[fd00::1]:5",
			header: http.Header{"X-Forwarded-For": {"1.1.1.1, 203.0.113.9", "192.0.2.1 ,10.0.0.7"}},
			want:   seen{"203.0.113.9", "http", "inner.example", ""},
		},
		{
			name: "if all are proxies the first of them is the client", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-For": {"10.0.0.3, 10.0.0.2"}},
			want:   seen{"10.0.0.3", "http", "inner.example", ""},
		},
		{
			name: "nothing is believed before a broken entry", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-For": {"203.0.113.9, unknown, 10.0.0.2"}},
			want:   seen{"10.0.0.2", "http", "inner.example", ""},
		},
		{
			name: "addresses may have ports and brackets", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-For": {"203.0.113.9:4711, [fd00::2]:80, [fd00::3]"}},
			want:   seen{"203.0.113.9", "http", "inner.example", ""},
		},
		{
			name: "IPv4 inside IPv6 is IPv4", proxies: trusted, peer: "[::ffff:198.51.100.7]:5",
			header: http.Header{"X-Forwarded-For": {"::ffff:203.0.113.9"}},
			want:   seen{"203.0.113.9", "http", "inner.example", ""},
		},
		{
			name: "of a list the value written by the nearest proxy counts", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-Host": {"evil.example, auth.example"}, "X-Forwarded-Proto": {"https", "http"}},
			want:   seen{"10.0.0.1", "http", "auth.example", ""},
		},
		{
			name: "an unusual port completes the host", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"auth.example"}, "X-Forwarded-Port": {"8443"}},
			want:   seen{"10.0.0.1", "https", "auth.example:8443", ""},
		},
		{
			name: "the usual port does not", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"auth.example"}, "X-Forwarded-Port": {"443"}},
			want:   seen{"10.0.0.1", "https", "auth.example", ""},
		},
		{
			name: "a host with a port keeps it", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-Host": {"[2001:db8::1]:8080"}, "X-Forwarded-Port": {"8443"}},
			want:   seen{"10.0.0.1", "http", "[2001:db8::1]:8080", ""},
		},
		{
			name: "what could leave its place in a URL is dropped", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-Proto": {"javascript"}, "X-Forwarded-Host": {"a@evil.example/"}, "X-Forwarded-Prefix": {"//evil.example"}},
			want:   seen{"10.0.0.1", "http", "inner.example", ""},
		},
		{
			name: "a prefix does not climb", proxies: trusted, peer: "10.0.0.1:5",
			header: http.Header{"X-Forwarded-Prefix": {"/a/../b"}, "X-Forwarded-Host": {"[::1"}},
			want:   seen{"10.0.0.1", "http", "inner.example", ""},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Host: "inner.example", Header: tt.header}
			if tt.tls {
				r.TLS = &tls.ConnectionState{}
			}
			got := seen{tt.proxies.ClientIP(r).String(), tt.proxies.Scheme(r), tt.proxies.Host(r), tt.proxies.Prefix(r)}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("seen (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseProxiesRefuses(t *testing.T) {
	for _, text := range []string{"", "proxy.example", "10.0.0.0/33", "fe80::1%eth0", "::ffff:0.0.0.0/80"} {
		if _, err := ParseProxies([]string{text}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
