// Package idp defines what an identity provider does for a login. Each type of provider is a package below this one;
// builtin lists them.
//
// An internal provider checks a name and a password itself ([PasswordAuthenticator]), an external one sends the browser to
// another site and reads what it answers ([Federator]). Either way the result is an [Assertion].
package idp

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Errors of Authenticate, Begin and Finish. Any other error means that the provider could not be asked.
var (
	// ErrRefused means a wrong password or an unknown name; of a site, that it signed nobody in. The search goes on with the
	// next provider.
	ErrRefused = errors.New("the credentials entered are invalid")
	// ErrBlocked means that the person is known, and locked or disabled. The search ends.
	ErrBlocked = errors.New("the account is disabled")
	// ErrExpired means that the password is right and its time is over. The search ends.
	ErrExpired = errors.New("the password has expired")
	// ErrUnavailable means that a part that is needed to answer gives no answer just now.
	ErrUnavailable = errors.New("the identity provider is not available")
)

// ErrWaiting means that a provider is of a type that can be configured and does not run yet. It takes part in no login.
var ErrWaiting = errors.New("identity providers of this type do not run yet")

// Identity is what a provider asserts about a person after authentication: the message that the directory links to a
// user.
type Identity = directoryv1.Identity

// Assertion is what a provider says about a person who has just proved to it who they are.
type Assertion struct {
	// Identity is never nil; its source and external_id are never empty.
	Identity *Identity
	// Profile is everything the provider said, as JSON values, for mappers; nil where it said no more than the identity.
	Profile map[string]any
	// AMR are the authentication methods that were used (RFC 8176); empty where the provider does not tell.
	AMR []string
	// AuthTime is when the person proved it; zero means just now.
	AuthTime time.Time
}

// MethodPassword is the authentication method of a password (RFC 8176 §2).
const MethodPassword = "pwd"

// Credentials are a name and a password, and the request in which they came.
type Credentials struct {
	Username, Password string
	// Input is what templates of a provider may read. Its Password is not set.
	Input *rules.Input
}

// PasswordAuthenticator checks a name and a password itself.
type PasswordAuthenticator interface {
	// Authenticate returns what is known of the person, or ErrRefused, ErrBlocked or ErrUnavailable (wrapped). It takes the
	// same time for an unknown name as for a wrong password, as far as that lies with the gateway. It is safe for concurrent
	// use and ends within the time limit of the provider.
	Authenticate(ctx context.Context, c Credentials) (*Assertion, error)
}

// Leg is one journey of a browser to another site and back.
type Leg struct {
	// Callback is the absolute URL to which the site sends the browser back.
	Callback string
	// State is a random value that comes back with the answer. Whoever made the leg has bound it to the browser, and compares it.
	State string
	// LoginHint is the name the person gave; may be empty.
	LoginHint string
	// Locales are the languages the person reads, the best first (BCP 47).
	Locales []string
	// Again asks the site to have the person sign in anew (OpenID Connect prompt=login).
	Again bool
	// Choose asks it to let the person choose an account (prompt=select_account).
	Choose bool
	// MaxAge is how long ago the person may have signed in at the site, which is to tell when that was; 0 = as long as they like.
	MaxAge time.Duration
}

// Federator authenticates people at another site.
type Federator interface {
	// Begin returns where to send the browser, and a memo that Finish will need, at most 4 KiB.
	Begin(ctx context.Context, leg Leg) (redirect string, memo []byte, err error)
	// Finish reads the other site's answer: the parameters with which the browser came back, of the query or of a posted form.
	// ErrRefused (wrapped) means that the site, or what it sent, says no.
	Finish(ctx context.Context, leg Leg, answer url.Values, memo []byte) (*Assertion, error)
}

// Mapping makes an identity of what a provider says. It is safe for concurrent use.
type Mapping interface {
	Apply(ctx context.Context, a *Assertion) *Identity
}

// Mapped returns the identity of an assertion as the provider's mappers make it.
func (p *Provider) Mapped(ctx context.Context, a *Assertion) *Identity {
	if p.Mapping == nil {
		return a.Identity
	}
	return p.Mapping.Apply(ctx, a)
}

// Provider is one identity provider of a domain, opened and ready.
type Provider struct {
	ID, Name, Type string
	// External providers redirect to another site: their Password is nil. Of the others Federation is nil.
	External   bool
	Password   PasswordAuthenticator
	Federation Federator
	// Mapping makes the identity of an assertion by the provider's mappers; nil where it has none.
	Mapping Mapping
	// Rules is the provider as selection rules see it.
	Rules *rules.IdentityProvider
	// Config is what the provider was made from. It must not be changed.
	Config *configv1.IdentityProvider
}
