package mailer

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Errors of Deliverable.
var (
	errAddress = errors.New("not an e-mail address")
	errLocal   = errors.New("letters beyond ASCII before the @ cannot be delivered everywhere")
)

// Deliverable returns an address as mail servers understand it everywhere: a domain with other letters than ASCII in its ASCII
// form (RFC 5891). Such letters before the @ are refused, because only some servers take them (RFC 6531), and so is everything
// that is no plain address.
func Deliverable(address string) (string, error) {
	if strings.ContainsFunc(address, unicode.IsControl) {
		return "", errAddress
	}
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 {
		return "", errAddress
	}
	local, domain := address[:at], address[at+1:]
	if !ascii(local) {
		return "", errLocal
	}
	if !ascii(domain) {
		converted, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			return "", errAddress
		}
		domain = converted
	}
	plain := local + "@" + domain
	if a, err := mail.ParseAddress(plain); err != nil || a.Name != "" || a.Address != plain {
		return "", errAddress
	}
	return plain, nil
}

func ascii(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}
