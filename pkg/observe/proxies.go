package observe

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the peers whose X-Forwarded-… fields are believed. From everyone else those fields mean nothing. A nil
// *Proxies trusts nobody. It is immutable.
type Proxies struct {
	trusted []netip.Prefix
}

// ParseProxies reads addresses and CIDR ranges.
func ParseProxies(list []string) (*Proxies, error) {
	p := &Proxies{}
	for _, text := range list {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			p.trusted = append(p.trusted, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q is neither an address nor a range such as 10.0.0.0/8", text)
		}
		if prefix.Addr().Is4In6() {
			if prefix.Bits() < 96 {
				return nil, fmt.Errorf("trusted proxy %q: write the range as IPv4", text)
			}
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		p.trusted = append(p.trusted, prefix.Masked())
	}
	return p, nil
}

// Trusted reports whether addr is one of the proxies.
func (p *Proxies) Trusted(addr netip.Addr) bool {
	if p == nil || !addr.IsValid() {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range p.trusted {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// ClientIP is the address of the client: the last one in X-Forwarded-For that is not itself a trusted proxy, seen from
// a trusted peer; else the peer's. The zero value means that the peer has no IP address.
func (p *Proxies) ClientIP(r *http.Request) netip.Addr {
	addr := peer(r)
	fields := r.Header["X-Forwarded-For"]
	for i := len(fields) - 1; i >= 0; i-- {
		rest := fields[i]
		for more := true; more; {
			if !p.Trusted(addr) {
				return addr
			}
			var last string
			rest, last, more = cutLast(rest)
			next, ok := forwardedAddr(last)
			if !ok {
				return addr // what lies before cannot be relied on
			}
			addr = next
		}
	}
	return addr
}

// Scheme is http or https, as the client sees it.
func (p *Proxies) Scheme(r *http.Request) string {
	if forwarded := p.forwarded(r, "X-Forwarded-Proto"); strings.EqualFold(forwarded, "https") {
		return "https"
	} else if strings.EqualFold(forwarded, "http") {
		return "http"
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// Host is host or host:port, as the client sees it. X-Forwarded-Port completes an X-Forwarded-Host without a port,
// unless it is the usual one.
func (p *Proxies) Host(r *http.Request) string {
	host := p.forwarded(r, "X-Forwarded-Host")
	if !validHost(host) {
		return r.Host
	}
	port := p.forwarded(r, "X-Forwarded-Port")
	usual := map[string]string{"http": "80", "https": "443"}[p.Scheme(r)]
	if port == "" || port == usual || !validPort(port) || hasPort(host) {
		return host
	}
	return host + ":" + port
}

// Prefix is the path that a proxy has taken away from the front of the client's path: "" or "/a/b".
func (p *Proxies) Prefix(r *http.Request) string {
	prefix := strings.TrimRight(p.forwarded(r, "X-Forwarded-Prefix"), "/")
	if !validPrefix(prefix) {
		return ""
	}
	return prefix
}

// forwarded is the value of a field that a trusted peer has set. Of a list it is the last value: the one that was
// written by the proxy nearest to us. Those before may come from anyone.
func (p *Proxies) forwarded(r *http.Request, field string) string {
	values := r.Header[field]
	if len(values) == 0 || !p.trustsPeer(r) {
		return ""
	}
	_, last, _ := cutLast(values[len(values)-1])
	return last
}

func (p *Proxies) trustsPeer(r *http.Request) bool {
	return p != nil && len(p.trusted) > 0 && p.Trusted(peer(r))
}

// peer is who holds the other end of the connection.
func peer(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap()
	}
	addr, _ := netip.ParseAddr(r.RemoteAddr)
	return addr.Unmap()
}

// Network is what one client may have for itself of addresses: an IPv4 address, or 64 bits of IPv6. What is counted by address is
// counted by it. Without an address it is the zero value.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// cutLast splits the last value from a comma-separated list.
func cutLast(list string) (rest, last string, more bool) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return list[:i], strings.TrimSpace(list[i+1:]), true
	}
	return "", strings.TrimSpace(list), false
}

// forwardedAddr reads an address with or without port and brackets.
func forwardedAddr(text string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap(), true
	}
	if len(text) > 2 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap(), err == nil
}

func hasPort(host string) bool {
	colon := strings.LastIndexByte(host, ':')
	return colon > strings.LastIndexByte(host, ']')
}

func validPort(port string) bool {
	if len(port) == 0 || len(port) > 5 {
		return false
	}
	return strings.Trim(port, "0123456789") == ""
}

// validHost lets through names, addresses and ports, nothing that could end the authority of a URL.
func validHost(host string) bool {
	if host == "" || len(host) > 261 {
		return false
	}
	if name, port, ok := strings.Cut(host, "]"); ok { // [::1]:8080
		addr, err := netip.ParseAddr(strings.TrimPrefix(name, "["))
		return host[0] == '[' && err == nil && addr.Is6() && (port == "" || port[0] == ':' && validPort(port[1:]))
	}
	name, port, hasPort := strings.Cut(host, ":")
	if name == "" || hasPort && !validPort(port) {
		return false
	}
	return all(name, func(c byte) bool { return alphanumeric(c) || c == '-' || c == '.' || c == '_' })
}

func validPrefix(prefix string) bool {
	return len(prefix) <= 256 && strings.HasPrefix(prefix, "/") && !strings.Contains(prefix, "//") &&
		!strings.Contains(prefix, "/.") &&
		all(prefix, func(c byte) bool { return alphanumeric(c) || strings.IndexByte("/-._~", c) >= 0 })
}

func all(text string, ok func(byte) bool) bool {
	for i := range len(text) {
		if !ok(text[i]) {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
