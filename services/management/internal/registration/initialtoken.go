package registration

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// initialToken is the initial access token that allows a registration; nil for none.
type initialToken struct{ *store.RegistrationToken }

func (t *initialToken) template() string {
	if t == nil {
		return ""
	}
	return t.Template
}

var errNoToken = fault.Unauthenticatedf("The access token is invalid")

// admit lets in administrators, everybody where registration is open, and otherwise who has an initial access token, which is
// returned. A token that is not needed is not looked at.
func (s *Server) admit(ctx context.Context, r *registrationv1.CreateRequest, settings *configv1.ClientRegistrationSettings) (*initialToken, error) {
	switch {
	case r.GetAdministrator() || settings.GetOpenDynamicClientRegistrationEnabled():
		return nil, nil
	case r.GetInitialAccessTokenHash() == "":
		return nil, errForbidden
	}
	token, err := s.tokenOf(ctx, r.GetDomain(), r.GetInitialAccessTokenHash())
	if err != nil {
		return nil, err
	}
	if token.Template != "" && token.Template != r.GetTemplate() {
		return nil, fault.Invalidf("The initial access token registers copies of the template %s", token.Template).At(placeOfSoftware, "is not the token's")
	}
	return &initialToken{token}, nil
}

const placeOfSoftware = "settings.oauth.softwareId"

// tokenOf returns a token of a domain that has not expired.
func (s *Server) tokenOf(ctx context.Context, domain, hash string) (*store.RegistrationToken, error) {
	token, err := s.tokens.Find(ctx, domain, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errNoToken
	case err != nil:
		return nil, err
	case !s.now().Before(token.ExpiresAt):
		return nil, errNoToken
	}
	return token, nil
}

// take counts the registration of an application. One too many is as if there were no such token.
func (s *Server) take(ctx context.Context, token *initialToken, application string) error {
	if token == nil {
		return nil
	}
	ok, err := s.tokens.Take(ctx, token.RegistrationToken, application, s.now())
	if err == nil && !ok {
		err = errNoToken
	}
	return err
}

// settle ends the registration of an application that was counted, and of which err came. Where nobody knows whether it was made, or
// this fails, it stays pending until the housekeeping has looked.
func (s *Server) settle(ctx context.Context, token *initialToken, application string, err error) {
	if token == nil || fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Internal) {
		return
	}
	end := s.tokens.Settle
	if err != nil {
		end = s.tokens.Reconcile // another one may have registered it for the same attempt
	}
	if err := end(context.WithoutCancel(ctx), token.ID, application); err != nil {
		s.log.WarnContext(ctx, "a registration stays pending at its initial access token", "token_id", token.ID, "application", application, "err", err)
	}
}

// FindInitialAccessToken implements registrationv1.RegistrationServiceServer. A token that is unknown or has expired is
// UNAUTHENTICATED. Whether it has a registration left is found out by a registration: one that is asked for again needs none.
func (s *Server) FindInitialAccessToken(ctx context.Context, r *registrationv1.FindInitialAccessTokenRequest) (*registrationv1.FindInitialAccessTokenResponse, error) {
	token, err := s.findToken(ctx, r)
	if err != nil {
		return nil, s.fail(ctx, "FindInitialAccessToken", r.GetDomain(), err)
	}
	return &registrationv1.FindInitialAccessTokenResponse{
		Id: token.ID, Template: token.Template, ScopesLimited: token.ScopesLimited, Scopes: token.Scopes,
	}, nil
}

func (s *Server) findToken(ctx context.Context, r *registrationv1.FindInitialAccessTokenRequest) (*store.RegistrationToken, error) {
	if err := checkNames(r.GetDomain(), r.GetHash()); err != nil {
		return nil, err
	}
	if _, err := s.domain(ctx, r.GetDomain()); err != nil {
		return nil, err
	}
	return s.tokenOf(ctx, r.GetDomain(), r.GetHash())
}
