package directory

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
)

// consentID names a decision: it is made of what makes the decision unique, so that it needs no place of its own.
func consentID(user, clientID, scope string) string {
	return uuid.NewSHA1(subjects, []byte("consent:"+user+"\n"+clientID+"\n"+scope)).String()
}

// UserConsents returns somebody's unexpired decisions, about one client or, for "", about all, by client and in the order
// in which they were first made.
func (s *Service) UserConsents(ctx context.Context, domain, id, clientID string) ([]*managementv1.UserConsent, error) {
	if _, err := s.Get(ctx, domain, id); err != nil {
		return nil, err
	}
	decided, err := s.store.Consents().OfUser(ctx, domain, id)
	if err != nil {
		return nil, err
	}
	var list []*managementv1.UserConsent
	for _, d := range decided {
		if clientID != "" && d.ClientID != clientID {
			continue
		}
		one := &managementv1.UserConsent{
			Id: consentID(id, d.ClientID, d.Consent.GetScope()), UserId: id, ClientId: d.ClientID, Scope: d.Consent.GetScope(),
			Status: managementv1.UserConsent_DENIED, UpdatedAt: d.Consent.GetUpdatedAt(), ExpiresAt: d.Consent.GetExpiresAt(),
		}
		if d.Consent.GetApproved() {
			one.Status = managementv1.UserConsent_APPROVED
		}
		list = append(list, one)
	}
	return list, nil
}

// UserConsent returns one of somebody's decisions.
func (s *Service) UserConsent(ctx context.Context, domain, id, consent string) (*managementv1.UserConsent, error) {
	all, err := s.UserConsents(ctx, domain, id, "")
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.GetId() == consent {
			return one, nil
		}
	}
	return nil, fault.NotFoundf("Consent [%s] can not be found.", consent)
}

// ForgetConsents forgets what somebody decided about one client or, for "", about all.
func (s *Service) ForgetConsents(ctx context.Context, domain, id, clientID string) error {
	user, err := s.Get(ctx, domain, id)
	if err != nil {
		return err
	}
	if clientID == "" {
		err = s.store.Consents().DeleteUser(ctx, domain, id)
	} else {
		err = s.store.Consents().Forget(ctx, domain, id, clientID)
	}
	if err == nil {
		s.record(ctx, actionForgetConsent, user, user)
	}
	return err
}

// ForgetConsent forgets one of somebody's decisions.
func (s *Service) ForgetConsent(ctx context.Context, domain, id, consent string) error {
	one, err := s.UserConsent(ctx, domain, id, consent)
	if err != nil {
		return err
	}
	user, err := s.Get(ctx, domain, id)
	if err != nil {
		return err
	}
	if err := s.store.Consents().ForgetScope(ctx, domain, id, one.GetClientId(), one.GetScope()); err != nil {
		return err
	}
	s.record(ctx, actionForgetConsent, user, user)
	return nil
}

func (h *users) listConsents(w http.ResponseWriter, r *http.Request) error {
	list, err := h.service.UserConsents(r.Context(), r.PathValue("domain"), r.PathValue("user"), r.URL.Query().Get("clientId"))
	if err != nil {
		return err
	}
	return answerList(h, w, list)
}

func (h *users) removeConsents(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.ForgetConsents(r.Context(), r.PathValue("domain"), r.PathValue("user"), r.URL.Query().Get("clientId")))
}

func (h *users) readConsent(w http.ResponseWriter, r *http.Request) error {
	one, err := h.service.UserConsent(r.Context(), r.PathValue("domain"), r.PathValue("user"), r.PathValue("consent"))
	if err != nil {
		return err
	}
	return h.answerTree(w, one)
}

func (h *users) removeConsent(w http.ResponseWriter, r *http.Request) error {
	return h.done(w, h.service.ForgetConsent(r.Context(), r.PathValue("domain"), r.PathValue("user"), r.PathValue("consent")))
}
