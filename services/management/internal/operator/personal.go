package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// personalPrefix begins every token that operators make for programs, so that it is recognised where it was forgotten.
	personalPrefix = "gatehouse_pat_"
	// usedEvery is how exactly the last use of a token is known.
	usedEvery = time.Minute
	// maxPersonalTokens is how many one operator may have.
	maxPersonalTokens = 100
	// maxPersonalLifetime bounds what can be asked for; forever is asked for by leaving the expiry out.
	maxPersonalLifetime = 100 * 365 * 24 * time.Hour
	maxTokenName        = 64
)

// authenticatePersonal is Authenticate for a token of an operator's own making.
func (s *Service) authenticatePersonal(ctx context.Context, bearer string) (Operator, error) {
	token, err := s.personal(ctx, bearer)
	if err != nil {
		return Operator{}, err
	}
	found, err := s.standing(ctx, token.OperatorName, token.Operator)
	if err != nil {
		return Operator{}, err
	}
	if token.Epoch != found.TokenEpoch {
		return Operator{}, unusable("it ended when somebody else set the password")
	}
	if now := s.now(); now.Sub(token.LastUsedAt) >= usedEvery {
		if err := s.Store.PersonalTokens().Used(ctx, token.Hash, now); err != nil {
			s.Logger.WarnContext(ctx, "use of a token not noted", "user", found.Name, "err", err)
		}
	}
	o := identity(found, token.ID)
	o.Personal = true
	return o, nil
}

// personal returns a token that has not expired.
func (s *Service) personal(ctx context.Context, bearer string) (*store.PersonalToken, error) {
	token, err := s.Store.PersonalTokens().Get(ctx, secret.HashToken(bearer))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, unusable("there is none like it")
	case err != nil:
		return nil, fmt.Errorf("personal token: %w", err)
	case !token.ExpiresAt.IsZero() && !s.Now().Before(token.ExpiresAt):
		return nil, unusable("it has expired")
	}
	return token, nil
}

func (s *Service) revokePersonal(ctx context.Context, bearer string) error {
	token, err := s.personal(ctx, bearer)
	if err != nil {
		return err
	}
	return s.deleteToken(ctx, token.Operator, token.OperatorName, token.ID)
}

// Tokens returns the tokens that an operator has made, the oldest first.
func (s *Service) Tokens(ctx context.Context, id string) ([]*store.PersonalToken, error) {
	if _, err := s.operator(ctx, id); err != nil {
		return nil, err
	}
	return s.Store.PersonalTokens().List(ctx, id)
}

// NewToken makes a token for an operator and returns it this once. A zero expiry means that it does not expire. Only a
// caller who has signed in gets one, for themselves or for a service account (fault.Denied).
func (s *Service) NewToken(ctx context.Context, id, name string, expires time.Time) (*store.PersonalToken, string, error) {
	target, err := s.operator(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if err := s.mayManage(ctx, target); err != nil {
		return nil, "", err
	}
	if err := mayMakeToken(ctx, target); err != nil {
		return nil, "", err
	}
	name = strings.TrimSpace(name)
	if err := firstOf(required("name", name), bounded("name", name, maxTokenName)); err != nil {
		return nil, "", err
	}
	now := s.now()
	if !expires.IsZero() && (!expires.After(now) || expires.Sub(now) > maxPersonalLifetime) {
		return nil, "", broken("expiresAt", "must be in the future, at most 100 years")
	}
	present, err := s.Store.PersonalTokens().List(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if len(present) >= maxPersonalTokens {
		return nil, "", fault.Invalidf("Too many tokens. Cannot create more than %d tokens", maxPersonalTokens)
	}
	plain := personalPrefix + secret.NewToken()
	made := &store.PersonalToken{
		Hash: secret.HashToken(plain), ID: secret.NewID(), Operator: target.ID, OperatorName: target.Name, Name: name,
		Epoch: target.TokenEpoch, ExpiresAt: expires, CreatedAt: now,
	}
	if err := s.Store.PersonalTokens().Insert(ctx, made); err != nil {
		return nil, "", err
	}
	s.record(ctx, Change{Action: actionCreate, Kind: kindToken, ID: made.ID, Name: target.Name + ": " + name, After: tokenTree(made)})
	return made, plain, nil
}

// mayMakeToken keeps a token from living on in others that it made, and people from acting in the name of other people.
func mayMakeToken(ctx context.Context, target *store.Operator) error {
	caller, ok := From(ctx)
	switch {
	case !ok:
		return nil
	case caller.Personal:
		return fault.Deniedf("A personal token can not make tokens. Sign in to make one")
	case caller.ID != target.ID && !target.ServiceAccount:
		return fault.Deniedf("User [%s] is no service account: only they can make tokens for themselves", target.Name)
	}
	return nil
}

// DeleteToken ends a token at once.
func (s *Service) DeleteToken(ctx context.Context, id, token string) error {
	target, err := s.operator(ctx, id)
	if err != nil {
		return err
	}
	if err := s.mayManage(ctx, target); err != nil {
		return err
	}
	return s.deleteToken(ctx, target.ID, target.Name, token)
}

func (s *Service) deleteToken(ctx context.Context, operator, name, token string) error {
	err := s.Store.PersonalTokens().Delete(ctx, operator, token)
	if errors.Is(err, store.ErrNotFound) {
		return fault.NotFoundf("Token [%s] can not be found.", token)
	}
	if err == nil {
		s.record(ctx, Change{Action: actionDelete, Kind: kindToken, ID: token, Name: name})
	}
	return err
}
