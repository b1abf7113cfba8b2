package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const attemptsCollection = "signin_attempts"

// Attempt is how often signing in was tried in one way lately.
type Attempt struct {
	// Key tells the ways apart; it is a hash, because people type passwords into the wrong field.
	Key   string    `bson:"_id"`
	Count int       `bson:"count"`
	Last  time.Time `bson:"last"`
	// Until is the time before which no further attempt is made; zero means none.
	Until time.Time `bson:"until"`
	// ExpiresAt is when all this is forgotten.
	ExpiresAt time.Time `bson:"expiresAt"`
	Revision  int64     `bson:"revision"`
}

// Attempts keeps attempts to sign in, so that all replicas count together.
type Attempts struct{ docs documents[Attempt] }

// Attempts returns the attempts to sign in.
func (s *Store) Attempts() *Attempts { return &Attempts{documents[Attempt]{s, attemptsCollection}} }

// Get returns what is known under a key; nothing is an Attempt without a revision.
func (a *Attempts) Get(ctx context.Context, key string) (Attempt, error) {
	found, err := a.docs.get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return Attempt{Key: key}, nil
	}
	if err != nil {
		return Attempt{}, err
	}
	return *found, nil
}

// Put stores what was read with Get and changed since, or returns ErrStale where another replica was faster.
func (a *Attempts) Put(ctx context.Context, fresh Attempt) error {
	was := fresh.Revision
	fresh.Revision++
	if was == 0 {
		err := a.docs.insert(ctx, fresh.Key, &fresh)
		if errors.Is(err, ErrDuplicate) {
			return ErrStale
		}
		return err
	}
	return a.docs.replace(ctx, bson.M{"_id": fresh.Key, "revision": was}, &fresh)
}
