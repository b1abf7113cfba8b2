package browser

import (
	"context"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// People knows who may still be signed in; *tokens.People does.
type People interface {
	SignedOut(ctx context.Context, domain string, s *state.Session) bool
}

// Find loads the session as Load does, and closes it if it is over: its person was deleted or disabled meanwhile, or has set
// another password. Pages that let somebody decide or see anything as who they are begin with it.
func (v *Visit) Find(ctx context.Context, sessions Sessions, people People) error {
	if err := v.Load(ctx, sessions); err != nil {
		return err
	}
	if v.Session == nil || !people.SignedOut(ctx, v.d.ID, v.Session) {
		return nil
	}
	_, err := v.Close(ctx, sessions)
	return err
}
