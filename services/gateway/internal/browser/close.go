package browser

import (
	"context"
	"errors"
	"fmt"

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
	known, err := sessions.SessionClients(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("clients of session: %w", err)
	}
	left, notices := v.leave(ctx, s, known.List)
	late, err := sessions.CloseSession(ctx, v.cookie, s, known, notices)
	if err != nil {
		return nil, fmt.Errorf("end session: %w", err)
	}
	more, notices := v.leave(ctx, s, late.List)
	if len(notices) > 0 {
		if err := sessions.QueueNotices(ctx, notices); err != nil {
			return nil, fmt.Errorf("queue logout tokens: %w", err)
		}
	}
	v.Session, v.looked = nil, true
	v.become(newVisitor())
	return append(left, more...), nil
}

// leave looks up the clients of a session, and makes the notices for those that want one. An application that is not there
// any more, or whose name another one has taken, is told nothing.
func (v *Visit) leave(ctx context.Context, s *state.Session, list []state.SessionClient) (left []Left, notices []state.Notice) {
	for _, one := range list {
		c, err := v.d.Client(ctx, one.ClientID)
		gone := errors.Is(err, domain.ErrNoClient) || err == nil && c.ID != one.ApplicationID
		if gone {
			continue
		}
		if err == nil {
			left = append(left, Left{Client: c, SessionID: tokens.SessionID(v.d, c, s.ID)})
		}
		// Where it cannot be found out now what a client wants, whoever delivers the notice will.
		if err != nil || c.Application.GetSettings().GetOauth().GetBackchannelLogoutUri() != "" {
			notices = append(notices, state.Notice{
				ID: secret.NewID(), Domain: v.d.ID, ApplicationID: one.ApplicationID, ClientID: one.ClientID,
				Person: s.Person.Subject, Session: s.ID,
			})
		}
	}
	return left, notices
}
