package outbound

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// plainMark before an entry of the list allows http as well as https.
const plainMark = "http://"

// allowance is one entry of the list of what is allowed although it is not public.
type allowance struct {
	host    string // lower case; "" for a network
	port    string // "" for every port
	network netip.Prefix
	plain   bool
}

// allowances are what a client may reach beyond public addresses by https.
type allowances []allowance

// CheckAllow says what is wrong with a list of allowed places. An entry is a host (jwks.internal), a host with a port
// (jwks.internal:8443, [fd00::1]:8443), an address or a network (10.1.0.0/16). With http:// before it plain http is
// allowed there too.
func CheckAllow(entries []string) error {
	_, err := parseAllow(entries)
	return err
}

func parseAllow(entries []string) (allowances, error) {
	var list allowances
	for _, text := range entries {
		rest, plain := strings.CutPrefix(text, plainMark)
		a := allowance{plain: plain}
		if p, err := netip.ParsePrefix(rest); err == nil {
			a.network = p.Masked()
		} else if ip, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil {
			a.network = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
		} else {
			a.host = rest
			if host, port, err := net.SplitHostPort(rest); err == nil {
				if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
					return nil, fmt.Errorf("the allowed place %q has no valid port", text)
				}
				a.host, a.port = host, port
			}
			a.host = strings.TrimSuffix(strings.ToLower(a.host), ".")
			if a.host == "" || strings.ContainsAny(a.host, "/:@*?#[] ") && !isAddress(a.host) {
				return nil, fmt.Errorf("the allowed place %q is no host, host:port, address or network", text)
			}
		}
		list = append(list, a)
	}
	return list, nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// named reports whether a host is allowed by its name, whatever address it has.
func (list allowances) named(host, port string, plain bool) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return slices.ContainsFunc(list, func(a allowance) bool {
		return a.host == host && host != "" && (a.port == "" || a.port == port) && (a.plain || !plain)
	})
}

// contains reports whether an address lies in an allowed network.
func (list allowances) contains(ip netip.Addr, plain bool) bool {
	return slices.ContainsFunc(list, func(a allowance) bool {
		return a.network.IsValid() && a.network.Contains(ip.Unmap()) && (a.plain || !plain)
	})
}

// anyPlain reports whether plain http could be allowed for a host at all; the address decides where it can only be known
// from it.
func (list allowances) anyPlain(host, port string) bool {
	return list.named(host, port, true) || slices.ContainsFunc(list, func(a allowance) bool { return a.plain && a.network.IsValid() })
}
