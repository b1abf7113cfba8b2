package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const ticketsCollection = "tickets"

// Ticket is what the link of an e-mail is for. The token in the link is not kept.
type Ticket struct {
	// Hash of the token finds it.
	Hash string `bson:"_id"`
	// Purpose is the word of directoryv1.Ticket_Purpose.
	Purpose string `bson:"purpose"`
	Domain  string `bson:"domain"`
	User    string `bson:"user"`
	// Email is where it was sent to; empty where it was not sent.
	Email string `bson:"email"`
	// Application is the identifier of the one the person came from; may be empty.
	Application string `bson:"application"`
	// Query is that of the authorization request to go on with.
	Query     string    `bson:"query"`
	CreatedAt time.Time `bson:"createdAt"`
	ExpiresAt time.Time `bson:"expiresAt"`
}

// Tickets keeps what links are for until they are used.
type Tickets struct{ docs documents[Ticket] }

// Tickets returns the tickets.
func (s *Store) Tickets() *Tickets { return &Tickets{documents[Ticket]{s, ticketsCollection}} }

// Issue stores a ticket in the place of all others of its person and purpose. It may be repeated.
func (t *Tickets) Issue(ctx context.Context, ticket *Ticket) error {
	if err := t.docs.put(ctx, ticket.Hash, ticket); err != nil {
		return err
	}
	return t.docs.removeMany(ctx, bson.M{
		"domain": ticket.Domain, "user": ticket.User, "purpose": ticket.Purpose, "_id": bson.M{"$ne": ticket.Hash},
	})
}

// Get returns an unexpired ticket of a domain, or ErrNotFound.
func (t *Tickets) Get(ctx context.Context, domain, hash string) (*Ticket, error) {
	found, err := t.docs.one(ctx, bson.M{"_id": hash, "domain": domain})
	if err != nil {
		return nil, err
	}
	if !t.docs.s.now().Before(found.ExpiresAt) {
		return nil, ErrNotFound
	}
	return found, nil
}

// Use deletes a ticket, and reports whether it was there: of several who use it at once one is told so.
func (t *Tickets) Use(ctx context.Context, hash string) (bool, error) {
	return t.docs.remove(ctx, bson.M{"_id": hash})
}

// PutBack stores a ticket again that was used for nothing.
func (t *Tickets) PutBack(ctx context.Context, ticket *Ticket) error {
	return t.docs.put(ctx, ticket.Hash, ticket)
}

// Live reports whether a person has an unexpired ticket of a purpose.
func (t *Tickets) Live(ctx context.Context, domain, user, purpose string) (bool, error) {
	_, err := t.docs.one(ctx, bson.M{
		"domain": domain, "user": user, "purpose": purpose, "expiresAt": bson.M{"$gt": t.docs.s.now().UTC()},
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// RemoveUser deletes the tickets of a person.
func (t *Tickets) RemoveUser(ctx context.Context, domain, user string) error {
	return t.docs.removeMany(ctx, bson.M{"domain": domain, "user": user})
}

// pruneTickets removes tickets whose time is over.
func (s *Store) pruneTickets(ctx context.Context) error {
	return s.Tickets().docs.removeMany(ctx, bson.M{"expiresAt": bson.M{"$lte": s.now().UTC()}})
}
