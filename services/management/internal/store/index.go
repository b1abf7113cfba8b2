package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// index is an index of the manifest. Members of unique ones are always present.
type index struct {
	name    string
	members bson.D
	unique  bool
}

// ours begins the names of the manifest's indexes.
const ours = "gatehouse_"

func ascending(name string, members ...string) index {
	d := make(bson.D, len(members))
	for i, m := range members {
		d[i] = bson.E{Key: m, Value: int32(1)}
	}
	return index{name: ours + name, members: d}
}

func uniqueIndex(value string) index {
	return index{
		name:    ours + "unique_" + value,
		members: bson.D{{Key: memberUnique + value, Value: int32(1)}},
		unique:  true,
	}
}

// manifest lists the indexes of every collection that has any. Either of two neighbouring versions may start while the other one runs,
// and after it:
//
//   - A name keeps its members for ever, and an index keeps its name (testdata/indexes.txt): each of two versions would take the other's index
//     away, and servers refuse the same members under a second name. Other members come under another name, beside the old ones.
//   - What is no longer needed leaves the manifest first, and is dropped a version later; see retired.
//   - Where the version before writes documents too, a unique index comes a version after its member, and the member goes a version after the
//     index: MongoDB accepts one document without it, and refuses the second.
func manifest() map[string][]index {
	m := map[string][]index{
		changesCollection: {ascending("state", "state", "_id"), ascending("at", "at")},
		usersCollection: {
			ascending("order", "domain", memberSort, "_id"),
			uniqueIndex(uniqueUsername),
			uniqueIndex(uniqueSubject),
			ascending("words", "domain", memberWords),
			ascending("email", "domain", memberEmail),
			ascending("first_name", "domain", memberFirstName),
			ascending("last_name", "domain", memberLastName),
			ascending("source", "domain", "source", "externalId"),
			ascending("external", "domain", "externalId"),
			ascending("created", "domain", "createdAt"),
			ascending("updated", "domain", "updatedAt"),
			ascending("roles", "domain", "roles"),
			ascending("logged", "domain", "loggedAt"),
		},
		membershipsCollection: {
			ascending("group", "domain", "group", "_id"),
			ascending("user", "domain", "user"),
		},
		linksCollection:    {ascending("user", "domain", "user"), ascending("source", "domain", "source")},
		consentsCollection: {ascending("domain", "domain", "user"), ascending("client", "domain", "clientId")},
		tokensCollection:   {ascending("expiry", "expiresAt")},
		auditsCollection: {
			ascending("time", "at", "_id"),
			ascending("domain", "domain", "at", "_id"),
			ascending("action", "domain", "action", "at", "_id"),
			ascending("any_action", "action", "at", "_id"),
			ascending("result", "result", "at", "_id"),
			ascending("actor", "actorId", "at", "_id"),
			ascending("actor_name", "actorName", "at", "_id"),
			ascending("resource", "resourceId", "revision", "_id"),
			ascending("revision", "domain", "revision", "_id"),
		},
		secretKeysCollection: {
			ascending("application", "application"), ascending("domain", "domain"), ascending("expiry", "expiresAt"),
		},
		secretUsesCollection: {ascending("application", "application"), ascending("domain", "domain")},
		operatorsCollection:  {ascending("id", "id")},
		operatorMembersCollection: {
			ascending("place", "reference", "_id"),
			ascending("operator", "operator", "domain"),
			ascending("domain", "domain"),
			ascending("role", "role"),
		},
		operatorRolesCollection:  {uniqueIndex("name")},
		personalTokensCollection: {ascending("operator", "operator", "id")},
		attemptsCollection:       {ascending("expiry", "expiresAt")},
		confirmationsCollection:  {ascending("expiry", "expiresAt")},
		mailsCollection: {
			ascending("due", "dueAt", "_id"), ascending("created", "createdAt"), ascending("domain", "domain", "user"),
		},
		mailLimitsCollection: {ascending("expiry", "expiresAt")},
		ticketsCollection:    {ascending("expiry", "expiresAt"), ascending("user", "domain", "user")},

		registrationAttemptsCollection: {ascending("expiry", "expiresAt"), ascending("domain", "domain")},
		registrationTokensCollection:   {ascending("hash", "hash"), ascending("domain", "domain", "createdAt"), ascending("pending", "pending")},
		iconsCollection:                {ascending("domain", "domain")},
		touchesCollection:              {ascending("at", "at")},
		clientUsesCollection:           {ascending("domain", "domain")},
		gatewayStreamsCollection:       {ascending("replica", "replica"), ascending("expiry", "expiresAt")},
		bindingTalliesCollection: {
			ascending("binding", "application", "binding", "hour"), ascending("domain", "domain"), ascending("hour", "hour"),
		},
	}
	for _, k := range catalog.All {
		d := k.Descriptor()
		indexes := []index{ascending("order", "domain", memberSort, "_id"), ascending("set", memberSet)}
		for _, name := range d.Unique {
			indexes = append(indexes, uniqueIndex(name))
		}
		if d.Path == traitsOf(catalog.Applications).collection {
			indexes = append(indexes, ascending("registered", "domain", registeredMember))
		}
		if catalog.IsLeveled(k) {
			indexes = append(indexes, ascending("level", "level", memberSort, "_id"))
		}
		m[d.Path] = append(m[d.Path], indexes...)
	}
	return m
}

// retired are the names of the indexes that are dropped, by collection; any other that the manifest does not have is left alone, because it is
// a neighbouring version's or somebody else's. A name may be retired once neither this version nor the one before it has the index in its
// manifest: so two versions after the last one that uses it, which would otherwise lose it while it runs.
var retired = map[string][]string{}

// reconcileIndexes creates what is missing, mends what is not as it should be, and drops what is gone. Others may do the same at the same
// time.
func (s *Store) reconcileIndexes(ctx context.Context, wanted map[string][]index, gone map[string][]string) error {
	for collection, indexes := range wanted {
		if err := s.reconcile(ctx, collection, indexes); err != nil {
			return fmt.Errorf("indexes of %s: %w", collection, err)
		}
	}
	for collection, names := range gone {
		if err := s.retire(ctx, collection, names); err != nil {
			return fmt.Errorf("retired indexes of %s: %w", collection, err)
		}
	}
	return nil
}

func (s *Store) reconcile(ctx context.Context, collection string, wanted []index) error {
	view := s.db.Collection(collection).Indexes()
	present, err := s.presentIndexes(ctx, view)
	if err != nil {
		return err
	}
	for _, w := range wanted {
		definition, there := present[w.name]
		if definition == w.String() {
			continue
		}
		if there { // no version of ours has made it so
			if err := s.drop(ctx, view, w.name); err != nil {
				return err
			}
		}
		o := options.Index().SetName(w.name)
		if w.unique {
			o.SetUnique(true)
		}
		if err := s.build(ctx, view, mongo.IndexModel{Keys: w.members, Options: o}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) retire(ctx context.Context, collection string, names []string) error {
	view := s.db.Collection(collection).Indexes()
	present, err := s.presentIndexes(ctx, view)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, there := present[name]; !there {
			continue
		}
		if err := s.drop(ctx, view, name); err != nil {
			return err
		}
	}
	return nil
}

// indexNotFound is the code of MongoDB and of the embedded database for an index that is not there.
const indexNotFound = 27

// drop removes an index, or finds that another process that starts was quicker.
func (s *Store) drop(ctx context.Context, view mongo.IndexView, name string) error {
	err := view.DropOne(ctx, name)
	var refused mongo.ServerError
	if errors.As(err, &refused) && refused.HasErrorCode(indexNotFound) {
		return nil
	}
	return s.fail(ctx, err)
}

// buildPatience is how long the making of an index may take: a new version may want one more of a million documents. The patience of
// other operations would end it, at every start again.
const buildPatience = time.Hour

func (s *Store) build(ctx context.Context, view mongo.IndexView, model mongo.IndexModel) error {
	patient, cancel := context.WithTimeout(ctx, buildPatience)
	defer cancel()
	_, err := view.CreateOne(patient, model)
	return s.fail(ctx, err)
}

// presentIndexes returns the indexes of a collection by name, in the form of index.String.
func (s *Store) presentIndexes(ctx context.Context, view mongo.IndexView) (map[string]string, error) {
	cursor, err := view.List(ctx)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	var listed []struct {
		Name   string `bson:"name"`
		Key    bson.D `bson:"key"`
		Unique bool   `bson:"unique"`
	}
	if err := cursor.All(ctx, &listed); err != nil {
		return nil, s.fail(ctx, err)
	}
	present := make(map[string]string, len(listed))
	for _, l := range listed {
		present[l.Name] = index{members: l.Key, unique: l.Unique}.String()
	}
	return present, nil
}

// String tells definitions apart.
func (i index) String() string {
	var b strings.Builder
	for _, e := range i.members {
		fmt.Fprintf(&b, "%s:%v ", e.Key, e.Value)
	}
	fmt.Fprintf(&b, "unique:%v", i.unique)
	return b.String()
}
