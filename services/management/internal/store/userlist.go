package store

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/scim"
)

// Members by which users are found: texts in lower case, because databases compare them letter by letter.
const (
	memberWords     = "_words"
	memberEmail     = "_email"
	memberFirstName = "_firstName"
	memberLastName  = "_lastName"
)

// userKeys are the further members of a user's document.
func userKeys(r resource.Resource) map[string]any {
	u := r.(*directoryv1.User)
	keys := map[string]any{
		memberEmail:     strings.ToLower(u.GetEmail()),
		memberFirstName: strings.ToLower(u.GetFirstName()),
		memberLastName:  strings.ToLower(u.GetLastName()),
	}
	words := bson.A{}
	for _, text := range userTexts(r) {
		if text = strings.ToLower(text); text != "" && !slices.Contains(words, any(text)) {
			words = append(words, text)
		}
	}
	keys[memberWords] = words
	return keys
}

// UserQuery selects users of a domain. The zero value of each member selects all of them.
type UserQuery struct {
	Domain string
	// Search is compared with the names and the e-mail address, in any case; `*` stands for any characters. A whole word
	// and the beginning of one (ann*) are found by an index; a `*` anywhere else looks at everybody.
	Search string
	// Filter is what else must hold.
	Filter scim.Filter
	// Page counts from 0. A Size of 0 means everything.
	Page, Size int
}

func (q UserQuery) filter() (bson.M, error) {
	filter := bson.M{"domain": q.Domain}
	if strings.Trim(q.Search, "*") != "" {
		name, pattern := userSearch(q.Search)
		filter[name] = pattern
	}
	if q.Filter == nil {
		return filter, nil
	}
	compiled, err := userFilter(q.Filter)
	if err != nil {
		return nil, err
	}
	return bson.M{"$and": bson.A{filter, compiled}}, nil
}

// userSearch returns the member to look at and what it must be like.
func userSearch(q string) (member string, pattern any) {
	word := strings.ToValidUTF8(strings.ToLower(q), "")
	switch i := strings.IndexByte(word, '*'); {
	case i < 0:
		return memberWords, word
	case i > 0 && i == len(word)-1:
		return memberWords, beginsWith(word[:i])
	}
	return memberSearch, searchPattern(q)
}

// beginsWith matches texts with a beginning. What comes before the first sign with a meaning of its own bounds the part of
// an index that is read; everything that a person wrote is taken literally.
func beginsWith(text string) bson.Regex { return bson.Regex{Pattern: "^" + regexp.QuoteMeta(text)} }

// List returns users of a domain in the order of their names, and how many there are on all pages.
func (u *Users) List(ctx context.Context, q UserQuery) ([]*directoryv1.User, int64, error) {
	filter, err := q.filter()
	if err != nil {
		return nil, 0, err
	}
	find := options.Find().SetSort(userOrder)
	if q.Size > 0 {
		find.SetLimit(int64(q.Size)).SetSkip(int64(max(q.Page, 0)) * int64(q.Size))
	}
	users, err := u.find(ctx, filter, find)
	if err != nil || q.Size <= 0 {
		return users, int64(len(users)), err
	}
	total, err := u.s.db.Collection(usersCollection).CountDocuments(ctx, filter)
	return users, total, u.s.fail(ctx, err)
}

var userOrder = bson.D{{Key: memberSort, Value: 1}, {Key: "_id", Value: 1}}

// After returns at most size users of a domain in the order of their names that come after a user, from the first for nil.
// However long the list is, a page costs the same. It is for reading everybody, with the patience for that.
func (u *Users) After(ctx context.Context, domain string, last *directoryv1.User, size int) ([]*directoryv1.User, error) {
	ctx, cancel := patient(ctx)
	defer cancel()
	filter := bson.M{"domain": domain}
	if last != nil {
		key := userSortKey(last)
		filter["$or"] = bson.A{
			bson.M{memberSort: bson.M{"$gt": key}},
			bson.M{memberSort: key, "_id": bson.M{"$gt": last.GetId()}},
		}
		filter[memberSort] = bson.M{"$gte": key} // bounds the part of the index that is read
	}
	return u.find(ctx, filter, options.Find().SetSort(userOrder).SetLimit(int64(size)))
}

// Some returns the users of a domain that have one of the identifiers, by identifier.
func (u *Users) Some(ctx context.Context, domain string, ids []string) (map[string]*directoryv1.User, error) {
	some := make(map[string]*directoryv1.User, len(ids))
	for part := range slices.Chunk(ids, membershipBatch) {
		found, err := u.find(ctx, bson.M{"_id": bson.M{"$in": part}, "domain": domain}, options.Find())
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			some[one.GetId()] = one
		}
	}
	return some, nil
}

func (u *Users) find(ctx context.Context, filter bson.M, o *options.FindOptionsBuilder) ([]*directoryv1.User, error) {
	cursor, err := u.s.db.Collection(usersCollection).Find(ctx, filter, o)
	if err != nil {
		return nil, u.s.fail(ctx, err)
	}
	var docs []bson.D
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, u.s.fail(ctx, err)
	}
	users := make([]*directoryv1.User, len(docs))
	for i, doc := range docs {
		r, err := u.s.decode(userTraits, doc)
		if err != nil {
			return nil, err
		}
		users[i] = r.(*directoryv1.User)
	}
	return users, nil
}

// RemoveRole takes a role from everybody who has it.
func (u *Users) RemoveRole(ctx context.Context, domain, role string) error {
	for {
		holders, err := u.find(ctx, bson.M{"domain": domain, "roles": role}, options.Find().SetLimit(membershipBatch))
		if err != nil || len(holders) == 0 {
			return err
		}
		for _, old := range holders {
			next := proto.CloneOf(old)
			next.Roles = slices.DeleteFunc(next.GetRoles(), func(id string) bool { return id == role })
			// Who lost a race or is gone is looked at again in the next round.
			if err := u.Replace(ctx, old, next); err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
	}
}
