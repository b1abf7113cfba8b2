// Package idp defines what an identity provider does for a login. Each type of provider is a package below this one;
// builtin lists them.
package idp

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Errors of Authenticate. Any other error means that the provider could not be asked.
var (
	// ErrRefused means a wrong password or an unknown name. The search goes on with the next provider.
	ErrRefused = errors.New("the credentials entered are invalid")
	// ErrBlocked means that the person is known, and locked or disabled. The search ends.
	ErrBlocked = errors.New("the account is disabled")
	// ErrUnavailable means that a part that is needed to answer gives no answer just now.
	ErrUnavailable = errors.New("the identity provider is not available")
)

// ErrWaiting means that a provider is of a type that can be configured and does not run yet. It takes part in no login.
var ErrWaiting = errors.New("identity providers of this type do not run yet")

// Identity is what a provider asserts about a person after authentication: the message that the directory links to a
// user.
type Identity = directoryv1.Identity

// PasswordAuthenticator checks a name and a password itself.
type PasswordAuthenticator interface {
	// Authenticate returns the person's identity, or ErrRefused, ErrBlocked or ErrUnavailable (wrapped). It takes the
	// same time for an unknown name as for a wrong password. It is safe for concurrent use.
	Authenticate(ctx context.Context, username, password string) (*Identity, error)
}

// Provider is one identity provider of a domain, opened and ready.
type Provider struct {
	ID, Name, Type string
	// External providers redirect to another site; their Password is nil.
	External bool
	Password PasswordAuthenticator
	// Rules is the provider as selection rules see it.
	Rules *rules.IdentityProvider
}
