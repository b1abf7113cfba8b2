package geo

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/geo/geotest"
)

func TestLookup(t *testing.T) {
	countries := geotest.Write(t, map[string]map[string]any{
		"192.0.2.0/24":  {"country": map[string]any{"iso_code": "FR"}, "continent": map[string]any{"code": "EU"}},
		"2001:db8::/32": {"country": map[string]any{"iso_code": "JP"}, "continent": map[string]any{"code": "AS"}},
	})
	networks := geotest.Write(t, map[string]map[string]any{
		"192.0.2.0/25":    {"autonomous_system_number": uint32(64500)},
		"198.51.100.0/24": {"autonomous_system_number": uint32(4200000000)},
	})
	d, err := Open(countries, networks)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ip                 string
		country, continent string
		asn                int64
		ok                 bool
	}{
		{"192.0.2.7", "FR", "EU", 64500, true},
		{"::ffff:192.0.2.7", "FR", "EU", 64500, true},
		{"192.0.2.200", "FR", "EU", 0, true},
		{"198.51.100.1", "", "", 4200000000, true},
		{"2001:db8::1", "JP", "AS", 0, true},
		{"203.0.113.1", "", "", 0, false},
	} {
		country, continent, asn, ok := d.Lookup(netip.MustParseAddr(tt.ip))
		if country != tt.country || continent != tt.continent || asn != tt.asn || ok != tt.ok {
			t.Errorf("%s: %q %q %d %v", tt.ip, country, continent, asn, ok)
		}
	}
	if _, _, _, ok := d.Lookup(netip.Addr{}); ok {
		t.Error("no address has a place")
	}
	s := access.Situation{IP: netip.MustParseAddr("192.0.2.7")}
	if d.Place(&s); s.Country != "FR" || s.Known&access.KnowsPlace != access.KnowsPlace {
		t.Errorf("placed: %+v", s)
	}
}

func TestWithoutADatabaseNothingIsKnown(t *testing.T) {
	d, err := Open()
	if d != nil || err != nil {
		t.Fatal(d, err)
	}
	if _, _, _, ok := d.Lookup(netip.MustParseAddr("192.0.2.7")); ok {
		t.Error("an address has a place")
	}
	s := access.Situation{IP: netip.MustParseAddr("192.0.2.7"), Known: access.KnowsAll}
	if d.Place(&s); s.Known&access.KnowsPlace != 0 {
		t.Error("the place is known")
	}
}

func TestFilesThatAreNoDatabase(t *testing.T) {
	whole, err := os.ReadFile(geotest.Write(t, map[string]map[string]any{"192.0.2.0/24": {"country": map[string]any{"iso_code": "FR"}}}))
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	copy(damaged[:300], make([]byte, 300))
	for name, content := range map[string][]byte{"empty": nil, "text": []byte("no database"), "damaged": damaged} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(file); err == nil {
			t.Errorf("%s is opened", name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file is opened")
	}
}
