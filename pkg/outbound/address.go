package outbound

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// The networks that nothing outside this machine's own surroundings lives in (RFC 6890 and the IANA registries of special
// addresses), and addresses of metadata services that lie outside of those networks.
var closed = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
	"240.0.0.0/4",
	"168.63.129.16/32", // metadata service of a large cloud
	"2001::/23",        // protocol assignments: Teredo, benchmarking, ORCHID
	"2001:db8::/32", "3fff::/20",
)

var (
	globalIPv6 = netip.MustParsePrefix("2000::/3")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}

// locals are what no configuration reaches, but who runs the machine alone: link-local addresses, and services for metadata, which
// give credentials of the machine to whoever can ask.
var locals = prefixes(
	"169.254.0.0/16", "fe80::/10",
	"168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128",
	"0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8",
)

// local reports whether an address is one of locals, also where an IPv4 address hides in an IPv6 address.
func local(a netip.Addr) bool {
	a = a.Unmap()
	zoneless := a.WithZone("")
	if !a.IsValid() || slices.ContainsFunc(locals, func(p netip.Prefix) bool { return p.Contains(zoneless) }) {
		return true
	}
	if !a.Is6() {
		return false
	}
	switch bytes := a.As16(); {
	case nat64.Contains(zoneless):
		return local(netip.AddrFrom4([4]byte(bytes[12:])))
	case sixToFour.Contains(zoneless):
		return local(netip.AddrFrom4([4]byte(bytes[2:6])))
	case binary.BigEndian.Uint32(bytes[8:]) & ^uint32(0x02000000) == 0x00005efe:
		return local(netip.AddrFrom4([4]byte(bytes[12:])))
	}
	return false
}

// reachable reports whether an address is a public one: not loopback, private, link-local, unique-local, carrier-grade
// NAT, multicast, unspecified, reserved or a metadata service, also where an IPv4 address hides in an IPv6 address.
func reachable(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	if a.Is6() {
		switch bytes := a.As16(); {
		case nat64.Contains(a):
			return reachable(netip.AddrFrom4([4]byte(bytes[12:])))
		case sixToFour.Contains(a):
			return reachable(netip.AddrFrom4([4]byte(bytes[2:6])))
		case binary.BigEndian.Uint32(bytes[8:]) & ^uint32(0x02000000) == 0x00005efe: // ISATAP, RFC 5214 §6.1
			return reachable(netip.AddrFrom4([4]byte(bytes[12:]))) && globalIPv6.Contains(a)
		case !globalIPv6.Contains(a):
			return false
		}
	}
	return !slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(a) })
}
