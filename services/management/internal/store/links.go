package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const linksCollection = "links"

// Links keeps by which identities of other providers people sign in to the accounts they have: one document for an identity, so
// that it leads to one account, whoever links it and however often.
type Links struct{ s *Store }

// Links returns the identities that lead to accounts.
func (s *Store) Links() *Links { return &Links{s} }

// Link is an identity of a provider that leads to an account.
type Link struct {
	// ID is made of the domain and the identity's subject.
	ID      string `bson:"_id"`
	Domain  string `bson:"domain"`
	Subject string `bson:"subject"`
	// User is the id of the account.
	User       string    `bson:"user"`
	Source     string    `bson:"source"`
	ExternalID string    `bson:"externalId"`
	Username   string    `bson:"username"`
	Email      string    `bson:"email"`
	LinkedAt   time.Time `bson:"linkedAt"`
	LoggedAt   time.Time `bson:"loggedAt"`
}

func (l *Links) docs() documents[Link] { return documents[Link]{l.s, linksCollection} }

func linkID(domain, subject string) string { return domain + "/" + subject }

// Add stores a link. One of the same identity is a *DuplicateError.
func (l *Links) Add(ctx context.Context, link Link) error {
	link.ID = linkID(link.Domain, link.Subject)
	return l.docs().insert(ctx, link.ID, &link)
}

// Find returns the link of an identity by its subject, or ErrNotFound.
func (l *Links) Find(ctx context.Context, domain, subject string) (*Link, error) {
	return l.docs().get(ctx, linkID(domain, subject))
}

// Note changes what is known of an identity that is linked; one that is not any more stays so.
func (l *Links) Note(ctx context.Context, link Link) error {
	_, err := l.docs().collection().UpdateOne(ctx, bson.M{"_id": linkID(link.Domain, link.Subject)}, bson.M{"$set": bson.M{
		"username": link.Username, "email": link.Email, "loggedAt": link.LoggedAt,
	}})
	return l.s.fail(ctx, err)
}

// OfUsers returns the links of people, the oldest first, by the people's identifiers.
func (l *Links) OfUsers(ctx context.Context, domain string, users []string) (map[string][]Link, error) {
	links := make(map[string][]Link, len(users))
	if len(users) == 0 {
		return links, nil
	}
	found, _, err := l.docs().find(ctx, bson.M{"domain": domain, "user": bson.M{"$in": users}}, bson.D{{Key: "linkedAt", Value: 1}, {Key: "_id", Value: 1}}, 0, 0)
	if err != nil {
		return nil, err
	}
	for _, one := range found {
		links[one.User] = append(links[one.User], *one)
	}
	return links, nil
}

// Remove forgets the link of an identity. To have forgotten it before is fine.
func (l *Links) Remove(ctx context.Context, domain, subject string) error {
	return l.docs().removeMany(ctx, bson.M{"_id": linkID(domain, subject)})
}

// RemoveUser forgets all links to an account.
func (l *Links) RemoveUser(ctx context.Context, domain, user string) error {
	return l.docs().removeMany(ctx, bson.M{"domain": domain, "user": user})
}

// RemoveSource forgets all links of a provider.
func (l *Links) RemoveSource(ctx context.Context, domain, source string) error {
	return l.docs().removeMany(ctx, bson.M{"domain": domain, "source": source})
}
