package possession

import (
	"net/url"
	"strings"
)

// sameURI reports whether a proof's htu is one of the URLs of the request, in their normal form. What follows a question mark
// or a hash does not count (RFC 9449 §4.3), nor does a slash at the end, which the gateway's own paths do without.
func sameURI(htu string, urls ...string) bool {
	got, ok := normalURI(htu)
	if !ok {
		return false
	}
	for _, u := range urls {
		if want, ok := normalURI(u); ok && got == want {
			return true
		}
	}
	return false
}

// maxURI bounds what is worth normalising.
const maxURI = 2048

// normalURI returns an absolute http(s) URL in the normal form of RFC 3986 §6.2.2 and §6.2.3, without query and fragment.
func normalURI(raw string) (string, bool) {
	if raw == "" || len(raw) > maxURI {
		return "", false
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	scheme, host := u.Scheme, strings.ToLower(u.Host) // Parse has lowered the scheme
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	if strings.Contains(u.Path, "/.") {
		u = u.ResolveReference(&url.URL{Path: u.Path, RawPath: u.RawPath}) // takes dot segments away (§5.2.4)
	}
	return scheme + "://" + strings.TrimSuffix(host, ":") + strings.TrimRight(normalPath(u.EscapedPath()), "/"), true
}

// normalPath decodes what needs no encoding and writes the rest in upper case (RFC 3986 §6.2.2.1, §6.2.2.2). The path is well
// encoded.
func normalPath(escaped string) string {
	if !strings.Contains(escaped, "%") {
		return escaped
	}
	const upper = "0123456789ABCDEF"
	b := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' || i+2 >= len(escaped) {
			b = append(b, escaped[i])
			continue
		}
		c := unhex(escaped[i+1])<<4 | unhex(escaped[i+2])
		i += 2
		if unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return string(b)
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
