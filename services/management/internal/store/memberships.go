package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const membershipsCollection = "memberships"

// Memberships keeps who is in which group: one document for a group and a person, so that a person is in a group once,
// whoever adds them and however often.
type Memberships struct{ s *Store }

// Memberships returns who is in which group.
func (s *Store) Memberships() *Memberships { return &Memberships{s} }

type membership struct {
	ID     string    `bson:"_id"`
	Domain string    `bson:"domain"`
	Group  string    `bson:"group"`
	User   string    `bson:"user"`
	At     time.Time `bson:"at"`
}

func (m *Memberships) docs() documents[membership] {
	return documents[membership]{m.s, membershipsCollection}
}

func membershipID(domain, group, user string) string { return domain + "/" + group + "/" + user }

// membershipBatch is how many memberships one command of the database adds or removes.
const membershipBatch = 500

// Add puts people into a group and returns those who were not in it before.
func (m *Memberships) Add(ctx context.Context, domain, group string, users []string) ([]string, error) {
	var added []string
	now := m.s.now().UTC().Truncate(time.Millisecond)
	for len(users) > 0 {
		part := users[:min(len(users), membershipBatch)]
		users = users[len(part):]
		docs := make([]membership, len(part))
		for i, user := range part {
			docs[i] = membership{ID: membershipID(domain, group, user), Domain: domain, Group: group, User: user, At: now}
		}
		if err := m.s.touching(ctx, domain, part...); err != nil {
			return added, err
		}
		fresh, err := m.insert(ctx, docs)
		added = append(added, fresh...)
		if err != nil {
			return added, err
		}
	}
	return added, nil
}

// insert adds what is not there yet, and returns whose memberships that were.
func (m *Memberships) insert(ctx context.Context, docs []membership) ([]string, error) {
	_, err := m.docs().collection().InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	there := map[int]bool{}
	if failed, ok := err.(mongo.BulkWriteException); ok && failed.WriteConcernError == nil { //nolint:errorlint // the driver's own, unwrapped
		err = nil
		for _, one := range failed.WriteErrors {
			if !mongo.IsDuplicateKeyError(one) {
				err = one
			}
			there[one.Index] = true
		}
	}
	var added []string
	if err == nil || len(there) > 0 {
		for i, doc := range docs {
			if !there[i] {
				added = append(added, doc.User)
			}
		}
	}
	return added, m.s.fail(ctx, err)
}

// Remove takes people out of a group and returns how many of them were in it.
func (m *Memberships) Remove(ctx context.Context, domain, group string, users []string) (int64, error) {
	var removed int64
	for len(users) > 0 {
		part := users[:min(len(users), membershipBatch)]
		users = users[len(part):]
		ids := make([]string, len(part))
		for i, user := range part {
			ids[i] = membershipID(domain, group, user)
		}
		if err := m.s.touching(ctx, domain, part...); err != nil {
			return removed, err
		}
		result, err := m.docs().collection().DeleteMany(ctx, bson.M{"_id": bson.M{"$in": ids}})
		if err != nil {
			return removed, m.s.fail(ctx, err)
		}
		removed += result.DeletedCount
	}
	return removed, nil
}

// OfGroup returns one page of the identifiers of those who are in a group, in the order of their identifiers, and how
// many there are on all pages. A size of 0 means everybody.
func (m *Memberships) OfGroup(ctx context.Context, domain, group string, page, size int) ([]string, int64, error) {
	found, total, err := m.docs().find(ctx, bson.M{"domain": domain, "group": group}, bson.D{{Key: "_id", Value: 1}}, page, size)
	users := make([]string, len(found))
	for i, f := range found {
		users[i] = f.User
	}
	return users, total, err
}

// OfUsers returns the identifiers of the groups in which people are directly, sorted, by the people's identifiers.
func (m *Memberships) OfUsers(ctx context.Context, domain string, users []string) (map[string][]string, error) {
	groups := make(map[string][]string, len(users))
	if len(users) == 0 {
		return groups, nil
	}
	found, _, err := m.docs().find(ctx, bson.M{"domain": domain, "user": bson.M{"$in": users}}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		groups[f.User] = append(groups[f.User], f.Group)
	}
	return groups, nil
}

// RemoveGroup forgets who was in a group. The log of touches does not name them: membership of a group that is gone comes to
// nothing.
func (m *Memberships) RemoveGroup(ctx context.Context, domain, group string) error {
	return m.docs().removeMany(ctx, bson.M{"domain": domain, "group": group})
}

// RemoveUser forgets in which groups somebody was.
func (m *Memberships) RemoveUser(ctx context.Context, domain, user string) error {
	if err := m.s.touching(ctx, domain, user); err != nil {
		return err
	}
	return m.docs().removeMany(ctx, bson.M{"domain": domain, "user": user})
}
