package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const confirmationsCollection = "confirmations"

// Confirmations remember for a while which numbers somebody was told who has to confirm a change.
type Confirmations struct{ docs documents[confirmation] }

// Confirmations returns what people have to confirm.
func (s *Store) Confirmations() *Confirmations {
	return &Confirmations{documents[confirmation]{s, confirmationsCollection}}
}

type confirmation struct {
	ID        string    `bson:"_id"`
	Before    int64     `bson:"before"`
	After     int64     `bson:"after"`
	ExpiresAt time.Time `bson:"expiresAt"`
}

// Put keeps the numbers of a question until a moment, in the place of earlier ones.
func (c *Confirmations) Put(ctx context.Context, id string, before, after int64, until time.Time) error {
	return c.docs.put(ctx, id, &confirmation{ID: id, Before: before, After: after, ExpiresAt: until.UTC()})
}

// Get returns the numbers of a question whose time is not over at a moment, or ErrNotFound.
func (c *Confirmations) Get(ctx context.Context, id string, at time.Time) (before, after int64, err error) {
	found, err := c.docs.get(ctx, id)
	if err != nil {
		return 0, 0, err
	}
	if !at.Before(found.ExpiresAt) {
		return 0, 0, ErrNotFound
	}
	return found.Before, found.After, nil
}

// pruneConfirmations removes questions whose time is over.
func (s *Store) pruneConfirmations(ctx context.Context) error {
	return s.Confirmations().docs.removeMany(ctx, bson.M{"expiresAt": bson.M{"$lte": s.now().UTC()}})
}
