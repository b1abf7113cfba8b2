package directory

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer"
)

// Post carries e-mails: *mailer.Mailer.
type Post interface {
	// Ask writes an errand down, of which Letters makes e-mails later.
	Ask(ctx context.Context, e mailer.Errand) error
}

// The purposes of errands.
const (
	purposeRegistration = "registration"
	purposeInvitation   = "registration_confirmation"
	purposeForgot       = "forgot_password"
	purposeLocked       = "blocked_account"
)

// Purposes are those of all errands, for metrics.
func Purposes() []string {
	return []string{purposeRegistration, purposeInvitation, purposeForgot, purposeLocked}
}

// errand is what is written down of a request. Who is meant is looked up when it is worked out.
type errand struct {
	// Seed is what the tokens of tickets follow from.
	Seed   []byte          `json:"seed"`
	Sender json.RawMessage `json:"sender"`
	// User is the identifier of who is invited, or the whole of who is to be made.
	User    string          `json:"user,omitempty"`
	NewUser json.RawMessage `json:"newUser,omitempty"`
	// Login is a name or an address that somebody entered, Sources where they may come from.
	Login   string   `json:"login,omitempty"`
	Sources []string `json:"sources,omitempty"`
}

// ask writes an errand down.
func (s *Service) ask(ctx context.Context, domain, purpose string, sender *directoryv1.Sender, e errand) error {
	if s.post == nil {
		return mailer.ErrOff
	}
	var err error
	if e.Sender, err = protojson.Marshal(sender); err != nil {
		return err
	}
	e.Seed = secret.NewKey()
	return s.post.Ask(ctx, mailer.Errand{Domain: domain, User: e.User, Purpose: purpose, Content: e})
}

// Letters implements mailer.Author.
func (s *Service) Letters(ctx context.Context, _, domain, purpose string, content []byte) ([]mailer.Letter, error) {
	var e errand
	sender := new(directoryv1.Sender)
	if err := json.Unmarshal(content, &e); err != nil {
		return nil, fmt.Errorf("errand %s: %w", purpose, err)
	}
	if err := protojson.Unmarshal(e.Sender, sender); err != nil {
		return nil, fmt.Errorf("errand %s: %w", purpose, err)
	}
	at, err := s.setting(ctx, domain, sender.GetApplication())
	if err != nil {
		return nil, err
	}
	w := &writer{Service: s, at: at, sender: sender, seed: e.Seed}
	switch purpose {
	case purposeRegistration:
		user := new(directoryv1.User)
		if err := protojson.Unmarshal(e.NewUser, user); err != nil {
			return nil, fmt.Errorf("errand %s: %w", purpose, err)
		}
		return w.register(ctx, user)
	case purposeInvitation:
		return w.invite(ctx, e.User)
	case purposeForgot:
		return w.forgot(ctx, e.Login, e.Sources)
	case purposeLocked:
		return w.locked(ctx, e.Login, e.Sources)
	}
	return nil, fmt.Errorf("errand %s: unknown", purpose)
}

// one makes a list of a letter.
func one(l mailer.Letter, err error) ([]mailer.Letter, error) {
	if err != nil {
		return nil, err
	}
	return []mailer.Letter{l}, nil
}

// encodeUser writes somebody down who is to be made.
func encodeUser(u *directoryv1.User) (json.RawMessage, error) {
	return protojson.Marshal(proto.Message(u))
}
