package directory

import (
	"context"
	"net/http"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/subject"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
)

// consentID names a decision: it is made of what makes the decision unique, so that it needs no place of its own.
func consentID(user, clientID, scope string) string {
	return subject.Of("consent", user+"\n"+clientID+"\n"+scope)
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

// ForgetConsents forgets what somebody decided about one client or, for "", about all, and ends what those clients were
// given by it.
func (s *Service) ForgetConsents(ctx context.Context, domain, id, clientID string) error {
	if _, err := s.Get(ctx, domain, id); err != nil {
		return err
	}
	clients, err := s.store.Consents().Empty(ctx, domain, id, clientID)
	if err != nil {
		return err
	}
	return s.withdraw(ctx, domain, id, clients...)
}

// ForgetConsent forgets one of somebody's decisions. What its client was given ends as well, as it may hold the scope.
func (s *Service) ForgetConsent(ctx context.Context, domain, id, consent string) error {
	one, err := s.UserConsent(ctx, domain, id, consent)
	if err != nil {
		return err
	}
	if err := s.store.Consents().ForgetScope(ctx, domain, id, one.GetClientId(), one.GetScope()); err != nil {
		return err
	}
	return s.withdraw(ctx, domain, id, one.GetClientId())
}

// maxWithdrawals is how many withdrawals of one person are remembered, the latest ones.
const maxWithdrawals = 1000

// withdraw notes that clients have lost what somebody allowed them up to now; gateways learn it with the person. It comes
// after the decisions are gone: nothing can be given by them any more, so that all that was is older.
func (s *Service) withdraw(ctx context.Context, domain, id string, clients ...string) error {
	_, err := s.change(ctx, domain, id, 0, actionForgetConsent, func(old *directoryv1.User) (*directoryv1.User, error) {
		next := proto.CloneOf(old)
		if next.Withdrawals == nil {
			next.Withdrawals = map[string]*timestamppb.Timestamp{}
		}
		for _, c := range clients {
			next.Withdrawals[c] = timestamppb.New(s.now())
		}
		for len(next.Withdrawals) > maxWithdrawals {
			delete(next.Withdrawals, oldest(next.Withdrawals))
		}
		return next, nil
	})
	return err
}

func oldest(withdrawals map[string]*timestamppb.Timestamp) (client string) {
	for c, at := range withdrawals {
		if client == "" || at.AsTime().Before(withdrawals[client].AsTime()) {
			client = c
		}
	}
	return client
}

// OwnConsents returns somebody's unexpired decisions by client, for themselves.
func (s *Service) OwnConsents(ctx context.Context, domain, id string) ([]*directoryv1.ListConsentsResponse_Client, error) {
	if err := required("domain", domain, "user", id); err != nil {
		return nil, err
	}
	decided, err := s.store.Consents().OfUser(ctx, domain, id)
	if err != nil {
		return nil, err
	}
	var list []*directoryv1.ListConsentsResponse_Client
	for _, d := range decided {
		if len(list) == 0 || list[len(list)-1].GetClientId() != d.ClientID {
			list = append(list, &directoryv1.ListConsentsResponse_Client{ClientId: d.ClientID})
		}
		last := list[len(list)-1]
		last.Consents = append(last.Consents, d.Consent)
	}
	return list, nil
}

// WithdrawOwn is ForgetConsents by the person themselves, about one client.
func (s *Service) WithdrawOwn(ctx context.Context, domain, id, clientID string) error {
	if err := required("domain", domain, "user", id, "clientId", clientID); err != nil {
		return err
	}
	user, err := s.Get(ctx, domain, id)
	if err != nil {
		return err
	}
	return s.ForgetConsents(asUser(ctx, user), domain, id, clientID)
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
