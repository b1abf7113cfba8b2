package pages

import (
	"net/url"
	"strings"
)

// formAction is the source of form-action that covers a target (Content Security Policy Level 3 §2.3.1): its scheme, host and
// port. It is the scheme alone for private-use schemes, of which browsers know no hosts, and where a source cannot name the host:
// for IPv6 addresses and names that are not plain ASCII. A host is never copied before its characters are known, so that none ends the directive.
func formAction(target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil || u.Scheme == "":
		return "'none'"
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(strings.ToLower(u.Host), "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "":
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}
