package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/types/known/timestamppb"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

const consentsCollection = "consents"

// Consents keeps what people decided for clients: one document for a user and a client, with one decision a scope.
type Consents struct{ s *Store }

// Consents returns the decisions of people about clients.
func (s *Store) Consents() *Consents { return &Consents{s} }

type consents struct {
	ID        string     `bson:"_id"`
	Domain    string     `bson:"domain"`
	User      string     `bson:"user"`
	ClientID  string     `bson:"clientId"`
	Revision  int64      `bson:"revision"`
	Decisions []decision `bson:"decisions"`
}

type decision struct {
	Scope     string    `bson:"scope"`
	Approved  bool      `bson:"approved"`
	ExpiresAt time.Time `bson:"expiresAt,omitempty"` // zero: never
	UpdatedAt time.Time `bson:"updatedAt"`
}

func (c *Consents) docs() documents[consents] { return documents[consents]{c.s, consentsCollection} }

// consentID joins what makes a document of consents unique. Domain and user are identifiers of ours without slashes.
func consentID(domain, user, clientID string) string { return domain + "/" + user + "/" + clientID }

// Get returns the unexpired decisions of a user about a client, in the order in which they were first made.
func (c *Consents) Get(ctx context.Context, domain, user, clientID string) ([]*directoryv1.Consent, error) {
	doc, err := c.docs().get(ctx, consentID(domain, user, clientID))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := c.s.now()
	var list []*directoryv1.Consent
	for _, d := range doc.Decisions {
		if !d.expired(now) {
			list = append(list, d.message())
		}
	}
	return list, nil
}

func (d decision) expired(now time.Time) bool {
	return !d.ExpiresAt.IsZero() && !now.Before(d.ExpiresAt)
}

func (d decision) message() *directoryv1.Consent {
	m := &directoryv1.Consent{Scope: d.Scope, Approved: d.Approved, UpdatedAt: timestamppb.New(d.UpdatedAt)}
	if !d.ExpiresAt.IsZero() {
		m.ExpiresAt = timestamppb.New(d.ExpiresAt)
	}
	return m
}

// Save records decisions, one per scope; the newest counts. Expired ones are forgotten on the way.
func (c *Consents) Save(ctx context.Context, domain, user, clientID string, made []*directoryv1.Consent) error {
	now := c.s.now().UTC()
	return c.change(ctx, domain, user, clientID, func(doc *consents) {
		doc.Decisions = slices.DeleteFunc(doc.Decisions, func(d decision) bool { return d.expired(now) })
		for _, m := range made {
			d := decision{Scope: m.GetScope(), Approved: m.GetApproved(), UpdatedAt: now}
			if m.GetExpiresAt() != nil {
				d.ExpiresAt = m.GetExpiresAt().AsTime()
			}
			i := slices.IndexFunc(doc.Decisions, func(old decision) bool { return old.Scope == d.Scope })
			if i < 0 {
				doc.Decisions = append(doc.Decisions, d)
			} else {
				doc.Decisions[i] = d
			}
		}
	})
}

// change edits the document of a user and a client, which is made where there is none. Two who edit at once do so one
// after the other.
func (c *Consents) change(ctx context.Context, domain, user, clientID string, edit func(*consents)) error {
	id := consentID(domain, user, clientID)
	for {
		doc, err := c.docs().get(ctx, id)
		if errors.Is(err, ErrNotFound) {
			doc = &consents{ID: id, Domain: domain, User: user, ClientID: clientID, Revision: 1}
			edit(doc)
			err = c.docs().insert(ctx, id, doc)
		} else if err == nil {
			was := doc.Revision
			doc.Revision++
			edit(doc)
			err = c.docs().replace(ctx, bson.M{"_id": id, "revision": was}, doc)
		}
		if !errors.Is(err, ErrStale) && !errors.Is(err, ErrDuplicate) || ctx.Err() != nil {
			return err
		}
	}
}

// DeleteUser forgets everything that a user decided.
func (c *Consents) DeleteUser(ctx context.Context, domain, user string) error {
	return c.docs().removeMany(ctx, bson.M{"domain": domain, "user": user})
}

// DeleteClient forgets everything that was decided about a client.
func (c *Consents) DeleteClient(ctx context.Context, domain, clientID string) error {
	return c.docs().removeMany(ctx, bson.M{"domain": domain, "clientId": clientID})
}

// RemoveScope forgets the decisions about a scope.
func (c *Consents) RemoveScope(ctx context.Context, domain, scope string) error {
	affected, _, err := c.docs().find(ctx, bson.M{"domain": domain, "decisions.scope": scope}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	if err != nil {
		return err
	}
	for _, doc := range affected {
		err := c.change(ctx, doc.Domain, doc.User, doc.ClientID, func(doc *consents) {
			doc.Decisions = slices.DeleteFunc(doc.Decisions, func(d decision) bool { return d.Scope == scope })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Decided is a decision and the client that it is about.
type Decided struct {
	ClientID string
	Consent  *directoryv1.Consent
}

// OfUser returns the unexpired decisions of a user, by client and in the order in which they were first made.
func (c *Consents) OfUser(ctx context.Context, domain, user string) ([]Decided, error) {
	found, _, err := c.docs().find(ctx, bson.M{"domain": domain, "user": user}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	if err != nil {
		return nil, err
	}
	now := c.s.now()
	var all []Decided
	for _, doc := range found {
		for _, d := range doc.Decisions {
			if !d.expired(now) {
				all = append(all, Decided{ClientID: doc.ClientID, Consent: d.message()})
			}
		}
	}
	return all, nil
}

// Empty forgets what a user decided about one client or, for "", about all, and returns the clients that there were ever
// decisions about. It returns them again where it is repeated, so that what follows can be repeated as well.
func (c *Consents) Empty(ctx context.Context, domain, user, clientID string) ([]string, error) {
	known := []string{clientID}
	if clientID == "" {
		found, _, err := c.docs().find(ctx, bson.M{"domain": domain, "user": user}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
		if err != nil {
			return nil, err
		}
		known = nil
		for _, doc := range found {
			known = append(known, doc.ClientID)
		}
	} else if _, err := c.docs().get(ctx, consentID(domain, user, clientID)); errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for _, client := range known {
		if err := c.change(ctx, domain, user, client, func(doc *consents) { doc.Decisions = nil }); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// ForgetScope forgets what a user decided about one scope of a client.
func (c *Consents) ForgetScope(ctx context.Context, domain, user, clientID, scope string) error {
	return c.change(ctx, domain, user, clientID, func(doc *consents) {
		doc.Decisions = slices.DeleteFunc(doc.Decisions, func(d decision) bool { return d.Scope == scope })
	})
}
