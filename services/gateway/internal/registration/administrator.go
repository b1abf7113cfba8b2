package registration

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// People knows who may still act for themselves; *tokens.People does.
type People interface {
	// Find returns what the directory says of somebody, or said at most maxAge ago; fault.NotFound if there is nobody.
	Find(ctx context.Context, domain, subject string, maxAge time.Duration) (*tokens.Known, error)
}

// lately is how old an answer of the directory may be about a person for whom an administrator acts.
const lately = time.Second

// administered returns any client of the domain for somebody who holds dcr_admin: the scope is the client's, which operators trust with it.
// A person may stand behind the token.
func (h *Handler) administered(r *http.Request, d *domain.Domain, c *caller, clientID string) (*manager, error) {
	if err := h.stands(r.Context(), d, c); err != nil {
		return nil, err
	}
	m := &manager{administrator: c.client.ClientID, person: c.person}
	var err error
	m.target, err = d.Client(r.Context(), clientID)
	if errors.Is(err, domain.ErrNoClient) {
		m.target, m.disabled, err = h.unserved(r, d, clientID, true)
	}
	switch {
	case errors.Is(err, domain.ErrNoClient):
		return nil, errNoClient
	case err != nil:
		return nil, err
	}
	return m, nil
}

// stands refuses a token whose person is gone or disabled, or has set another password since, or withdrawn what they allowed its client.
func (h *Handler) stands(ctx context.Context, d *domain.Domain, c *caller) error {
	if c.person == "" {
		return nil
	}
	known, err := h.People.Find(ctx, d.ID, c.person, lately)
	switch {
	case fault.Is(err, fault.NotFound):
		return errInvalid.WithCause(err)
	case err != nil:
		return err
	case !known.Enabled, known.PasswordChanged.UnixMilli() > c.issued, known.Withdrew(c.client.ClientID, c.issued):
		return errInvalid
	}
	return nil
}
