package store

import (
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

const (
	usersCollection = "users"

	uniqueUsername = "username"
	uniqueSubject  = "subject"
)

// Users keeps the people of all domains. The revision of a user counts that user's changes and has nothing to do with
// the log.
type Users struct{ s *Store }

// Users returns the directory's people.
func (s *Store) Users() *Users { return &Users{s} }

var userTraits = traits{
	collection: usersCollection,
	kind:       "user",
	fresh:      func() resource.Resource { return &directoryv1.User{} },
	unique: func(r resource.Resource) []catalog.UniqueValue {
		u := r.(*directoryv1.User)
		return []catalog.UniqueValue{
			{Name: uniqueUsername, Value: usernameKey(u.GetDomain(), u.GetSource(), u.GetUsername())},
			{Name: uniqueSubject, Value: catalog.DomainKey(u.GetDomain(), u.GetSubject())},
		}
	},
	sort:   userSortKey,
	search: userTexts,
	more:   userKeys,
}

func userSortKey(r resource.Resource) string {
	return strings.ToLower(r.(*directoryv1.User).GetUsername())
}

func userTexts(r resource.Resource) []string {
	u := r.(*directoryv1.User)
	return []string{u.GetUsername(), u.GetEmail(), u.GetDisplayName(), u.GetFirstName(), u.GetLastName()}
}

// usernameKey makes a user name unique per source, in any case.
func usernameKey(domain, source, username string) string {
	return domain + "/" + source + "/" + strings.ToLower(username)
}

// Insert stores a new user at revision 1. The name of a *DuplicateError is "username" or "subject".
func (u *Users) Insert(ctx context.Context, user *directoryv1.User) error {
	if err := u.s.touching(ctx, user.GetDomain(), user.GetId()); err != nil {
		return err
	}
	return u.s.insert(ctx, userTraits, user, 1, false)
}

// Replace stores fresh in the place of old, at old's revision plus one, or returns ErrStale or ErrNotFound.
func (u *Users) Replace(ctx context.Context, old, fresh *directoryv1.User) error {
	if !sketchedAlike(old, fresh) {
		if err := u.s.touching(ctx, old.GetDomain(), old.GetId()); err != nil {
			return err
		}
	}
	return u.s.replace(ctx, userTraits, old, fresh, old.GetRevision()+1)
}

// Get returns a user of a domain, or ErrNotFound.
func (u *Users) Get(ctx context.Context, domain, id string) (*directoryv1.User, error) {
	return u.one(ctx, bson.M{"_id": id, "domain": domain})
}

// FindByUsername returns the user of a source with a name in any case, or ErrNotFound.
func (u *Users) FindByUsername(ctx context.Context, domain, source, username string) (*directoryv1.User, error) {
	return u.one(ctx, bson.M{memberUnique + uniqueUsername: usernameKey(domain, source, username)})
}

// FindBySubject returns the user whose tokens carry a subject, or ErrNotFound.
func (u *Users) FindBySubject(ctx context.Context, domain, subject string) (*directoryv1.User, error) {
	return u.one(ctx, bson.M{memberUnique + uniqueSubject: catalog.DomainKey(domain, subject)})
}

func (u *Users) one(ctx context.Context, filter bson.M) (*directoryv1.User, error) {
	r, err := u.s.one(ctx, userTraits, filter)
	if err != nil {
		return nil, err
	}
	return r.(*directoryv1.User), nil
}

// FindByEmail returns up to most users of a domain with an address in any case, in the order of their names.
func (u *Users) FindByEmail(ctx context.Context, domain, email string, most int) ([]*directoryv1.User, error) {
	return u.find(ctx, bson.M{"domain": domain, memberEmail: strings.ToLower(email)}, options.Find().SetSort(userOrder).SetLimit(int64(most)))
}

// Delete removes a user, what the user consented to, the user's memberships and what e-mails to them are for, or returns
// ErrNotFound.
func (u *Users) Delete(ctx context.Context, domain, id string) error {
	if err := u.s.touching(ctx, domain, id); err != nil {
		return err
	}
	result, err := u.s.db.Collection(usersCollection).DeleteOne(ctx, bson.M{"_id": id, "domain": domain})
	if err != nil {
		return u.s.fail(ctx, err)
	}
	if result.DeletedCount == 0 {
		return ErrNotFound
	}
	return errors.Join(u.s.Consents().DeleteUser(ctx, domain, id), u.s.Memberships().RemoveUser(ctx, domain, id),
		u.s.Links().RemoveUser(ctx, domain, id),
		u.s.Tickets().RemoveUser(ctx, domain, id), u.s.Mails().RemoveUser(ctx, domain, id))
}

// RemoveDirectory deletes all people of a domain that is gone, their consents and memberships, and what else is kept beside its
// configuration. What somebody is importing stays: its domain is still to come.
func (s *Store) RemoveDirectory(ctx context.Context, domain string) error {
	return s.unimported(ctx, domain, func() error { return s.removeDirectory(ctx, domain) })
}

func (s *Store) removeDirectory(ctx context.Context, domain string) error {
	if err := s.touching(ctx, domain); err != nil {
		return err
	}
	if err := errors.Join(s.removeSecretRecords(ctx, domain), s.removeRegistrationRecords(ctx, domain)); err != nil {
		return err
	}
	if err := s.Consents().docs().removeMany(ctx, bson.M{"domain": domain}); err != nil {
		return err
	}
	if err := errors.Join(
		s.Icons().docs.removeMany(ctx, bson.M{"domain": domain}), s.Tickets().docs.removeMany(ctx, bson.M{"domain": domain}), s.Mails().docs.removeMany(ctx, bson.M{"domain": domain}),
	); err != nil {
		return err
	}
	if err := s.Links().docs().removeMany(ctx, bson.M{"domain": domain}); err != nil {
		return err
	}
	if err := s.OperatorMembers().RemoveDomain(ctx, domain); err != nil {
		return err
	}
	if err := s.Memberships().docs().removeMany(ctx, bson.M{"domain": domain}); err != nil {
		return err
	}
	_, err := s.db.Collection(usersCollection).DeleteMany(ctx, bson.M{"domain": domain})
	return s.fail(ctx, err)
}

// directoryDomains returns the domains for which the directory holds anything.
func (s *Store) directoryDomains(ctx context.Context) (map[string]bool, error) {
	domains := map[string]bool{}
	for _, name := range []string{usersCollection, consentsCollection, membershipsCollection, operatorMembersCollection, secretUsesCollection, ticketsCollection, mailsCollection} {
		cursor, err := s.db.Collection(name).Aggregate(ctx, bson.A{bson.M{"$group": bson.M{"_id": "$domain"}}})
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		var groups []struct {
			Domain string `bson:"_id"`
		}
		if err := cursor.All(ctx, &groups); err != nil {
			return nil, s.fail(ctx, err)
		}
		for _, g := range groups {
			domains[g.Domain] = true
		}
	}
	return domains, nil
}
