package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// What archives hold of what is kept beside the configuration and the people, by the names that it has there.
const (
	KeptMembership         = "membership"
	KeptLink               = "link"
	KeptConsent            = "consent"
	KeptIcon               = "icon"
	KeptRegistrationToken  = "registration_token"
	KeptSecretKey          = "client_secret_value"
	KeptOperator           = "operator"
	KeptOperatorRole       = "operator_role"
	KeptOperatorMembership = "operator_membership"
	KeptPersonalToken      = "personal_token"
)

// KeptOfDomains are the kinds that belong to a domain, and KeptOfInstallation the others, each before those that name it.
var (
	KeptOfDomains      = []string{KeptMembership, KeptLink, KeptConsent, KeptIcon, KeptRegistrationToken, KeptSecretKey}
	KeptOfInstallation = []string{KeptOperatorRole, KeptOperator, KeptOperatorMembership, KeptPersonalToken}
)

// keptKind is how documents of a kind become records and records documents.
type keptKind struct {
	collection string
	// prefixed says that identifiers begin with the domain.
	prefixed bool
	secrets  []string
	fresh    func() any
	// settle gives a document the identifier that follows from the rest of it.
	settle func(doc any)
	// open and seal turn what only this installation can read into what it means, and back.
	open func(s *Store, doc any) error
	seal func(s *Store, doc any)
}

var keptKinds = map[string]keptKind{
	KeptMembership: {
		collection: membershipsCollection, prefixed: true, fresh: func() any { return new(membership) },
		settle: func(doc any) { m := doc.(*membership); m.ID = membershipID(m.Domain, m.Group, m.User) },
	},
	KeptLink: {
		collection: linksCollection, prefixed: true, fresh: func() any { return new(Link) },
		settle: func(doc any) { l := doc.(*Link); l.ID = linkID(l.Domain, l.Subject) },
	},
	KeptConsent: {
		collection: consentsCollection, prefixed: true, fresh: func() any { return new(consents) },
		settle: func(doc any) { c := doc.(*consents); c.ID = consentID(c.Domain, c.User, c.ClientID) },
	},
	KeptIcon: {
		collection: iconsCollection, prefixed: true, fresh: func() any { return new(Icon) },
		settle: func(doc any) { i := doc.(*Icon); i.DocumentID = iconID(i.Domain, i.Digest) },
	},
	KeptRegistrationToken: {
		collection: registrationTokensCollection, secrets: []string{"hash"}, fresh: func() any { return new(RegistrationToken) },
		settle: func(doc any) { doc.(*RegistrationToken).Pending = nil }, // registrations that are under way are not here
	},
	KeptSecretKey: {
		collection: secretKeysCollection, secrets: []string{"value"}, fresh: func() any { return new(secretKey) },
		open: func(s *Store, doc any) error {
			k := doc.(*secretKey)
			plain, err := s.opts.Sealer.Open(sealedAt(k.ID), k.Value)
			k.Value = string(plain)
			return err
		},
		seal: func(s *Store, doc any) {
			k := doc.(*secretKey)
			k.Value = s.opts.Sealer.Seal(sealedAt(k.ID), []byte(k.Value))
		},
	},
	KeptOperator: {
		collection: operatorsCollection, secrets: []string{"passwordHash"}, fresh: func() any { return new(Operator) },
		settle: func(doc any) { o := doc.(*Operator); o.Key = strings.ToLower(o.Name) },
	},
	KeptOperatorRole: {
		collection: operatorRolesCollection, fresh: func() any { return new(OperatorRole) },
		settle: func(doc any) { r := doc.(*OperatorRole); r.Key = r.key() },
	},
	KeptOperatorMembership: {
		collection: operatorMembersCollection, fresh: func() any { return new(operatorMembershipDocument) },
		settle: func(doc any) {
			m := doc.(*operatorMembershipDocument)
			m.ID = operatorMembershipID(m.Reference, m.Operator)
		},
	},
	KeptPersonalToken: {collection: personalTokensCollection, secrets: []string{"_id"}, fresh: func() any { return new(PersonalToken) }},
}

// KeptSecrets are the members of a kind that nobody may read.
func KeptSecrets(kind string) []string { return keptKinds[kind].secrets }

// keptPage is how many documents are read, and written, at once.
const keptPage = 200

// EachKept hands on the documents of a kind, of one domain where they belong to domains, as trees of JSON: times and bytes in
// MongoDB's extended form. Members that are secrets are readable. It holds a page at a time; what changes meanwhile may be there
// or not.
func (s *Store) EachKept(ctx context.Context, kind, domain string, do func(tree prototree.Object) error) error {
	k, ok := keptKinds[kind]
	if !ok {
		return fmt.Errorf("nothing of the kind %q is kept", kind)
	}
	base := bson.M{}
	after := ""
	switch {
	case k.prefixed:
		after = domain + "/"
	case domain != "":
		base["domain"] = domain
	}
	for {
		filter := bson.M{}
		for name, value := range base {
			filter[name] = value
		}
		beyond := bson.M{"$gt": after}
		if k.prefixed {
			beyond["$lt"] = domain + "0" // the character after the slash
		}
		filter["_id"] = beyond
		page, err := s.keptPageOf(ctx, k, filter)
		if err != nil {
			return err
		}
		for _, raw := range page {
			after, _ = raw.Lookup("_id").StringValueOK()
			tree, err := s.keptTree(k, raw)
			if err != nil {
				return fmt.Errorf("%s %s: %w", kind, after, err)
			}
			if err := do(tree); err != nil {
				return err
			}
		}
		if len(page) < keptPage {
			return nil
		}
	}
}

// keptPageOf reads a page of documents in the order of their identifiers.
func (s *Store) keptPageOf(ctx context.Context, k keptKind, filter bson.M) ([]bson.Raw, error) {
	ctx, cancel := patient(ctx)
	defer cancel()
	cursor, err := s.db.Collection(k.collection).Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(keptPage))
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	var page []bson.Raw
	return page, s.fail(ctx, cursor.All(ctx, &page))
}

func (s *Store) keptTree(k keptKind, raw bson.Raw) (prototree.Object, error) {
	doc := k.fresh()
	if err := bson.Unmarshal(raw, doc); err != nil {
		return nil, err
	}
	if k.open != nil {
		if err := k.open(s, doc); err != nil {
			return nil, err
		}
	}
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return nil, err
	}
	return prototree.Parse(text)
}

// Kept is a record that has been read and can be stored.
type Kept struct {
	kind string
	doc  any
}

// ReadKept reads a record strictly, as EachKept made it: a member that this version does not know is refused, as is one of another
// type. What follows from the rest, such as the identifier of a membership, is made anew.
func ReadKept(kind string, tree prototree.Object) (Kept, error) {
	k, ok := keptKinds[kind]
	if !ok {
		return Kept{}, fmt.Errorf("nothing of the kind %q is kept", kind)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return Kept{}, err
	}
	doc := k.fresh()
	if err := bson.UnmarshalExtJSON(text, false, doc); err != nil {
		return Kept{}, fmt.Errorf("must be a %s", kind)
	}
	again, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return Kept{}, err
	}
	known, err := prototree.Parse(again)
	if err != nil {
		return Kept{}, err
	}
	for name := range tree {
		if _, ok := known[name]; !ok {
			return Kept{}, fmt.Errorf("%s: is not recognized as a member of a %s", name, kind)
		}
	}
	if k.settle != nil {
		k.settle(doc)
	}
	return Kept{kind, doc}, nil
}

// Kind is one of KeptOfDomains or KeptOfInstallation.
func (k Kept) Kind() string { return k.kind }

// Member returns a member of a record that is a text.
func (k Kept) Member(name string) string {
	raw, err := bson.Marshal(k.doc)
	if err != nil {
		return ""
	}
	text, _ := bson.Raw(raw).Lookup(name).StringValueOK()
	return text
}

// OperatorsKept are records of what belongs to an installation, as what they are. Those of other kinds are left out.
func OperatorsKept(all []Kept) (roles []*OperatorRole, operators []*Operator, members []OperatorMembership, tokens []*PersonalToken) {
	for _, k := range all {
		switch doc := k.doc.(type) {
		case *OperatorRole:
			roles = append(roles, doc)
		case *Operator:
			operators = append(operators, doc)
		case *operatorMembershipDocument:
			members = append(members, doc.OperatorMembership)
		case *PersonalToken:
			tokens = append(tokens, doc)
		}
	}
	return roles, operators, members, tokens
}

// PutKept stores records of one kind that belong to domains, at most some hundred, in the place of those of the same domain with the
// same identifiers. It is a *DuplicateError where another domain has one of them.
func (s *Store) PutKept(ctx context.Context, all []Kept) error {
	for part := range slices.Chunk(all, keptPage) {
		if !slices.Contains(KeptOfDomains, part[0].kind) {
			return fmt.Errorf("records of kind %s are not stored as they are", part[0].kind)
		}
		k := keptKinds[part[0].kind]
		writes := make([]mongo.WriteModel, len(part))
		for i, one := range part {
			if one.kind != part[0].kind {
				return fmt.Errorf("a %s among records of kind %s", one.kind, part[0].kind)
			}
			if k.seal != nil {
				k.seal(s, one.doc)
			}
			raw, err := bson.Marshal(one.doc)
			if err != nil {
				return err
			}
			// That of another domain is not found, and its identifier then taken.
			writes[i] = mongo.NewReplaceOneModel().SetUpsert(true).
				SetFilter(bson.M{"_id": bson.Raw(raw).Lookup("_id"), "domain": bson.Raw(raw).Lookup("domain")}).SetReplacement(bson.Raw(raw))
		}
		if err := s.touchMembers(ctx, part); err != nil {
			return err
		}
		_, err := s.db.Collection(k.collection).BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false))
		if failed, ok := err.(mongo.BulkWriteException); ok && mongo.IsDuplicateKeyError(err) && len(failed.WriteErrors) > 0 { //nolint:errorlint // the driver's own, unwrapped
			return &DuplicateError{Kind: part[0].kind, ID: part[failed.WriteErrors[0].Index].Member("_id"), Unique: "id"}
		}
		if err != nil {
			return s.fail(ctx, err)
		}
	}
	return nil
}

// touchMembers announces those whose memberships are about to be stored.
func (s *Store) touchMembers(ctx context.Context, part []Kept) error {
	first, ok := part[0].doc.(*membership)
	if !ok {
		return nil
	}
	users := make([]string, len(part))
	for i, one := range part {
		users[i] = one.doc.(*membership).User
	}
	return s.touching(ctx, first.Domain, users...)
}

// InsertAll stores new users at once, each at revision 1. It is a *DuplicateError where an identifier, a name or a subject is taken.
func (u *Users) InsertAll(ctx context.Context, users []*directoryv1.User) error {
	if len(users) == 0 {
		return nil
	}
	docs := make([]any, len(users))
	ids := make([]string, len(users))
	for i, user := range users {
		ids[i] = user.GetId()
		user.Revision = 1
		doc, err := u.s.encode(userTraits, user)
		if err != nil {
			return err
		}
		docs[i] = doc
	}
	if err := u.s.touching(ctx, users[0].GetDomain(), ids...); err != nil {
		return err
	}
	_, err := u.s.db.Collection(usersCollection).InsertMany(ctx, docs)
	if failed, ok := err.(mongo.BulkWriteException); ok && mongo.IsDuplicateKeyError(err) && len(failed.WriteErrors) > 0 { //nolint:errorlint // the driver's own, unwrapped
		return u.s.failWrite(ctx, userTraits, docs[failed.WriteErrors[0].Index].(bson.M), err)
	}
	return u.s.fail(ctx, err)
}
