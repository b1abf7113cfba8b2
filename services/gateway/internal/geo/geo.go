// Package geo tells where addresses are, from databases in the format of MaxMind that an operator provides. It is the only
// package that reads them.
package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/gatehouse-am/gatehouse/pkg/access"
)

// Database knows countries, continents and autonomous systems. Nil is no database: it knows nothing. It is safe for
// concurrent use.
type Database struct{ readers []*maxminddb.Reader }

// Open reads databases into memory; what one of them does not know another may, such as one of countries and one of
// autonomous systems. A file that is replaced later is read at the next start. Without files there is no database, and no
// error.
func Open(files ...string) (*Database, error) {
	if len(files) == 0 {
		return nil, nil
	}
	d := &Database{}
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return nil, err
		}
		reader, err := maxminddb.OpenBytes(data)
		if err != nil {
			return nil, fmt.Errorf("%s is no database of addresses: %w", file, err)
		}
		if err := errors.Join(reader.Verify()); err != nil {
			return nil, fmt.Errorf("%s is damaged: %w", file, err)
		}
		d.readers = append(d.readers, reader)
	}
	return d, nil
}

// record is what is read of an entry. Databases of countries and cities have the first two, those of networks the last.
type record struct {
	Country struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Continent struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"continent"`
	ASN int64 `maxminddb:"autonomous_system_number"`
}

// Lookup returns the country (ISO 3166-1 alpha-2), the continent (two letters) and the autonomous system of an address, each
// blank or 0 where no database knows it. ok is false where there is no database, or none knows anything of the address.
func (d *Database) Lookup(ip netip.Addr) (country, continent string, asn int64, ok bool) {
	if d == nil || !ip.IsValid() {
		return "", "", 0, false
	}
	ip = ip.Unmap().WithZone("")
	for _, reader := range d.readers {
		var r record
		if err := reader.Lookup(ip).Decode(&r); err != nil {
			continue // an IPv6 address in a database of IPv4, or an entry of another shape
		}
		if country == "" {
			country = r.Country.Code
		}
		if continent == "" {
			continent = r.Continent.Code
		}
		if asn == 0 {
			asn = r.ASN
		}
	}
	return country, continent, asn, country != "" || continent != "" || asn != 0
}

// Place writes where the situation's address is. Without a database the place stays unknown, so that policies fail that need it.
func (d *Database) Place(s *access.Situation) {
	if d == nil {
		s.Known &^= access.KnowsPlace
		return
	}
	s.Country, s.Continent, s.ASN, _ = d.Lookup(s.IP)
	s.Known |= access.KnowsPlace
}
