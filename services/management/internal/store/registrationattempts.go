package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const registrationAttemptsCollection = "registration_attempts"

// RegistrationAttempt is a registration that may be asked for again.
type RegistrationAttempt struct {
	// ID tells attempts apart: a hash of who asks and of the key that they chose.
	ID     string `bson:"_id"`
	Domain string `bson:"domain"`
	// Fingerprint is a hash of what is asked for.
	Fingerprint string `bson:"fingerprint"`
	// Application is the identifier of the application that the attempt makes, chosen before it is made.
	Application string `bson:"application"`
	// Answer is what was answered, sealed; empty while the attempt is under way.
	Answer string `bson:"answer,omitempty"`
	// BegunAt is when somebody last began to make it; zero if that ended without an answer.
	BegunAt time.Time `bson:"begunAt"`
	// ExpiresAt is when the attempt is forgotten.
	ExpiresAt time.Time `bson:"expiresAt"`
	Revision  int64     `bson:"revision"`
}

// RegistrationAttempts keeps what registrations were answered for a while, so that an answer that was lost can be asked for
// again.
type RegistrationAttempts struct {
	docs documents[RegistrationAttempt]
}

// RegistrationAttempts returns the attempts.
func (s *Store) RegistrationAttempts() *RegistrationAttempts {
	return &RegistrationAttempts{documents[RegistrationAttempt]{s, registrationAttemptsCollection}}
}

// attemptSealedAt binds a sealed answer to its attempt.
func attemptSealedAt(id string) string { return "gatehouse.registration_attempts/" + id }

// Get returns an attempt, or ErrNotFound. One whose time is over may still be there.
func (a *RegistrationAttempts) Get(ctx context.Context, id string) (*RegistrationAttempt, error) {
	return a.docs.get(ctx, id)
}

// Put stores what was read with Get and changed since, or is new and has no revision. It returns ErrStale where somebody else
// was faster.
func (a *RegistrationAttempts) Put(ctx context.Context, fresh *RegistrationAttempt) error {
	was := fresh.Revision
	fresh.Revision++
	fresh.BegunAt, fresh.ExpiresAt = fresh.BegunAt.UTC(), fresh.ExpiresAt.UTC()
	if was == 0 {
		err := a.docs.insert(ctx, fresh.ID, fresh)
		if errors.Is(err, ErrDuplicate) {
			return ErrStale
		}
		return err
	}
	return a.docs.replace(ctx, bson.M{"_id": fresh.ID, "revision": was}, fresh)
}

// Forget removes an attempt that came to nothing, unless somebody else has begun it again.
func (a *RegistrationAttempts) Forget(ctx context.Context, attempt *RegistrationAttempt) error {
	return a.docs.removeMany(ctx, bson.M{"_id": attempt.ID, "revision": attempt.Revision})
}

// Seal makes an answer of a text that nobody but Open reads.
func (a *RegistrationAttempts) Seal(id string, plain []byte) string {
	return a.docs.s.opts.Sealer.Seal(attemptSealedAt(id), plain)
}

// Open returns the text of an attempt's answer.
func (a *RegistrationAttempts) Open(attempt *RegistrationAttempt) ([]byte, error) {
	plain, err := a.docs.s.opts.Sealer.Open(attemptSealedAt(attempt.ID), attempt.Answer)
	if err != nil {
		return nil, fmt.Errorf("the kept answer of a registration: %w", err)
	}
	return plain, nil
}

// pruneRegistrationAttempts removes attempts whose time is over.
func (s *Store) pruneRegistrationAttempts(ctx context.Context) error {
	return s.RegistrationAttempts().docs.removeMany(ctx, bson.M{"expiresAt": bson.M{"$lte": s.now().UTC()}})
}

// removeRegistrationRecords forgets what is kept about the registrations of a domain.
func (s *Store) removeRegistrationRecords(ctx context.Context, domain string) error {
	return errors.Join(
		s.RegistrationAttempts().docs.removeMany(ctx, bson.M{"domain": domain}),
		s.RegistrationTokens().docs.removeMany(ctx, bson.M{"domain": domain}),
		s.RegistrationSeats().docs.removeMany(ctx, bson.M{"_id": domain}),
		s.ClientUses().docs.removeMany(ctx, bson.M{"domain": domain}),
		s.ClientUses().EndKeeping(ctx, domain),
		s.BindingTallies().docs.removeMany(ctx, bson.M{"domain": domain}),
	)
}
