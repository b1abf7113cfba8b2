package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
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
	Query string `bson:"query"`
	// Tries is how often somebody has entered a password that had to be known.
	Tries     int       `bson:"tries"`
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

// Try counts a try of a ticket, and returns the ticket as it is then. ErrNotFound: it is gone, or was tried as often as it may be.
func (t *Tickets) Try(ctx context.Context, hash string, most int) (*Ticket, error) {
	doc := new(Ticket)
	err := t.docs.collection().FindOneAndUpdate(ctx,
		bson.M{"_id": hash, "tries": bson.M{"$not": bson.M{"$gte": most}}}, // tickets of before this was counted have none
		bson.M{"$inc": bson.M{"tries": 1}}, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(doc)
	if err != nil {
		return nil, t.docs.s.fail(ctx, err)
	}
	return doc, nil
}

// Untry takes back a try that came to nothing.
func (t *Tickets) Untry(ctx context.Context, hash string) error {
	_, err := t.docs.collection().UpdateOne(ctx, bson.M{"_id": hash}, bson.M{"$inc": bson.M{"tries": -1}})
	return t.docs.s.fail(ctx, err)
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
