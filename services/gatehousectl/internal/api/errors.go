package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
)

// errStalled is why a request was given up.
var errStalled = errors.New("no answer in time")

// Problem is a request that management refused, and why.
type Problem struct {
	Status int
	// Renew says what to do where the token is not taken.
	Renew string
	client.Problem
}

// Error says what is wrong, where, and what to do, line by line.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Message)
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", e.Path, e.Detail)
		if e.Line != nil && e.Column != nil {
			fmt.Fprintf(&b, " (line %d, column %d)", *e.Line, *e.Column)
		}
	}
	if what := p.advice(); what != "" {
		b.WriteString("\n" + what)
	}
	return b.String()
}

func (p *Problem) advice() string {
	switch p.Status {
	case http.StatusUnauthorized:
		if p.Renew != "" {
			return p.Renew
		}
		return "Sign in again: gatehousectl login"
	case http.StatusForbidden:
		return "Your roles do not allow this; whoever owns the place can give you one (kind members)"
	case http.StatusPreconditionFailed:
		return "Somebody has changed it since you read it. Read it again, put your change into what is there now, and apply that"
	case http.StatusTooManyRequests:
		return "Wait a little and try again"
	case http.StatusServiceUnavailable:
		return "Management is not ready: its database may be away. Try again"
	}
	return ""
}

// Failure is a request that got no answer that could be understood.
type Failure struct {
	Server  string
	Writes  bool
	Timeout time.Duration
	Err     error
	// Midway says that an answer had begun.
	Midway bool
	// Status, Media and Text are of an answer that nobody expected.
	Status int
	Media  string
	Text   string
}

func (f *Failure) Unwrap() error { return f.Err }

// Error says what happened, and what to do.
func (f *Failure) Error() string {
	var b strings.Builder
	var untrusted *tls.CertificateVerificationError
	switch {
	case f.Err == nil:
		kind := f.Media
		if kind == "" {
			kind = "something without a type"
		}
		fmt.Fprintf(&b, "%s answers %d with %s, not JSON: %s\nIs this management's address, and does nothing stand before it that answers in its place?", f.Server, f.Status, kind, f.Text)
	case errors.Is(f.Err, errStalled):
		fmt.Fprintf(&b, "%s does not answer within %s\nSee whether management is ready, or give it more time: --timeout", f.Server, f.Timeout)
	case errors.Is(f.Err, context.Canceled):
		b.WriteString("interrupted")
	case errors.As(f.Err, &untrusted):
		fmt.Fprintf(&b, "%s has a certificate that is not trusted: %v\nName the authority that signed it: --ca-file", f.Server, untrusted.Err)
	case strings.Contains(f.Err.Error(), "server gave HTTP response to HTTPS client"):
		fmt.Fprintf(&b, "%s answers without TLS\nIf that is how it is to be, say http:// and not https://", f.Server)
	case f.Midway:
		fmt.Fprintf(&b, "%s broke off its answer: %v", f.Server, f.Err)
	default:
		fmt.Fprintf(&b, "%s can not be reached: %v\nSee whether the address is right: --server, or gatehousectl context list", f.Server, f.Err)
	}
	if f.Writes {
		b.WriteString("\nIt is not known whether the change was made: gatehousectl diff tells")
	}
	return b.String()
}

// Passes reports whether an error is one that passes by itself: management, or something before it, is away or has too much to do.
func Passes(err error) bool {
	var p *Problem
	var f *Failure
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &p):
		return passes(p.Status)
	case errors.As(err, &untrusted), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &f):
		return f.Err != nil || passes(f.Status)
	}
	return false
}

func passes(status int) bool {
	return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

// cause is what ended a request: the time limit where that was it.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	return err
}
