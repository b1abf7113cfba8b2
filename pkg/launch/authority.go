package launch

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// authority reads what stands between the scheme and the path: user information, host and port. Placeholders stand in the host
// alone, and never in its last label: who says where a name ends says whose host it is, and a number there is an address.
func (l *layer) authority(pieces []piece) error {
	host := pieces
	if at := lastChar(pieces, '@'); at >= 0 {
		for _, p := range pieces[:at+1] {
			if p.field != "" {
				return &Error{Position: p.position, Detail: "user information takes no placeholder"}
			}
			l.add(before, p)
		}
		host = pieces[at+1:]
	}
	port := len(host)
	if colon := lastChar(host, ':'); colon > lastChar(host, ']') {
		port = colon
	}
	if port == 0 {
		return &Error{Position: l.length() + 1, Detail: "the host is missing"}
	}
	if port < len(host) {
		if err := checkPort(host[port:]); err != nil {
			return err
		}
	}
	if err := checkHost(host[:port], host[0].position); err != nil {
		return err
	}
	for _, p := range host {
		l.add(inHost, p)
	}
	return nil
}

func (l *layer) length() int {
	n := 0
	for _, p := range l.parts {
		n += len(p.literal)
	}
	return n
}

func lastChar(pieces []piece, c rune) int {
	for i, p := range slices.Backward(pieces) {
		if p.field == "" && p.char == c {
			return i
		}
	}
	return -1
}

func checkPort(pieces []piece) error {
	var digits strings.Builder
	for _, p := range pieces[1:] {
		if p.field != "" {
			return &Error{Position: p.position, Detail: "the port takes no placeholder"}
		}
		digits.WriteRune(p.char)
	}
	if n, err := strconv.ParseUint(digits.String(), 10, 16); err != nil || n == 0 {
		return &Error{Position: pieces[0].position, Detail: "a port is a number from 1 to 65535"}
	}
	return nil
}

func checkHost(pieces []piece, position int) error {
	var text strings.Builder // with x for every placeholder
	last := 0                // where the last label begins
	for i, p := range pieces {
		switch {
		case p.field != "":
			text.WriteByte('x')
		case p.char >= 0x80:
			return &Error{Position: p.position, Detail: "a host is written in ASCII: international names in the form xn--…"}
		default:
			text.WriteRune(p.char)
			if p.char == '.' {
				last = i + 1
			}
		}
	}
	host := text.String()
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		if a, err := netip.ParseAddr(inner); err != nil || !closed || !a.Is6() || a.Zone() != "" || slices.ContainsFunc(pieces, func(p piece) bool { return p.field != "" }) {
			return &Error{Position: position, Detail: "an IPv6 address is written [2001:db8::1], without placeholders"}
		}
		return nil
	}
	for _, p := range pieces[last:] {
		if p.field != "" {
			return &Error{Position: p.position, Detail: "the last label of a host takes no placeholder: write where the name ends, as in {{" + p.field + "}}.example.com"}
		}
	}
	if len(host) > 253 {
		return &Error{Position: position, Detail: "a host has at most 253 characters"}
	}
	at := 0
	for l := range strings.SplitSeq(host, ".") {
		if !label(strings.ReplaceAll(l, "_", "x")) {
			return &Error{Position: pieces[min(at, len(pieces)-1)].position, Detail: "a host is names of letters, digits and inner hyphens, separated by points"}
		}
		at += len(l) + 1
	}
	return nil
}
