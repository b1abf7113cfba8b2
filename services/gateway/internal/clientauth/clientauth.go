// Package clientauth authenticates clients at the endpoints they call directly: token, introspection, revocation, pushed
// authorization requests, device authorization.
//
// Each method is a method in a file; builtin.go lists them. The registered method is enforced; a client without one may use
// Basic or post. The client's security profile may refuse either.
//
// An unknown client is refused at once and a wrong secret after its check, so the time tells which identifiers exist. It
// tells nothing new: client identifiers are public (RFC 6749 §2.2), and the authorization endpoint names unknown ones. To
// hash for unknown clients would only give strangers a way to keep the machine busy.
package clientauth

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// ErrMissing refuses a request that does not authenticate where it must.
var ErrMissing = oauth2.InvalidClient.Errorf("Invalid client: missing or unsupported authentication method")

// errFailed refuses everything else and never tells which part was wrong.
var errFailed = oauth2.InvalidClient.Errorf("Client authentication failed due to unknown clientId, expired or invalid client secret")

// ErrQuery refuses parameters that servers on the way would write into their logs (OAuth 2.1 §3.2.2).
var ErrQuery = oauth2.InvalidRequest.Errorf("The parameters must be in the body of the request, not in its query")

var errTwoMethods = oauth2.InvalidRequest.Errorf("The request uses more than one method of client authentication")

var errProfile = oauth2.InvalidClient.Errorf("Client authentication failed: the security profile does not allow the client's method")

// Keys are those of clients; *clientkeys.Keys is one.
type Keys interface {
	// Verify checks what a client signed with its keys or its secrets. The check names the algorithms.
	Verify(ctx context.Context, c *domain.Client, token string, check jose.Check) (*jose.Token, error)
	// Certified reports whether a client may present a self-signed certificate of a key.
	Certified(ctx context.Context, c *domain.Client, key crypto.PublicKey) (bool, error)
}

// Memory is what all gateways remember together; *state.Store is one.
type Memory interface {
	// Once reports whether a thing is seen for the first time within ttl.
	Once(ctx context.Context, domain, purpose, id string, ttl time.Duration) (bool, error)
	// CountFailure counts that somebody at an address failed to authenticate.
	CountFailure(ctx context.Context, domain, client, address string, window time.Duration) (state.Failures, error)
}

// Options are what an Authenticator works with. All are required, except where it says otherwise.
type Options struct {
	Hasher *secret.Hasher
	// Used is told of every secret that authenticated a client; nil tells nobody.
	Used   *usage.Reporter
	Keys   Keys
	Memory Memory
	// Proxies are those whose headers say where a request comes from; nil means none.
	Proxies *observe.Proxies
	// Certificates says that clients can show certificates to this gateway.
	Certificates bool
	// Authorities returns those whose certificates authenticate clients (tls_client_auth); nil means none.
	Authorities func() *x509.CertPool
	Now         func() time.Time
}

// Authenticator authenticates clients. It is safe for concurrent use.
type Authenticator struct {
	hasher       *secret.Hasher
	now          func() time.Time
	used         *usage.Reporter
	proven       *proven
	keys         Keys
	memory       Memory
	guesses      *guesses
	certificates bool
	authorities  func() *x509.CertPool
}

// New returns an Authenticator.
func New(o Options) *Authenticator {
	return &Authenticator{
		hasher: o.Hasher, now: o.Now, used: o.Used, proven: newProven(), keys: o.Keys, memory: o.Memory,
		guesses:      &guesses{memory: o.Memory, proxies: o.Proxies, now: o.Now},
		certificates: o.Certificates, authorities: o.Authorities,
	}
}

// attempt is what a request presents.
type attempt struct {
	method           oauth2.AuthMethod
	clientID, secret string
	// otherwise is a second reading of the secret, where there is one.
	otherwise string
	// assertion is a signed one, path where it was sent to.
	assertion, path string
	// certificates are those of the connection, the client's first.
	certificates []*x509.Certificate
}

// Authenticate returns the client that makes the request. Every refusal is an *oauth2.Error; two methods in one request
// are invalid_request (RFC 6749 §2.3).
func (a *Authenticator) Authenticate(r *http.Request, d *domain.Domain, p oauth2.Params) (*domain.Client, error) {
	tried, other, err := present(r, p)
	if err != nil {
		return nil, err
	}
	c, err := a.try(r, d, p, tried)
	if other.clientID != "" && errors.Is(err, errFailed) {
		return a.try(r, d, p, other)
	}
	return c, err
}

func (a *Authenticator) try(r *http.Request, d *domain.Domain, p oauth2.Params, tried attempt) (*domain.Client, error) {
	ctx := r.Context()
	if sent := p.Get("client_id"); sent != "" && sent != tried.clientID {
		return nil, errFailed
	}
	c, err := d.Client(ctx, tried.clientID)
	switch {
	case errors.Is(err, domain.ErrNoClient):
		return nil, errFailed
	case err != nil:
		return nil, err
	}
	if c.Profile.RefusesQuery && p.AnyInQuery() {
		return nil, ErrQuery
	}
	if tried.method == oauth2.AuthNone && ofConnection(c.AuthMethod) {
		tried.method = c.AuthMethod
	}
	if err := a.prove(r, d, c, tried); err != nil {
		observe.Annotate(ctx, slog.String("client_id", c.ClientID))
		return nil, err
	}
	a.used.NoteClient(c.Meter, d.ID, c.ID, a.now())
	return c, nil
}

// prove holds an attempt to what the client registered and its profile allows, and then to its proof.
func (a *Authenticator) prove(r *http.Request, d *domain.Domain, c *domain.Client, tried attempt) error {
	switch {
	case !accepts(c, tried.method):
		return errFailed
	case !c.Profile.Accepts(tried.method):
		return errProfile
	case a.guesses.locked(r, d, c):
		return errLocked
	}
	tried.certificates = certificates(r)
	err := methodOf(tried.method).prove(r.Context(), a, d, c, tried)
	if refused, ok := errors.AsType[*oauth2.Error](err); ok && refused.Code == oauth2.InvalidClient {
		a.guesses.failed(r.Context(), r, d, c)
	}
	return err
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
	case used == nil:
		return tried, other, ErrMissing
	}
	return used.read(r, p)
}
