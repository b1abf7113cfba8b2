package outbound

import (
	"net/netip"
	"testing"
)

// TestWhatTheConfigurationNamesMayBePrivateAndNeverLocal: a provider may stand in a network of one's own, and never be what gives out
// the machine's credentials.
func TestWhatTheConfigurationNamesMayBePrivateAndNeverLocal(t *testing.T) {
	c, err := New(Options{Allow: []string{"169.254.7.0/24"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err = c.With("idp.internal", "10.0.0.0/8", "169.254.0.0/16", "http://127.0.0.1", "fe80::/10")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, address string
		plain, chosen bool
		want          bool
	}{
		{"a public address", "93.184.216.34:443", false, false, true},
		{"a private one, by its name", "192.168.3.4:443", false, true, true},
		{"a private one that nobody named", "192.168.3.4:443", false, false, false},
		{"one in a network that is named", "10.4.5.6:443", false, false, true},
		{"this machine, by its name", "127.0.0.1:443", false, true, true},
		{"this machine by plain http, by its address", "127.0.0.1:80", true, false, true},
		{"a service of metadata, by a name that leads to it", "169.254.169.254:80", true, true, false},
		{"the same by its network", "169.254.169.254:443", false, false, false},
		{"the same in an IPv6 address", "[::ffff:169.254.169.254]:80", true, true, false},
		{"the same behind NAT64", "[64:ff9b::a9fe:a9fe]:80", true, true, false},
		{"the same by 6to4", "[2002:a9fe:a9fe::1]:443", false, true, false},
		{"another cloud's", "168.63.129.16:80", true, true, false},
		{"one of them in IPv6", "[fd00:ec2::254]:80", true, true, false},
		{"a link-local address", "[fe80::1]:443", false, true, false},
		{"a link-local address with a zone", "[fe80::1%eth0]:443", false, true, false},
		{"no address at all", "0.0.0.0:80", true, true, false},
		{"a link-local address that who runs the machine allows", "169.254.7.1:443", false, true, true},
	}
	for _, tt := range tests {
		if err := c.mayConnect(tt.address, tt.plain, tt.chosen); (err == nil) != tt.want {
			t.Errorf("%s, %s: %v, want %t", tt.name, tt.address, err, tt.want)
		}
	}
	if local(netip.MustParseAddr("10.0.0.1")) || !local(netip.Addr{}) {
		t.Error("private addresses are local, or no address is not")
	}
}
