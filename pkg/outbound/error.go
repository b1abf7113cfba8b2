package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// Reason says in one word why a request brought nothing, for logs and metrics.
type Reason string

// The reasons.
const (
	ReasonURL      Reason = "url"      // it is malformed, has credentials or is too long
	ReasonScheme   Reason = "scheme"   // not https, and http is not allowed there
	ReasonAddress  Reason = "address"  // not a public address, and not allowed
	ReasonRedirect Reason = "redirect" // too many, or down to http
	ReasonSize     Reason = "size"     // a longer answer than was allowed
	ReasonTime     Reason = "time"     // no whole answer in time
	ReasonBusy     Reason = "busy"     // too many requests to that host at once
	ReasonStatus   Reason = "status"   // another status than 200
	ReasonDNS      Reason = "dns"      // the name does not resolve
	ReasonTLS      Reason = "tls"      // the certificate is not trusted, or no handshake
	ReasonConnect  Reason = "connect"  // no connection, or one that broke
)

// Error says why a request brought nothing. Its text is for operators: it names hosts and causes, which a client must not
// learn, because by them it could look around in a network it does not see.
type Error struct {
	Reason Reason
	Host   string // as in the URL, with its port
	Err    error
}

// Error is the text.
func (e *Error) Error() string { return "outgoing request to " + e.Host + ": " + e.Err.Error() }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of an error of this package, "" for other errors.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// refusal is a cause that knows its reason.
type refusal struct {
	reason Reason
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(reason Reason, text string) error { return &refusal{reason, text} }

// wrap makes an Error of what a request failed with.
func wrap(host string, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := &Error{Reason: ReasonConnect, Host: host, Err: err}
	var r *refusal
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var timeout net.Error
	switch {
	case errors.As(err, &r):
		e.Reason, e.Err = r.reason, r
	case errors.As(err, &dns) && !dns.IsTimeout:
		e.Reason = ReasonDNS
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert):
		e.Reason = ReasonTLS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Reason = ReasonTime
	}
	return e
}
