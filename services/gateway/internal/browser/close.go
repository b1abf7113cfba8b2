package browser

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Left is a client of a session that has ended.
type Left struct {
	Client *domain.Client
	// SessionID is the name by which the client knows the session.
	SessionID string
}

// Close ends the session for good, if there is one: its codes and the refresh tokens issued without offline_access end with
// it, and the clients that want to hear of it by logout tokens will. It returns those that the session signed in to and that
// are still there.
func (v *Visit) Close(ctx context.Context, sessions Sessions) ([]Left, error) {
	s := v.Session
	if s == nil {
		return nil, v.SignOut(ctx, sessions)
	}
	known, err := sessions.SessionClients(ctx, v.cookie, v.d.ID)
	if err != nil {
		return nil, fmt.Errorf("clients of session: %w", err)
	}
	left, err := end(ctx, sessions, v.d, s, known, func(notices []state.Notice) (state.SessionClients, error) {
		return sessions.CloseSession(ctx, v.cookie, s, known, notices)
	})
	if err != nil {
		return nil, err
	}
	v.Session, v.looked = nil, true
	v.become(newVisitor())
	return left, nil
}

// CloseListed ends a session of another browser, as Close does. One that has ended already is no error.
func CloseListed(ctx context.Context, sessions Sessions, d *domain.Domain, one state.PersonSession) error {
	s, err := sessions.ListedSession(ctx, d.ID, one)
	switch {
	case errors.Is(err, state.ErrUnknown):
		return nil
	case err != nil:
		return fmt.Errorf("load session: %w", err)
	}
	known, err := sessions.ListedClients(ctx, one)
	if err != nil {
		return fmt.Errorf("clients of session: %w", err)
	}
	_, err = end(ctx, sessions, d, &s, known, func(notices []state.Notice) (state.SessionClients, error) {
		return sessions.CloseListed(ctx, one, &s, known, notices)
	})
	return err
}

// CloseAll ends the sessions of a person in a domain whose names spares does not hold, as Close does. A session that is signed
// in to again meanwhile is met in its new place.
func CloseAll(ctx context.Context, sessions Sessions, d *domain.Domain, subject string, spares func(id string) bool) error {
	for range 3 {
		all, err := sessions.PersonSessions(ctx, d.ID, subject)
		if err != nil {
			return fmt.Errorf("sessions of person: %w", err)
		}
		all = slices.DeleteFunc(all, func(one state.PersonSession) bool { return spares != nil && spares(one.ID) })
		if len(all) == 0 {
			return nil
		}
		for _, one := range all {
			if err := CloseListed(ctx, sessions, d, one); err != nil {
				return err
			}
		}
	}
	return nil
}

// end ends a session by finish, and sees to it that its clients are told.
func end(
	ctx context.Context, sessions Sessions, d *domain.Domain, s *state.Session, known state.SessionClients,
	finish func(notices []state.Notice) (state.SessionClients, error),
) ([]Left, error) {
	left, notices := leave(ctx, d, s, known.List)
	late, err := finish(notices)
	if err != nil {
		return nil, fmt.Errorf("end session: %w", err)
	}
	more, notices := leave(ctx, d, s, late.List)
	if len(notices) > 0 {
		if err := sessions.QueueNotices(ctx, notices); err != nil {
			return nil, fmt.Errorf("queue logout tokens: %w", err)
		}
	}
	return append(left, more...), nil
}

// leave looks up the clients of a session, and makes the notices for those that want one. An application that is not there
// any more, or whose name another one has taken, is told nothing.
func leave(ctx context.Context, d *domain.Domain, s *state.Session, list []state.SessionClient) (left []Left, notices []state.Notice) {
	for _, one := range list {
		c, err := d.Client(ctx, one.ClientID)
		gone := errors.Is(err, domain.ErrNoClient) || err == nil && c.ID != one.ApplicationID
		if gone {
			continue
		}
		if err == nil {
			left = append(left, Left{Client: c, SessionID: tokens.SessionID(d, c, s.ID)})
		}
		// Where it cannot be found out now what a client wants, whoever delivers the notice will.
		if err != nil || c.Application.GetSettings().GetOauth().GetBackchannelLogoutUri() != "" {
			notices = append(notices, state.Notice{
				ID: secret.NewID(), Domain: d.ID, ApplicationID: one.ApplicationID, ClientID: one.ClientID,
				Person: s.Person.Subject, Session: s.ID,
			})
		}
	}
	return left, notices
}
