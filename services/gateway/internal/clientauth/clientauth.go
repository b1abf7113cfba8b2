// Package clientauth authenticates clients at the endpoints they call directly: token, introspection, revocation.
//
// Each method is one file with a method; builtin.go lists them. The registered method is enforced; a client without one may use Basic
// or post.
//
// An unknown client is refused at once and a wrong secret after its check, so the time tells which identifiers exist. It
// tells nothing new: client identifiers are public (RFC 6749 §2.2), and the authorization endpoint names unknown ones. To
// hash for unknown clients would only give strangers a way to keep the machine busy.
package clientauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// ErrMissing refuses a request that does not authenticate where it must.
var ErrMissing = oauth2.InvalidClient.Errorf("Invalid client: missing or unsupported authentication method")

// errFailed refuses everything else and never tells which part was wrong.
var errFailed = oauth2.InvalidClient.Errorf("Client authentication failed due to unknown clientId, expired or invalid client secret")

var errTwoMethods = oauth2.InvalidRequest.Errorf("The request uses more than one method of client authentication")

// Authenticator authenticates clients. It is safe for concurrent use.
type Authenticator struct {
	hasher *secret.Hasher
	now    func() time.Time
	used   *usage.Reporter
	proven *proven
}

// New returns an Authenticator. Used is told of every secret that authenticated a client; nil tells nobody.
func New(hasher *secret.Hasher, used *usage.Reporter, now func() time.Time) *Authenticator {
	return &Authenticator{hasher: hasher, now: now, used: used, proven: newProven()}
}

// attempt is what a request presents.
type attempt struct {
	method           oauth2.AuthMethod
	clientID, secret string
	// otherwise is a second reading of the secret, where there is one.
	otherwise string
}

// Authenticate returns the client that makes the request. Every refusal is an *oauth2.Error; two methods in one request
// are invalid_request (RFC 6749 §2.3).
func (a *Authenticator) Authenticate(r *http.Request, d *domain.Domain, p oauth2.Params) (*domain.Client, error) {
	tried, other, err := present(r, p)
	if err != nil {
		return nil, err
	}
	c, err := a.try(r.Context(), d, p, tried)
	if other.clientID != "" && errors.Is(err, errFailed) {
		return a.try(r.Context(), d, p, other)
	}
	return c, err
}

func (a *Authenticator) try(ctx context.Context, d *domain.Domain, p oauth2.Params, tried attempt) (*domain.Client, error) {
	if sent := p.Get("client_id"); sent != "" && sent != tried.clientID {
		return nil, errFailed
	}
	c, err := d.Client(ctx, tried.clientID)
	switch {
	case errors.Is(err, domain.ErrNoClient):
		return nil, errFailed
	case err != nil:
		return nil, err
	case !accepts(c, tried.method):
		err = errFailed
	default:
		err = methodOf(tried.method).prove(ctx, a, c, tried)
	}
	if err != nil {
		observe.Annotate(ctx, slog.String("client_id", c.ClientID))
		return nil, err
	}
	return c, nil
}

// accepts tells whether a client may use a method.
func accepts(c *domain.Client, m oauth2.AuthMethod) bool {
	if c.AuthMethod == "" {
		return m == oauth2.AuthBasic || m == oauth2.AuthPost
	}
	return c.AuthMethod == m
}

// present finds out which method a request uses, and how else its credentials may be read if a client identifier is
// none in the first reading. A parameter without a value was not sent (RFC 6749 §3.1).
func present(r *http.Request, p oauth2.Params) (tried, other attempt, err error) {
	header := r.Header.Get("Authorization")
	assertion := p.Has("client_assertion")
	var used *method
	several := assertion && (header != "" || p.Has("client_secret"))
	for i := range builtin {
		if m := &builtin[i]; m.presented(r, p) {
			several = several || used != nil
			used = m
		}
	}
	switch {
	case header != "" && !usesBasic(r, p):
		return tried, other, ErrMissing // a scheme that no method uses
	case several:
		return tried, other, errTwoMethods
	case used == nil, assertion:
		return tried, other, ErrMissing
	}
	return used.read(r, p)
}
