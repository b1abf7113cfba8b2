package directory

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Limits of one call that saves decisions.
const (
	maxConsents = 500
	maxScope    = 512 // bytes
)

// Consents returns a user's unexpired decisions about a client. An unknown domain is fault.NotFound; somebody unknown
// has decided nothing.
func (s *Service) Consents(ctx context.Context, domain, user, clientID string) ([]*directoryv1.Consent, error) {
	if err := required("domain", domain, "user", user, "clientId", clientID); err != nil {
		return nil, err
	}
	all, err := s.store.Consents().Get(ctx, domain, user, clientID)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var live []*directoryv1.Consent
	for _, c := range all {
		if c.GetExpiresAt() == nil || now.Before(c.GetExpiresAt().AsTime()) {
			live = append(live, c)
		}
	}
	if live == nil {
		return nil, s.domainExists(ctx, domain)
	}
	return live, nil
}

// SaveConsents records decisions; of each scope the newest counts. An unknown domain, user or client is fault.NotFound.
func (s *Service) SaveConsents(ctx context.Context, domain, user, clientID string, consents []*directoryv1.Consent) error {
	if err := required("domain", domain, "user", user, "clientId", clientID); err != nil {
		return err
	}
	if err := checkConsents(consents); err != nil {
		return err
	}
	if err := s.store.Consents().Save(ctx, domain, user, clientID, consents); err != nil {
		return err
	}
	return s.checkDecider(ctx, domain, user, clientID)
}

// checkDecider returns fault.NotFound unless domain, user and client are there, and forgets what was decided in the name
// of what is not. It looks after decisions were saved and so leaves no gap: whoever deletes a user or a client from
// now on finds them.
func (s *Service) checkDecider(ctx context.Context, domain, user, clientID string) error {
	if err := s.domainExists(ctx, domain); fault.Is(err, fault.NotFound) {
		return errors.Join(err, s.store.RemoveDirectory(ctx, domain))
	} else if err != nil {
		return err
	}
	if _, err := s.store.Users().Get(ctx, domain, user); errors.Is(err, store.ErrNotFound) {
		return errors.Join(userNotFound(user), s.store.Consents().DeleteUser(ctx, domain, user))
	} else if err != nil {
		return err
	}
	key := catalog.DomainKey(domain, clientID)
	if _, err := store.FindByUnique(ctx, s.store, catalog.Applications, "clientId", key); errors.Is(err, store.ErrNotFound) {
		return errors.Join(catalog.Applications.NotFound(clientID), s.store.Consents().DeleteClient(ctx, domain, clientID))
	} else if err != nil {
		return err
	}
	return nil
}

func checkConsents(consents []*directoryv1.Consent) error {
	if len(consents) > maxConsents {
		return fault.Invalidf("[consents: size must be at most %d]", maxConsents).At("consents", "too many")
	}
	for _, c := range consents {
		if err := required("scope", c.GetScope()); err != nil {
			return err
		}
		if err := bounded("scope", c.GetScope(), maxScope); err != nil {
			return err
		}
		if c.GetExpiresAt() != nil && !c.GetExpiresAt().IsValid() {
			return broken("expiresAt", "must be a time")
		}
	}
	return nil
}
